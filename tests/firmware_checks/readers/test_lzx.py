import heapq
import random
import shutil
import struct
import subprocess
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.formats.cab import build_cabinet
from firmware_checks.readers.lzx import BASES, EXTRA_BITS, FRAME_BYTES, SLOTS, CabinetLzx, unpack_wim_chunk
from toolkit.core.errors import FormatError

CABEXTRACT = shutil.which("cabextract") or ""

VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3
Token = int | tuple[int, int]
"""A literal byte, or length and distance of a match."""
Row = tuple[int, int | None, int, int, int | None]
"""Main symbol, length symbol, extra bits and their number, aligned symbol."""
Codes = dict[int, tuple[int, int]]
"""Code and its length in bits, by symbol."""


class _Bits:
    """Writes bits into 16-bit little-endian words, most significant bit first."""

    def __init__(self) -> None:
        self.done = bytearray()
        self._held, self._count = 0, 0

    def add(self, value: int, count: int) -> None:
        self._held = self._held << count | value
        self._count += count
        while self._count >= 16:
            self._count -= 16
            self.done += (self._held >> self._count & 0xFFFF).to_bytes(2, "little")
            self._held &= (1 << self._count) - 1

    def align(self, *, always: bool = False) -> None:
        if self._count or always:
            self.add(0, 16 - self._count)


def _lengths(used: Counter[int], size: int, most: int) -> list[int]:
    """Return a complete set of code lengths for ``used`` symbols: Huffman's, or even ones when those are too long."""
    symbols = sorted(used)
    while 0 < len(symbols) < 2:
        symbols.append(next(s for s in range(size) if s not in symbols))
    lengths = [0] * size
    heap = [(used[s], number, [s]) for number, s in enumerate(symbols)]
    heapq.heapify(heap)
    while len(heap) > 1:
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in a[2] + b[2]:
            lengths[symbol] += 1
        heapq.heappush(heap, (a[0] + b[0], size + len(heap) + a[1], a[2] + b[2]))
    if max(lengths) > most:
        short = len(symbols).bit_length() - 1
        for place, symbol in enumerate(symbols):
            lengths[symbol] = short + (place >= 2 ** (short + 1) - len(symbols))
    return lengths


def _codes(lengths: list[int]) -> Codes:
    code, before, codes = 0, 0, {}
    for length, symbol in sorted((n, s) for s, n in enumerate(lengths) if n):
        code <<= length - before
        codes[symbol] = (code, length)
        code, before = code + 1, length
    return codes


class _Packer:
    """A simple LZX compressor of ``data`` that uses everything the format has."""

    def __init__(self, data: bytes, window_bits: int, seed: int = 0, *, wim: bool = False) -> None:
        self.data = data
        self.random = random.Random(seed)  # noqa: S311  # choices, not secrets
        self.window = 1 << window_bits
        self.main_size = 256 + 8 * SLOTS[window_bits]
        self.main, self.length = [0] * self.main_size, [0] * 249
        self.recent = [1, 1, 1]
        self.bits = _Bits()
        self.wim = wim
        self.place = 0
        self.frames: list[tuple[bytes, int]] = []

    def start(self, translated_bytes: int = 0) -> None:
        self.bits.add(1 if translated_bytes else 0, 1)
        if translated_bytes:
            self.bits.add(translated_bytes, 32)

    def advance(self, size: int) -> None:
        """Count ``size`` bytes of the data as written; end the frame when it is full."""
        self.place += size
        if self.place % FRAME_BYTES and self.place < len(self.data):
            return
        self.bits.align()
        self.frames.append((bytes(self.bits.done), (self.place - 1) % FRAME_BYTES + 1))
        self.bits.done.clear()

    def block(self, kind: int, size: int) -> None:
        self.bits.add(kind, 3)
        if not self.wim:
            self.bits.add(size, 24)
        elif size == FRAME_BYTES:
            self.bits.add(1, 1)
        else:
            self.bits.add(size, 17)
        if kind == UNCOMPRESSED:
            self._uncompressed(size)
        else:
            self._compressed(kind, size)

    def _uncompressed(self, size: int) -> None:
        self.bits.align(always=True)
        self.bits.done += struct.pack("<3I", *self.recent)
        end = self.place + size
        while self.place < end:
            piece = min(end - self.place, FRAME_BYTES - self.place % FRAME_BYTES)
            self.bits.done += self.data[self.place : self.place + piece]
            if self.place + piece == end:
                self.bits.done += bytes(size % 2)
            self.advance(piece)

    def _compressed(self, kind: int, size: int) -> None:
        tokens = list(_tokens(self.data, self.place, self.place + size, self.window, self.random))
        rows = [self._row(token, kind) for token in tokens]
        aligned = _lengths(Counter(row[4] for row in rows if row[4] is not None) or Counter([0]), 8, 7)
        if kind == ALIGNED:
            for length in aligned:
                self.bits.add(length, 3)
        main = _lengths(Counter(row[0] for row in rows), self.main_size, 16)
        length_lengths = _lengths(Counter(row[1] for row in rows if row[1] is not None), 249, 16)
        self._write_lengths(self.main[:256], main[:256])
        self._write_lengths(self.main[256:], main[256:])
        self._write_lengths(self.length, length_lengths)
        self.main, self.length = main, length_lengths
        codes = (_codes(main), _codes(length_lengths), _codes(aligned))
        for token, row in zip(tokens, rows, strict=True):
            self._write_row(row, codes)
            self.advance(1 if isinstance(token, int) else token[0])

    def _write_row(self, row: Row, codes: tuple[Codes, Codes, Codes]) -> None:
        symbol, length, extra, count, low = row
        self.bits.add(*codes[0][symbol])
        if length is not None:
            self.bits.add(*codes[1][length])
        self.bits.add(extra, count)
        if low is not None:
            self.bits.add(*codes[2][low])

    def _row(self, token: Token, kind: int) -> Row:
        if isinstance(token, int):
            return token, None, 0, 0, None
        size, distance = token
        extra, count, low = 0, 0, None
        if distance in self.recent:
            slot = self.recent.index(distance)
            self.recent[0], self.recent[slot] = self.recent[slot], self.recent[0]
        else:
            slot = max(s for s, base in enumerate(BASES) if base <= distance + 2)
            self.recent = [distance, *self.recent[:2]]
            extra, count = distance + 2 - BASES[slot], EXTRA_BITS[slot]
            if kind == ALIGNED and count >= 3:
                extra, count, low = extra >> 3, count - 3, extra & 7
        header = min(7, size - 2)
        return 256 + 8 * slot + header, size - 9 if header == 7 else None, extra, count, low

    def _write_lengths(self, before: list[int], after: list[int]) -> None:
        codes = _codes(_lengths(Counter({s: 1 + s % 3 for s in range(20)}), 20, 15))
        for symbol in range(20):
            self.bits.add(codes[symbol][1], 4)
        place = 0
        while place < len(after):
            run = next((n for n, value in enumerate(after[place:]) if value != after[place]), len(after) - place)
            delta = (before[place] - after[place]) % 17
            if after[place] == 0 and run >= 20:
                run = min(run, 51)
                self.bits.add(*codes[18])
                self.bits.add(run - 20, 5)
            elif after[place] == 0 and run >= 4:
                run = min(run, 19)
                self.bits.add(*codes[17])
                self.bits.add(run - 4, 4)
            elif run >= 4 and len(set(before[place : place + min(run, 5)])) == 1:
                run = min(run, 5)
                self.bits.add(*codes[19])
                self.bits.add(run - 4, 1)
                self.bits.add(*codes[delta])
            else:
                run = 1
                self.bits.add(*codes[delta])
            place += run


def _tokens(data: bytes, start: int, end: int, window: int, choice: random.Random) -> list[Token]:
    seen: dict[bytes, int] = {}
    for place in range(max(0, start - 20_000), start - 3):
        seen[data[place : place + 3]] = place
    tokens: list[Token] = []
    place = start
    while place < end:
        most = min(257, end - place, FRAME_BYTES - place % FRAME_BYTES)
        found = seen.get(data[place : place + 3])
        size = 0
        if found is not None and most >= 3 and place - found <= window - 3 and choice.random() < 0.9:
            size = next((n for n in range(most) if data[found + n] != data[place + n]), most)
        for passed in range(place, place + max(1, size)):
            seen[data[passed : passed + 3]] = passed
        tokens.append((size, place - found) if size >= 3 and found is not None else data[place])
        place += max(1, size)
    return tokens


def _pack(data: bytes, window_bits: int, seed: int, translated_bytes: int = 0) -> list[tuple[bytes, int]]:
    """Return ``data`` as LZX frames, made of blocks of all kinds that end anywhere."""
    packer = _Packer(data, window_bits, seed)
    packer.start(translated_bytes)
    cuts = {packer.random.randrange(1, len(data) + 1) for _ in range(packer.random.randrange(8))}
    for first, last in pairwise(sorted({0, *cuts, len(data)})):
        packer.block(packer.random.choice((VERBATIM, ALIGNED, UNCOMPRESSED)), last - first)
    return packer.frames


def _content(size: int, seed: int) -> bytes:
    """Return words, numbers, calls and noise, so that there are matches near and far."""
    choice = random.Random(seed)  # noqa: S311  # filler, not a secret
    words = [choice.randbytes(choice.randrange(3, 30)) for _ in range(40)]
    out = bytearray()
    while len(out) < size:
        out += choice.choice(words) * choice.choice((1, 1, 1, 20))
        if choice.random() < 0.2:
            out += b"\xe8" + struct.pack("<i", choice.randrange(-1000, 90_000)) + choice.randbytes(5)
    return bytes(out[:size])


def _unpack(frames: list[tuple[bytes, int]], window_bits: int) -> bytes:
    stream = CabinetLzx(b"".join(packed for packed, _ in frames), window_bits)
    return b"".join(stream.frame(size) for _, size in frames)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3 * FRAME_BYTES), st.sampled_from(sorted(SLOTS)), st.integers(0, 10_000))
def test_what_is_packed_is_read_back(size: int, window_bits: int, seed: int) -> None:
    data = _content(size, seed)
    assert _unpack(_pack(data, window_bits, seed), window_bits) == data


def test_call_targets_are_made_relative_again() -> None:
    target, place = 0x5000, 40_000
    data = bytearray(2 * FRAME_BYTES)
    data[place : place + 5] = b"\xe8" + struct.pack("<i", target)
    data[-8:-3] = b"\xe8" + struct.pack("<i", target)
    data[100:105] = b"\xe8" + struct.pack("<i", -50)
    data[200:205] = b"\xe8" + struct.pack("<i", 0x7FFF_FFFF)
    restored = _unpack(_pack(bytes(data), 15, 1, translated_bytes=100_000), 15)
    assert struct.unpack_from("<i", restored, place + 1)[0] == target - place
    assert struct.unpack_from("<i", restored, 101)[0] == 100_000 - 50
    assert restored[200:205] == data[200:205]
    assert restored[-8:] == data[-8:]


@pytest.mark.parametrize("kind", [VERBATIM, ALIGNED, UNCOMPRESSED])
@pytest.mark.parametrize("size", [FRAME_BYTES, 777])
def test_a_chunk_of_a_windows_image_is_read_back(kind: int, size: int) -> None:
    data = _content(size, 5).replace(b"\xe8", b"\xe9")
    packer = _Packer(data, 15, wim=True)
    packer.block(kind, size)
    assert unpack_wim_chunk(packer.frames[0][0], size) == data


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_data_is_read_or_refused(data: st.DataObject) -> None:
    frames = _pack(_content(2000, 9), 15, 9)
    packed = bytearray(frames[0][0])
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(packed)))
    stream = CabinetLzx(bytes(packed[:cut]), 15)
    with suppress(FormatError):
        assert len(stream.frame(2000)) == 2000


def test_blocks_that_cannot_be_are_refused() -> None:
    for bits in (0b0_111 << 28, 0b0_001 << 28):
        with pytest.raises(FormatError, match="impossible type or no size"):
            CabinetLzx(struct.pack("<2H", bits >> 16, bits & 0xFFFF) + bytes(100), 15).frame(10)
    with pytest.raises(FormatError, match="window of"):
        CabinetLzx(b"", 14)


def test_many_tiny_blocks_take_little_time() -> None:
    packer = _Packer(bytes(2000), 15)
    packer.start()
    for _ in range(2000):
        packer.block(UNCOMPRESSED, 1)
    assert _unpack(packer.frames, 15) == bytes(2000)


def test_an_uncompressed_block_that_is_cut_is_refused() -> None:
    packer = _Packer(bytes(1000), 15)
    packer.start()
    packer.block(UNCOMPRESSED, 1000)
    for size in (10, 100):
        with pytest.raises(FormatError, match="ends early"):
            CabinetLzx(packer.frames[0][0][:size], 15).frame(1000)


def test_a_match_over_the_end_of_its_frame_is_refused() -> None:
    (packed, _), *_ = _pack(bytes(500), 15, 4)
    with pytest.raises(FormatError, match="over the end"):
        CabinetLzx(packed, 15).frame(300)


@pytest.mark.skipif(not CABEXTRACT, reason="cabextract is not installed")
@pytest.mark.parametrize("window_bits", sorted(SLOTS))
def test_cabextract_reads_the_same(window_bits: int, tmp_path: Path) -> None:
    data = _content(100_001, window_bits)
    frames = _pack(data, window_bits, window_bits, translated_bytes=150_000)
    path = tmp_path / "lzx.cab"
    path.write_bytes(build_cabinet({"pump.exe": data}, compression=3 | window_bits << 8, blocks=frames))
    subprocess.run([CABEXTRACT, "-q", "-d", tmp_path, path], check=True, capture_output=True)
    assert _unpack(frames, window_bits) == (tmp_path / "pump.exe").read_bytes()
