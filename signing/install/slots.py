"""Which version starts: two slots for each component, and one small record that says which of them counts.

The record exists twice. A new one is written over the older of the two and carries a higher number and a digest of
itself, so a write that power cuts short is no record at all and the other one still counts. One record speaks of all
components, so they change together or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Final, Protocol, TypeVar

import msgspec

from signing.refusal import Refusal

__all__ = ["RECORDS", "Pair", "SlotState", "Target", "boot", "load_state", "store_state"]

RECORDS: Final = 2
SLOTS: Final = 2
TRIES: Final = 3
"""Starts a new version gets to prove itself before the old one comes back."""
RECORD_BYTES: Final = 4096
DIGEST_BYTES: Final = 32
LENGTH_BYTES: Final = 4
Item = TypeVar("Item")
SlotNumber = Annotated[int, msgspec.Meta(ge=0, lt=SLOTS)]


class Pair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The two slots of one component: what lies in them, and which one counts."""

    active: SlotNumber
    sha256: tuple[str, str]
    """Digest of the first ``size`` bytes of each slot; empty where nothing whole is."""
    size: tuple[int, int]
    version: tuple[str, str]
    counter: tuple[int, int]

    @property
    def other(self) -> int:
        """The slot that may be overwritten."""
        return 1 - self.active


class SlotState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One record: all components, and the trial that is going on if there is one."""

    number: int
    pairs: dict[str, Pair]
    trial: tuple[str, ...] = ()
    """Components whose other slot is on trial."""
    tries: int = 0
    """Starts left for the trial."""


class Target(Protocol):
    """A device as the installer sees it; each call may be the last one before power fails."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep every other updater out; ``Refusal`` when one is in already."""

    def read_record(self, place: int) -> bytes:
        """Return the bytes of record ``place`` (0 or 1), whatever they are."""

    def write_record(self, place: int, data: bytes) -> None:
        """Write record ``place``; cut short it may hold anything."""

    def slot_bytes(self, component: str) -> int:
        """Return the size of each slot of ``component``."""

    def erase(self, component: str, slot: int) -> None:
        """Make a slot empty."""

    def write(self, component: str, slot: int, offset: int, data: bytes) -> None:
        """Write into an empty place of a slot."""

    def read(self, component: str, slot: int, offset: int, size: int) -> bytes:
        """Return what a slot holds."""

    def counter(self, component: str) -> int:
        """Return the security counter, which the hardware never lets go down."""

    def raise_counter(self, component: str, value: int) -> None:
        """Raise the security counter to ``value``; a lower value changes nothing."""

    def restart(self) -> Mapping[str, int]:
        """Start the device anew and return which slot of each component runs."""

    def is_healthy(self) -> bool:
        """Whether what runs now does what it must."""


def encode_record(state: SlotState) -> bytes:
    """Return ``state`` as a record: digest, length, content."""
    body = msgspec.json.encode(state, order="deterministic")
    content = len(body).to_bytes(LENGTH_BYTES, "big") + body
    record = hashlib.sha256(content).digest() + content
    if len(record) > RECORD_BYTES:
        raise Refusal("install.state", f"a record of {len(record)} bytes does not fit")
    return record


def decode_record(data: bytes) -> SlotState | None:
    """Return the state in a record; None when it is not whole."""
    start = DIGEST_BYTES + LENGTH_BYTES
    length = int.from_bytes(data[DIGEST_BYTES:start], "big")
    content = data[DIGEST_BYTES : start + length]
    if len(data) < start + length or hashlib.sha256(content).digest() != data[:DIGEST_BYTES]:
        return None
    try:
        return msgspec.json.decode(content[LENGTH_BYTES:], type=SlotState)
    except msgspec.DecodeError:
        return None


def load_state(target: Target) -> SlotState:
    """Return the newest whole record; refuse a device that has none."""
    return _newest(target)[1]


def store_state(target: Target, state: SlotState) -> SlotState:
    """Let ``state`` count from now on: it is written over the older record, then read back."""
    place, newest = _newest(target)
    numbered = msgspec.structs.replace(state, number=newest.number + 1)
    record = encode_record(numbered)
    target.write_record(1 - place, record)
    if target.read_record(1 - place)[: len(record)] != record:
        raise Refusal("install.readback", "the record of the device does not hold what was written")
    return numbered


def boot(target: Target) -> dict[str, int]:
    """Return which slot of each component a boot loader starts, and settle what a power cut left open.

    A trial costs one try before it starts. When none are left, or a slot does not hold what the record says, the old
    version starts again. This is the reference for boot loaders, and what the model device runs.
    """
    state = load_state(target)
    if state.trial:
        if state.tries > 0 and all(_is_whole(target, name, state.pairs[name].other, state) for name in state.trial):
            state = store_state(target, msgspec.structs.replace(state, tries=state.tries - 1))
            return {name: pair.other if name in state.trial else pair.active for name, pair in state.pairs.items()}
        state = store_state(target, msgspec.structs.replace(state, trial=(), tries=0))
    for name, pair in state.pairs.items():
        if not _is_whole(target, name, pair.active, state):
            raise Refusal("install.state", f"{name} of the device is damaged")
        target.raise_counter(name, pair.counter[pair.active])  # a cut may have come between confirming and raising
    return {name: pair.active for name, pair in state.pairs.items()}


def with_slot(pair: Pair, *, sha256: str, size: int, version: str, counter: int) -> Pair:
    """Return ``pair`` with this content in the slot that does not count."""
    at = pair.other
    return Pair(
        active=pair.active,
        sha256=_put(pair.sha256, at, sha256),
        size=_put(pair.size, at, size),
        version=_put(pair.version, at, version),
        counter=_put(pair.counter, at, counter),
    )


def _put(pair: tuple[Item, Item], at: int, value: Item) -> tuple[Item, Item]:
    return (value, pair[1]) if at == 0 else (pair[0], value)


def _newest(target: Target) -> tuple[int, SlotState]:
    found = [(place, decode_record(target.read_record(place))) for place in range(RECORDS)]
    whole = [(place, state) for place, state in found if state is not None]
    if not whole:
        raise Refusal("install.state", "the device has no record of what it holds")
    return max(whole, key=lambda item: item[1].number)


def _is_whole(target: Target, component: str, slot: int, state: SlotState) -> bool:
    pair = state.pairs[component]
    content = target.read(component, slot, 0, pair.size[slot])
    return hashlib.sha256(content).hexdigest() == pair.sha256[slot]
