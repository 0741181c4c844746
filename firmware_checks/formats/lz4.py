"""LZ4 files: one compressed file without a name, as frames or as the older form that Linux kernels are packed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import unpacked_name
from firmware_checks.readers.unpack import Content
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U32LE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"\x04\x22\x4d\x18"
LEGACY_MAGIC = b"\x02\x21\x4c\x18"
SKIPPABLE_MAGIC_TAIL = b"\x2a\x4d\x18"
"""Follows a first byte of 0x50 to 0x5f."""
VERSION_MASK, VERSION_1, RESERVED = 0xC0, 0x40, 0x02
INDEPENDENT, BLOCK_CHECK, CONTENT_SIZE, CONTENT_CHECK, DICTIONARY = 0x20, 0x10, 0x08, 0x04, 0x01
BLOCK_BYTES: Final = {0x40: 64 << 10, 0x50: 256 << 10, 0x60: 1 << 20, 0x70: 4 << 20}
"""Most unpacked bytes of a block, by the block descriptor."""
STORED = 0x8000_0000
"""Bit of a block's size: the block is not compressed."""
HISTORY_BYTES = 64 << 10
"""How far back a block may refer into those before it."""
MOST_BLOCKS = 1 << 18
"""16 GiB of the smallest blocks that writers make; more are made to keep a reader busy."""
LEGACY_BLOCK_BYTES = 8 << 20
LEGACY_PACKED_BYTES = LEGACY_BLOCK_BYTES + LEGACY_BLOCK_BYTES // 255 + 16
"""What data that does not compress grows to. Source: lz4.h, LZ4_COMPRESSBOUND."""
VERDICTS = 16
"""Check values that are reported; of those of blocks only the wrong ones are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lz4Start:
    """Start of a frame; what follows depends on the flags. Source: LZ4 frame format 1.6.2."""

    magic: bytes = wire(const(MAGIC))
    flags: int = wire(U8)
    block_descriptor: int = wire(U8)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippableHeader:
    """Start of a frame that holds something else. Source: LZ4 frame format 1.6.2, skippable frames."""

    magic: int = wire(U32LE)
    content_bytes: int = wire(U32LE)


START = Layout(Lz4Start, size=6)
SKIPPABLE = Layout(SkippableHeader, size=8)


@dataclass(slots=True)
class _Reader:
    window: Window
    content: Content
    position: int = 0
    frames: int = 0
    legacy: int = 0
    skippable: int = 0
    closed: str = ""
    """Why the content cannot be unpacked; empty when it can."""
    facts: dict[str, Fact] = field(default_factory=dict)
    verdicts: list[Integrity] = field(default_factory=list)

    def read_frame(self) -> bool:
        """Read the frame at the current position; return False when none may follow it."""
        try:
            return self._reader()()
        except FormatError:
            if self.frames == 0:
                raise
            return False

    def _reader(self) -> Callable[[], bool]:
        if self.window.starts_with(SKIPPABLE_MAGIC_TAIL, self.position + 1):
            return self._skip
        return self._read_legacy if self.window.starts_with(LEGACY_MAGIC, self.position) else self._read

    def _skip(self) -> bool:
        header = SKIPPABLE.read(self.window, self.position)
        self.window.take(self.position + SKIPPABLE.size, header.content_bytes)
        if not 0x184D2A50 <= header.magic <= 0x184D2A5F:
            raise FormatError(f"no skippable frame at {self.window.origin + self.position:#x}")
        self.skippable += 1
        self.position += SKIPPABLE.size + header.content_bytes
        return True

    def _read_legacy(self) -> bool:
        start = self.position + len(LEGACY_MAGIC)
        result = self.content.unpack_pieces(partial(_legacy_pieces, self.window, start))
        self.frames += 1
        self.legacy += 1
        self.position = result.consumed_bytes
        return result.ended

    def _read(self) -> bool:
        header = START.read(self.window, self.position)
        frame = _Frame(self.window, header.flags, BLOCK_BYTES.get(header.block_descriptor, 0), self._verdict)
        if header.flags & (VERSION_MASK | RESERVED) != VERSION_1 or not frame.block_bytes:
            raise FormatError(f"no LZ4 frame at {self.window.origin + self.position:#x}")
        place = self.position + START.size
        size = _number(self.window, place, 8) if header.flags & CONTENT_SIZE else None
        place += 8 if header.flags & CONTENT_SIZE else 0
        dictionary = _number(self.window, place, 4) if header.flags & DICTIONARY else None
        place += 4 if header.flags & DICTIONARY else 0
        self._judge_header(self.position + len(MAGIC), place)
        self.facts = self.facts or {"block_bytes": frame.block_bytes}
        if dictionary is not None:
            self.closed = f"needs the compression dictionary {dictionary}, which is not in the file"
        if self.closed:
            self.frames += 1
            self.position = frame.measured(place + 1)
            return True
        result = self.content.unpack_pieces(partial(frame.pieces, place + 1))
        self.frames += 1
        self.position = result.consumed_bytes
        if result.ended and size is not None and size != result.size:
            self.content.problems.append(f"frame {self.frames} unpacks to {result.size} bytes, its header says {size}")
        return result.ended

    def _judge_header(self, start: int, end: int) -> None:
        """Hold the header's check byte against it; one that is wrong means that there is no frame."""
        import xxhash

        stored = self.window.take(end, 1)[0]
        computed = xxhash.xxh32_intdigest(bytes(self.window.view[start:end])) >> 8 & 0xFF
        if stored != computed:
            raise FormatError(f"the check byte of the LZ4 frame header is wrong at {self.window.origin + end:#x}")
        if self.frames == 0:
            self._verdict("xxh32 (second byte)", "frame header", f"{stored:02x}", f"{computed:02x}")

    def _verdict(self, algorithm: str, covers: str, stored: str, computed: str) -> None:
        if len(self.verdicts) < VERDICTS:
            self.verdicts.append(
                Integrity(
                    algorithm=algorithm, covers=covers, stored=stored, computed=computed, valid=stored == computed
                )
            )

    def entry(self, name: str) -> Entry:
        """Return the one file, or what says why it stays closed."""
        if self.closed:
            return Entry(name=name, packed_bytes=self.position, unpacked_bytes=None, read=self._refuse, offset=0)
        return self.content.entry(name, packed_bytes=self.position, offset=0)

    def _refuse(self, _most_bytes: int) -> bytes:
        raise FormatError(self.closed)


@dataclass(frozen=True, slots=True)
class _Frame:
    window: Window
    flags: int
    block_bytes: int
    verdict: Callable[[str, str, str, str], None]

    def pieces(self, place: int) -> Iterator[tuple[int, bytes]]:
        """Yield each block unpacked, and where it ends; judge the check values on the way."""
        import xxhash

        state = xxhash.xxh32()
        history = bytearray()
        end = place
        for number, (start, end, size) in enumerate(self._blocks(place), 1):
            packed = self.window.view[start : start + (size & ~STORED)]
            if self.flags & BLOCK_CHECK:
                self._judge(end - 4, xxhash.xxh32_intdigest(packed), f"packed block {number}", only_wrong=True)
            piece = bytes(packed) if size & STORED else _unpacked(packed, self.block_bytes, history)
            if not self.flags & INDEPENDENT:
                history += piece[-HISTORY_BYTES:]
                if len(history) > 2 * HISTORY_BYTES:
                    del history[:-HISTORY_BYTES]
            state.update(piece)
            yield end, piece
        end += 4
        if self.flags & CONTENT_CHECK:
            self._judge(end, state.intdigest(), "unpacked content", only_wrong=False)
            end += 4
        yield end, b""

    def measured(self, place: int) -> int:
        """Return where the frame ends whose blocks start at ``place``."""
        for _start, end, _size in self._blocks(place):
            place = end
        return min(place + (8 if self.flags & CONTENT_CHECK else 4), self.window.size)

    def _blocks(self, place: int) -> Iterator[tuple[int, int, int]]:
        """Yield the start of each block's data, where the next block starts and the size field, up to the end mark."""
        for _ in range(MOST_BLOCKS):
            size = _number(self.window, place, 4)
            packed_bytes = size & ~STORED
            if size == 0:
                return
            if not 0 < packed_bytes <= self.block_bytes:
                raise FormatError(f"no LZ4 block at {self.window.origin + place:#x}")
            start = place + 4
            place = start + packed_bytes + (4 if self.flags & BLOCK_CHECK else 0)
            self.window.take(start, place - start)
            yield start, place, size
        raise FormatError(f"it has more than {MOST_BLOCKS} blocks")

    def _judge(self, place: int, computed: int, covers: str, *, only_wrong: bool) -> None:
        stored = _number(self.window, place, 4)
        if not only_wrong or stored != computed:
            self.verdict("xxh32", covers, f"{stored:08x}", f"{computed:08x}")


def _legacy_pieces(window: Window, place: int) -> Iterator[tuple[int, bytes]]:
    """Yield the blocks of the older form, which has no end mark: a block that is not full is the last.

    Source: LZ4 frame format 1.6.2, legacy frame.
    """
    place, piece = _legacy_block(window, place)
    yield place, piece
    while len(piece) == LEGACY_BLOCK_BYTES:
        try:
            place, piece = _legacy_block(window, place)
        except FormatError:
            return  # what follows full blocks is no part of the file
        yield place, piece


def _legacy_block(window: Window, place: int) -> tuple[int, bytes]:
    """Return where the block at ``place`` ends, and what it unpacks to."""
    size = _number(window, place, 4)
    if size <= LEGACY_PACKED_BYTES:
        piece = _unpacked(window.take(place + 4, size), LEGACY_BLOCK_BYTES, bytearray())
        if piece:
            return place + 4 + size, piece
    raise FormatError(f"no LZ4 block at {window.origin + place:#x}")


def _unpacked(packed: memoryview, most_bytes: int, history: bytearray) -> bytes:
    import lz4.block  # type: ignore[import-untyped]  # has no type stubs

    try:
        return bytes(lz4.block.decompress(packed, uncompressed_size=most_bytes, dict=history))
    except (lz4.block.LZ4BlockError, ValueError) as error:
        raise FormatError(f"damaged LZ4 block: {error}") from error


def _number(window: Window, place: int, size: int) -> int:
    return int.from_bytes(window.take(place, size), "little")


def _open(span: Span, limits: Limits) -> Opened:
    reader = _Reader(span.window, Content(limits))
    while reader.read_frame() and reader.position < span.size and reader.frames + reader.skippable < limits.entries:
        continue
    if not reader.frames:
        raise FormatError(f"no LZ4 frame at {span.window.origin:#x}")
    facts: dict[str, Fact] = {"frames": reader.frames, **reader.facts}
    facts |= {"legacy_frames": reader.legacy} if reader.legacy else {}
    facts |= {"skippable_frames": reader.skippable} if reader.skippable else {}
    facts |= {} if reader.closed else {"unpacked_bytes": reader.content.size}
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title="LZ4 file",
        facts=facts,
        integrity=tuple(reader.verdicts),
        entries=(reader.entry(unpacked_name(span.path)),),
        problems=tuple(reader.content.problems),
    )


def _example() -> bytes:
    """Build a frame of one stored block with all check values."""
    import xxhash

    content = b"pump settings\n" * 20
    flags = VERSION_1 | INDEPENDENT | BLOCK_CHECK | CONTENT_SIZE | CONTENT_CHECK
    head = START.build(Lz4Start(magic=MAGIC, flags=flags, block_descriptor=0x40)) + len(content).to_bytes(8, "little")
    check = xxhash.xxh32_intdigest(content).to_bytes(4, "little")
    header_check = xxhash.xxh32_intdigest(head[len(MAGIC) :]) >> 8 & 0xFF
    block = (len(content) | STORED).to_bytes(4, "little") + content + check
    return head + bytes([header_check]) + block + bytes(4) + check


FORMAT = ImageFormat(
    name="lz4",
    title="LZ4 file",
    source="LZ4 frame format description 1.6.2 (lz4_Frame_format.md), with the legacy frame",
    limits="Content packed with a dictionary is only measured. The legacy form has no check values and no end mark.",
    open=_open,
    magics=(
        Magic(rb"\x04\x22\x4d\x18[\x40-\x7d][\x40\x50\x60\x70]"),
        Magic(rb"\x02\x21\x4c\x18"),
        Magic(rb"[\x50-\x5f]\x2a\x4d\x18", anchor=SKIPPABLE_MAGIC_TAIL, anywhere=False),
    ),
    example=_example,
)
