"""Reading the files of a 7z folder one after the other, without holding all that the folder unpacks to.

Source: LZMA SDK 23.01, DOC/Methods.txt and C/Lzma2Dec.c (size of the history).
"""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from firmware_checks.readers.block_codecs import LzmaProperties
from firmware_checks.readers.seven_zip_folder import FILTERS, LEAST_HISTORY_BYTES, method_name, order_of
from firmware_checks.readers.seven_zip_header import Coder, Folder
from toolkit.core.errors import FormatError, LimitExceeded

__all__ = ["FolderStream", "lzma_chain"]

STEP_BYTES = 1 << 20
KEPT_BYTES = 16 << 20
"""Of what was passed: workers ask for files nearly in order, and going back means to begin again."""
LZMA2_LARGEST: Final = 40
"""Property of a history of 4 GiB."""


def lzma_chain(folder: Folder) -> Sequence[dict[str, Any]] | None:
    """Return the decoder of ``folder`` for the standard library, or None when it takes more than that.

    With LZMA a filter for machine code would wait for bytes that never come, as the stream does not say where it ends.
    """
    steps = [folder.coders[number] for number in order_of(folder)]
    names = [method_name(step) for step in steps]
    if names == ["LZMA"] and len(steps[0].properties) == 5:
        return [_lzma(steps[0], folder.size)]
    if names[0] != "LZMA2" or len(names) > 2 or len(steps[0].properties) != 1:
        return None
    history = [{"id": lzma.FILTER_LZMA2, "dict_size": _lzma2_history(steps[0].properties[0], folder.size)}]
    if len(names) == 1:
        return history
    return [{"id": FILTERS[names[1]]}, *history] if names[1] in FILTERS else None


def _lzma(coder: Coder, size: int) -> dict[str, Any]:
    properties = LzmaProperties.of(coder.properties[0])
    history = _history(int.from_bytes(coder.properties[1:], "little"), size)
    return {
        "id": lzma.FILTER_LZMA1,
        "dict_size": history,
        "lc": properties.lc,
        "lp": properties.lp,
        "pb": properties.pb,
    }


def _lzma2_history(value: int, size: int) -> int:
    return _history((2 | value & 1) << value // 2 + 11 if value < LZMA2_LARGEST else size, size)


def _history(declared: int, size: int) -> int:
    """Return how far back the decoder must see: never beyond the start."""
    return max(LEAST_HISTORY_BYTES, min(declared, size))


@dataclass(slots=True)
class FolderStream:
    """Bytes of a folder, best asked for from front to back; not for two threads at a time."""

    chain: Sequence[dict[str, Any]]
    packed: memoryview
    size: int
    most_history_bytes: int
    _stream: lzma.LZMADecompressor = field(init=False)
    _fed: int = 0
    _start: int = 0
    """Where in the folder the kept bytes start."""
    _kept: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        history = self.chain[-1]["dict_size"]
        if history > self.most_history_bytes:
            raise LimitExceeded("entry_bytes", f"needs a history of {history} bytes, {self.most_history_bytes} may be")
        self._begin()

    def _begin(self) -> None:
        try:
            self._stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=self.chain)
        except (lzma.LZMAError, ValueError, OverflowError) as error:
            raise FormatError(f"is damaged: {error}") from error
        self._fed = self._start = 0
        self._kept.clear()

    def read(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on; raise ``FormatError`` when they cannot be unpacked."""
        if start < self._start:
            self._begin()
        end = start + size
        while self._start + len(self._kept) < end:
            self._step(min(STEP_BYTES, self.size - self._start - len(self._kept)))
            passed = min(len(self._kept) - KEPT_BYTES, start - self._start)
            if passed > 0:
                del self._kept[:passed]
                self._start += passed
        return bytes(self._kept[start - self._start : end - self._start])

    def _step(self, most_bytes: int) -> None:
        if most_bytes <= 0 or self._stream.eof:
            raise FormatError(f"is damaged: it unpacks to {self._start + len(self._kept)} bytes of {self.size}")
        fed: bytes | memoryview = b""
        if self._stream.needs_input:
            fed = self.packed[self._fed : self._fed + STEP_BYTES]
            self._fed += len(fed)
        try:
            unpacked = self._stream.decompress(fed, most_bytes)
        except (lzma.LZMAError, ValueError) as error:
            raise FormatError(f"is damaged: {error}") from error
        if not unpacked and not fed:
            raise FormatError("is damaged: its packed bytes end too early")
        self._kept += unpacked
