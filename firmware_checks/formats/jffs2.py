"""JFFS2 file systems: a log of nodes on raw flash, where the newest node of each object is what counts.

There is no table to start from: every node is looked at once, then files are put together from their nodes.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import gcd
from typing import Final, NamedTuple

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.block_codecs import Decode, LzmaProperties, Packed, lzma_raw, lzo1x
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode, kind_of_mode, wide_device
from firmware_checks.readers.lost_folders import lost_folders
from firmware_checks.readers.raw_deflate import raw_deflate
from firmware_checks.readers.tree_listing import device_of, list_tree
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

MAGIC = 0x1985
ACCURATE = 0x2000
"""Set in a node's type while it counts; cleared when it becomes obsolete, which flash allows without erasing."""
DIRENT, INODE, XATTR, XREF = 0xE001, 0xE002, 0xE008, 0xE009
CLEAN_MARKER, SUMMARY = 0x2003, 0x2006

ROOT = 1
TARGET_BYTES = 4096
NODES_PER_ENTRY = 5
"""So many nodes are read for each entry that may be listed: 500,000 by default; 256 MiB hold about 130,000."""
MOST_NODE_BYTES = 128 << 10
"""Most that one node unpacks to; writers use one memory page, 4 KiB to 64 KiB."""
LEAST_BLOCK_BYTES = 4096
DAMAGE_BYTES = 64 << 10
"""How far a next node is looked for behind damaged bytes."""
SPARE_WORK_BYTES = 16 << 20
OFFSET_BITS = 40
DELETED_XATTR = 0xFFFF_FFFF

TYPES: Final = {
    1: EntryKind.PIPE,
    2: EntryKind.CHARACTER_DEVICE,
    4: EntryKind.FOLDER,
    6: EntryKind.BLOCK_DEVICE,
    10: EntryKind.SYMBOLIC_LINK,
    12: EntryKind.SOCKET,
}
"""What a name says about its object: the DT_ values of readdir(3)."""
XATTR_PREFIXES: Final = {
    1: "user.",
    2: "security.",
    3: "system.posix_acl_access",
    4: "system.posix_acl_default",
    5: "trusted.",
}
COMPRESSIONS: Final = {0: "none", 1: "zero", 2: "rtime", 3: "rubin", 5: "dynamic rubin", 6: "zlib", 7: "lzo", 8: "lzma"}


class Dirent(NamedTuple):
    """A name in a folder; ``inode`` 0 takes the name away."""

    parent: int
    version: int
    inode: int
    changed_s: int
    name_bytes: int
    type: int
    node_crc: int
    name_crc: int


class InodeNode(NamedTuple):
    """A state of an object together with a piece of its content."""

    inode: int
    version: int
    mode: int
    uid: int
    gid: int
    size: int
    read_s: int
    modified_s: int
    changed_s: int
    offset: int
    packed_bytes: int
    data_bytes: int
    compression: int
    wanted_compression: int
    flags: int
    data_crc: int
    node_crc: int


class XattrNode(NamedTuple):
    """An extended attribute, shared by all objects that refer to it."""

    number: int
    version: int
    prefix: int
    name_bytes: int
    value_bytes: int
    data_crc: int
    node_crc: int


class XrefNode(NamedTuple):
    """Gives an extended attribute to an object; an odd ``sequence`` takes it away."""

    inode: int
    number: int
    sequence: int
    node_crc: int


@dataclass(frozen=True, slots=True)
class _Order:
    """The layouts in one byte order. Source: Linux include/uapi/linux/jffs2.h."""

    name: str
    sign: str
    header: struct.Struct = field(init=False)
    dirent: struct.Struct = field(init=False)
    inode: struct.Struct = field(init=False)
    xattr: struct.Struct = field(init=False)
    xref: struct.Struct = field(init=False)

    def __post_init__(self) -> None:
        for layout, fields in (
            ("header", "HHII"),
            ("dirent", "12xIIIIBB2xII"),
            ("inode", "12xIIIHHIIIIIIIBBHII"),
            ("xattr", "12xIIBBHII"),
            ("xref", "12xIIII"),
        ):
            object.__setattr__(self, layout, struct.Struct(self.sign + fields))


LITTLE: Final = _Order("little", "<")
BIG: Final = _Order("big", ">")
_NODE_STARTS: Final = {
    "little": re.compile(rb"\x85\x19[\x01-\x09][\x20\xe0\xc0\x00]"),
    "big": re.compile(rb"\x19\x85[\x20\xe0\xc0\x00][\x01-\x09]"),
}
_WRITTEN = re.compile(rb"[^\xff]")


def crc(data: bytes | memoryview) -> int:
    """Return the CRC-32 as JFFS2 stores it: started at zero and not inverted at the end."""
    return zlib.crc32(data, 0xFFFF_FFFF) ^ 0xFFFF_FFFF


@dataclass(slots=True)
class _Scan:
    """All nodes of one file system, by what they belong to."""

    window: Window
    order: _Order
    most_nodes: int
    end: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: Problems = field(default_factory=lambda: Problems(unit="offset"))
    block_bytes: int = 0
    inodes: dict[int, list[int]] = field(default_factory=dict)
    """Nodes of each object: version and offset in one number, so that sorting puts the newest last."""
    names: dict[tuple[int, bytes], tuple[int, int, Dirent]] = field(default_factory=dict)
    """The newest version of each name in each folder, with the offset of its node."""
    xattrs: dict[int, tuple[int, int]] = field(default_factory=dict)
    xrefs: dict[tuple[int, int], int] = field(default_factory=dict)
    boundary: int = 0
    """Where the last erase block began, as far as that could be seen."""
    other_from: int = 0
    """Where another file system begins; 0 for nowhere."""
    full: bool = False
    _seen: dict[tuple[int, int, int], tuple[int, int]] = field(default_factory=dict)

    def run(self) -> None:
        """Look at node after node until none follows."""
        position = 0
        while not self.full and not self.other_from:
            header = self._header(position)
            if header is None:
                following = self._next(position)
                if following is None:
                    return
                position = following
                continue
            kind, total = header
            self._take(position, kind, total)
            position += -(-total // 4) * 4
            if not self.other_from:
                self.end = min(position, self.window.size)

    def _header(self, position: int) -> tuple[int, int] | None:
        """Return type and size of the node at ``position``; None when there is none or it is cut."""
        if position + 12 > self.window.size:
            return None
        magic, kind, total, stored = self.order.header.unpack_from(self.window.view, position)
        if magic != MAGIC or not 12 <= total <= self.window.size - position:
            return None
        whole = struct.pack(f"{self.order.sign}HHI", magic, kind | ACCURATE, total)
        return (kind, total) if crc(whole) == stored else None

    def _next(self, position: int) -> int | None:
        """Return where the next node is, behind erased or damaged bytes."""
        written = _WRITTEN.search(self.window.view, position)
        if written is None:
            return None
        start = written.start() & ~3
        if start - position >= LEAST_BLOCK_BYTES:
            self.boundary = start
        if self._header(start) is not None:
            return start
        if start - position >= LEAST_BLOCK_BYTES:
            return None
        stop = min(start + DAMAGE_BYTES, self.window.size)
        for match in _NODE_STARTS[self.order.name].finditer(self.window.view, start, stop):
            if match.start() % 4 == 0 and self._header(match.start()) is not None:
                self.problems.add("damaged bytes between nodes were passed over", start)
                return match.start()
        return None

    def _take(self, position: int, kind: int, total: int) -> None:
        self.counts["nodes"] += 1
        if self.counts["nodes"] >= self.most_nodes:
            self.full = True
        if not kind & ACCURATE:
            self.counts["obsolete_nodes"] += 1
        elif kind == CLEAN_MARKER:
            self.boundary = position
            self.block_bytes = gcd(self.block_bytes, position)
        elif kind == SUMMARY:
            self.block_bytes = gcd(self.block_bytes, position + total)
        else:
            takers: dict[int, Callable[[int, int], bool]] = {
                DIRENT: self._take_name,
                INODE: self._take_inode,
                XATTR: self._take_xattr,
                XREF: self._take_xref,
            }
            taker = takers.get(kind)
            if taker is not None and not taker(position, total):
                self.problems.add("a node is damaged and was left out", position)

    def _take_name(self, position: int, total: int) -> bool:
        node = self._node(self.order.dirent, position, total)
        if node is None:
            return False
        dirent = Dirent(*node)
        start = position + self.order.dirent.size
        name = bytes(self.window.view[start : start + dirent.name_bytes])
        if self.order.dirent.size + dirent.name_bytes > total or crc(name) != dirent.name_crc:
            return False
        sums = dirent.node_crc << 32 | dirent.name_crc
        if self._is_of_another(position, (DIRENT, dirent.parent, dirent.version), sums):
            return True
        key = (dirent.parent, name)
        if key not in self.names or self.names[key][0] <= dirent.version:
            self.names[key] = (dirent.version, position, dirent)
        return True

    def _take_inode(self, position: int, total: int) -> bool:
        fields = self._node(self.order.inode, position, total)
        if fields is None:
            return False
        node = InodeNode(*fields)
        if self.order.inode.size + node.packed_bytes > total:
            return False
        sums = node.node_crc << 32 | node.data_crc
        if not self._is_of_another(position, (INODE, node.inode, node.version), sums):
            self.inodes.setdefault(node.inode, []).append(node.version << OFFSET_BITS | position)
            self.counts[COMPRESSIONS.get(node.compression, "other")] += 1
        return True

    def _take_xattr(self, position: int, total: int) -> bool:
        node = self._node(self.order.xattr, position, total)
        if node is None:
            return False
        xattr = XattrNode(*node)
        body = self.window.view[position + self.order.xattr.size : position + total]
        size = xattr.name_bytes + 1 + xattr.value_bytes
        if size > len(body) or crc(body[:size]) != xattr.data_crc:
            return False
        if xattr.number not in self.xattrs or self.xattrs[xattr.number][0] <= xattr.version:
            self.xattrs[xattr.number] = (xattr.version, position)
        return True

    def _take_xref(self, position: int, total: int) -> bool:
        node = self._node(self.order.xref, position, total)
        if node is None:
            return False
        xref = XrefNode(*node)
        key = (xref.inode, xref.number)
        self.xrefs[key] = max(self.xrefs.get(key, 0), xref.sequence)
        return True

    def _node(self, layout: struct.Struct, position: int, total: int) -> tuple[int, ...] | None:
        """Return the fields of a node whose own check sum, over all before the last two or one words, is right."""
        if total < layout.size:
            return None
        fields = layout.unpack_from(self.window.view, position)
        covered = layout.size - (4 if layout in (self.order.xref, self.order.xattr) else 8)
        if crc(self.window.view[position : position + covered]) != fields[-2 if layout is self.order.dirent else -1]:
            return None
        return fields

    def _is_of_another(self, position: int, key: tuple[int, int, int], sums: int) -> bool:
        """Tell whether one object cannot have both this node and one seen before: then another file system began."""
        earlier_sums, earlier = self._seen.setdefault(key, (sums, position))
        if earlier_sums == sums or self.boundary <= earlier:
            return False
        self.other_from = self.boundary
        return True


@dataclass(slots=True)
class _FileSystem:
    """Objects and folders made from the newest nodes."""

    scan: _Scan
    problems: Problems
    folders: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)
    deleted_names: int = 0
    _types: dict[int, EntryKind] = field(default_factory=dict)
    _extended: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for (parent, name), (_, _, dirent) in sorted(self.scan.names.items()):
            if dirent.inode == 0:
                self.deleted_names += 1
                continue
            self.folders.setdefault(parent, []).append((name, dirent.inode))
            self._types[dirent.inode] = TYPES.get(dirent.type, EntryKind.FILE)
        for (inode, number), sequence in sorted(self.scan.xrefs.items()):
            if sequence % 2 == 0:
                self._extended.setdefault(inode, []).append(number)
        lost = lost_folders(self.folders, self._members, [ROOT], self.problems)
        self.folders.setdefault(ROOT, []).extend((name, folder) for folder, name in lost.items())
        self._types.update(dict.fromkeys(lost, EntryKind.FOLDER))

    def _members(self, folder: int) -> Iterator[int]:
        return (number for _, number in self.folders.get(folder, ()))

    def names(self, folder: int) -> Iterable[tuple[bytes, int]]:
        """See ``FileSystem``."""
        return self.folders.get(folder, ())

    def inode(self, number: int) -> Inode:
        """See ``FileSystem``."""
        places = sorted(self.scan.inodes.get(number, ()))
        if not places:
            return Inode(kind=self._types.get(number, EntryKind.FILE), read=_missing)
        nodes = [self._node(place) for place in places]
        newest = nodes[-1]
        read = partial(_read, self.scan.window, self.scan.order, tuple(places))
        kind = kind_of_mode(newest.mode) or self._types.get(number, EntryKind.FILE)
        data = self._small(kind, newest, _offset(places[-1]))
        return Inode(
            kind=kind,
            read=read,
            packed_bytes=sum(node.packed_bytes for node in nodes),
            unpacked_bytes=newest.size,
            mode=newest.mode & 0o7777,
            uid=newest.uid,
            gid=newest.gid,
            modified_s=newest.modified_s,
            target=visible(data.decode("utf-8", "backslashreplace"), most_characters=TARGET_BYTES)
            if kind is EntryKind.SYMBOLIC_LINK
            else "",
            device=_device(data, self.scan.order) if "device" in kind else None,
            extended=self._attributes(number),
            offset=_offset(places[-1]),
        )

    def _node(self, place: int) -> InodeNode:
        return InodeNode(*self.scan.order.inode.unpack_from(self.scan.window.view, _offset(place)))

    def _small(self, kind: EntryKind, newest: InodeNode, offset: int) -> bytes:
        """Return what a link or device holds, all in one node; empty, and told, when that is damaged."""
        if kind is not EntryKind.SYMBOLIC_LINK and "device" not in kind:
            return b""
        try:
            return _piece(self.scan.window, self.scan.order, newest, offset)[:TARGET_BYTES]
        except FormatError as error:
            self.problems.add(f"a link or device could not be read: {error}")
            return b""

    def _attributes(self, number: int) -> Mapping[str, bytes]:
        return dict(self._named_values(number)) if number in self._extended else {}

    def _named_values(self, number: int) -> Iterator[tuple[str, bytes]]:
        layout = self.scan.order.xattr
        for xattr_number in self._extended[number]:
            version, offset = self.scan.xattrs.get(xattr_number, (DELETED_XATTR, 0))
            if version != DELETED_XATTR:
                xattr = XattrNode(*layout.unpack_from(self.scan.window.view, offset))
                start = offset + layout.size
                name = bytes(self.scan.window.view[start : start + xattr.name_bytes])
                start += xattr.name_bytes + 1
                prefix = XATTR_PREFIXES.get(xattr.prefix, "")
                shown = visible(prefix + name.decode("utf-8", "backslashreplace"))
                yield shown, bytes(self.scan.window.view[start : start + xattr.value_bytes])


def _offset(place: int) -> int:
    return place & ((1 << OFFSET_BITS) - 1)


def _missing(_most_bytes: int) -> bytes:
    raise FormatError("its name is there, its content is not")


def _read(window: Window, order: _Order, places: tuple[int, ...], max_bytes: int) -> bytes:
    """Lay the pieces over each other, the newest last, and cut at the newest size, as Linux does."""
    nodes = [(InodeNode(*order.inode.unpack_from(window.view, _offset(place))), _offset(place)) for place in places]
    size = nodes[-1][0].size
    if size > max_bytes:
        raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
    content = bytearray(size)
    work_bytes = 4 * max_bytes + SPARE_WORK_BYTES
    for node, offset in nodes:
        length = min(node.data_bytes, size - node.offset)
        if length <= 0:
            continue
        if node.compression == 1:
            content[node.offset : node.offset + length] = bytes(length)
            continue
        work_bytes -= node.data_bytes
        if work_bytes < 0:
            raise LimitExceeded("entry_bytes", "holds far more outdated pieces than content")
        content[node.offset : node.offset + length] = _piece(window, order, node, offset)[:length]
    return bytes(content)


def _piece(window: Window, order: _Order, node: InodeNode, offset: int) -> bytes:
    packed = window.take(offset + order.inode.size, node.packed_bytes)
    if crc(packed) != node.data_crc:
        raise FormatError(f"the check sum of the data at {window.origin + offset:#x} is wrong")
    if node.data_bytes > MOST_NODE_BYTES:
        raise FormatError(f"a node at {window.origin + offset:#x} claims to unpack to {node.data_bytes} bytes")
    unpacker = _UNPACKERS.get(node.compression)
    if unpacker is None:
        method = COMPRESSIONS.get(node.compression, str(node.compression))
        raise FormatError(f"is compressed by a method that is not read: {method}")
    piece = unpacker(packed, node.data_bytes)
    if len(piece) != node.data_bytes:
        raise FormatError(f"the data at {window.origin + offset:#x} does not unpack to its size")
    return piece


def _unpack_none(packed: Packed, size: int) -> bytes:
    return bytes(packed[:size])


def _unpack_rtime(packed: Packed, size: int) -> bytes:
    """Undo rtime: each byte is followed by how many more repeat what came after its last appearance."""
    out = bytearray()
    after = [0] * 256
    for place in range(0, len(packed) - 1, 2):
        if len(out) >= size:
            break
        value, run = packed[place], packed[place + 1]
        out.append(value)
        start, after[value] = after[value], len(out)
        for source in range(start, start + run):
            out.append(out[source])
    return bytes(out[:size])


def _unpack_zlib(packed: Packed, size: int) -> bytes:
    """Undo zlib without its check sum, which Linux does not look at either: the node has its own."""
    return raw_deflate(packed[2:], size)


def _unpack_lzma(packed: Packed, size: int) -> bytes:
    """Undo LZMA as OpenWrt and vendors made from it write it: no header, all parameters zero."""
    return lzma_raw(packed, size, LzmaProperties(lc=0, lp=0, pb=0))


_UNPACKERS: Final[Mapping[int, Decode]] = {
    0: _unpack_none,
    2: _unpack_rtime,
    6: _unpack_zlib,
    7: lzo1x,
    8: _unpack_lzma,
}


def _device(data: bytes, order: _Order) -> tuple[int, int] | None:
    """Return major and minor number, which take two bytes or four; None for anything else."""
    if len(data) == 2:
        (number,) = struct.unpack(f"{order.sign}H", data)
        return device_of(number)
    if len(data) == 4:
        (number,) = struct.unpack(f"{order.sign}I", data)
        return wide_device(number)
    return None


def _open(span: Span, limits: Limits) -> Opened:
    scan = _scanned(span.window, NODES_PER_ENTRY * limits.entries)
    system = _FileSystem(scan, scan.problems)
    listing = list_tree(system, ROOT, limits, scan.problems)
    facts: dict[str, Fact] = {
        "byte_order": scan.order.name,
        **listing.facts,
        "nodes": scan.counts["nodes"],
        "obsolete_nodes": scan.counts["obsolete_nodes"],
        "deleted_names": system.deleted_names,
        "compression": tuple(sorted(name for name in (*COMPRESSIONS.values(), "other") if scan.counts[name])),
    }
    if scan.block_bytes >= LEAST_BLOCK_BYTES:
        facts["erase_block_bytes"] = scan.block_bytes
    cut = (f"more than {scan.most_nodes} nodes, the rest was not read",) if scan.full else ()
    return Opened(
        size=_size(scan),
        kind=RegionKind.CONTAINER,
        title="JFFS2 file system",
        facts=facts,
        entries=listing.entries,
        problems=scan.problems.sentences(),
        limits_hit=(*listing.limits_hit, *cut),
    )


def _scanned(window: Window, most_nodes: int) -> _Scan:
    """Return all nodes of the file system that begins here, and none of another that stands behind it."""
    order = LITTLE if window.starts_with(b"\x85\x19") else BIG
    scan = _Scan(window, order, most_nodes)
    scan.run()
    if scan.counts["nodes"] == 0:
        raise FormatError(f"no JFFS2 node at {window.origin:#x}")
    if scan.other_from:
        scan = _Scan(window.sub(0, scan.other_from), order, most_nodes)
        scan.run()
    return scan


def _size(scan: _Scan) -> int:
    """Return the bytes up to the end of the last erase block with a node, if what follows it there is erased."""
    block = scan.block_bytes
    if block < LEAST_BLOCK_BYTES:
        return scan.end
    padded = min(-(-scan.end // block) * block, scan.window.size)
    rest = _WRITTEN.search(scan.window.view, scan.end, padded)
    return padded if rest is None else scan.end


def build_node(order: _Order, kind: int, layout: struct.Struct, fields: tuple[int, ...], data: bytes = b"") -> bytes:
    """Return a node with right check sums; the last two fields, zero here, are those of data and node."""
    total = layout.size + len(data)
    head = struct.pack(f"{order.sign}HHI", MAGIC, kind, total)
    head += struct.pack(f"{order.sign}I", crc(head))
    whole = bytearray(layout.pack(*fields, 0, 0))
    whole[:12] = head
    own = crc(bytes(whole[:-8]))
    sums = (own, crc(data)) if kind == DIRENT else (crc(data), own)
    whole[-8:] = struct.pack(f"{order.sign}II", *sums)
    return bytes(whole) + data + b"\xff" * (-total % 4)


def _example() -> bytes:
    order = LITTLE
    data = b"rate = 5 ml/h\n" * 20
    packed = zlib.compress(data)
    marker = struct.pack("<HHI", MAGIC, CLEAN_MARKER, 12)
    file_fields = (2, 1, 0o100644, 0, 0, len(data), 0, 0, 0, 0, len(packed), len(data), 6, 0, 0)
    return (
        marker
        + struct.pack("<I", crc(marker))
        + build_node(order, DIRENT, order.dirent, (ROOT, 1, 2, 0, len(b"settings.ini"), 8), b"settings.ini")
        + build_node(order, INODE, order.inode, file_fields, packed)
    )


_STARTS: Final = (
    *(rb"\x85\x19" + kind for kind in (rb"\x01\xe0", rb"\x02\xe0", rb"\x03\x20", rb"\x08\xe0", rb"\x09\xe0")),
    *(rb"\x19\x85" + kind for kind in (rb"\xe0\x01", rb"\xe0\x02", rb"\x20\x03", rb"\xe0\x08", rb"\xe0\x09")),
)
"""Name, object, clean marker, attribute and its reference, in both byte orders."""

FORMAT = ImageFormat(
    name="jffs2",
    title="JFFS2 file system",
    source="Linux include/uapi/linux/jffs2.h and fs/jffs2; OpenWrt for LZMA",
    limits=(
        "Data compressed by rubin, out of use since 2003, is not read. Two file systems directly behind each other are "
        "told apart by nodes that cannot belong to one; until the first of these they are taken for one."
    ),
    open=_open,
    magics=tuple(Magic(start) for start in _STARTS),
    example=_example,
)
