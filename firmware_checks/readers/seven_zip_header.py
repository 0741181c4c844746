"""The description at the end of a 7z archive: packed streams, how each is unpacked, and the files in them.

Source: LZMA SDK 23.01, DOC/7zFormat.txt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["Coder", "Description", "File", "Folder", "HeaderBytes", "Streams", "read_description", "read_streams"]

END, HEADER, ARCHIVE_PROPERTIES, ADDITIONAL_STREAMS, MAIN_STREAMS, FILES = range(6)
PACK_INFO, UNPACK_INFO, SUBSTREAMS, SIZE, CRC, FOLDER, UNPACK_SIZES, UNPACK_STREAMS = range(6, 14)
EMPTY_STREAM, EMPTY_FILE, ANTI, NAMES = 0x0E, 0x0F, 0x10, 0x11
MODIFIED, ATTRIBUTES, ENCODED_HEADER = 0x14, 0x15, 0x17
MOST_CODERS, MOST_STREAMS = 32, 32
"""Source: LZMA SDK, C/7zArcIn.c, SZ_NUM_CODERS_IN_FOLDER_MAX and the like, which are smaller."""
ID_SIZE, COMPLEX, HAS_PROPERTIES, RESERVED = 0x0F, 0x10, 0x20, 0xC0
MOST_NAME_BYTES = 1 << 16
MOST_THINGS = 1 << 18
"""Files, folders or streams: more than twice as many as are listed."""


@dataclass(frozen=True, slots=True)
class Coder:
    """One step of unpacking."""

    method: bytes
    properties: bytes
    inputs: int
    outputs: int


@dataclass(slots=True)
class Folder:
    """Streams that are unpacked together, to one stream of files that follow each other."""

    coders: tuple[Coder, ...]
    bonds: dict[int, int]
    """Which output feeds an input, by the number of the input."""
    packed: tuple[int, ...]
    """Inputs that are fed from the archive."""
    first_stream: int = 0
    sizes: tuple[int, ...] = ()
    """Bytes that each output gives."""
    crc32: int | None = None

    @property
    def main_output(self) -> int:
        """The output that feeds nothing: the files."""
        return next((n for n in range(len(self.sizes)) if n not in self.bonds.values()), 0)

    @property
    def size(self) -> int:
        """Unpacked bytes."""
        return self.sizes[self.main_output]


@dataclass(slots=True)
class Streams:
    """Packed streams and folders of an archive or of its own header."""

    position: int = 0
    """Where the first packed stream starts, counted from the end of the first header."""
    packed_sizes: list[int] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """Files in each folder."""
    sizes: list[int] = field(default_factory=list)
    """Of each file, folder after folder."""
    sums: list[int | None] = field(default_factory=list)
    """CRC-32 of each file."""


@dataclass(slots=True)
class File:
    """What the archive says of one file."""

    name: str = ""
    has_content: bool = True
    is_folder: bool = False
    is_anti: bool = False
    """It only says that a file is to be removed."""
    modified: int | None = None
    """In steps of 100 ns since 1601."""
    attributes: int | None = None


@dataclass(slots=True)
class Description:
    """All that an archive holds."""

    streams: Streams = field(default_factory=Streams)
    files: list[File] = field(default_factory=list)


class HeaderBytes:
    """Reads a header from front to back; every count is held against the bytes that are there."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._window = Window.of(data)
        self.place = 0

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        data = bytes(self._window.take(self.place, size))
        self.place += size
        return data

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """Return the next number: the leading ones of its first byte tell how many bytes follow, lowest first."""
        first = self.byte()
        count = next((n for n in range(8) if not first & 0x80 >> n), 8)
        low = int.from_bytes(self.take(count), "little")
        return low | (first & (0x7F >> count)) << 8 * count if count < 8 else low

    def count(self) -> int:
        """Return the next number, of things that take at least a byte each; more than there are bytes is refused."""
        number = self.number()
        if number > min(self._window.size, MOST_THINGS):
            raise FormatError(f"a 7z header counts {number} things in {self._window.size} bytes")
        return number

    def bits(self, count: int) -> list[bool]:
        """Return ``count`` bits, the highest first."""
        data = self.take((count + 7) // 8)
        return [bool(data[n // 8] & 0x80 >> n % 8) for n in range(count)]

    def some(self, count: int) -> list[bool]:
        """Return which of ``count`` things have a value: all when a byte says so, else by bits."""
        return [True] * count if self.byte() else self.bits(count)

    def values(self, count: int, size: int) -> list[int | None]:
        """Return for each of ``count`` things its value of ``size`` bytes, None where there is none."""
        return [int.from_bytes(self.take(size), "little") if there else None for there in self.some(count)]

    def expect(self, kind: int) -> None:
        """Pass over the mark ``kind``; raise ``FormatError`` when another stands there."""
        found = self.byte()
        if found != kind:
            raise FormatError(f"a 7z header has the mark {found:#04x} where {kind:#04x} must stand")

    def not_external(self) -> None:
        """Pass over the byte that says that what follows is in another stream, which nobody writes."""
        if self.byte():
            raise FormatError("a 7z header refers to another stream")


def read_description(header: HeaderBytes) -> Description:
    """Read what follows the mark ``HEADER``."""
    found = Description()
    kind = header.byte()
    if kind == ARCHIVE_PROPERTIES:
        while header.byte() != END:
            header.take(header.number())
        kind = header.byte()
    if kind == ADDITIONAL_STREAMS:
        read_streams(header)
        kind = header.byte()
    if kind == MAIN_STREAMS:
        found.streams = read_streams(header)
        kind = header.byte()
    if kind == FILES:
        found.files = _files(header)
    return found


def read_streams(header: HeaderBytes) -> Streams:
    """Read packed streams, folders and the sizes of the files in them."""
    streams = Streams()
    kind = header.byte()
    if kind == PACK_INFO:
        _pack_info(header, streams)
        kind = header.byte()
    if kind == UNPACK_INFO:
        _unpack_info(header, streams)
        kind = header.byte()
    streams.counts = [1] * len(streams.folders)
    if kind == SUBSTREAMS:
        _substreams(header, streams)
        header.expect(END)
    else:
        streams.sizes = [folder.size for folder in streams.folders]
        streams.sums = [folder.crc32 for folder in streams.folders]
    return streams


def _pack_info(header: HeaderBytes, streams: Streams) -> None:
    streams.position = header.number()
    count = header.count()
    kind = header.byte()
    if kind == SIZE:
        streams.packed_sizes = [header.number() for _ in range(count)]
        kind = header.byte()
    if kind == CRC:
        header.values(count, 4)
        header.expect(END)


def _unpack_info(header: HeaderBytes, streams: Streams) -> None:
    header.expect(FOLDER)
    count = header.count()
    header.not_external()
    stream = 0
    for _ in range(count):
        folder = _folder(header)
        folder.first_stream = stream
        stream += len(folder.packed)
        streams.folders.append(folder)
    header.expect(UNPACK_SIZES)
    for folder in streams.folders:
        folder.sizes = tuple(header.number() for coder in folder.coders for _ in range(coder.outputs))
    if header.byte() == CRC:
        for folder, crc32 in zip(streams.folders, header.values(count, 4), strict=True):
            folder.crc32 = crc32
        header.expect(END)


def _folder(header: HeaderBytes) -> Folder:
    count = header.number()
    if not 0 < count <= MOST_CODERS:
        raise FormatError(f"a 7z folder has {count} coders")
    coders = tuple(_coder(header) for _ in range(count))
    inputs, outputs = sum(c.inputs for c in coders), sum(c.outputs for c in coders)
    if not 0 < outputs <= inputs <= MOST_STREAMS:
        raise FormatError(f"a 7z folder makes {outputs} streams of {inputs}")
    bonds = {header.number(): header.number() for _ in range(outputs - 1)}
    free = inputs - outputs + 1
    packed = (
        tuple(header.number() for _ in range(free))
        if free > 1
        else tuple(number for number in range(inputs) if number not in bonds)[:1]
    )
    return Folder(coders=coders, bonds=bonds, packed=packed)


def _coder(header: HeaderBytes) -> Coder:
    flags = header.byte()
    if flags & RESERVED:
        raise FormatError(f"a 7z coder has the flags {flags:#04x}")
    method = header.take(flags & ID_SIZE)
    inputs = outputs = 1
    if flags & COMPLEX:
        inputs, outputs = header.number(), header.number()
        if inputs > MOST_STREAMS or outputs != 1:
            raise FormatError(f"a 7z coder makes {outputs} streams of {inputs}")
    properties = header.take(header.number()) if flags & HAS_PROPERTIES else b""
    return Coder(method, properties, inputs, outputs)


def _substreams(header: HeaderBytes, streams: Streams) -> None:
    """Read how many files each folder has, and their sizes: the last of each has what is left."""
    kind = header.byte()
    if kind == UNPACK_STREAMS:
        streams.counts = [header.count() for _ in streams.folders]
        kind = header.byte()
    for folder, count in zip(streams.folders, streams.counts, strict=True):
        known = [header.number() for _ in range(count - 1)] if kind == SIZE else []
        if sum(known) > folder.size or (count > 1 and kind != SIZE):
            raise FormatError("the files in a 7z folder are larger than the folder")
        streams.sizes += [*known, folder.size - sum(known)] if count else []
        if len(streams.sizes) > MOST_THINGS:
            raise FormatError(f"a 7z header describes more than {MOST_THINGS} files")
    if kind == SIZE:
        kind = header.byte()
    _sums(header, streams, told=kind == CRC)


def _sums(header: HeaderBytes, streams: Streams, *, told: bool) -> None:
    """Read the check values of the files; that of a folder with one file is that file's."""
    pairs = list(zip(streams.folders, streams.counts, strict=True))
    unknown = sum(count for folder, count in pairs if count != 1 or folder.crc32 is None)
    values = iter(header.values(unknown, 4) if told else [None] * unknown)
    for folder, count in pairs:
        if count == 1 and folder.crc32 is not None:
            streams.sums.append(folder.crc32)
        else:
            streams.sums += [next(values) for _ in range(count)]
    if told:
        header.expect(END)


def _files(header: HeaderBytes) -> list[File]:
    files = [File() for _ in range(header.count())]
    empty: list[File] = []
    while (kind := header.number()) != END:
        body = HeaderBytes(header.take(header.number()))
        if kind == EMPTY_STREAM:
            empty = _without_content(body, files)
        elif kind in READERS:
            READERS[kind](body, empty if kind in (EMPTY_FILE, ANTI) else files)
    return files


def _without_content(body: HeaderBytes, files: list[File]) -> list[File]:
    for file, is_empty in zip(files, body.bits(len(files)), strict=True):
        file.has_content, file.is_folder = not is_empty, is_empty
    return [file for file in files if not file.has_content]


def _empty_files(body: HeaderBytes, empty: list[File]) -> None:
    for file, is_file in zip(empty, body.bits(len(empty)), strict=True):
        file.is_folder = not is_file


def _anti(body: HeaderBytes, empty: list[File]) -> None:
    for file, is_anti in zip(empty, body.bits(len(empty)), strict=True):
        file.is_anti = is_anti


def _names(body: HeaderBytes, files: list[File]) -> None:
    body.not_external()
    for file, name in zip(files, _texts(body, len(files)), strict=True):
        file.name = name


def _texts(body: HeaderBytes, count: int) -> Iterator[str]:
    for _ in range(count):
        text = bytearray()
        while (unit := body.take(2)) != b"\0\0":
            text += unit
            if len(text) > MOST_NAME_BYTES:
                raise FormatError("a name in a 7z header has no end")
        yield text.decode("utf-16-le", "surrogatepass")


def _modified(body: HeaderBytes, files: list[File]) -> None:
    there = body.some(len(files))
    body.not_external()
    for file, is_there in zip(files, there, strict=True):
        file.modified = int.from_bytes(body.take(8), "little") if is_there else None


def _attributes(body: HeaderBytes, files: list[File]) -> None:
    there = body.some(len(files))
    body.not_external()
    for file, is_there in zip(files, there, strict=True):
        file.attributes = int.from_bytes(body.take(4), "little") if is_there else None


READERS: Final[dict[int, Callable[[HeaderBytes, list[File]], None]]] = {
    EMPTY_FILE: _empty_files,
    ANTI: _anti,
    NAMES: _names,
    MODIFIED: _modified,
    ATTRIBUTES: _attributes,
}
