"""Zstandard files: one compressed file without a name, in frames, each with a check value if the writer wanted one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import unpacked_name
from firmware_checks.readers.unpack import Content
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, Truncated
from toolkit.core.layout import U8, U32LE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGIC_TAIL = b"\x2a\x4d\x18"
"""Follows a first byte of 0x50 to 0x5f. Source: RFC 8878, 3.1.2."""
CHECKSUM, RESERVED, SINGLE_SEGMENT = 0x04, 0x08, 0x20
"""Bits of the frame header descriptor. Source: RFC 8878, 3.1.1.1.1."""
DICTIONARY_ID_BYTES = (0, 1, 2, 4)
LAST_BLOCK, RLE_BLOCK, RESERVED_BLOCK = 1, 1, 3
BLOCK_HEADER_BYTES, CHECKSUM_BYTES = 3, 4
MOST_BLOCK_BYTES = 128 << 10
MOST_BLOCKS = 1 << 18
"""Writers fill blocks with up to 128 KiB each; so many of them are made to keep a reader busy."""
DECODER_MEMORY_BYTES = 256 << 20
VERDICTS = 16
"""Check values that are reported; a file of many frames shows the first and the wrong ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZstdStart:
    """Start of a frame; what follows depends on the descriptor. Source: RFC 8878, 3.1.1.1."""

    magic: bytes = wire(const(MAGIC))
    descriptor: int = wire(U8)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippableHeader:
    """Start of a frame that holds something else. Source: RFC 8878, 3.1.2."""

    magic: int = wire(U32LE)
    content_bytes: int = wire(U32LE)


START = Layout(ZstdStart, size=5)
SKIPPABLE = Layout(SkippableHeader, size=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    start: int
    descriptor: int
    window_bytes: int
    dictionary: int
    content_bytes: int | None
    blocks_start: int
    blocks_end: int
    damage: str
    """Why the blocks end early; empty when they do not."""

    @property
    def end(self) -> int:
        tail = CHECKSUM_BYTES if self.descriptor & CHECKSUM and not self.damage else 0
        return self.blocks_end + tail

    @property
    def closed(self) -> str:
        """Why it cannot be unpacked at all; empty when it can."""
        if self.dictionary:
            return f"needs the compression dictionary {self.dictionary}, which is not in the file"
        if self.window_bytes > DECODER_MEMORY_BYTES:
            return f"needs {self.window_bytes} bytes of memory to be unpacked"
        return ""


@dataclass(slots=True)
class _Reader:
    window: Window
    content: Content
    limits: Limits
    position: int = 0
    frames: int = 0
    skippable: int = 0
    first: _Frame | None = None
    closed: str = ""
    verdicts: list[Integrity] = field(default_factory=list)

    def read_frame(self) -> bool:
        """Read the frame at the current position; return False when none may follow it."""
        if self.window.starts_with(SKIPPABLE_MAGIC_TAIL, self.position + 1):
            return self._skip()
        try:
            frame = _frame(self.window, self.position)
        except FormatError:
            if self.first is None:
                raise
            return False
        self.first = self.first or frame
        self.frames += 1
        self.position = min(frame.end, self.window.size)
        self.closed = self.closed or frame.closed
        if frame.closed:
            return not frame.damage
        check = _Check()
        ended = self.content.unpack_pieces(partial(_pieces, self.window, frame, check)).ended
        return ended and self._judge(frame, check)

    def _skip(self) -> bool:
        try:
            header = SKIPPABLE.read(self.window, self.position)
            self.window.take(self.position + SKIPPABLE.size, header.content_bytes)
        except Truncated:
            if self.first is None:
                raise
            return False
        if not 0x184D2A50 <= header.magic <= 0x184D2A5F:
            return False
        self.skippable += 1
        self.position += SKIPPABLE.size + header.content_bytes
        return True

    def _judge(self, frame: _Frame, check: _Check) -> bool:
        if not frame.descriptor & CHECKSUM:
            return True
        try:
            stored = int.from_bytes(self.window.take(frame.blocks_end, CHECKSUM_BYTES), "little")
        except Truncated:
            self.content.problems.append("the check sum at the end is missing: the file is cut short")
            return False
        valid = stored == check.value
        if len(self.verdicts) < VERDICTS and (not valid or self.frames <= 1):
            self.verdicts.append(
                Integrity(
                    algorithm="xxh64 (lower half)",
                    covers=f"unpacked content of frame {self.frames}",
                    stored=f"{stored:08x}",
                    computed=f"{check.value:08x}",
                    valid=valid,
                )
            )
        return True

    def entry(self, name: str) -> Entry:
        """Return the one file, or what says why it stays closed."""
        if self.closed:
            size = None if self.first is None else self.first.content_bytes
            return Entry(name=name, packed_bytes=self.position, unpacked_bytes=size, read=self._refuse, offset=0)
        return self.content.entry(name, packed_bytes=self.position, offset=0)

    def _refuse(self, _most_bytes: int) -> bytes:
        raise FormatError(self.closed)


class _Check:
    """The check value of what was unpacked so far: XXH64 with seed 0, lower four bytes (RFC 8878, 3.1.1)."""

    def __init__(self) -> None:
        import xxhash

        self._state = xxhash.xxh64()

    def update(self, piece: bytes) -> None:
        self._state.update(piece)

    @property
    def value(self) -> int:
        return int(self._state.intdigest()) & 0xFFFF_FFFF


def _pieces(window: Window, frame: _Frame, check: _Check) -> Iterator[tuple[int, bytes]]:
    """Yield the unpacked content of ``frame`` block by block, each with the place where the packed block ends.

    The decompressor gets a header without a check value, so that a wrong one does not hide the content.
    """
    import zstandard

    head = bytes(window.view[frame.start + START.size : frame.blocks_start])
    stream = zstandard.ZstdDecompressor(max_window_size=DECODER_MEMORY_BYTES).decompressobj()
    try:
        stream.decompress(MAGIC + bytes([frame.descriptor & ~CHECKSUM]) + head)
        for start, end in _blocks(window, frame.blocks_start):
            piece = stream.decompress(window.view[start:end])
            check.update(piece)
            yield end, piece
    except zstandard.ZstdError as error:
        raise FormatError(str(error)) from error
    except Truncated as error:
        raise FormatError(frame.damage) from error


def _frame(window: Window, start: int) -> _Frame:
    """Read the header of the frame at ``start`` and walk over its blocks."""
    descriptor = START.read(window, start).descriptor
    if descriptor & RESERVED:
        raise FormatError(f"a reserved bit of the zstd frame header is set at {window.origin + start:#x}")
    place = start + START.size
    window_bytes = 0
    if not descriptor & SINGLE_SEGMENT:
        window_bytes = _window_bytes(window.take(place, 1)[0])
        place += 1
    dictionary_bytes = DICTIONARY_ID_BYTES[descriptor & 3]
    dictionary = int.from_bytes(window.take(place, dictionary_bytes), "little")
    place += dictionary_bytes
    size_bytes = (1 if descriptor & SINGLE_SEGMENT else 0, 2, 4, 8)[descriptor >> 6]
    size = int.from_bytes(window.take(place, size_bytes), "little") + (256 if size_bytes == 2 else 0)
    blocks_start = place + size_bytes
    blocks_end, damage = _measured(window, blocks_start)
    return _Frame(
        start=start,
        descriptor=descriptor,
        window_bytes=window_bytes if window_bytes or not size_bytes else size,
        dictionary=dictionary,
        content_bytes=size if size_bytes else None,
        blocks_start=blocks_start,
        blocks_end=blocks_end,
        damage=damage,
    )


def _window_bytes(descriptor: int) -> int:
    """Return how far back the data may refer, in bytes. Source: RFC 8878, 3.1.1.1.2."""
    base = 1 << 10 + (descriptor >> 3)
    return base + base // 8 * (descriptor & 7)


def _measured(window: Window, place: int) -> tuple[int, str]:
    """Return where the blocks end that start at ``place``, and why they end before the last one, if they do."""
    end = place
    try:
        for block in _blocks(window, place):
            end = block[1]
    except Truncated:
        return window.size, "it is cut short"
    except FormatError as error:
        if end == place:
            raise
        return end, str(error)
    return end, ""


def _blocks(window: Window, place: int) -> Iterator[tuple[int, int]]:
    """Yield where each block starts and ends, up to the last one. Source: RFC 8878, 3.1.1.2."""
    for _ in range(MOST_BLOCKS):
        header = int.from_bytes(window.take(place, BLOCK_HEADER_BYTES), "little")
        kind, size = (header >> 1) & 3, header >> 3
        if kind == RESERVED_BLOCK or size > MOST_BLOCK_BYTES:
            raise FormatError(f"no zstd block at {window.origin + place:#x}")
        end = place + BLOCK_HEADER_BYTES + (1 if kind == RLE_BLOCK else size)
        window.take(place, end - place)
        yield place, end
        if header & LAST_BLOCK:
            return
        place = end
    raise FormatError(f"it has more than {MOST_BLOCKS} blocks")


def _open(span: Span, limits: Limits) -> Opened:
    reader = _Reader(span.window, Content(limits), limits)
    while reader.read_frame() and reader.position < span.size and reader.frames + reader.skippable < limits.entries:
        continue
    if reader.first is None:
        raise FormatError(f"no zstd frame at {span.window.origin:#x}")
    facts: dict[str, Fact] = {"frames": reader.frames}
    if reader.skippable:
        facts["skippable_frames"] = reader.skippable
    if not reader.closed:
        facts["unpacked_bytes"] = reader.content.size
    facts["window_bytes"] = reader.first.window_bytes
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title="Zstandard file",
        facts=facts,
        integrity=tuple(reader.verdicts),
        entries=(reader.entry(unpacked_name(span.path)),),
        problems=tuple(reader.content.problems),
    )


def _example() -> bytes:
    """Build a frame of one block that repeats a byte, with a check value, and a skippable frame after it."""
    descriptor = SINGLE_SEGMENT | CHECKSUM
    content = b"." * 200
    block = (len(content) << 3 | RLE_BLOCK << 1 | LAST_BLOCK).to_bytes(BLOCK_HEADER_BYTES, "little") + content[:1]
    check = _Check()
    check.update(content)
    frame = START.build(ZstdStart(magic=MAGIC, descriptor=descriptor)) + bytes([len(content)]) + block
    note = SKIPPABLE.build(SkippableHeader(magic=0x184D2A50, content_bytes=4))
    return frame + check.value.to_bytes(CHECKSUM_BYTES, "little") + note + b"note"


FORMAT = ImageFormat(
    name="zstd",
    title="Zstandard file",
    source="RFC 8878, Zstandard compression and the application/zstd media type",
    limits="Content packed with a dictionary, or that needs more than 256 MiB of memory to unpack, is only measured.",
    open=_open,
    magics=(
        Magic(rb"\x28\xb5\x2f\xfd"),
        Magic(rb"[\x50-\x5f]\x2a\x4d\x18", anchor=SKIPPABLE_MAGIC_TAIL, anywhere=False),
    ),
    example=_example,
)
