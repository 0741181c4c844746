"""A device that exists only in memory, with flash that wears the marks of every power cut.

Each step that changes something counts; at the step a test chooses the power fails, half way through it. What is left
is what flash leaves: a slot half erased, a piece half written, a record torn. The device then starts again from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from signing.install.slots import RECORD_BYTES, RECORDS, SLOTS, Pair, SlotState, boot, encode_record
from signing.refusal import Refusal

__all__ = ["ModelDevice", "PowerCut"]

EMPTY = 0xFF
TORN = 0x5A


class PowerCut(BaseException):  # nobody may catch it by catching Exception: the program is gone
    """The power failed."""


@dataclass(slots=True)
class ModelDevice:
    """Implements ``Target``; ``old`` is what each component holds at first."""

    old: Mapping[str, bytes]
    slot_size: int = 64 << 10
    cut_at: int | None = None
    """Number of the step in which the power fails; None: never."""
    healthy: bool = True
    steps: int = 0
    slots: dict[tuple[str, int], bytearray] = field(default_factory=dict)
    records: list[bytearray] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    busy: bool = False

    def __post_init__(self) -> None:
        pairs: dict[str, Pair] = {}
        for name, content in self.old.items():
            for slot in range(SLOTS):
                self.slots[name, slot] = bytearray([EMPTY]) * self.slot_size
            self.slots[name, 0][: len(content)] = content
            digest = hashlib.sha256(content).hexdigest()
            pairs[name] = Pair(
                active=0, sha256=(digest, ""), size=(len(content), 0), version=("1.0.0", ""), counter=(1, 0)
            )
            self.counters[name] = 1
        record = encode_record(SlotState(number=1, pairs=pairs))
        self.records = [bytearray(RECORD_BYTES) for _ in range(RECORDS)]
        self.records[0][: len(record)] = record
        self.running = dict.fromkeys(self.old, 0)

    def content(self, component: str, size: int) -> bytes:
        """Return the first ``size`` bytes of what runs in ``component``."""
        return bytes(self.slots[component, self.running[component]][:size])

    def power_on(self) -> None:
        """Start again after a power cut, with power that stays."""
        self.cut_at = None
        self.busy = False
        self.restart()

    # What the installer calls ----------------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other updater out."""
        if self.busy:
            raise Refusal("install.busy", "another program is updating this device")
        self.busy = True
        try:
            yield
        finally:
            self.busy = False

    def read_record(self, place: int) -> bytes:
        """Return the bytes of a record."""
        return bytes(self.records[place])

    def write_record(self, place: int, data: bytes) -> None:
        """Write a record; a cut leaves the first half of it."""
        if self._power_fails():
            self.records[place][:] = data[: len(data) // 2].ljust(RECORD_BYTES, bytes([TORN]))
            raise PowerCut
        self.records[place][:] = data.ljust(RECORD_BYTES, b"\0")

    def slot_bytes(self, component: str) -> int:
        """Return the size of each slot."""
        return self.slot_size if component in self.old else 0

    def erase(self, component: str, slot: int) -> None:
        """Make a slot empty; a cut leaves half of it as it was."""
        size = self.slot_size // 2 if self._power_fails() else self.slot_size
        self.slots[component, slot][:size] = bytes([EMPTY]) * size
        if size < self.slot_size:
            raise PowerCut

    def write(self, component: str, slot: int, offset: int, data: bytes) -> None:
        """Write a piece; a cut leaves half of it, and the rest torn."""
        content = self.slots[component, slot]
        if any(byte != EMPTY for byte in content[offset : offset + len(data)]):
            raise Refusal("install.state", "flash is written twice without being erased")
        if self._power_fails():
            half = len(data) // 2
            content[offset : offset + len(data)] = data[:half] + bytes([TORN]) * (len(data) - half)
            raise PowerCut
        content[offset : offset + len(data)] = data

    def read(self, component: str, slot: int, offset: int, size: int) -> bytes:
        """Return what a slot holds."""
        return bytes(self.slots[component, slot][offset : offset + size])

    def counter(self, component: str) -> int:
        """Return the security counter."""
        return self.counters[component]

    def raise_counter(self, component: str, value: int) -> None:
        """Raise the security counter; a cut leaves it as it was."""
        if value <= self.counters[component]:
            return
        if self._power_fails():
            raise PowerCut
        self.counters[component] = value

    def restart(self) -> Mapping[str, int]:
        """Start the device anew; a cut comes before anything runs."""
        if self._power_fails():
            raise PowerCut
        self.running = boot(self)
        return dict(self.running)

    def is_healthy(self) -> bool:
        """Say what the test has chosen."""
        return self.healthy

    def _power_fails(self) -> bool:
        self.steps += 1
        return self.steps == self.cut_at
