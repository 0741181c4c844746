"""The boot loader of the demo pump: two slots of flash, images that prove themselves, and what weak ones do wrong.

An update goes to the slot that does not run. It starts once, on trial; only when it is confirmed does it stay, or
the next start takes the old image again. While it is on trial there is no other update: the old image is the only one
that is sure to start. A slot ends in three bytes that are FF when erased and written as 00: pending, tried, confirmed.
Behind the slots stands the security counter: one bit for each step, which can be taken away and never given back. What
is confirmed raises it, and nothing below it starts any more. Where no slot proves itself, a recovery console takes a
signed update. ``hil/firmware/bench/loader.c`` is the same in C, for a processor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hil.demo_image import (
    HASH,
    LMS_SIGNATURE,
    MOST_COUNTER,
    PROGRAM,
    SIGNATURE,
    Image,
    Recipe,
    built,
    is_of_a_stranger,
    is_signed,
    taken_apart,
)
from toolkit.core.errors import MedhardenError

__all__ = ["BLOCK_BYTES", "FLASH_BYTES", "LOADER_WEAKNESSES", "DemoFlash", "Loader", "PowerCut", "factory_flash"]

SLOT_BYTES: Final = 8192
COUNTER_AT: Final = 2 * SLOT_BYTES
COUNTER_BYTES: Final = MOST_COUNTER // 8
FLASH_BYTES: Final = COUNTER_AT + COUNTER_BYTES
BLOCK_BYTES: Final = 24
"""As much as fits in a line of 64 bytes in hexadecimal digits."""
MOST_DIGITS: Final = 6
MOST_IMAGE_BYTES: Final = SLOT_BYTES - 16
WRITE_BYTES: Final = 512
PENDING, TRIED, CONFIRMED = SLOT_BYTES - 3, SLOT_BYTES - 2, SLOT_BYTES - 1
ERASED, SET = b"\xff", b"\0"
HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
FACTORY: Final = Recipe(version=(2, 1, 0), counter=7)
LOADER_WEAKNESSES: Final[Mapping[str, str]] = {
    "refuses-updates": "takes no update at all, not even a good one",
    "accepts-unsigned": "takes an update without a signature",
    "accepts-any-key": "takes an update that somebody else has signed",
    "accepts-altered": "looks at the signature of the hash, and not at what the hash is of",
    "accepts-truncated": "takes an update of which the end is missing",
    "no-rollback-check": "takes an older update",
    "forgets-updates": "takes an update again that it has had since it left the factory",
    "no-model-check": "takes an update for another device",
    "accepts-oversize": "begins an update that is larger than its memory",
    "in-place-update": "writes over the program that runs, so that a power cut leaves none",
    "stuck-after-abort": "takes no new update after one that was broken off",
    "accepts-any-order": "takes the blocks of an update in any order",
    "never-reverts": "stays with an update that nobody has confirmed",
    "claims-update": "says that it has taken an update, and has not",
}


class PowerCut(Exception):
    """The power went in the middle of a write. Not an error of ours: the model raises it."""


class DemoFlash:
    """Memory that survives a power cut."""

    def __init__(self) -> None:
        self.writes = 0
        self._data = bytearray(ERASED * FLASH_BYTES)
        self._cut_at: int | None = None
        self._torn_bytes: int | None = None

    def cut_power_at(self, write: int, torn_bytes: int | None = None) -> None:
        """Lose power in write number ``write``, counted from now, of which ``torn_bytes`` are done; None: all."""
        self._cut_at, self._torn_bytes = self.writes + write, torn_bytes

    def read(self, address: int, size: int) -> bytes:
        """Return what stands there."""
        return bytes(self._data[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        """Put ``data`` there, as a programmer would."""
        self._data[address : address + len(data)] = data[: max(0, FLASH_BYTES - address)]

    def program(self, address: int, data: bytes) -> None:
        """Write as the device does, which can only take bits away: ``PowerCut`` where that was asked for."""
        before = self.read(address, len(data))
        self._change(address, bytes(old & new for old, new in zip(before, data, strict=True)))

    def erase(self, address: int, size: int) -> None:
        """Erase as the device does: ``PowerCut`` where that was asked for."""
        self._change(address, ERASED * size)

    def _change(self, address: int, data: bytes) -> None:
        self.writes += 1
        is_cut = self.writes == self._cut_at
        self.write(address, data[: self._torn_bytes] if is_cut else data)
        if is_cut:
            raise PowerCut


def factory_flash(program: bytes = PROGRAM) -> bytes:
    """Return the content of the flash as a pump with ``program`` leaves the factory."""
    flash = DemoFlash()
    flash.write(0, built(replace(FACTORY, program=program)))
    flash.write(CONFIRMED, SET)
    flash.write(COUNTER_AT, _counter_bits(FACTORY.counter))
    return flash.read(0, FLASH_BYTES)


def _counter_bits(value: int) -> bytes:
    """Return the counter's bytes for ``value``, its lowest bits taken away first."""
    bits = ((1 << MOST_COUNTER) - 1) << value & ((1 << MOST_COUNTER) - 1)
    return bits.to_bytes(COUNTER_BYTES, "little")


class Loader:
    """The boot loader, and the part of the program that takes updates."""

    def __init__(self, weak: frozenset[str]) -> None:
        self._weak = weak
        self.flash = DemoFlash()
        self.flash.write(0, factory_flash())
        self._slot: int | None = None
        self.running: Image | None = None
        self._size: int | None = None
        self._received = 0

    # Starting

    def boot(self) -> bool:
        """Choose what runs; false when there is nothing to run, and then it is in recovery."""
        self._size = None
        self.running = None
        self._slot = None
        if "in-place-update" in self._weak and self._is(0, TRIED) and not self._is(0, CONFIRMED):
            self._swap()
        for slot in self._candidates():
            image = self._image_in(slot)
            if image is None or self._why_forged(image) or self._why_not_ours(image):
                continue
            if self._is(slot, CONFIRMED):
                self._raise_counter(image.counter)
            else:
                self._mark(slot, CONFIRMED if "never-reverts" in self._weak else TRIED)
            self._slot, self.running = slot, image
            return True
        return False

    def _candidates(self) -> list[int]:
        slots = [0] if "in-place-update" in self._weak else [0, 1]
        on_trial = [s for s in slots if self._is(s, PENDING) and not self._is(s, CONFIRMED)]
        on_trial = [s for s in on_trial if not self._is(s, TRIED)]
        confirmed = [s for s in slots if self._is(s, CONFIRMED)]
        return on_trial + sorted(confirmed, key=self._age, reverse=True)

    def _age(self, slot: int) -> tuple[int, tuple[int, ...]]:
        image = self._image_in(slot)
        return (-1, ()) if image is None else (image.counter, image.version)

    def _image_in(self, slot: int) -> Image | None:
        try:
            return taken_apart(self.flash.read(slot * SLOT_BYTES, MOST_IMAGE_BYTES))
        except MedhardenError:
            return None

    def _why_forged(self, image: Image) -> bytes:
        stored = image.records.get(HASH, b"")
        if stored != image.digest and "accepts-altered" not in self._weak:
            return b"!image"
        if "accepts-unsigned" in self._weak and not {SIGNATURE, LMS_SIGNATURE} & image.records.keys():
            return b""
        if "accepts-any-key" in self._weak and is_of_a_stranger(image):
            return b""
        return b"" if is_signed(image, stored) else b"!signature"

    def _is(self, slot: int, flag: int) -> bool:
        return self.flash.read(slot * SLOT_BYTES + flag, 1) == SET

    def _mark(self, slot: int, flag: int) -> None:
        if not self._is(slot, flag):
            self.flash.program(slot * SLOT_BYTES + flag, SET)

    def _swap(self) -> None:
        """Exchange the slots, as the weak one does: in between there is nothing to start from."""
        slots = [self.flash.read(slot * SLOT_BYTES, SLOT_BYTES) for slot in (1, 0)]
        for number, content in enumerate(slots):
            self.flash.erase(number * SLOT_BYTES, SLOT_BYTES)
            for at in range(0, SLOT_BYTES, WRITE_BYTES):
                self.flash.program(number * SLOT_BYTES + at, content[at : at + WRITE_BYTES])

    # Taking an update

    def begin(self, rest: bytes) -> bytes:
        """``update SIZE``."""
        if self._size is not None and "stuck-after-abort" in self._weak:
            return b"!busy"
        if self._slot is not None and not self._is(self._slot, CONFIRMED):
            return b"!trial"
        size = _number(rest) or 0
        if not 0 < size <= MOST_IMAGE_BYTES and not (size and "accepts-oversize" in self._weak):
            return b"!range"
        self.flash.erase(self._other * SLOT_BYTES, SLOT_BYTES)
        self._size, self._received = size, 0
        return b"=ok"

    def block(self, rest: bytes) -> bytes:
        """``block OFFSET HEX``."""
        place, _, digits = rest.partition(b" ")
        offset, data = _number(place), _bytes(digits)
        if offset is None or not data:
            return b"!range"
        if self._size is None or (offset != self._received and "accepts-any-order" not in self._weak):
            return b"!order"
        if offset > min(self._size, MOST_IMAGE_BYTES) - len(data):
            return b"!range"
        self.flash.program(self._other * SLOT_BYTES + offset, data)
        self._received += len(data)
        return b"=ok"

    def install(self, _rest: bytes) -> bytes:
        """``install``."""
        size, self._size = self._size, None
        if size is None:
            return b"!order"
        if self._received != size and "accepts-truncated" in self._weak:
            return b"=ok"
        image = self._image_in(self._other)
        if image is None or image.size_bytes != size or self._received != size or "refuses-updates" in self._weak:
            return b"!image"
        refusal = self._why_forged(image) or self._why_not_ours(image) or self._why_not_newer(image)
        if refusal or "claims-update" in self._weak:
            return refusal or b"=ok"
        self._mark(self._other, PENDING)
        if "in-place-update" in self._weak:
            self._swap()
        return b"=ok"

    def confirm(self, _rest: bytes) -> bytes:
        """``confirm``."""
        if self._slot is not None and self.running is not None:
            self._mark(self._slot, CONFIRMED)
            self._raise_counter(self.running.counter)  # where the power fails in between, the next start does it
        return b"=ok"

    @property
    def _other(self) -> int:
        if self._slot is None:
            return 1 if "in-place-update" in self._weak else 0
        return 1 - self._slot

    def _why_not_ours(self, image: Image) -> bytes:
        if not image.is_for_us and "no-model-check" not in self._weak:
            return b"!model"
        return b"!older" if image.counter < self._counter() and not self._forgets else b""

    def _why_not_newer(self, image: Image) -> bytes:
        running = taken_apart(built(FACTORY)) if "forgets-updates" in self._weak else self.running
        is_newer = running is None or (image.version > running.version and image.counter >= running.counter)
        return b"" if is_newer or "no-rollback-check" in self._weak else b"!older"

    @property
    def _forgets(self) -> bool:
        return bool(self._weak & {"no-rollback-check", "forgets-updates"})

    def _counter(self) -> int:
        """Return the security counter: how many bits are gone before the first that is there."""
        bits = int.from_bytes(self.flash.read(COUNTER_AT, COUNTER_BYTES), "little")
        return MOST_COUNTER if bits == 0 else (bits & -bits).bit_length() - 1

    def _raise_counter(self, value: int) -> None:
        while (now := self._counter()) < value:
            self.flash.program(COUNTER_AT + now // 8, _counter_bits(value)[now // 8 :][:1])


def _number(text: bytes) -> int | None:
    """Return the number in up to six decimal digits; None where it is none."""
    return int(text) if text.isdigit() and len(text) <= MOST_DIGITS else None


def _bytes(digits: bytes) -> bytes:
    """Return the bytes of a block in hexadecimal digits; none where it is no such block."""
    if len(digits) > 2 * BLOCK_BYTES or not HEX.fullmatch(digits):
        return b""
    return bytes.fromhex(digits.decode("ascii"))
