"""EROFS file systems: read-only systems of newer Android and Linux devices."""

from __future__ import annotations

import struct
import uuid
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Final, NamedTuple

from firmware_checks.format import Entry, EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.crc32c import crc32c
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.erofs_map import ALGORITHMS, Extent, PackedMap, read_map, unpack_extent
from firmware_checks.readers.inode_tree import Inode, TreeWalk, kind_of_mode
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U8, U16LE, U32LE, U64LE, Layout, const, raw, text, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC: Final = 0xE0F5E1E2
SUPER_AT: Final = 1024
BLOCK_BITS: Final = range(9, 17)
SLOT_BYTES: Final = 32
"""Inodes stand at multiples of this; the number of an inode says which."""
CHECK_SUM = 0x1
ZERO_PADDING, ALGORITHM_TABLE = 0x1, 0x2
FEATURES: Final = {
    0x1: "zero padding",
    0x2: "compression settings or big clusters",
    0x4: "chunks",
    0x8: "several devices or two algorithms",
    0x10: "inline tails",
    0x20: "fragments or deduplication",
    0x40: "long attribute prefixes",
}
"""Features a reader must know. Source: Linux, fs/erofs/erofs_fs.h."""
FLAT, FULL_INDEX, FLAT_INLINE, COMPACT_INDEX, CHUNKS = range(5)
HOLE: Final = 0xFFFF_FFFF
CHUNK_BITS, CHUNK_INDEXES = 0x1F, 0x20
ROW_BYTES: Final = 12
MOST_TARGET_BYTES = 4096
MOST_ATTRIBUTES = 256
ATTRIBUTE_HEADER: Final = 12
PREFIXES: Final = {
    1: "user.",
    2: "system.posix_acl_access",
    3: "system.posix_acl_default",
    4: "trusted.",
    5: "lustre.",
    6: "security.",
}
KEPT_PIECES = 4
"""Unpacked pieces of the packed inode that are kept: many small files share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErofsSuper:
    """The super block. Source: Linux, fs/erofs/erofs_fs.h, struct erofs_super_block."""

    magic: int = wire(const(MAGIC, U32LE))
    check_sum: int = wire(U32LE)
    compatible: int = wire(U32LE)
    block_bits: int = wire(U8)
    extra_slots: int = wire(U8)
    root: int = wire(U16LE)
    inodes: int = wire(U64LE)
    built_s: int = wire(U64LE)
    built_ns: int = wire(U32LE)
    blocks: int = wire(U32LE)
    inode_block: int = wire(U32LE)
    attribute_block: int = wire(U32LE)
    uuid: bytes = wire(raw(16))
    label: str = wire(text(16))
    incompatible: int = wire(U32LE)
    algorithms: int = wire(U16LE)
    extra_devices: int = wire(U16LE)
    device_slot: int = wire(U16LE)
    folder_block_bits: int = wire(U8)
    prefix_count: int = wire(U8)
    prefix_start: int = wire(U32LE)
    packed_inode: int = wire(U64LE)
    reserved: bytes = wire(raw(24))

    @property
    def block_bytes(self) -> int:
        """Bytes in a block."""
        return 1 << self.block_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactInode:
    """Inode of 32 bytes. Source: Linux, fs/erofs/erofs_fs.h, struct erofs_inode_compact."""

    format: int = wire(U16LE)
    attribute_words: int = wire(U16LE)
    mode: int = wire(U16LE)
    links: int = wire(U16LE)
    size: int = wire(U32LE)
    reserved: int = wire(U32LE)
    data: int = wire(U32LE)
    number: int = wire(U32LE)
    uid: int = wire(U16LE)
    gid: int = wire(U16LE)
    reserved_2: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedInode:
    """Inode of 64 bytes. Source: Linux, fs/erofs/erofs_fs.h, struct erofs_inode_extended."""

    format: int = wire(U16LE)
    attribute_words: int = wire(U16LE)
    mode: int = wire(U16LE)
    reserved: int = wire(U16LE)
    size: int = wire(U64LE)
    data: int = wire(U32LE)
    number: int = wire(U32LE)
    uid: int = wire(U32LE)
    gid: int = wire(U32LE)
    modified_s: int = wire(U64LE)
    modified_ns: int = wire(U32LE)
    links: int = wire(U32LE)
    reserved_2: bytes = wire(raw(16))


SUPER = Layout(ErofsSuper, size=128)
COMPACT = Layout(CompactInode, size=32)
EXTENDED = Layout(ExtendedInode, size=64)


class _Node(NamedTuple):
    """An inode, whatever its size."""

    layout: int
    mode: int
    size: int
    data: int
    uid: int
    gid: int
    modified_s: int
    attributes: int
    """Where the extended attributes start."""
    attribute_bytes: int

    @property
    def end(self) -> int:
        return self.attributes + self.attribute_bytes


class _Fragments:
    """The packed inode, which holds the ends of many files; its last pieces are kept, because files share them."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._lock = Lock()
        self._map: PackedMap | None = None
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def take(self, offset: int, size: int, read: Callable[[], PackedMap]) -> bytes:
        """Return ``size`` bytes from ``offset`` on; ``read`` reads the map when it is first asked for."""
        with self._lock:
            packed_map = self._map = self._map or read()
            first = bisect_right(packed_map.extents, offset, key=lambda extent: extent.start) - 1
            pieces: list[bytes] = []
            for extent in packed_map.extents[first:]:
                if extent.start >= offset + size:
                    break
                piece = self._piece(packed_map, extent)
                pieces.append(piece[max(0, offset - extent.start) : offset + size - extent.start])
            return b"".join(pieces)

    def _piece(self, packed_map: PackedMap, extent: Extent) -> bytes:
        if extent.in_fragments:
            raise FormatError("the packed inode is packed into itself")
        if extent.start not in self._kept:
            self._kept[extent.start] = unpack_extent(self._window, packed_map, extent)
            if len(self._kept) > KEPT_PIECES:
                self._kept.popitem(last=False)
        return self._kept[extent.start]


@dataclass(slots=True)
class _Volume:
    """An EROFS volume as ``TreeWalk`` sees it."""

    window: Window
    super: ErofsSuper
    tally: Problems
    folder_bytes_left: int = 0
    attribute_bytes_left: int = 0
    _shared: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    _fragments: _Fragments = field(init=False)

    def __post_init__(self) -> None:
        self.folder_bytes_left = self.attribute_bytes_left = self.window.size
        self._fragments = _Fragments(self.window)

    def children(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """See ``InodeTree``."""
        try:
            node = self.node(folder)
            data = self.content(node, self.folder_bytes_left)
            self.folder_bytes_left -= len(data)
            step = self.super.block_bytes << self.super.folder_block_bits
            for start in range(0, len(data), step):
                yield from _names(data[start : start + step])
        except FormatError as error:
            self.tally.add(f"a folder was not read to its end: {error}")
        except LimitExceeded:
            self.tally.add("folders share blocks, or claim more than the image has; the rest of them was not read")

    def inode(self, number: int) -> Inode:
        """See ``InodeTree``."""
        try:
            node = self.node(number)
        except FormatError as error:
            return Inode(kind=EntryKind.FILE, read=partial(_refuse, f"its inode cannot be read: {error}"))
        kind = kind_of_mode(node.mode)
        if kind is None:
            self.tally.add("an inode is of no known kind and was taken for a file", number)
            kind = EntryKind.FILE
        is_file = kind is EntryKind.FILE
        return Inode(
            kind=kind,
            read=partial(self.read, node),
            packed_bytes=min(self._packed_bytes(node), self.window.size) if is_file else 0,
            unpacked_bytes=node.size if is_file else 0,
            mode=node.mode & 0o7777,
            uid=node.uid,
            gid=node.gid,
            modified_s=node.modified_s,
            target=self._target(node) if kind is EntryKind.SYMBOLIC_LINK else "",
            device=_device(node.data) if kind in (EntryKind.BLOCK_DEVICE, EntryKind.CHARACTER_DEVICE) else None,
            extended=self._attributes(node),
            offset=self.place_of(number),
        )

    def place_of(self, number: int) -> int:
        """Return the byte where inode ``number`` starts."""
        return self.super.inode_block * self.super.block_bytes + number * SLOT_BYTES

    def node(self, number: int) -> _Node:
        """Read inode ``number``."""
        place = self.place_of(number)
        if int.from_bytes(self.window.take(place, 2), "little") & 1:
            wide = EXTENDED.read(self.window, place)
            return _node(wide, wide.modified_s, place + EXTENDED.size)
        short = COMPACT.read(self.window, place)
        return _node(short, self.super.built_s, place + COMPACT.size)

    def read(self, node: _Node, max_bytes: int) -> bytes:
        """Return the content of a file."""
        return self.content(node, max_bytes)

    def content(self, node: _Node, max_bytes: int) -> bytes:
        """Return what an inode holds, however it is kept."""
        if node.size > max_bytes:
            raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
        if node.size == 0:
            return b""
        if node.layout in (FULL_INDEX, COMPACT_INDEX):
            packed_map = self._map(node)
            pieces = (self._piece(packed_map, extent) for extent in packed_map.extents)
            return b"".join(pieces)
        if node.layout == CHUNKS:
            return self._chunks(node)
        if node.layout == FLAT_INLINE:
            return self._inline(node)
        if node.layout == FLAT:
            return bytes(self.window.take(node.data * self.super.block_bytes, node.size))
        raise FormatError(f"is kept in a way that is not known ({node.layout})")

    def fragment(self, offset: int, size: int) -> bytes:
        """Return bytes of the packed inode, which holds the ends of many files."""
        node = self.node(self.super.packed_inode)
        if offset + size > node.size:
            raise FormatError("a file's end lies past the end of the packed inode")
        if node.layout not in (FULL_INDEX, COMPACT_INDEX):
            return self.content(node, node.size)[offset : offset + size]
        return self._fragments.take(offset, size, partial(self._map, node))

    def _map(self, node: _Node) -> PackedMap:
        return read_map(
            self.window,
            node.end,
            node.size,
            block_bits=self.super.block_bits,
            compact=node.layout == COMPACT_INDEX,
            zero_padded=bool(self.super.incompatible & ZERO_PADDING),
        )

    def _piece(self, packed_map: PackedMap, extent: Extent) -> bytes:
        if extent.in_fragments:
            return self.fragment(extent.place, extent.end - extent.start)
        return unpack_extent(self.window, packed_map, extent)

    def _inline(self, node: _Node) -> bytes:
        """Return whole blocks, then the rest from behind the inode."""
        block_bytes = self.super.block_bytes
        rest = node.size % block_bytes
        whole = self.window.take(node.data * block_bytes, node.size - rest) if node.size > rest else b""
        return b"".join([whole, self.window.take(node.end, rest)])

    def _chunks(self, node: _Node) -> bytes:
        """Return chunks of blocks that stand anywhere; some are holes."""
        block_bytes = self.super.block_bytes
        chunk_bytes = block_bytes << (node.data & CHUNK_BITS)
        count = -(-node.size // chunk_bytes)
        indexed = bool(node.data & CHUNK_INDEXES)
        step = 8 if indexed else 4
        table = self.window.take(-(-node.end // step) * step, count * step)
        pieces: list[bytes | memoryview] = []
        for number in range(count):
            device, block = struct.unpack_from("<2xHI", table, number * 8) if indexed else (0, _u32(table, number))
            size = min(chunk_bytes, node.size - number * chunk_bytes)
            if block == HOLE:
                pieces.append(bytes(size))
            elif device:
                raise FormatError(f"is kept on another device, number {device}")
            else:
                pieces.append(self.window.take(block * block_bytes, size))
        return b"".join(pieces)

    def _packed_bytes(self, node: _Node) -> int:
        compressed = node.layout in (FULL_INDEX, COMPACT_INDEX)
        return max(1, node.data) * self.super.block_bytes if compressed else node.size

    def _target(self, node: _Node) -> str:
        try:
            target = self.content(node, MOST_TARGET_BYTES)
        except (FormatError, LimitExceeded) as error:
            self.tally.add(f"the target of a link cannot be read: {error}")
            return ""
        return visible(target.decode("utf-8", "backslashreplace"), most_characters=MOST_TARGET_BYTES)

    def _attributes(self, node: _Node) -> Mapping[str, bytes]:
        if not node.attribute_bytes:
            return {}
        try:
            self._spend_attributes(node.attribute_bytes)
            return dict(self._attributes_of(node))
        except FormatError as error:
            self.tally.add(f"extended attributes cannot be read: {error}")
            return {}

    def _spend_attributes(self, size: int) -> None:
        """Count bytes of attributes, which may overlap in a damaged image; raise ``FormatError`` for too many."""
        self.attribute_bytes_left -= size
        if self.attribute_bytes_left < 0:
            raise FormatError("they take more than the image")

    def _attributes_of(self, node: _Node) -> Iterator[tuple[str, bytes]]:
        body = Window.of(self.window.take(node.attributes, node.attribute_bytes))
        shared = body.take(4, 1)[0]
        place = ATTRIBUTE_HEADER + 4 * shared
        for index in range(shared):
            yield self._shared_attribute(_u32(body.take(ATTRIBUTE_HEADER + 4 * index, 4), 0))
        for _ in range(MOST_ATTRIBUTES):
            if place + 4 > body.size or not any(body.take(place, 4)):
                return
            name, value, used = _attribute(body, place)
            yield name, value
            place += used

    def _shared_attribute(self, number: int) -> tuple[str, bytes]:
        if number not in self._shared:
            place = self.super.attribute_block * self.super.block_bytes + 4 * number
            name, value, used = _attribute(self.window, place)
            self._spend_attributes(used)
            self._shared[number] = name, value
        return self._shared[number]


def _node(inode: CompactInode | ExtendedInode, modified_s: int, end: int) -> _Node:
    words = inode.attribute_words
    return _Node(
        layout=inode.format >> 1 & 7,
        mode=inode.mode,
        size=inode.size,
        data=inode.data,
        uid=inode.uid,
        gid=inode.gid,
        modified_s=modified_s,
        attributes=end,
        attribute_bytes=ATTRIBUTE_HEADER + 4 * (words - 1) if words else 0,
    )


def _names(block: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the names in one block of a folder and their inodes: rows first, then the names they point to."""
    count = int.from_bytes(block[8:10], "little") // ROW_BYTES
    if not 0 < count * ROW_BYTES <= len(block):
        raise FormatError("a block of a folder has no rows")
    rows = list(struct.iter_unpack("<QHBx", block[: count * ROW_BYTES]))
    ends = [row[1] for row in rows[1:]] + [len(block)]
    for (number, start, _kind), end in zip(rows, ends, strict=True):
        if not count * ROW_BYTES <= start < end <= len(block):
            raise FormatError("a name in a folder is out of its block")
        name = block[start:end].rstrip(b"\0")
        if name not in (b".", b".."):
            yield name, number


def _attribute(window: Window, place: int) -> tuple[str, bytes, int]:
    """Return name and value of the attribute at ``place``, and how many bytes it takes."""
    name_bytes, index, value_bytes = struct.unpack("<BBH", window.take(place, 4))
    name = bytes(window.take(place + 4, name_bytes))
    value = bytes(window.take(place + 4 + name_bytes, value_bytes))
    used = -(-(4 + name_bytes + value_bytes) // 4) * 4
    return PREFIXES.get(index, f"prefix {index}: ") + visible(name.decode("utf-8", "backslashreplace")), value, used


def _u32(data: memoryview, index: int) -> int:
    return int.from_bytes(data[4 * index : 4 * index + 4], "little")


def _device(number: int) -> tuple[int, int]:
    """Return major and minor number. Source: Linux, include/linux/kdev_t.h, new_decode_dev."""
    return number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00


def _refuse(reason: str, _max_bytes: int) -> bytes:
    raise FormatError(reason)


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    head = SUPER.read(window, SUPER_AT)
    if head.block_bits not in BLOCK_BITS or head.blocks == 0 or head.block_bits + head.folder_block_bits > 20:
        raise FormatError(f"no EROFS super block at {window.origin + SUPER_AT:#x}")
    tally = Problems(unit="inode")
    size = head.blocks * head.block_bytes
    if size > span.size:
        tally.add(f"the file system is cut short: it has {size} bytes and {span.size} are there")
    entries, cut = _entries(window, head, limits, tally)
    return Opened(
        size=min(size, span.size),
        kind=RegionKind.CONTAINER,
        title="EROFS file system",
        facts=_facts(head),
        integrity=_verdicts(window, head),
        entries=entries,
        problems=tally.sentences(),
        limits_hit=(f"more than {limits.entries} entries; the rest was not listed",) if cut else (),
    )


def _entries(window: Window, head: ErofsSuper, limits: Limits, tally: Problems) -> tuple[Sequence[Entry], bool]:
    """Return the entries; one that tells why, when the file system needs what this reader does not do."""
    unknown = head.incompatible & ~sum(FEATURES)
    if unknown:
        reason = f"the file system has features that are not read ({unknown:#x})"
        tally.add(reason)
        size = min(head.blocks * head.block_bytes, window.size)
        return (Entry(name="all files", packed_bytes=size, unpacked_bytes=None, read=partial(_refuse, reason)),), False
    walk = TreeWalk(_Volume(window, head, tally), limits, tally)
    walk.walk(head.root)
    return tuple(walk.entries), walk.cut


def _verdicts(window: Window, head: ErofsSuper) -> tuple[Integrity, ...]:
    """Hold the check sum over the rest of the first block against its bytes. Source: Linux, fs/erofs/super.c."""
    if not head.compatible & CHECK_SUM:
        return ()
    size = head.block_bytes - (SUPER_AT if head.block_bytes > SUPER_AT else 0)
    data = bytes(window.view[SUPER_AT : SUPER_AT + size])
    computed = crc32c(data[:4] + bytes(4) + data[8:]) ^ 0xFFFF_FFFF
    return (
        Integrity(
            algorithm="crc32c",
            covers="the super block",
            stored=f"{head.check_sum:08x}",
            computed=f"{computed:08x}",
            valid=head.check_sum == computed,
        ),
    )


def _facts(head: ErofsSuper) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "uuid": str(uuid.UUID(bytes=head.uuid)),
        "built_s": head.built_s,
        "block_bytes": head.block_bytes,
        "inodes": head.inodes,
        "features": tuple(name for bit, name in FEATURES.items() if head.incompatible & bit),
    }
    if head.label:
        facts["label"] = visible(head.label)
    if head.incompatible & ALGORITHM_TABLE:
        facts["compressions"] = tuple(name for bit, name in enumerate(ALGORITHMS) if head.algorithms >> bit & 1)
    return facts


def _example() -> bytes:
    """Build an image of two blocks: super block, the root folder and one file with its end behind its inode."""
    content = b"[pump]\nrate=5\n" * 300
    number, block_bytes = 40, 4096
    file_number = number + 8
    names = [(b".", number, 2), (b"..", number, 2), (b"settings.ini", file_number, 1)]
    start = len(names) * ROW_BYTES
    rows, texts = b"", b""
    for name, inode, kind in names:
        rows += struct.pack("<QHBx", inode, start + len(texts), kind)
        texts += name
    inline = FLAT_INLINE << 1
    common = {"attribute_words": 0, "reserved": 0, "number": 0, "uid": 0, "gid": 0, "reserved_2": 0}
    root = CompactInode(format=inline, mode=0o40755, links=2, size=len(rows + texts), data=0, **common)
    file = CompactInode(format=inline, mode=0o100644, links=1, size=len(content), data=1, **common)
    head = ErofsSuper(
        magic=MAGIC,
        check_sum=0,
        compatible=CHECK_SUM,
        block_bits=12,
        extra_slots=0,
        root=number,
        inodes=2,
        built_s=1_735_732_800,
        built_ns=0,
        blocks=2,
        inode_block=0,
        attribute_block=0,
        uuid=bytes(range(16)),
        label="pump",
        incompatible=0,
        algorithms=0,
        extra_devices=0,
        device_slot=0,
        folder_block_bits=0,
        prefix_count=0,
        prefix_start=0,
        packed_inode=0,
        reserved=bytes(24),
    )
    block = bytearray(block_bytes)
    block[SUPER_AT : SUPER_AT + SUPER.size] = SUPER.build(head)
    for place, record, data in ((number, root, rows + texts), (file_number, file, content[block_bytes:])):
        packed = COMPACT.build(record) + data
        block[place * SLOT_BYTES : place * SLOT_BYTES + len(packed)] = packed
    check = crc32c(bytes(block[SUPER_AT:])) ^ 0xFFFF_FFFF
    block[SUPER_AT + 4 : SUPER_AT + 8] = check.to_bytes(4, "little")
    return bytes(block) + content[:block_bytes]


FORMAT = ImageFormat(
    name="erofs",
    title="EROFS file system",
    source="Linux, fs/erofs/erofs_fs.h and zmap.c; Documentation/filesystems/erofs.rst",
    limits="Files on extra devices, long attribute prefixes, 48-bit block numbers and metadata in a box (Linux 6.16) "
    "are not read. Deflate, LZMA, Zstandard, fragments and a second algorithm were only held against images built for "
    "the tests: mkfs.erofs 1.5 does not write them.",
    open=_open,
    magics=(Magic(rb"\xe2\xe1\xf5\xe0[\x00-\xff]{8}[\x09-\x10]", offset=SUPER_AT, anchor=b"\xe2\xe1\xf5\xe0"),),
    example=_example,
)
