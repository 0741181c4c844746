"""The boot loader of the demo pump: two slots of flash, images that prove themselves, and what weak ones do wrong.

An update goes to the slot that does not run. It starts once, on trial; only when it is confirmed does it stay, or
the next start takes the old image again. While it is on trial there is no other update: the old image is the only one
that is sure to start. A slot ends in three bytes that are FF when erased and written as 00: pending, tried, confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hil.demo_image import HASH, SIGNATURE, Image, Recipe, built, is_of_a_stranger, is_signed, taken_apart
from toolkit.core.errors import MedhardenError

__all__ = ["FLASH_BYTES", "LOADER_WEAKNESSES", "DemoFlash", "Loader", "PowerCut"]

SLOT_BYTES: Final = 2048
FLASH_BYTES: Final = 2 * SLOT_BYTES
MOST_IMAGE_BYTES: Final = SLOT_BYTES - 16
WRITE_BYTES: Final = 512
PENDING, TRIED, CONFIRMED = SLOT_BYTES - 3, SLOT_BYTES - 2, SLOT_BYTES - 1
ERASED, SET = b"\xff", b"\0"
FACTORY: Final = Recipe(version=(2, 1, 0), counter=7)
LOADER_WEAKNESSES: Final[Mapping[str, str]] = {
    "refuses-updates": "takes no update at all, not even a good one",
    "accepts-unsigned": "takes an update without a signature",
    "accepts-any-key": "takes an update that somebody else has signed",
    "accepts-altered": "looks at the signature of the hash, and not at what the hash is of",
    "accepts-truncated": "takes an update of which the end is missing",
    "no-rollback-check": "takes an older update",
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
        """Write as the device does: ``PowerCut`` where that was asked for."""
        self.writes += 1
        is_cut = self.writes == self._cut_at
        self.write(address, data[: self._torn_bytes] if is_cut else data)
        if is_cut:
            raise PowerCut


class Loader:
    """The boot loader, and the part of the program that takes updates."""

    def __init__(self, weak: frozenset[str]) -> None:
        self._weak = weak
        self.flash = DemoFlash()
        self.flash.write(0, built(FACTORY))
        self.flash.write(CONFIRMED, SET)
        self._slot = 0
        self.running: Image | None = None
        self._size: int | None = None
        self._received = 0

    # Starting

    def boot(self) -> bool:
        """Choose what runs; false when there is nothing to run."""
        self._size = None
        self.running = None
        if "in-place-update" in self._weak and self._is(0, TRIED) and not self._is(0, CONFIRMED):
            self._swap()
        for slot in self._candidates():
            image = self._image_in(slot)
            if image is None or self._why_forged(image):
                continue
            if not self._is(slot, CONFIRMED):
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
        if "accepts-unsigned" in self._weak and SIGNATURE not in image.records:
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
            self.flash.program(number * SLOT_BYTES, ERASED * SLOT_BYTES)
            for at in range(0, SLOT_BYTES, WRITE_BYTES):
                self.flash.program(number * SLOT_BYTES + at, content[at : at + WRITE_BYTES])

    # Taking an update

    def begin(self, rest: bytes) -> bytes:
        """``update SIZE``."""
        if self._size is not None and "stuck-after-abort" in self._weak:
            return b"!busy"
        if not self._is(self._slot, CONFIRMED):
            return b"!trial"
        size = int(rest) if rest.isdigit() and len(rest) < len("1000000") else 0
        if not 0 < size <= MOST_IMAGE_BYTES and not (size and "accepts-oversize" in self._weak):
            return b"!range"
        self.flash.program(self._other * SLOT_BYTES, ERASED * SLOT_BYTES)
        self._size, self._received = size, 0
        return b"=ok"

    def block(self, rest: bytes) -> bytes:
        """``block OFFSET HEX``."""
        words = rest.split(b" ")
        try:
            offset, data = int(words[0]), bytes.fromhex(words[1].decode("ascii"))
        except (ValueError, IndexError):
            return b"!range"
        if self._size is None or (offset != self._received and "accepts-any-order" not in self._weak):
            return b"!order"
        if not 0 <= offset <= min(self._size, MOST_IMAGE_BYTES) - len(data):
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
        refusal = self._why_forged(image) or self._why_not_ours(image)
        if refusal or "claims-update" in self._weak:
            return refusal or b"=ok"
        self._mark(self._other, PENDING)
        if "in-place-update" in self._weak:
            self._swap()
        return b"=ok"

    def confirm(self, _rest: bytes) -> bytes:
        """``confirm``."""
        self._mark(self._slot, CONFIRMED)
        return b"=ok"

    @property
    def _other(self) -> int:
        return 1 - self._slot

    def _why_not_ours(self, image: Image) -> bytes:
        if not image.is_for_us and "no-model-check" not in self._weak:
            return b"!model"
        running = self.running
        is_newer = running is None or (image.version > running.version and image.counter >= running.counter)
        return b"" if is_newer or "no-rollback-check" in self._weak else b"!older"
