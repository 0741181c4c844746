"""Microsoft cabinets: the files inside Windows installers, drivers and updates."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Final

from firmware_checks.format import Entry, ImageFormat, Magic, Opened, Part
from firmware_checks.readers.entry_names import name_problems, visible
from firmware_checks.readers.lzx import FRAME_BYTES, CabinetLzx
from firmware_checks.readers.windows_metadata import attribute_letters, dos_time_s
from firmware_checks.readers.xor_words import xor_words
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U8, U16LE, U32LE, Layout, const, wire
from toolkit.core.limits import MIB, Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT", "build_cabinet", "check_sum"]

MAGIC: Final = b"MSCF"
HAS_PREVIOUS, HAS_NEXT, HAS_RESERVE = 1, 2, 4
NAME_BYTES = 256
"""Longest name with the NUL at its end."""
CONTINUED_FROM, CONTINUED_TO, CONTINUED_BOTH = 0xFFFD, 0xFFFE, 0xFFFF
"""Folder numbers of files that lie in other cabinets of a set, too."""
UTF8_NAME = 0x80
STORED, MSZIP, QUANTUM, LZX = range(4)
METHODS: Final = ("stored", "MSZIP", "Quantum", "LZX")
BLOCK_SIGNATURE = b"CK"
DEFLATE_WINDOW = 32_768
LZX_BYTES = 64 * MIB
"""So much of an LZX folder is unpacked: it takes up to half a minute."""
VERDICTS = 16
"""Check sums that are reported: the first and the wrong ones."""
SIGNATURE_KIND: Final = 0x0010_0000
"""First word of the 20 reserved bytes that say where an Authenticode signature is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CabinetHeader:
    """Start of the file. Source: MS-CAB 2.1, CFHEADER."""

    magic: bytes = wire(const(MAGIC))
    reserved1: int = wire(const(0, U32LE))
    cabinet_bytes: int = wire(U32LE)
    reserved2: int = wire(U32LE)
    files_at: int = wire(U32LE)
    reserved3: int = wire(U32LE)
    minor_version: int = wire(U8)
    major_version: int = wire(const(1, U8))
    folders: int = wire(U16LE)
    files: int = wire(U16LE)
    flags: int = wire(U16LE)
    set_id: int = wire(U16LE)
    number_in_set: int = wire(U16LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Bytes that programs keep for themselves in each header, folder and block. Source: MS-CAB 2.1, CFHEADER."""

    header_bytes: int = wire(U16LE)
    folder_bytes: int = wire(U8)
    block_bytes: int = wire(U8)


@dataclass(frozen=True, slots=True, kw_only=True)
class CabinetFolder:
    """Files that are compressed as one. Source: MS-CAB 2.2, CFFOLDER."""

    data_at: int = wire(U32LE)
    blocks: int = wire(U16LE)
    compression: int = wire(U16LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CabinetFile:
    """One file; its name follows. Source: MS-CAB 2.3, CFFILE."""

    unpacked_bytes: int = wire(U32LE)
    folder_offset: int = wire(U32LE)
    folder: int = wire(U16LE)
    date: int = wire(U16LE)
    time: int = wire(U16LE)
    attributes: int = wire(U16LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Reserve of a signed cabinet: where the signature is. Source: as osslsigncode reads and writes it."""

    kind: int = wire(const(SIGNATURE_KIND, U32LE))
    start: int = wire(U32LE)
    size: int = wire(U32LE)
    reserved1: int = wire(U32LE)
    reserved2: int = wire(U32LE)


HEADER = Layout(CabinetHeader, size=36)
RESERVE = Layout(Reserve, size=4)
FOLDER = Layout(CabinetFolder, size=8)
FILE = Layout(CabinetFile, size=16)
SIGNATURE = Layout(Signature, size=20)
BLOCK: Final = struct.Struct("<I2H")
"""Check sum, packed and unpacked size of a data block. Source: MS-CAB 2.4, CFDATA."""


def check_sum(data: bytes | memoryview, seed: int = 0) -> int:
    """Return the exclusive or of all little-endian 32-bit words, the last 1 to 3 bytes big-endian (MS-CAB 3.1)."""
    return xor_words(data) ^ int.from_bytes(data[len(data) & ~3 :], "big") ^ seed


@dataclass(frozen=True, slots=True)
class _Block:
    packed: memoryview
    unpacked_bytes: int


@dataclass(slots=True)
class _Folder:
    """The content of a folder, unpacked once and only as far as anybody asked for it."""

    compression: int
    most_bytes: int
    blocks: list[_Block] = field(default_factory=list)
    packed_bytes: int = 0
    damage: str = "its data ends early or goes on in another cabinet"
    _content: bytearray = field(default_factory=bytearray)
    _pieces: Iterator[bytes] | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def method(self) -> str:
        number = self.compression & 15
        return METHODS[number] if number < len(METHODS) else f"method {number}"

    def read(self, start: int, size: int, max_bytes: int) -> bytes:
        """Return one file of the folder."""
        most = min(self.most_bytes, LZX_BYTES) if self.method == METHODS[LZX] else self.most_bytes
        if size > max_bytes:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {max_bytes} bytes")
        if start + size > most:
            raise LimitExceeded("entry_bytes", f"lies beyond the first {most} bytes of its folder")
        with self._lock:
            self._unpack(start + size)
            return bytes(self._content[start : start + size])

    def _unpack(self, until: int) -> None:
        if self._pieces is None:
            self._pieces = self._unpacked()
        while len(self._content) < until:
            try:
                piece = next(self._pieces, None)
            except FormatError as error:
                self.damage = str(error)
                piece = None
            if piece is None:
                raise FormatError(self.damage)
            self._content += piece

    def _unpacked(self) -> Iterator[bytes]:
        """Yield what each block unpacks to."""
        unpackers = {"stored": self._stored, "MSZIP": self._mszip, "LZX": self._lzx}
        if self.method not in unpackers:
            raise FormatError(f"is compressed with {self.method}, which is not read")
        for block, piece in zip(self.blocks, unpackers[self.method](), strict=True):
            if len(piece) != block.unpacked_bytes:
                raise FormatError(f"a block unpacks to {len(piece)} bytes instead of {block.unpacked_bytes}")
            yield piece

    def _stored(self) -> Iterator[bytes]:
        for block in self.blocks:
            yield bytes(block.packed)

    def _mszip(self) -> Iterator[bytes]:
        """Deflate in blocks that start anew but may refer to the 32 KiB before them. Source: MS-MCI 2.1."""
        before = b""
        for block in self.blocks:
            if block.packed[:2] != BLOCK_SIGNATURE:
                raise FormatError("an MSZIP block does not start with its signature")
            inflate = zlib.decompressobj(-zlib.MAX_WBITS, zdict=before)
            try:
                piece = inflate.decompress(block.packed[2:], block.unpacked_bytes + 1)
            except zlib.error as error:
                raise FormatError(f"an MSZIP block is damaged: {error}") from error
            before = (before + piece)[-DEFLATE_WINDOW:]
            yield piece

    def _lzx(self) -> Iterator[bytes]:
        """LZX (MS-PATCH 2; the cabinet specification names it and describes it elsewhere), a frame in each block."""
        if any(block.unpacked_bytes != FRAME_BYTES for block in self.blocks[:-1]):
            raise FormatError("an LZX folder has a short block before its last")
        stream = CabinetLzx(b"".join(block.packed for block in self.blocks), self.compression >> 8 & 31)
        for block in self.blocks:
            yield stream.frame(block.unpacked_bytes)


@dataclass(slots=True)
class _Reader:
    window: Window
    limits: Limits
    header: CabinetHeader
    place: int = HEADER.size
    reserve: Reserve = field(default_factory=lambda: Reserve(header_bytes=0, folder_bytes=0, block_bytes=0))
    facts: dict[str, Fact] = field(default_factory=dict)
    verdicts: list[Integrity] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    folders: list[_Folder] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    checked_blocks: int = 0
    _read_bytes: int = 0

    def read_head(self) -> Signature | None:
        """Read what follows the fixed header; return where the signature is, if there is one."""
        signature = None
        if self.header.flags & HAS_RESERVE:
            self.reserve = RESERVE.read(self.window, self.place)
            self.place += RESERVE.size
            signature = self._signature()
            self.place += self.reserve.header_bytes
        for flag, name in ((HAS_PREVIOUS, "previous_cabinet"), (HAS_NEXT, "next_cabinet")):
            if self.header.flags & flag:
                self.facts[name] = visible(self._text(self.place).decode("utf-8", "backslashreplace"))
                self.place += len(self._text(self.place)) + 1
                self.place += len(self._text(self.place)) + 1
                self.problems.add(f"is part of a set: the {name.replace('_', ' ')} is needed for some files")
        return signature

    def _signature(self) -> Signature | None:
        if self.reserve.header_bytes < SIGNATURE.size:
            return None
        try:
            found = SIGNATURE.read(self.window, self.place)
        except FormatError:
            return None
        self.facts["signed"] = found.size > 0
        return found if found.size and found.start >= self.header.cabinet_bytes else None

    def _text(self, place: int) -> bytes:
        data = bytes(self.window.take(place, min(NAME_BYTES, max(0, self.window.size - place))))
        text, end, _ = data.partition(b"\0")
        if not end:
            raise FormatError(f"a name in the cabinet at {self.window.origin + place:#x} has no end")
        return text

    def read_folders(self) -> None:
        """Read all folders and check their data blocks; what is damaged is noted and read around."""
        for number in range(self.header.folders):
            row = FOLDER.read(self.window, self.place)
            self.place += FOLDER.size + self.reserve.folder_bytes
            folder = _Folder(row.compression, self.limits.entry_bytes)
            self.folders.append(folder)
            try:
                self._read_blocks(folder, row, number)
            except FormatError as error:
                folder.damage = str(error)
                self.problems.add(f"data of folder {number} is not complete: {error}")

    def _read_blocks(self, folder: _Folder, row: CabinetFolder, number: int) -> None:
        place = row.data_at
        for index in range(row.blocks):
            stored, packed_bytes, unpacked_bytes = BLOCK.unpack(self.window.take(place, BLOCK.size))
            data = self.window.take(place + BLOCK.size + self.reserve.block_bytes, packed_bytes)
            self._read_bytes += BLOCK.size + packed_bytes
            if self._read_bytes > self.window.size:
                raise FormatError("its blocks lie on those of another folder")
            self._judge(stored, place, data, f"data block {index} of folder {number}")
            if unpacked_bytes == 0:
                return  # the block is completed in the next cabinet
            folder.blocks.append(_Block(data, unpacked_bytes))
            folder.packed_bytes += packed_bytes
            place += BLOCK.size + self.reserve.block_bytes + packed_bytes

    def _judge(self, stored: int, place: int, data: memoryview, covers: str) -> None:
        if not stored:
            return
        self.checked_blocks += 1
        computed = check_sum(self.window.take(place + 4, 4), check_sum(data))
        valid = stored == computed
        if (self.checked_blocks == 1 or not valid) and len(self.verdicts) < VERDICTS:
            self.verdicts.append(
                Integrity(
                    algorithm="MS-CAB exclusive or", covers=covers, stored=f"{stored:08x}",
                    computed=f"{computed:08x}", valid=valid,
                )
            )  # fmt: skip

    def read_files(self) -> None:
        """Read the list of files, as far as it goes."""
        place = self.header.files_at
        for _ in range(min(self.header.files, self.limits.entries)):
            try:
                row = FILE.read(self.window, place)
                name = self._text(place + FILE.size)
            except FormatError as error:
                self.problems.add(f"the list of files ends early: {error}")
                return
            place += FILE.size + len(name) + 1
            self._add(row, name)

    def _add(self, row: CabinetFile, raw_name: bytes) -> None:
        encoding = "utf-8" if row.attributes & UTF8_NAME else "cp1252"
        name = raw_name.decode(encoding, "backslashreplace").replace("\\", "/")
        for problem in name_problems(name):
            self.problems.add(problem, name)
        number = self._folder_number(row.folder)
        folder = None if number is None else self.folders[number]
        letters = attribute_letters(row.attributes)
        self.entries.append(
            Entry(
                name=visible(name, most_characters=NAME_BYTES),
                packed_bytes=min(row.unpacked_bytes, folder.packed_bytes if folder else 0),
                unpacked_bytes=row.unpacked_bytes,
                read=partial(folder.read, row.folder_offset, row.unpacked_bytes)
                if folder
                else partial(_not_here, row.folder),
                modified_s=dos_time_s(row.date, row.time),
                extended={"dos.attributes": letters.encode()} if letters else {},
            )
        )  # fmt: skip

    def _folder_number(self, number: int) -> int | None:
        """Return the folder in this cabinet that a file begins in, None where it is in another cabinet."""
        if number == CONTINUED_TO:
            number = len(self.folders) - 1
        return number if 0 <= number < len(self.folders) else None


def _not_here(folder: int, _max_bytes: int) -> bytes:
    if folder in (CONTINUED_FROM, CONTINUED_BOTH):
        raise FormatError("begins in the previous cabinet of the set")
    raise FormatError(f"lies in folder {folder}, which the cabinet does not have")


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    header = HEADER.read(window)
    lists_end = HEADER.size + header.folders * FOLDER.size
    if not lists_end <= header.files_at < header.cabinet_bytes or header.minor_version > 3:
        raise FormatError(f"the cabinet header at {window.origin:#x} contradicts itself")
    size = min(header.cabinet_bytes, window.size)
    reader = _Reader(window.sub(0, size), limits, header)
    signature = reader.read_head()
    reader.read_folders()
    reader.read_files()
    parts = tuple(_signature_part(window, signature)) if signature else ()
    missing = header.cabinet_bytes - window.size
    cut = (f"the file is cut short: {missing} bytes are missing",) if missing > 0 else ()
    return Opened(
        size=max(size, *(part.end for part in parts), size),
        kind=RegionKind.CONTAINER,
        title="Microsoft cabinet",
        facts=_facts(reader),
        integrity=tuple(reader.verdicts),
        parts=parts,
        entries=tuple(reader.entries),
        in_order=True,
        problems=(*cut, *reader.problems.sentences()),
    )


def _facts(reader: _Reader) -> dict[str, Fact]:
    header = reader.header
    methods = sorted({folder.method for folder in reader.folders})
    return {
        "version": f"{header.major_version}.{header.minor_version}",
        "files": header.files,
        "folders": header.folders,
        "methods": tuple(methods),
        "checked_blocks": reader.checked_blocks,
        "set_id": header.set_id,
        "number_in_set": header.number_in_set,
        **reader.facts,
    }


def _signature_part(window: Window, signature: Signature) -> Iterator[Part]:
    if signature.start + signature.size <= window.size:
        end = signature.start + signature.size
        yield Part(start=signature.start, end=end, title="Authenticode signature", kind=RegionKind.METADATA)


def build_cabinet(
    files: dict[str, bytes], *, compression: int = STORED, blocks: Sequence[tuple[bytes, int]] | None = None
) -> bytes:
    """Return a cabinet of ``files`` in one folder; times are 2020-01-01 12:00.

    Without ``blocks``, packed bytes and unpacked size each, the content is stored or compressed with MSZIP.
    """
    if blocks is None:
        blocks = _blocks_of(b"".join(files.values()), compression)
    body = b""
    for packed, unpacked_bytes in blocks:
        sizes = struct.pack("<2H", len(packed), unpacked_bytes)
        body += struct.pack("<I", check_sum(sizes, check_sum(packed))) + sizes + packed
    rows = b""
    offset = 0
    for name, data in files.items():
        row = CabinetFile(
            unpacked_bytes=len(data), folder_offset=offset, folder=0, date=40 << 9 | 1 << 5 | 1, time=12 << 11,
            attributes=0x20 | UTF8_NAME,
        )  # fmt: skip
        rows += FILE.build(row) + name.encode() + b"\0"
        offset += len(data)
    files_at = HEADER.size + FOLDER.size
    data_at = files_at + len(rows)
    header = CabinetHeader(
        magic=MAGIC, reserved1=0, cabinet_bytes=data_at + len(body), reserved2=0, files_at=files_at, reserved3=0,
        minor_version=3, major_version=1, folders=1, files=len(files), flags=0, set_id=0, number_in_set=0,
    )  # fmt: skip
    folder = CabinetFolder(data_at=data_at, blocks=len(blocks), compression=compression)
    return HEADER.build(header) + FOLDER.build(folder) + rows + body


def _blocks_of(content: bytes, compression: int) -> list[tuple[bytes, int]]:
    """Return ``content`` cut into blocks, packed when ``compression`` is MSZIP."""
    blocks: list[tuple[bytes, int]] = []
    for start in range(0, len(content), FRAME_BYTES):
        piece = content[start : start + FRAME_BYTES]
        before = content[max(0, start - DEFLATE_WINDOW) : start]
        blocks.append((BLOCK_SIGNATURE + _deflated(piece, before) if compression == MSZIP else piece, len(piece)))
    return blocks


def _deflated(data: bytes, before: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    return packer.compress(data) + packer.flush()


def _example() -> bytes:
    return build_cabinet({"pump.ini": b"rate=5\n" * 40, "drivers/pump.sys": b"MZ" + bytes(60)}, compression=MSZIP)


FORMAT = ImageFormat(
    name="cab",
    title="Microsoft cabinet",
    source="Microsoft MS-CAB revision 3 (2017), MS-MCI (MSZIP), MS-PATCH 2 (LZX)",
    limits=(
        "Stored, MSZIP and LZX files are read, LZX up to 64 MiB of a folder; Quantum is not. "
        "Files that begin in another cabinet of a set are listed only. A signature is seen but not verified."
    ),
    open=_open,
    magics=(Magic(rb"MSCF\x00{4}"),),
    example=_example,
)
