"""UBIFS file systems, the usual content of UBI volumes: nodes found through an index, and a journal of what came later.

The index is a tree from keys to the places of nodes. What was written after it was last stored stands in the journal,
which the log names; it is applied here in memory, in the order it was written, as Linux does when it mounts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.block_codecs import Decode, Packed, lzo1x, zstd
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode, wide_device
from firmware_checks.readers.lost_folders import LOST, lost_folders
from firmware_checks.readers.raw_deflate import raw_deflate
from firmware_checks.readers.tree_listing import list_tree, told_kind
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U8, U16LE, U32LE, U64LE, Layout, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"\x31\x18\x10\x06"
INO, DATA, DENT, XENT, TRUNCATION, PADDING, SUPER, MASTER, REFERENCE, INDEX, COMMIT = range(11)
"""Types of nodes; the first four are also the types of keys."""

ROOT = 1
BLOCK_BYTES = 4096
MASTER_BLOCKS = (1, 2)
LOG_START = 3
LEAST_BLOCK_BYTES, MOST_BLOCK_BYTES = 4096, 64 << 20
NODES_PER_ENTRY = 10
"""So many places are read from the index for each entry that may be listed: a million by default, 4 GiB of content."""
TARGET_BYTES = 4096
KEY_TYPE_SHIFT = 29
KEY_VALUE = (1 << KEY_TYPE_SHIFT) - 1
ENCRYPTED = 0x40
FLAGS: Final = {0x10: "encrypted", 0x20: "authenticated"}
COMPRESSIONS: Final = ("none", "lzo", "zlib", "zstd")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperNode:
    """Start of the super block node. Source: Linux fs/ubifs/ubifs-media.h, ubifs_sb_node."""

    header: bytes = wire(raw(24))
    reserved: int = wire(U16LE)
    key_hash: int = wire(U8)
    key_format: int = wire(U8)
    flags: int = wire(U32LE)
    write_bytes: int = wire(U32LE)
    block_bytes: int = wire(U32LE)
    blocks: int = wire(U32LE)
    most_blocks: int = wire(U32LE)
    journal_bytes: int = wire(U64LE)
    log_blocks: int = wire(U32LE)
    properties_blocks: int = wire(U32LE)
    orphan_blocks: int = wire(U32LE)
    journal_heads: int = wire(U32LE)
    fanout: int = wire(U32LE)
    saved_blocks: int = wire(U32LE)
    version: int = wire(U32LE)
    compression: int = wire(U16LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterNode:
    """Start of the master node: where index and log begin. Source: Linux ubifs-media.h, ubifs_mst_node."""

    header: bytes = wire(raw(24))
    highest_inode: int = wire(U64LE)
    commit: int = wire(U64LE)
    flags: int = wire(U32LE)
    log_block: int = wire(U32LE)
    root_block: int = wire(U32LE)
    root_offset: int = wire(U32LE)
    root_bytes: int = wire(U32LE)


SUPER_LAYOUT = Layout(SuperNode, size=86)
MASTER_LAYOUT = Layout(MasterNode, size=60)


class InodeNode(NamedTuple):
    """An object; links and devices hold their content themselves. Source: Linux ubifs-media.h, ubifs_ino_node."""

    inode: int
    size: int
    modified_s: int
    links: int
    uid: int
    gid: int
    mode: int
    flags: int
    data_bytes: int


class Node(NamedTuple):
    """The header that all nodes have, and where the node stands."""

    offset: int
    sequence: int
    size: int
    type: int


HEADER: Final = struct.Struct("<4sIQIBB2x")
INODE_LAYOUT: Final = struct.Struct("<24xI12x8xQ16xQ12xIIIIII")
DENT_LAYOUT: Final = struct.Struct("<24xII8xQBBH4x")
DATA_LAYOUT: Final = struct.Struct("<24xII8xIHH")
TRUNCATION_LAYOUT: Final = struct.Struct("<24xI12xQQ")
BRANCH: Final = struct.Struct("<IIIII")
INODE_HEAD_BYTES, INDEX_HEAD_BYTES = 160, 28


def crc32(data: bytes | memoryview) -> int:
    """Return the CRC-32 as UBIFS stores it: not inverted at the end."""
    return zlib.crc32(data) ^ 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The nodes of a volume, in blocks of ``block_bytes``."""

    window: Window
    block_bytes: int

    def at(self, offset: int) -> Node | None:
        """Return the node at ``offset`` if its check sum is right."""
        if offset + HEADER.size > self.window.size:
            return None
        magic, stored, sequence, size, kind, _group = HEADER.unpack_from(self.window.view, offset)
        if magic != MAGIC or not HEADER.size <= size <= self.block_bytes - offset % self.block_bytes:
            return None
        body = self.window.view[offset + 8 : offset + size]
        return Node(offset, sequence, size, kind) if len(body) == size - 8 and crc32(body) == stored else None

    def of_type(self, offset: int, kind: int, least_bytes: int) -> Node:
        """Return the node of a type at ``offset``; raise ``FormatError`` when there is none."""
        node = self.at(offset)
        if node is None or node.type != kind or node.size < least_bytes:
            raise FormatError(f"no node of type {kind} at {self.window.origin + offset:#x}, or it is damaged")
        return node

    def in_block(self, block: int, start: int = 0) -> Iterator[Node]:
        """Yield the nodes of a block until erased or damaged bytes follow."""
        position, end = block * self.block_bytes + start, (block + 1) * self.block_bytes
        while position < end:
            node = self.at(position)
            if node is None:
                if self.window.view[position : position + 4] != b"\xce" * 4:
                    return
                position += 8
                continue
            size = node.size
            if node.type == PADDING and size >= INDEX_HEAD_BYTES:
                size += int.from_bytes(self.window.take(position + HEADER.size, 4), "little")
            else:
                yield node
            position += -(-size // 8) * 8

    def inode(self, offset: int) -> InodeNode:
        """Return the object whose node is at ``offset``."""
        node = self.of_type(offset, INO, INODE_HEAD_BYTES)
        inode = InodeNode(*INODE_LAYOUT.unpack_from(self.window.view, offset))
        if INODE_HEAD_BYTES + inode.data_bytes > node.size:
            raise FormatError(f"the data of the object at {self.window.origin + offset:#x} is cut")
        return inode

    def inline(self, offset: int) -> bytes:
        """Return what an object holds in its own node."""
        return bytes(self.window.take(offset + INODE_HEAD_BYTES, self.inode(offset).data_bytes))


@dataclass(slots=True)
class _System:
    """Where the newest node of everything stands, by object number."""

    nodes: _Nodes
    most_places: int
    problems: Problems
    inodes: dict[int, int] = field(default_factory=dict)
    contents: dict[int, dict[int, int]] = field(default_factory=dict)
    folders: dict[int, dict[bytes, tuple[int, int]]] = field(default_factory=dict)
    """Names in folders: the number each stands for, and where it is written."""
    attributes: dict[int, dict[bytes, tuple[int, int]]] = field(default_factory=dict)
    lost: dict[int, bytes] = field(default_factory=dict)
    places: int = 0
    full: bool = False

    def load_index(self, root: int) -> None:
        """Read the index from its root node at offset ``root``; damaged branches are told and left out."""
        self.nodes.of_type(root, INDEX, INDEX_HEAD_BYTES)
        waiting, met = [root], {root}
        while waiting and not self.full:
            try:
                level, branches = self._branches(waiting.pop())
            except FormatError as error:
                self.problems.add(f"a branch of the index is damaged and was left out: {error}")
                continue
            for offset, inode, key in branches:
                if level == 0:
                    self._place(offset, inode, key)
                elif offset not in met:
                    met.add(offset)
                    waiting.append(offset)

    def _branches(self, offset: int) -> tuple[int, list[tuple[int, int, int]]]:
        """Return the level of an index node, and where each branch leads with its two key words."""
        node = self.nodes.of_type(offset, INDEX, INDEX_HEAD_BYTES)
        count, level = struct.unpack_from("<HH", self.nodes.window.view, offset + HEADER.size)
        stride = (node.size - INDEX_HEAD_BYTES) // max(1, count)  # longer than a branch where each carries a hash
        if count and stride < BRANCH.size:
            raise FormatError(f"{count} branches do not fit the index node at {offset:#x}")
        start = offset + INDEX_HEAD_BYTES
        rows = (BRANCH.unpack_from(self.nodes.window.view, start + n * stride) for n in range(count))
        return level, [(block * self.nodes.block_bytes + at, inode, key) for block, at, _size, inode, key in rows]

    def _place(self, offset: int, inode: int, key: int) -> None:
        self.places += 1
        self.full = self.places >= self.most_places
        kind = key >> KEY_TYPE_SHIFT
        if kind == INO:
            self.inodes[inode] = offset
        elif kind == DATA:
            self.contents.setdefault(inode, {})[key & KEY_VALUE] = offset
        elif kind in (DENT, XENT):
            try:
                self._name(self.nodes.of_type(offset, kind, DENT_LAYOUT.size))
            except FormatError as error:
                self.problems.add(f"a name is damaged and was left out: {error}")

    def _name(self, node: Node) -> None:
        """Note a name, or take it away where it stands for number 0."""
        view = self.nodes.window.view
        folder, _key, inode, _pad, _type, name_bytes = DENT_LAYOUT.unpack_from(view, node.offset)
        start = node.offset + DENT_LAYOUT.size
        if DENT_LAYOUT.size + name_bytes > node.size:
            raise FormatError(f"the name at {node.offset:#x} is cut")
        names = (self.folders if node.type == DENT else self.attributes).setdefault(folder, {})
        name = bytes(view[start : start + name_bytes])
        if inode:
            names[name] = (inode, node.offset)
        else:
            names.pop(name, None)

    def apply(self, nodes: Iterable[Node]) -> int:
        """Apply nodes in the order they were written; return how many."""
        count = 0
        takers: dict[int, tuple[int, Callable[[Node], None]]] = {
            INO: (INODE_HEAD_BYTES, self._apply_inode),
            DATA: (DATA_LAYOUT.size, self._apply_data),
            DENT: (DENT_LAYOUT.size, self._name),
            XENT: (DENT_LAYOUT.size, self._name),
            TRUNCATION: (TRUNCATION_LAYOUT.size, self._truncate),
        }
        for node in sorted(nodes, key=lambda node: node.sequence):
            least_bytes, taker = takers.get(node.type, (0, None))
            if taker is None or self.full:
                continue
            try:
                self.nodes.of_type(node.offset, node.type, least_bytes)
                taker(node)
                count += 1
            except FormatError as error:
                self.problems.add(f"a node of the journal is damaged and was left out: {error}")
        return count

    def _apply_inode(self, node: Node) -> None:
        inode = self.nodes.inode(node.offset)
        if inode.links:
            self.inodes[inode.inode] = node.offset
        else:
            for table in (self.inodes, self.contents, self.attributes):
                table.pop(inode.inode, None)

    def _apply_data(self, node: Node) -> None:
        inode, key, *_rest = DATA_LAYOUT.unpack_from(self.nodes.window.view, node.offset)
        self._place(node.offset, inode, DATA << KEY_TYPE_SHIFT | key & KEY_VALUE)

    def _truncate(self, node: Node) -> None:
        inode, _old_size, new_size = TRUNCATION_LAYOUT.unpack_from(self.nodes.window.view, node.offset)
        blocks = self.contents.get(inode, {})
        for block in [block for block in blocks if block * BLOCK_BYTES >= new_size]:
            del blocks[block]

    def find_lost(self) -> None:
        """Find folders that no path leads to, when all names are known."""
        self.lost = lost_folders(self.folders, self._members, [ROOT], self.problems)

    def _members(self, folder: int) -> Iterator[int]:
        return (inode for inode, _ in self.folders.get(folder, {}).values())

    def names(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """See ``FileSystem``."""
        for name, (inode, _) in sorted(self.folders.get(folder, {}).items()):
            yield name, inode
        if folder == ROOT:
            yield from ((name, lost) for lost, name in self.lost.items())

    def inode(self, number: int) -> Inode:
        """See ``FileSystem``."""
        offset = self.inodes.get(number)
        if offset is None and number in self.lost:
            return LOST
        if offset is None:
            raise FormatError("its name is there, its content is not")
        node = self.nodes.inode(offset)
        kind = told_kind(node.mode)
        blocks = self.contents.get(number, {})
        inline = self.nodes.inline(offset) if kind not in (EntryKind.FILE, EntryKind.FOLDER) else b""
        is_link = kind is EntryKind.SYMBOLIC_LINK
        return Inode(
            kind=kind,
            read=partial(_read, self.nodes, node, blocks),
            packed_bytes=sum(self._size(place) for place in blocks.values()),
            unpacked_bytes=node.size,
            mode=node.mode & 0o7777,
            uid=node.uid,
            gid=node.gid,
            modified_s=node.modified_s,
            target=visible(inline.decode("utf-8", "backslashreplace"), most_characters=TARGET_BYTES) if is_link else "",
            device=wide_device(int.from_bytes(inline[:4], "little")) if "device" in kind and inline else None,
            extended=self._extended(number),
            offset=offset,
        )

    def _size(self, offset: int) -> int:
        """Return the size a node claims, not yet checked."""
        size = int.from_bytes(self.nodes.window.view[offset + 16 : offset + 20], "little")
        return min(size, self.nodes.block_bytes)

    def _extended(self, number: int) -> Mapping[str, bytes]:
        values: dict[str, bytes] = {}
        for name, (inode, _) in sorted(self.attributes.get(number, {}).items()):
            try:
                value = self.nodes.inline(self.inodes[inode])
            except (KeyError, FormatError):
                self.problems.add("an extended attribute is damaged and was left out", name.decode("utf-8", "replace"))
                continue
            values[visible(name.decode("utf-8", "backslashreplace"))] = value
        return values


def _read(nodes: _Nodes, inode: InodeNode, blocks: Mapping[int, int], max_bytes: int) -> bytes:
    if inode.size > max_bytes:
        raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
    if inode.flags & ENCRYPTED:
        raise FormatError("is encrypted, and the key is not in the image")
    content = bytearray(inode.size)
    for block, offset in blocks.items():
        start = block * BLOCK_BYTES
        if start < inode.size:
            piece = _unpacked(nodes, offset)[: inode.size - start]
            content[start : start + len(piece)] = piece
    return bytes(content)


def _unpacked(nodes: _Nodes, offset: int) -> bytes:
    node = nodes.of_type(offset, DATA, DATA_LAYOUT.size)
    size: int
    _inode, _key, size, compression, _packed = DATA_LAYOUT.unpack_from(nodes.window.view, offset)
    if size > BLOCK_BYTES or compression >= len(_UNPACKERS):
        raise FormatError(f"the data at {nodes.window.origin + offset:#x} has an impossible size or compression")
    packed = nodes.window.take(offset + DATA_LAYOUT.size, node.size - DATA_LAYOUT.size)
    unpacker: Decode = _UNPACKERS[compression]
    piece = unpacker(packed, size)
    if len(piece) != size:
        raise FormatError(f"the data at {nodes.window.origin + offset:#x} does not unpack to its size")
    return piece


def _unpack_none(packed: Packed, size: int) -> bytes:
    return bytes(packed[:size])


_UNPACKERS: Final[tuple[Decode, ...]] = (_unpack_none, lzo1x, raw_deflate, zstd)
"""By the number in a data node."""


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    block_bytes = SUPER_LAYOUT.read(window).block_bytes
    if not LEAST_BLOCK_BYTES <= block_bytes <= MOST_BLOCK_BYTES or block_bytes % 8:
        raise FormatError(f"UBIFS blocks of {block_bytes} bytes at {window.origin:#x}")
    nodes = _Nodes(window, block_bytes)
    nodes.of_type(0, SUPER, SUPER_LAYOUT.size)
    head = SUPER_LAYOUT.read(window)
    size = min(head.blocks * block_bytes, window.size)
    if head.key_format or size < SUPER_LAYOUT.size:
        raise FormatError(f"UBIFS super block at {window.origin:#x} has impossible numbers")
    problems = Problems()
    system = _System(_Nodes(window.sub(0, size), block_bytes), NODES_PER_ENTRY * limits.entries, problems)
    facts: dict[str, Fact] = {
        "format_version": head.version,
        "logical_block_bytes": block_bytes,
        "compression": COMPRESSIONS[head.compression] if head.compression < len(COMPRESSIONS) else "unknown",
        **{name: True for flag, name in FLAGS.items() if head.flags & flag},
        **_load(system, head),
    }
    system.find_lost()
    listing = list_tree(system, ROOT, limits, problems)
    cut = (f"more than {system.most_places} nodes, the rest was not read",) if system.full else ()
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="UBIFS file system",
        facts={**facts, **listing.facts},
        entries=listing.entries,
        problems=problems.sentences(),
        limits_hit=(*listing.limits_hit, *cut),
    )


def _load(system: _System, head: SuperNode) -> dict[str, Fact]:
    """Fill ``system`` from index and journal; where there is no index, from all nodes there are."""
    nodes = system.nodes
    try:
        master = _master(nodes)
        system.load_index(master.root_block * nodes.block_bytes + master.root_offset)
    except FormatError as error:
        system.problems.add(f"there is no index, so all nodes were gathered; deleted files may be among them: {error}")
        start = LOG_START + head.log_blocks + head.properties_blocks + head.orphan_blocks
        blocks = range(start, -(-nodes.window.size // nodes.block_bytes))
        found = (node for block in blocks for node in nodes.in_block(block))
        return {"gathered_nodes": system.apply(_some(found, system.most_places))}
    journal = (node for block, start in _buds(nodes, head, master) for node in nodes.in_block(block, start))
    return {"commit": master.commit, "journal_nodes": system.apply(_some(journal, system.most_places))}


def _some(nodes: Iterable[Node], most: int) -> Iterator[Node]:
    """Yield the nodes of an object, a name or content, at most so many."""
    wanted = (node for node in nodes if node.type <= TRUNCATION)
    for _, node in zip(range(most), wanted, strict=False):
        yield node


def _master(nodes: _Nodes) -> MasterNode:
    """Return the newest master node: each change writes one more to both of its blocks."""
    found = [node for block in MASTER_BLOCKS for node in nodes.in_block(block) if node.type == MASTER]
    if not found:
        raise FormatError("no master node is left")
    newest = max(found, key=lambda node: node.sequence)
    return MASTER_LAYOUT.read(nodes.window, newest.offset)


def _buds(nodes: _Nodes, head: SuperNode, master: MasterNode) -> Iterator[tuple[int, int]]:
    """Yield block and offset of each stretch of the journal, as the log since the last commit names them.

    Of two references to one block the first counts, which starts lower: the later is from a commit that did not end.
    """
    first_sequence = -1
    met: set[int] = set()
    for step in range(min(head.log_blocks, nodes.window.size // nodes.block_bytes + 1)):
        block = LOG_START + (master.log_block - LOG_START + step) % head.log_blocks
        found = list(nodes.in_block(block))
        if not found or found[0].sequence < first_sequence:
            return
        if first_sequence < 0:
            if found[0].type != COMMIT:
                return
            first_sequence = found[0].sequence
        for node in found:
            if node.type == REFERENCE and node.size >= HEADER.size + 8:
                bud, start = struct.unpack_from("<II", nodes.window.view, node.offset + HEADER.size)
                if start < nodes.block_bytes and bud not in met:
                    met.add(bud)
                    yield bud, start


def build_node(kind: int, body: bytes, sequence: int = 1) -> bytes:
    """Return a node with a right check sum, filled up to a multiple of 8 bytes."""
    size = HEADER.size + len(body)
    whole = HEADER.pack(MAGIC, 0, sequence, size, kind, 0)[8:] + body
    return MAGIC + crc32(whole).to_bytes(4, "little") + whole + b"\xce" * (-size % 8)


def node_key(inode: int, kind: int, value: int = 0) -> bytes:
    return struct.pack("<II8x", inode, kind << KEY_TYPE_SHIFT | value)


def inode_body(inode: int, mode: int, size: int, data: bytes = b"", *, links: int = 1, flags: int = 0) -> bytes:
    times = (0, 1_600_000_000, 1_600_000_000, 1_600_000_000, 0, 0, 0)
    head = struct.pack("<QQQQQIII", 1, size, *times[1:4], *times[4:])
    rest = struct.pack("<IIIIIIII", links, 0, 0, mode, flags, len(data), 0, 0)
    return node_key(inode, INO) + head + rest + bytes(36) + data


def dent_body(folder: int, name: bytes, inode: int, kind: int = DENT) -> bytes:
    return (
        node_key(folder, kind, zlib.crc32(name) & KEY_VALUE)
        + struct.pack("<QBBH4x", inode, 0, 0, len(name))
        + name
        + b"\0"
    )


def _super_body(blocks: int, block_bytes: int, *, flags: int = 0, compression: int = 0) -> bytes:
    numbers = struct.pack("<HBBIIIII", 0, 0, 0, flags, 8, block_bytes, blocks, blocks)
    sizes = struct.pack("<QIIIIIIIH", block_bytes, 1, 0, 0, 1, 8, 0, 4, compression)
    return (numbers + sizes).ljust(BLOCK_BYTES - HEADER.size, b"\0")


def build_volume(leaves: list[tuple[bytes, bytes]], journal: list[bytes] | None = None, *, flags: int = 0) -> bytes:
    """Return a volume of six blocks: super block, two master nodes, log, nodes with their index, journal."""
    main = b""
    branches = b""
    for key, node in leaves:
        branches += struct.pack("<III", 4, len(main), len(node)) + key[:8]
        main += node
    index = build_node(INDEX, struct.pack("<HH", len(leaves), 0) + branches)
    places = struct.pack("<QQIIIII", 99, 3, 0, LOG_START, 4, len(main), len(index))
    master = build_node(MASTER, places.ljust(512 - HEADER.size, b"\0"))
    log = build_node(COMMIT, struct.pack("<Q", 3), 5)
    log += build_node(REFERENCE, struct.pack("<III28x", 5, 0, 1), 6) if journal else b""
    blocks = [build_node(SUPER, _super_body(6, BLOCK_BYTES, flags=flags)), master, master, log, main + index]
    return b"".join(block.ljust(BLOCK_BYTES, b"\xff") for block in [*blocks, b"".join(journal or ())])


def _example() -> bytes:
    text = b"rate = 5 ml/h\n" * 20
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(text) + packer.flush()
    data = node_key(65, DATA) + struct.pack("<IHH", len(text), COMPRESSIONS.index("zlib"), 0) + packed
    name = dent_body(ROOT, b"settings.ini", 65)
    root, file = inode_body(ROOT, 0o040755, 0), inode_body(65, 0o100644, len(text))
    kinds = (INO, DENT, INO, DATA)
    return build_volume(
        [(body, build_node(kind, body)) for kind, body in zip(kinds, (root, name, file, data), strict=True)]
    )


FORMAT = ImageFormat(
    name="ubifs",
    title="UBIFS file system",
    source="Linux fs/ubifs/ubifs-media.h, tnc.c, log.c and replay.c",
    limits="Encrypted files are listed and not read. Signatures are not verified.",
    open=_open,
    magics=(Magic(rb"\x31\x18\x10\x06[\x00-\xff]{12}\x00\x10\x00\x00\x06"),),
    example=_example,
)
