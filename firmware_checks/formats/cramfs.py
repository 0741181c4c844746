"""cramfs: the compressed read-only file system of early Linux devices, each page of a file packed on its own."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode
from firmware_checks.readers.tree_listing import device_of, list_tree, told_kind
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = 0x28CD3D45
SIGNATURE = b"Compressed ROMFS"
_SUPER = "4I16s4I16s"
ROOT_AT, SUPER_BYTES, INODE_BYTES = 64, 76, 12
CRC_AT = 32
PADDING_BYTES = 512
"""May stand before the super block, for a boot loader; places are counted from its start."""

VERSION_2, SHIFTED_ROOT, EXTENDED_POINTERS = 0x1, 0x400, 0x800
KNOWN_FLAGS = 0xFF | 0x100 | 0x200 | SHIFTED_ROOT | EXTENDED_POINTERS

STORED, DIRECT = 1 << 31, 1 << 30
PLACE_BITS = DIRECT - 1
PAGE_SIZES = (4096, 8192, 16384, 32768, 65536, 2048, 1024, 512)
"""Bytes unpacked from one block: the page of the device it was made for, the likely first; the image does not say."""
TARGET_BYTES = 4096


@dataclass(frozen=True, slots=True)
class SuperBlock:
    """Start of a cramfs. Source: Linux, include/uapi/linux/cramfs_fs.h."""

    magic: int
    size: int
    flags: int
    future: int
    signature: bytes
    crc: int
    edition: int
    blocks: int
    files: int
    name: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """Byte order of the device; bit fields are counted from the other end with it."""

    name: str
    sign: str

    def super_block(self, window: Window, at: int) -> SuperBlock:
        """Return the super block at ``at``."""
        return SuperBlock(*struct.unpack(self.sign + _SUPER, window.take(at, ROOT_AT)))

    def words(self, window: Window, at: int, count: int) -> tuple[int, ...]:
        """Return ``count`` numbers of 32 bits."""
        return struct.unpack(f"{self.sign}{count}I", window.take(at, 4 * count))

    def inode(self, window: Window, at: int) -> Record:
        """Return the file described at ``at``."""
        first, second, third = self.words(window, at, 3)
        if self.sign == "<":
            fields = first & 0xFFFF, first >> 16, second & 0xFF_FFFF, second >> 24, third & 0x3F, third >> 6
        else:
            fields = first >> 16, first & 0xFFFF, second >> 8, second & 0xFF, third >> 26, third & 0x3FF_FFFF
        mode, uid, size, gid, name_words, place_words = fields
        return Record(mode, uid, size, gid, 4 * name_words, 4 * place_words)


LITTLE: Final = Order("little", "<")
BIG: Final = Order("big", ">")


@dataclass(frozen=True, slots=True)
class Record:
    """A file: rights, owner, and where its content stands. Source: Linux, cramfs_fs.h, struct cramfs_inode."""

    mode: int
    uid: int
    size: int
    gid: int
    name_bytes: int
    place: int
    """Offset of the records of a folder, or of the block pointers of a file."""


@dataclass(slots=True, repr=False)
class _FileSystem:
    window: Window
    order: Order
    problems: Problems
    page_bytes: int = 0
    """0 as long as no file has shown it: all are of one block then."""
    end: int = 0
    """Behind the last byte that was seen to belong to it."""
    _folder_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self._folder_bytes = self.window.size

    def names(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """Yield name and place of the records of a folder."""
        record = self.order.inode(self.window, folder)
        self._folder_bytes -= record.size
        if self._folder_bytes < 0:
            raise FormatError("folders take more bytes than the image has")
        at, end = record.place, record.place + record.size
        while at < end:
            inner = self.order.inode(self.window, at)
            if inner.name_bytes == 0:
                raise FormatError(f"a name at {at:#x} has no length")
            yield bytes(self.window.take(at + INODE_BYTES, inner.name_bytes)).rstrip(b"\0"), at
            at += INODE_BYTES + inner.name_bytes
        self.end = max(self.end, end)

    def inode(self, number: int) -> Inode:
        """Return the file whose record stands at ``number``."""
        record = self.order.inode(self.window, number)
        kind = told_kind(record.mode)
        is_device = kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE)
        packed = 0
        if kind is EntryKind.FILE and record.size:
            packed = self._measure(record)
        return Inode(
            kind=kind,
            read=partial(self._read, record),
            packed_bytes=packed,
            unpacked_bytes=record.size,
            mode=record.mode & 0o7777,
            uid=record.uid,
            gid=record.gid,
            target=self._target(record) if kind is EntryKind.SYMBOLIC_LINK else "",
            device=device_of(record.size) if is_device else None,
            offset=record.place if packed else None,
        )

    def _measure(self, record: Record) -> int:
        """Return how many bytes a file takes in the image, and learn the size of a page from the first that tells."""
        if not self.page_bytes:
            self.page_bytes = self._page_of(record)
        count = -(-record.size // self._page)
        try:
            last = self.order.words(self.window, record.place + 4 * (count - 1), 1)[0]
        except FormatError:
            return 0
        end = record.place + 4 * count + record.size if last & DIRECT else last & PLACE_BITS
        end = min(end, self.window.size)
        self.end = max(self.end, end)
        return max(0, end - record.place)

    def _page_of(self, record: Record) -> int:
        """Return the page size with which the first and last of several blocks of a file unpack; 0 if none does.

        The first starts behind as many pointers as there are blocks: with another size of pages it starts elsewhere.
        """
        for page_bytes in PAGE_SIZES:
            if page_bytes >= record.size:
                continue
            try:
                pointers = self._pointers(record, page_bytes)
                for number in (0, len(pointers) - 1):
                    self._block(record, pointers, number, page_bytes)
            except FormatError:
                continue
            return page_bytes
        return 0

    @property
    def _page(self) -> int:
        return self.page_bytes or max(PAGE_SIZES)

    def _pointers(self, record: Record, page_bytes: int) -> tuple[int, ...]:
        return self.order.words(self.window, record.place, -(-record.size // page_bytes))

    def _read(self, record: Record, max_bytes: int) -> bytes:
        if record.size > max_bytes:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {max_bytes} bytes")
        pointers = self._pointers(record, self._page)
        return b"".join(self._block(record, pointers, number, self._page) for number in range(len(pointers)))

    def _block(self, record: Record, pointers: tuple[int, ...], number: int, page_bytes: int) -> bytes:
        """Return one unpacked block; a block that takes no bytes is a hole."""
        wanted = min(page_bytes, record.size - number * page_bytes)
        pointer = pointers[number]
        if pointer & DIRECT:
            start, size = self._direct(pointer, wanted)
        else:
            start = self._end_of(pointers[number - 1], page_bytes) if number else record.place + 4 * len(pointers)
            size = (pointer & PLACE_BITS) - start
        if size == 0:
            return bytes(wanted)
        if not 0 < size <= 2 * page_bytes:
            raise FormatError(f"block {number} of a file takes {size} bytes")
        packed = self.window.take(start, size)
        data = bytes(packed[:wanted]) if pointer & STORED else _inflated(packed, wanted)
        if len(data) != wanted:
            raise FormatError(f"block {number} of a file unpacks to {len(data)} bytes instead of {wanted}")
        return data

    def _direct(self, pointer: int, wanted: int) -> tuple[int, int]:
        """Return start and size of a block whose pointer says where it starts. Source: Linux, fs/cramfs/inode.c."""
        start = (pointer & PLACE_BITS) << 2
        if pointer & STORED:
            return start, wanted
        return start + 2, struct.unpack(self.order.sign + "H", self.window.take(start, 2))[0]

    def _end_of(self, pointer: int, page_bytes: int) -> int:
        if not pointer & DIRECT:
            return pointer & PLACE_BITS
        start, size = self._direct(pointer, page_bytes)
        return start + size

    def _target(self, record: Record) -> str:
        try:
            data = self._read(record, TARGET_BYTES)
        except (FormatError, LimitExceeded) as error:
            self.problems.add("the target of a link could not be read", str(error))
            return ""
        return visible(data.decode("utf-8", "backslashreplace"), most_characters=TARGET_BYTES)


def _inflated(packed: memoryview, wanted: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, wanted)
    except zlib.error as error:
        raise FormatError(f"a packed block is damaged: {error}") from error


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    super_at, order = _found(window)
    block = order.super_block(window, super_at)
    problems = Problems()
    size = min(block.size, window.size) if block.flags & VERSION_2 else window.size
    if size < super_at + SUPER_BYTES:
        raise FormatError(f"cramfs at {window.origin:#x} claims to be {block.size} bytes")
    if block.flags & VERSION_2 and size < block.size:
        problems.add(f"only {size} of its {block.size} bytes are there")
    if block.flags & ~KNOWN_FLAGS:
        problems.add(f"it uses features that are not known ({block.flags & ~KNOWN_FLAGS:#x}), and may be read wrongly")
    system = _FileSystem(window.sub(0, size), order, problems)
    root = super_at + ROOT_AT
    _judge_root(system, root)
    listing = list_tree(system, root, limits, problems)
    if not block.flags & VERSION_2:
        size = max(system.end, root + INODE_BYTES)
    return Opened(
        size=min(size, window.size),
        kind=RegionKind.CONTAINER,
        title="cramfs file system",
        facts={**_facts(block, order, system), **listing.facts},
        integrity=_integrity(block, window, super_at),
        entries=listing.entries,
        problems=problems.sentences(),
        limits_hit=listing.limits_hit,
    )


def _found(window: Window) -> tuple[int, Order]:
    """Return where the super block stands and its byte order; raise ``FormatError`` when there is none."""
    for at in (0, PADDING_BYTES):
        for order in (LITTLE, BIG):
            if window.starts_with(struct.pack(order.sign + "I", MAGIC), at) and window.starts_with(SIGNATURE, at + 16):
                return at, order
    raise FormatError(f"no cramfs super block at {window.origin:#x}")


def _judge_root(system: _FileSystem, root: int) -> None:
    """Refuse a root that is no folder, and one whose place shows that the file system starts elsewhere."""
    record = system.order.inode(system.window, root)
    if told_kind(record.mode) is not EntryKind.FOLDER:
        raise FormatError("the root of a cramfs is no folder")
    first = next(iter(system.names(root)), None)
    if first is not None:
        told_kind(system.order.inode(system.window, first[1]).mode)
    starts_before = root == ROOT_AT and record.place == PADDING_BYTES + SUPER_BYTES
    flags = system.order.super_block(system.window, root - ROOT_AT).flags
    if starts_before and not flags & SHIFTED_ROOT:
        raise FormatError("this cramfs starts before its super block")


def _facts(block: SuperBlock, order: Order, system: _FileSystem) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"byte_order": order.name}
    if system.page_bytes:
        facts["block_bytes"] = system.page_bytes
    if block.flags & VERSION_2:
        facts["edition"] = block.edition
    if block.flags & EXTENDED_POINTERS:
        facts["extended_block_pointers"] = True
    name = visible(block.name.partition(b"\0")[0].decode("utf-8", "backslashreplace"))
    if name:
        facts["label"] = name
    return facts


def _integrity(block: SuperBlock, window: Window, super_at: int) -> tuple[Integrity, ...]:
    """Hold the check sum against the bytes from the super block on, as far as the file system is all there."""
    if not block.flags & VERSION_2 or block.size > window.size:
        return ()
    crc_at = super_at + CRC_AT
    computed = zlib.crc32(window.take(super_at, CRC_AT))
    computed = zlib.crc32(bytes(4), computed)
    computed = zlib.crc32(window.take(crc_at + 4, block.size - crc_at - 4), computed)
    return (
        Integrity(
            algorithm="crc32",
            covers="file system",
            stored=f"{block.crc:08x}",
            computed=f"{computed:08x}",
            valid=block.crc == computed,
        ),
    )


def _example() -> bytes:
    content = b"rate = 5\n" * 600
    target = zlib.compress(b"pump.conf")
    packed = [zlib.compress(content[:4096]), zlib.compress(content[4096:])]
    names = (
        (0o100640, len(content), b"pump.conf\0\0\0"),
        (0o120777, 9, b"conf"),
        (0o20660, 4 << 8 | 64, b"ttyS0\0\0\0"),
    )
    folder_bytes = sum(INODE_BYTES + len(name) for _, _, name in names)
    file_at = SUPER_BYTES + folder_bytes
    file = struct.pack("<2I", file_at + 8 + len(packed[0]), file_at + 8 + sum(map(len, packed))) + b"".join(packed)
    file += bytes(-len(file) % 4)
    link_at = file_at + len(file)
    link = struct.pack("<I", link_at + 4 + len(target)) + target
    places = (file_at, link_at, 0)
    folder = b"".join(
        struct.pack("<3I", mode, size, place // 4 << 6 | len(name) // 4) + name
        for (mode, size, name), place in zip(names, places, strict=True)
    )
    root = struct.pack("<3I", 0o40755, folder_bytes, SUPER_BYTES // 4 << 6)
    body = root + folder + file + link
    body += bytes(-(ROOT_AT + len(body)) % 4096)
    head = [MAGIC, ROOT_AT + len(body), VERSION_2 | 0x2, 0, SIGNATURE, 0, 1, 3, 4, b"pump"]
    head[5] = zlib.crc32(struct.pack("<" + _SUPER, *head) + body)
    return struct.pack("<" + _SUPER, *head) + body


_LITTLE_START = rb"\x45\x3d\xcd\x28[\x00-\xff]{12}Compressed ROMFS"
_BIG_START = rb"\x28\xcd\x3d\x45[\x00-\xff]{12}Compressed ROMFS"

FORMAT = ImageFormat(
    name="cramfs",
    title="cramfs file system",
    source="Linux kernel, include/uapi/linux/cramfs_fs.h, fs/cramfs/inode.c, Documentation/filesystems/cramfs.rst",
    limits=(
        "Blocks packed by anything but zlib, as some vendors do, are not unpacked; an image both padded and with a "
        "shifted root is only opened at its start."
    ),
    open=_open,
    magics=(
        Magic(_LITTLE_START),
        Magic(_BIG_START),
        Magic(_LITTLE_START + rb"[\x00-\xff]{40}\xc0\x24\x00\x00", offset=PADDING_BYTES),
        Magic(_BIG_START + rb"[\x00-\xff]{40}\x00\x00\x00\x93", offset=PADDING_BYTES),
    ),
    example=_example,
)
