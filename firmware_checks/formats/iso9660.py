"""ISO 9660 file systems: CDs, DVDs and the images of them that updates and recovery media come as."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode, TreeWalk
from firmware_checks.readers.rock_ridge import RockRidge, iso_time_s, rock_ridge, skipped_bytes
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U8, U16LE, U32LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

SECTOR_BYTES: Final = 2048
FIRST_DESCRIPTOR: Final = 16
MOST_DESCRIPTORS = 64
BOOT_RECORD, PRIMARY, SUPPLEMENTARY, TERMINATOR = 0, 1, 2, 255
JOLIET: Final = (b"%/@", b"%/C", b"%/E")
"""Escape sequences of UCS-2. Source: Microsoft, Joliet Specification, 1995."""
EL_TORITO: Final = b"EL TORITO SPECIFICATION"
IS_FOLDER, ASSOCIATED, MULTI_EXTENT = 0x02, 0x04, 0x80
OWN_NAMES: Final = (b"\0", b"\1")
"""Names of a folder's records for itself and for its parent."""
CONTINUATION_BYTES = 1 << 16
"""Most bytes of Rock Ridge fields kept apart from their record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDescriptor:
    """Primary or supplementary volume descriptor. Source: ECMA-119, 8.4 and 8.5."""

    type: int = wire(U8)
    standard: bytes = wire(const(b"CD001"))
    version: int = wire(U8)
    flags: int = wire(U8)
    system: bytes = wire(raw(32))
    volume: bytes = wire(raw(32))
    unused: bytes = wire(raw(8))
    blocks: int = wire(U32LE)
    blocks_be: bytes = wire(raw(4))
    escapes: bytes = wire(raw(32))
    set_size: int = wire(U32LE)
    sequence: int = wire(U32LE)
    block_bytes: int = wire(U16LE)
    block_bytes_be: bytes = wire(raw(2))
    path_tables: bytes = wire(raw(24))
    root: bytes = wire(raw(34))
    volume_set: bytes = wire(raw(128))
    publisher: bytes = wire(raw(128))
    preparer: bytes = wire(raw(128))
    application: bytes = wire(raw(128))
    files: bytes = wire(raw(111))
    created: bytes = wire(raw(17))
    modified: bytes = wire(raw(17))
    rest: bytes = wire(raw(SECTOR_BYTES - 847))


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRecord:
    """Fixed part of a record in a folder; numbers are followed by themselves in the other byte order.

    Source: ECMA-119, 9.1.
    """

    size: int = wire(U8)
    attribute_blocks: int = wire(U8)
    block: int = wire(U32LE)
    block_be: bytes = wire(raw(4))
    content_bytes: int = wire(U32LE)
    content_bytes_be: bytes = wire(raw(4))
    time: bytes = wire(raw(7))
    flags: int = wire(U8)
    unit: int = wire(U8)
    gap: int = wire(U8)
    volume: int = wire(U32LE)
    name_bytes: int = wire(U8)


DESCRIPTOR = Layout(VolumeDescriptor, size=SECTOR_BYTES)
RECORD = Layout(DirectoryRecord, size=33)

PLATFORMS: Final = {0: "x86 BIOS", 1: "PowerPC", 2: "Mac", 0xEF: "EFI"}
MEDIA: Final = ("no emulation", "1.2 MB floppy", "1.44 MB floppy", "2.88 MB floppy", "hard disk")
"""Source: Phoenix and IBM, El Torito Bootable CD-ROM Format Specification 1.0, 2.1 and 2.2; UEFI 2.10, 13.3.2.1."""
CATALOG_ROW: Final = 32
BOOTABLE, MORE_HEADERS, LAST_HEADER = 0x88, 0x90, 0x91


@dataclass(slots=True)
class _File:
    """A file or folder as its records describe it."""

    name: bytes
    record: DirectoryRecord
    extras: RockRidge
    extents: list[tuple[int, int]]
    """Place and size in bytes of each piece."""
    interleaved: bool = False

    @property
    def size(self) -> int:
        return sum(size for _, size in self.extents)


@dataclass(slots=True)
class _Disc:
    """One tree of folders as ``TreeWalk`` sees it: a folder's number is its block, negative; a file's is its place."""

    window: Window
    descriptor: VolumeDescriptor
    joliet: bool
    tally: Problems
    skipped: int | None = None
    """Bytes before the Rock Ridge fields; None where there are none."""
    _files: dict[int, _File] = field(default_factory=dict)
    _folder_bytes_left: int = 0

    def __post_init__(self) -> None:
        self._folder_bytes_left = self.window.size
        if not self.joliet:
            root = RECORD.read(Window.of(self.descriptor.root))
            try:
                self.skipped = skipped_bytes(next(self._records(root.block, SECTOR_BYTES))[2])
            except (FormatError, StopIteration):
                self.skipped = None

    def root(self) -> int:
        """Return the number of the root folder."""
        record = RECORD.read(Window.of(self.descriptor.root))
        self._files[-record.block] = _File(
            b"", record, RockRidge(), [(self._place(record.block), record.content_bytes)]
        )
        return -record.block

    def children(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """See ``InodeTree``."""
        try:
            for place, file in self._listed(folder):
                number = place
                if self._is_folder(file):
                    number = -self._folder_block(file)
                self._files.setdefault(number, file)
                yield file.name, number
        except FormatError as error:
            self.tally.add(f"a folder was not read to its end: {error}")

    def inode(self, number: int) -> Inode:
        """See ``InodeTree``."""
        file = self._files[number]
        extras = file.extras
        kind = EntryKind.FOLDER if number < 0 else extras.kind or EntryKind.FILE
        size = file.size if kind is EntryKind.FILE else 0
        return Inode(
            kind=EntryKind.FILE if kind is EntryKind.FOLDER and number >= 0 else kind,
            read=partial(_read, self.window, file),
            packed_bytes=min(size, self.window.size),
            unpacked_bytes=size,
            mode=None if extras.mode is None else extras.mode & 0o7777,
            uid=extras.uid,
            gid=extras.gid,
            modified_s=iso_time_s(file.record.time) if extras.modified_s is None else extras.modified_s,
            target=visible(extras.target.decode("utf-8", "backslashreplace"), most_characters=CONTINUATION_BYTES),
            device=extras.device,
            offset=file.extents[0][0] if file.extents else None,
        )

    def _is_folder(self, file: _File) -> bool:
        return bool(file.record.flags & IS_FOLDER) or file.extras.child_block is not None

    def _folder_block(self, file: _File) -> int:
        """Return where a folder is, and read its size from there when it was moved."""
        block = file.extras.child_block
        if block is None:
            return file.record.block
        own = RECORD.read(self.window, self._place(block))
        file.extents = [(self._place(block), own.content_bytes)]
        return block

    def _place(self, block: int) -> int:
        return block * self.descriptor.block_bytes

    def _listed(self, folder: int) -> Iterator[tuple[int, _File]]:
        """Yield the files and folders in ``folder``, each with the place of its (first) record."""
        whole: _File | None = None
        first = 0
        for place, name, room, record in self._records(-folder, self._files[folder].size):
            if name in OWN_NAMES:
                continue
            start = self._place(record.block + record.attribute_blocks)
            if whole is None:
                first, whole = place, self._file(name, room, record)
            whole.extents.append((start, record.content_bytes))
            whole.interleaved = whole.interleaved or record.unit > 0 or record.gap > 0
            if record.flags & MULTI_EXTENT:
                continue
            if record.flags & ASSOCIATED:
                self.tally.add("an associated file (resource fork) was not listed", visible(name.decode("latin-1")))
            elif not whole.extras.moved:
                yield first, whole
            whole = None
        if whole is not None:
            self.tally.add(
                "the last piece of a file in several pieces is missing", visible(whole.name.decode("latin-1"))
            )
            yield first, whole

    def _file(self, name: bytes, room: bytes, record: DirectoryRecord) -> _File:
        if self.joliet:
            text = name[: len(name) & ~1].decode("utf-16-be", "surrogatepass")
            return _File(_without_version(text.encode("utf-8", "backslashreplace")), record, RockRidge(), [])
        if self.skipped is None:
            return _File(_without_version(name), record, RockRidge(), [])
        try:
            extras = rock_ridge(room[self.skipped :], self._continuation)
        except FormatError as error:
            self.tally.add(f"the Rock Ridge fields of a file cannot be read: {error}", visible(name.decode("latin-1")))
            extras = RockRidge()
        return _File(extras.name or _without_version(name), record, extras, [])

    def _continuation(self, block: int, offset: int, size: int) -> bytes:
        if size > CONTINUATION_BYTES:
            raise FormatError(f"the Rock Ridge fields of a file claim {size} bytes")
        return bytes(self.window.take(self._place(block) + offset, size))

    def _records(self, block: int, size: int) -> Iterator[tuple[int, bytes, bytes, DirectoryRecord]]:
        """Yield place, name, spare room and fixed part of each record of a folder; none crosses a sector's end."""
        start = self._place(block)
        for sector in range(start, start + size, SECTOR_BYTES):
            self._folder_bytes_left -= SECTOR_BYTES
            if self._folder_bytes_left < -SECTOR_BYTES:
                raise FormatError("folders share blocks; the rest of them was not read")
            data = bytes(self.window.take(sector, SECTOR_BYTES))
            at = 0
            while at + RECORD.size < SECTOR_BYTES and data[at]:
                record = RECORD.read(Window.of(data), at)
                name_end = at + RECORD.size + record.name_bytes
                end = at + record.size
                if end > SECTOR_BYTES or name_end > end or record.size < RECORD.size:
                    raise FormatError("a record has an impossible size")
                yield sector + at, data[at + RECORD.size : name_end], data[name_end + (name_end - at) % 2 : end], record
                at = end


def _without_version(name: bytes) -> bytes:
    """Return a name without the version and the empty suffix that ISO 9660 puts there."""
    stem, mark, version = name.rpartition(b";")
    bare = stem if mark and version.isdigit() else name
    return bare.removesuffix(b".") or bare


def _read(window: Window, file: _File, max_bytes: int) -> bytes:
    if file.size > max_bytes:
        raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
    if file.extras.compressed:
        raise FormatError("is compressed (zisofs), which is not read")
    if file.interleaved:
        raise FormatError("is interleaved with another file, which is not read")
    return b"".join(window.take(start, size) for start, size in file.extents)


@dataclass(slots=True)
class _Descriptors:
    primary: VolumeDescriptor | None = None
    joliet: VolumeDescriptor | None = None
    catalog_block: int | None = None
    end: int = 0


def _descriptors(window: Window) -> _Descriptors:
    """Read the volume descriptors up to the one that ends them."""
    found = _Descriptors()
    for sector in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + MOST_DESCRIPTORS):
        place = sector * SECTOR_BYTES
        if not window.starts_with(b"CD001", place + 1) or window.view[place] == TERMINATOR:
            break
        descriptor = DESCRIPTOR.read(window, place)
        if descriptor.type == PRIMARY and found.primary is None:
            found.primary = descriptor
        elif descriptor.type == SUPPLEMENTARY and descriptor.escapes.startswith(JOLIET):
            found.joliet = found.joliet or descriptor
        elif descriptor.type == BOOT_RECORD and window.starts_with(EL_TORITO, place + 7):
            found.catalog_block = int.from_bytes(window.take(place + 71, 4), "little")
    return found


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    found = _descriptors(window)
    primary = found.primary
    if primary is None or primary.block_bytes not in (512, 1024, 2048) or primary.blocks == 0:
        raise FormatError(f"no ISO 9660 file system at {window.origin:#x}")
    tally = Problems()
    disc = _Disc(window, primary, joliet=False, tally=tally)
    if disc.skipped is None and found.joliet is not None:
        disc = _Disc(window, found.joliet, joliet=True, tally=tally)
    walk = TreeWalk(disc, limits, tally)
    walk.walk(disc.root())
    size = primary.blocks * primary.block_bytes
    if size > span.size:
        tally.add(f"the disc is cut short: it has {size} bytes and {span.size} are there")
    boot_facts, verdicts = _boot_catalog(window, found.catalog_block, primary.block_bytes, tally)
    extensions = {"Rock Ridge": disc.skipped is not None, "Joliet": found.joliet is not None, "El Torito": verdicts}
    return Opened(
        size=min(size, span.size),
        kind=RegionKind.CONTAINER,
        title="ISO 9660 file system",
        facts={
            "extensions": tuple(name for name, there in extensions.items() if there),
            **_facts(primary),
            **boot_facts,
            "partition_table": window.starts_with(b"\x55\xaa", 510),
        },
        integrity=verdicts,
        entries=tuple(walk.entries),
        problems=tally.sentences(),
        limits_hit=(f"more than {limits.entries} entries; the rest was not listed",) if walk.cut else (),
    )


def _facts(primary: VolumeDescriptor) -> dict[str, Fact]:
    texts = {
        "label": primary.volume,
        "system": primary.system,
        "publisher": primary.publisher,
        "preparer": primary.preparer,
        "application": primary.application,
    }
    facts: dict[str, Fact] = {}
    for key, text in texts.items():
        shown = visible(text.decode("latin-1").rstrip(" \0"))
        if shown:
            facts[key] = shown
    if iso_time_s(primary.created) is not None:
        facts["created"] = primary.created[:14].decode("ascii")
    return facts


def _boot_catalog(
    window: Window, block: int | None, block_bytes: int, tally: Problems
) -> tuple[dict[str, Fact], tuple[Integrity, ...]]:
    """Return what the boot catalog says. Source: El Torito Bootable CD-ROM Format Specification 1.0, 2.0."""
    if block is None:
        return {}, ()
    try:
        catalog = bytes(window.take(block * block_bytes, SECTOR_BYTES))
    except FormatError as error:
        tally.add(f"the boot catalog cannot be read: {error}")
        return {}, ()
    words = struct.unpack_from("<16H", catalog)
    stored, total = words[14], sum(words) & 0xFFFF
    computed = (stored - total) & 0xFFFF
    verdict = Integrity(
        algorithm="sum16",
        covers="the first row of the boot catalog",
        stored=f"{stored:04x}",
        computed=f"{computed:04x}",
        valid=total == 0,
    )
    return {"boot_images": tuple(_boot_images(catalog, block_bytes))}, (verdict,)


def _boot_images(catalog: bytes, block_bytes: int) -> Iterator[str]:
    platform = catalog[1]
    for at in range(CATALOG_ROW, len(catalog), CATALOG_ROW):
        mark, media, _segment, _system, sectors, block = struct.unpack_from("<BBHBxHI", catalog, at)
        if mark in (MORE_HEADERS, LAST_HEADER):
            platform = media
        elif mark == BOOTABLE:
            name = PLATFORMS.get(platform, f"platform {platform:#04x}")
            kind = MEDIA[media & 0x0F] if media & 0x0F < len(MEDIA) else f"medium {media & 0x0F}"
            yield f"{name}, {kind}, {sectors} sectors of 512 bytes at {block * block_bytes:#x}"


def _both(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "little") + value.to_bytes(size, "big")


def _record(name: bytes, block: int, size: int, flags: int) -> bytes:
    time = bytes([125, 1, 1, 12, 0, 0, 4])
    fixed = bytes([0]) + _both(block) + _both(size) + time + bytes([flags, 0, 0]) + _both(1, 2) + bytes([len(name)])
    body = fixed + name + b"\0" * (1 - len(name) % 2)
    return bytes([len(body) + 1]) + body


def _example() -> bytes:
    """Build a disc with one file; block 18 is the root folder, block 19 the file."""
    content = b"[pump]\nrate=5\n" * 20
    root = _record(b"\0", 18, SECTOR_BYTES, IS_FOLDER)
    folder = [root, _record(b"\1", 18, SECTOR_BYTES, IS_FOLDER), _record(b"SETTINGS.INI;1", 19, len(content), 0)]
    primary = VolumeDescriptor(
        type=PRIMARY,
        standard=b"CD001",
        version=1,
        flags=0,
        system=b" " * 32,
        volume=b"PUMP".ljust(32),
        unused=bytes(8),
        blocks=20,
        blocks_be=(20).to_bytes(4, "big"),
        escapes=bytes(32),
        set_size=0x0100_0001,
        sequence=0x0100_0001,
        block_bytes=SECTOR_BYTES,
        block_bytes_be=SECTOR_BYTES.to_bytes(2, "big"),
        path_tables=bytes(24),
        root=root,
        volume_set=b" " * 128,
        publisher=b" " * 128,
        preparer=b" " * 128,
        application=b"MEDHARDEN".ljust(128),
        files=b" " * 111,
        created=b"2025010112000000\x04",
        modified=b"2025010112000000\x04",
        rest=bytes(SECTOR_BYTES - 847),
    )
    end = b"\xffCD001\x01"
    sectors: Sequence[bytes] = [*[b""] * 16, DESCRIPTOR.build(primary), end, b"".join(folder), content]
    return b"".join(sector.ljust(SECTOR_BYTES, b"\0") for sector in sectors)


FORMAT = ImageFormat(
    name="iso9660",
    title="ISO 9660 file system",
    source="ECMA-119 (ISO 9660); Microsoft Joliet Specification; IEEE P1281 and P1282 (Rock Ridge); El Torito 1.0",
    limits="Of several trees one is read: Rock Ridge, else Joliet, else the plain names. UDF, interleaved and zisofs-"
    "compressed files, resource forks and images of raw sectors (2352 bytes) are not read; boot images are only told.",
    open=_open,
    magics=(Magic(rb"\x01CD001\x01", offset=FIRST_DESCRIPTOR * SECTOR_BYTES, anchor=b"CD001"),),
    example=_example,
)
