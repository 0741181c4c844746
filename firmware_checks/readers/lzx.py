"""LZX decompression, as cabinets and Windows images (WIM) use it.

Plain Python: a few megabytes of output per second. Callers bound what they ask for.
"""

from __future__ import annotations

import struct
import sys
from abc import ABC, abstractmethod
from array import array
from itertools import accumulate, pairwise
from typing import Final

from firmware_checks.readers.prefix_codes import PrefixCode
from toolkit.core.errors import FormatError

__all__ = ["FRAME_BYTES", "CabinetLzx", "copy_match", "unpack_wim_chunk"]

FRAME_BYTES: Final = 32_768
"""Output is made in frames of this size; the last may be shorter."""
MOST_PACKED_FRAME: Final = FRAME_BYTES + 6144 + 64
"""A frame that does not compress grows by at most 6144 bytes (MS-CAB, CFDATA); the rest is for its own headers."""

VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3
"""Block types."""
LITERALS, LENGTHS, PRE_SYMBOLS, ALIGNED_SYMBOLS = 256, 249, 20, 8
LONG_LENGTH = 7
"""Header of a match whose length has a code of its own."""
TRANSLATED_CALL = 0xE8
UNTRANSLATED_TAIL = 10
WIM_FILE_BYTES = 12_000_000
"""Size of the program that WIM translates call addresses for, whatever the program's size is."""
WIM_WINDOW_BITS = 15

SLOTS: Final = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
"""Position slots by window size in bits. Source: MS-PATCH, LZX DELTA, 2.4; MS-CAB."""
EXTRA_BITS: Final = tuple(0 if slot < 4 else min(17, slot // 2 - 1) for slot in range(50))
BASES: Final = tuple(accumulate((1 << bits for bits in EXTRA_BITS[:-1]), initial=0))


def copy_match(out: bytearray, distance: int, length: int) -> None:
    """Append ``length`` bytes that stand ``distance`` bytes back in ``out``; the two may overlap."""
    start = len(out) - distance
    if start < 0 or distance <= 0:
        raise FormatError("compressed data refers to bytes before its start")
    if distance >= length:
        out += out[start : start + length]
    else:
        out += (out[start:] * (length // distance + 1))[:length]


class _Lzx(ABC):
    """The state that lives on from frame to frame: what came out, the code lengths, the three last distances."""

    def __init__(self, packed: bytes, window_bits: int) -> None:
        if window_bits not in SLOTS:
            raise FormatError(f"LZX does not know a window of 2^{window_bits} bytes")
        self._packed = packed
        self._out = bytearray()
        self._recent = [1, 1, 1]
        self._main_lengths = [0] * (LITERALS + 8 * SLOTS[window_bits])
        self._length_lengths = [0] * LENGTHS
        self._main = self._length = self._aligned = PrefixCode.of(())
        self._kind = 0
        self._block_bytes = 0
        self._left = 0
        self._frame_start = 0
        self._by_parity: dict[int, tuple[array[int], int]] = {}
        self._words: array[int] = array("I")
        self._base = 0
        self._place = 0

    @abstractmethod
    def _block_size(self) -> int:
        """Read how many bytes the block unpacks to."""

    def _start_frame(self, start: int) -> None:
        """Begin a frame whose packed bytes begin at ``start``."""
        self._by_parity.clear()
        self._frame_start = start
        self._seek(start)

    def _seek(self, start: int) -> None:
        """Make the 16-bit word at byte ``start`` the next; they stand at even or, after an odd copy, at odd places."""
        parity = start & 1
        if parity not in self._by_parity:
            base = self._frame_start + (self._frame_start + parity) % 2
            self._by_parity[parity] = (_overlapping_words(self._packed[base : base + MOST_PACKED_FRAME]), base)
        self._words, self._base = self._by_parity[parity]
        self._place = 8 * (start - self._base)

    def _bits(self, count: int) -> int:
        """Take the next ``count`` bits, at most 17."""
        place = self._place
        self._place = place + count
        return self._words[place >> 4] >> (32 - count - (place & 15)) & ((1 << count) - 1)

    def _symbol(self, code: PrefixCode) -> int:
        place = self._place
        entry = code.table[self._words[place >> 4] >> (32 - code.bits - (place & 15)) & (len(code.table) - 1)]
        if entry < 0:
            raise FormatError("LZX data holds bits that no symbol has")
        self._place = place + (entry & 31)
        return entry >> 5

    def _unpack(self, size: int) -> None:
        """Append the next frame of ``size`` bytes to the output; raise ``FormatError`` when the data is damaged."""
        end = len(self._out) + size
        try:
            while len(self._out) < end:
                if self._left == 0:
                    self._start_block()
                before = len(self._out)
                until = before + min(self._left, end - before)
                if self._kind == UNCOMPRESSED:
                    self._copy(until - before)
                else:
                    self._symbols(until)
                self._left -= len(self._out) - before
                if self._left < 0 or len(self._out) > end:
                    raise FormatError("an LZX match runs over the end of its block or frame")
        except (IndexError, ValueError) as error:
            raise FormatError("LZX data is damaged or ends early") from error

    def _start_block(self) -> None:
        if self._kind == UNCOMPRESSED:
            self._seek(self._byte_place() + self._block_bytes % 2)
        self._kind = self._bits(3)
        self._left = self._block_bytes = self._block_size()
        if self._left == 0 or self._kind not in (VERBATIM, ALIGNED, UNCOMPRESSED):
            raise FormatError("an LZX block has an impossible type or no size")
        if self._kind == UNCOMPRESSED:
            self._start_uncompressed()
            return
        if self._kind == ALIGNED:
            self._aligned = PrefixCode.of([self._bits(3) for _ in range(ALIGNED_SYMBOLS)])
        self._read_lengths(self._main_lengths, 0, LITERALS)
        self._read_lengths(self._main_lengths, LITERALS, len(self._main_lengths))
        self._read_lengths(self._length_lengths, 0, LENGTHS)
        self._main = PrefixCode.of(self._main_lengths)
        self._length = PrefixCode.of(self._length_lengths)

    def _byte_place(self) -> int:
        """Return where the next 16-bit word stands in the packed bytes."""
        return self._base + 2 * -(-self._place // 16)

    def _start_uncompressed(self) -> None:
        """Skip to the next word, at least one bit further, and read the three distances; bytes follow."""
        start = self._base + 2 * (self._place // 16 + 1)
        head = self._packed[start : start + 12]
        if len(head) < 12:
            raise FormatError("LZX data ends early")
        self._recent = list(struct.unpack("<3I", head))
        self._seek(start + 12)

    def _copy(self, size: int) -> None:
        start = self._byte_place()
        piece = self._packed[start : start + size]
        if len(piece) < size:
            raise FormatError("LZX data ends early")
        self._out += piece
        self._seek(start + size)

    def _read_lengths(self, lengths: list[int], start: int, end: int) -> None:
        """Read code lengths ``[start, end)``, written as differences from those of the block before."""
        code = PrefixCode.of([self._bits(4) for _ in range(PRE_SYMBOLS)])
        place = start
        while place < end:
            symbol = self._symbol(code)
            count, new = 1, 0
            if symbol == 17:
                count = 4 + self._bits(4)
            elif symbol == 18:
                count = 20 + self._bits(5)
            else:
                if symbol == 19:
                    count = 4 + self._bits(1)
                    symbol = self._symbol(code)
                new = (lengths[place] - symbol) % 17
            count = min(count, end - place)
            lengths[place : place + count] = [new] * count
            place += count

    def _symbols(self, end: int) -> None:
        """Decode literals and matches until ``end`` bytes are out."""
        out, words, place = self._out, self._words, self._place
        table, shift = self._main.table, 32 - self._main.bits
        mask = len(table) - 1
        size = len(out)
        while size < end:
            entry = table[words[place >> 4] >> (shift - (place & 15)) & mask]
            place += entry & 31
            symbol = entry >> 5
            if symbol < LITERALS:
                out.append(symbol)  # raises ValueError where no symbol has these bits
                size += 1
                continue
            self._place = place
            length = self._match_length(symbol & 7)
            copy_match(out, self._distance((symbol - LITERALS) >> 3), length)
            place = self._place
            size += length
        self._place = place

    def _match_length(self, header: int) -> int:
        return header + 2 if header < LONG_LENGTH else self._symbol(self._length) + LONG_LENGTH + 2

    def _distance(self, slot: int) -> int:
        recent = self._recent
        if slot < 3:
            recent[0], recent[slot] = recent[slot], recent[0]
            return recent[0]
        extra = EXTRA_BITS[slot]
        distance = BASES[slot] - 2
        if self._kind == ALIGNED and extra >= 3:
            distance += (self._bits(extra - 3) << 3) + self._symbol(self._aligned)
        elif extra:
            distance += self._bits(extra)
        recent[2], recent[1], recent[0] = recent[1], recent[0], distance
        return distance


class CabinetLzx(_Lzx):
    """The LZX stream of one cabinet folder, read frame by frame."""

    def __init__(self, packed: bytes, window_bits: int) -> None:
        super().__init__(packed, window_bits)
        self._translated_bytes: int | None = None

    def _block_size(self) -> int:
        return self._bits(12) << 12 | self._bits(12)

    def frame(self, size: int) -> bytes:
        """Return the next ``size`` bytes; all frames but the last must be ``FRAME_BYTES`` long."""
        start = len(self._out)
        if self._translated_bytes is None:
            self._start_frame(0)
            self._translated_bytes = self._bits(16) << 16 | self._bits(16) if self._bits(1) else 0
        self._unpack(size)
        self._start_frame(self._byte_place())
        data = bytes(self._out[start:])
        return _calls_restored(data, start, self._translated_bytes) if start < FRAME_BYTES << 15 else data


class _WimLzx(_Lzx):
    def _block_size(self) -> int:
        return FRAME_BYTES if self._bits(1) else self._bits(16)

    def chunk(self, size: int) -> bytes:
        self._start_frame(0)
        self._unpack(size)
        return _calls_restored(bytes(self._out), 0, WIM_FILE_BYTES)


def unpack_wim_chunk(packed: bytes, size: int) -> bytes:
    """Return the ``size`` bytes of one chunk of a WIM resource; raise ``FormatError`` when it is damaged."""
    return _WimLzx(packed, WIM_WINDOW_BITS).chunk(size)


def _overlapping_words(data: bytes) -> array[int]:
    """Return little-endian 16-bit words k and k + 1 together in element k, the earlier as the upper half."""
    halves = array("H", data + bytes(4 + len(data) % 2))
    if sys.byteorder == "big":
        halves.byteswap()
    return array("I", [first << 16 | second for first, second in pairwise(halves)])


def _calls_restored(data: bytes, start: int, file_bytes: int) -> bytes:
    """Undo the translation of x86 call targets from relative to absolute; ``data`` begins at output byte ``start``."""
    end = len(data) - UNTRANSLATED_TAIL
    place = data.find(TRANSLATED_CALL, 0, max(0, end)) if file_bytes else -1
    if place < 0:
        return data
    restored = bytearray(data)
    while place >= 0:
        (target,) = struct.unpack_from("<i", data, place + 1)
        position = start + place
        if -position <= target < file_bytes:
            relative = target - position if target >= 0 else target + file_bytes
            struct.pack_into("<I", restored, place + 1, relative & 0xFFFF_FFFF)
        place = data.find(TRANSLATED_CALL, place + 5, end)
    return bytes(restored)
