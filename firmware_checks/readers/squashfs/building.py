"""Builds small squashfs images of every version and byte order, as examples: programs write only the newest."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import EntryKind
from firmware_checks.readers.squashfs.nodes import KINDS, NO_FRAGMENT
from firmware_checks.readers.squashfs.super_block import (
    NO_TABLE,
    SUPER2,
    SUPER3,
    SUPER4,
    WIDTHS2,
    WIDTHS3,
    WIDTHS4,
    Super2,
    Super3,
    Super4,
    turned,
)

__all__ = ["CREATED_S", "Device", "Tree", "build"]

CREATED_S: Final = 1_577_836_800
"""The start of 2020, of the image and all that is in it."""
TABLE_BLOCK_BYTES: Final = 8192
FILE_STORED_BIT: Final = 1 << 24
TABLE_STORED_BIT: Final = 0x8000
MOST_NAMES: Final = 256
INLINE_VALUE_BYTES: Final = 8
PREFIXES: Final = {"user": 0, "trusted": 1, "security": 2}
NUMBERS: Final = {kind: number for number, kind in KINDS.items()}
Pack = Callable[[bytes], bytes]

_BASE: Final = {
    2: "type:4 mode:12 user:8 group:8",
    3: "type:4 mode:12 user:8 group:8 modified:32 number:32",
    4: "type:16 mode:16 user:16 group:16 modified:32 number:32",
}
_SPECIAL: Final = {2: "", 3: "links:32", 4: "links:32"}
_NODES: Final[Mapping[tuple[int, EntryKind, bool], str]] = {
    (2, EntryKind.FOLDER, False): "size:19 offset:13 modified:32 start:24",
    (2, EntryKind.FOLDER, True): "size:27 offset:13 modified:32 start:24 index:16",
    (2, EntryKind.FILE, False): "modified:32 start:32 fragment:32 offset:32 size:32",
    (3, EntryKind.FOLDER, False): "links:32 size:19 offset:13 start:32 parent:32",
    (3, EntryKind.FOLDER, True): "links:32 size:27 offset:13 start:32 index:16 parent:32",
    (3, EntryKind.FILE, False): "start:64 fragment:32 offset:32 size:32",
    (3, EntryKind.FILE, True): "links:32 start:64 fragment:32 offset:32 size:64",
    (4, EntryKind.FOLDER, False): "start:32 links:32 size:16 offset:16 parent:32",
    (4, EntryKind.FOLDER, True): "links:32 size:32 start:32 parent:32 index:16 offset:16 attributes:32",
    (4, EntryKind.FILE, False): "start:32 fragment:32 offset:32 size:32",
    (4, EntryKind.FILE, True): "start:64 size:64 sparse:64 links:32 fragment:32 offset:32 attributes:32",
}
_FOLDER_HEADER: Final = {2: "count:8 start:24", 3: "count:8 start:32 number:32", 4: "count:32 start:32 number:32"}
_FOLDER_ENTRY: Final = {
    2: "offset:13 type:3 size:8",
    3: "offset:13 type:3 size:8 difference:16",
    4: "offset:16 difference:16 type:16 size:16",
}
_FRAGMENT: Final = {2: "start:32 size:32", 3: "start:64 size:32 unused:32", 4: "start:64 size:32 unused:32"}


@dataclass(frozen=True, slots=True)
class Device:
    """A device file."""

    kind: EntryKind
    major: int
    minor: int


Tree = Mapping[str, "bytes | str | Device | EntryKind | Tree"]
"""Names and what they stand for: content, the target of a link, a device, a pipe or socket, a folder."""


def build(
    tree: Tree,
    *,
    version: int = 4,
    big_endian: bool = False,
    extended: bool = False,
    pack: Pack | None = zlib.compress,
    compression: int = 1,
    attributes: Mapping[str, bytes] | None = None,
    block_bytes: int = 4096,
) -> bytes:
    """Return an image of ``tree`` in blocks of ``block_bytes``; ``extended`` uses the larger form of each inode.

    ``pack`` packs a block, None stores all as it is; ``attributes`` are those of every inode (version 4, extended).
    """
    order = "big" if big_endian else "little"
    builder = _Builder(
        version=version,
        order=order,
        extended=extended,
        pack=pack,
        attributes=attributes or {},
        block_bytes=block_bytes,
    )
    return builder.image(tree, compression)


@dataclass(slots=True)
class _Table:
    """Blocks of 8 KiB, packed one by one."""

    order: str
    pack: Pack | None
    raw: bytearray = field(default_factory=bytearray)
    packed: bytearray = field(default_factory=bytearray)
    starts: list[int] = field(default_factory=lambda: [0])
    """Where each packed block starts, and the next one will."""

    def add(self, data: bytes) -> tuple[int, int]:
        """Append ``data`` and return where it stands: start of its block in the packed table, and offset in it."""
        block, offset = divmod(len(self.raw), TABLE_BLOCK_BYTES)
        self._pack_until(block)
        self.raw += data
        return self.starts[block], offset

    def finish(self) -> bytes:
        """Return the packed table."""
        self._pack_until(-(-len(self.raw) // TABLE_BLOCK_BYTES))
        return bytes(self.packed)

    def _pack_until(self, block: int) -> None:
        while len(self.starts) <= block:
            start = (len(self.starts) - 1) * TABLE_BLOCK_BYTES
            data = bytes(self.raw[start : start + TABLE_BLOCK_BYTES])
            packed = self.pack(data) if self.pack else data
            stored = len(packed) >= len(data)
            word = len(data) | TABLE_STORED_BIT if stored else len(packed)
            self.packed += _record(self.order, "word:16", word=word) + (data if stored else packed)
            self.starts.append(len(self.packed))


@dataclass(slots=True, kw_only=True)
class _Builder:
    version: int
    order: str
    extended: bool
    pack: Pack | None
    attributes: Mapping[str, bytes]
    block_bytes: int
    data: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    fragments: list[tuple[int, int]] = field(default_factory=list)
    nodes: _Table = field(init=False)
    folders: _Table = field(init=False)
    numbers: int = 0

    def __post_init__(self) -> None:
        self.nodes, self.folders = self._table(), self._table()
        self.data += bytes({2: SUPER2.size, 3: SUPER2.size + SUPER3.size, 4: SUPER4.size}[self.version])

    def image(self, tree: Tree, compression: int) -> bytes:
        """Return the whole image."""
        start, offset = self._add(tree)[:2]
        self._end_fragment()
        places = {"inode_table": self._append(self.nodes.finish())}
        places["folder_table"] = self._append(self.folders.finish())
        places["fragment_table"] = self._append_indexed(
            [self._record(_FRAGMENT[self.version], start=place, size=word) for place, word in self.fragments],
            place_bits=32 if self.version == 2 else 64,
        )
        return self._with_head(places, start << 16 | offset, compression)

    def _with_head(self, places: dict[str, int], root: int, compression: int) -> bytes:
        common = {
            "magic": b"hsqs",
            "inodes": self.numbers,
            "major": self.version,
            "minor": {2: 1, 3: 1, 4: 0}[self.version],
            "created": CREATED_S,
            "root": root,
            "block_bytes": self.block_bytes,
            "block_log": self.block_bytes.bit_length() - 1,
            "fragments": len(self.fragments),
            "flags": 0,
        }
        if self.version == 4:
            places["id_table"] = self._append_indexed([self._record("id:32", id=0)])
            places["attribute_table"] = self._append_attributes() if self.attributes else NO_TABLE
            end = {"bytes_used": len(self.data), "export_table": NO_TABLE, "ids": 1, "compression": compression}
            head = self._turned(SUPER4.build(Super4(**common, **places, **end)), WIDTHS4)  # type: ignore[arg-type]
            return head + bytes(self.data[len(head) :])
        places["uid_table"] = self._append(self._record("id:32", id=0))
        places["gid_table"] = self._append(self._record("id:32", id=0))
        places["bytes_used"] = len(self.data)
        unused = {"short_block_bytes": self.block_bytes, "uids": 1, "gids": 1}
        head = self._turned(SUPER2.build(Super2(**common, **unused, **places)), WIDTHS2)  # type: ignore[arg-type]
        if self.version == 3:
            head += self._turned(SUPER3.build(Super3(**places, export_table=NO_TABLE)), WIDTHS3)
        return head + bytes(self.data[len(head) :])

    def _add(self, thing: bytes | str | Device | EntryKind | Tree) -> tuple[int, int, int, EntryKind]:
        """Add an inode and what belongs to it; return block, offset and number of the inode, and its kind."""
        end = self._record("attributes:32", attributes=self._attribute_index())
        if isinstance(thing, Mapping):
            kind, body = EntryKind.FOLDER, self._folder(thing)
        elif isinstance(thing, bytes):
            kind, body = EntryKind.FILE, self._file(thing)
        else:
            kind, body = self._special(thing)
            body += end if self._is_extended(kind) else b""
        self.numbers += 1
        number = NUMBERS[kind] + (7 if self._is_extended(kind) else 0)
        mode = 0o755 if kind is EntryKind.FOLDER else 0o644
        base = self._record(_BASE[self.version], type=number, mode=mode, modified=CREATED_S, number=self.numbers)
        return *self.nodes.add(base + body), self.numbers, kind

    def _is_extended(self, kind: EntryKind) -> bool:
        return self.extended and (self.version == 4 or (self.version, kind, True) in _NODES)

    def _node(self, kind: EntryKind, **values: int) -> bytes:
        spec = _NODES[self.version, kind, self._is_extended(kind)]
        return self._record(spec, links=1, modified=CREATED_S, attributes=self._attribute_index(), **values)

    def _folder(self, tree: Tree) -> bytes:
        named = sorted((name.encode(), self._add(thing)) for name, thing in tree.items())
        listing = b""
        for name, (start, offset, number, kind) in named:  # one header for each name: allowed, and simple
            listing += self._record(_FOLDER_HEADER[self.version], count=0, start=start, number=number)
            size = len(name) - 1
            listing += self._record(_FOLDER_ENTRY[self.version], offset=offset, type=NUMBERS[kind], size=size) + name
        start, offset = self.folders.add(listing)
        return self._node(
            EntryKind.FOLDER, start=start, offset=offset, size=len(listing) + (3 if self.version >= 3 else 0)
        )

    def _file(self, content: bytes) -> bytes:
        whole = len(content) // self.block_bytes * self.block_bytes
        start = len(self.data)
        words = [self._block(content[at : at + self.block_bytes]) for at in range(0, whole, self.block_bytes)]
        fragment, offset = NO_FRAGMENT, 0
        if len(content) > whole:
            fragment, offset = self._add_tail(content[whole:])
        body = self._node(EntryKind.FILE, start=start, size=len(content), fragment=fragment, offset=offset)
        return body + b"".join(self._record("word:32", word=word) for word in words)

    def _add_tail(self, tail: bytes) -> tuple[int, int]:
        if len(self.tail) + len(tail) > self.block_bytes:
            self._end_fragment()
        self.tail += tail
        return len(self.fragments), len(self.tail) - len(tail)

    def _end_fragment(self) -> None:
        if self.tail:
            place = len(self.data)
            self.fragments.append((place, self._block(bytes(self.tail))))
            self.tail.clear()

    def _block(self, data: bytes) -> int:
        """Append a data block and return the word that describes it; zeros take no place."""
        if not any(data):
            return 0
        packed = self.pack(data) if self.pack else data
        stored = len(packed) >= len(data)
        self.data += data if stored else packed
        return len(data) | FILE_STORED_BIT if stored else len(packed)

    def _special(self, thing: str | Device | EntryKind) -> tuple[EntryKind, bytes]:
        links, bits = _SPECIAL[self.version], 32 if self.version == 4 else 16
        if isinstance(thing, Device):
            device = thing.major << 8 | thing.minor & 0xFF | thing.minor >> 8 << 20
            return thing.kind, self._record(f"{links} device:{bits}", links=1, device=device)
        if isinstance(thing, EntryKind):
            return thing, self._record(links, links=1)
        size = len(thing.encode())
        return EntryKind.SYMBOLIC_LINK, self._record(f"{links} size:{bits}", links=1, size=size) + thing.encode()

    def _attribute_index(self) -> int:
        return 0 if self.attributes else 0xFFFF_FFFF

    def _append(self, data: bytes) -> int:
        self.data += data
        return len(self.data) - len(data)

    def _append_indexed(self, records: Sequence[bytes], place_bits: int = 64) -> int:
        """Append a table of one block, then the list of the places of its blocks; return the place of the list."""
        if not records:
            return len(self.data)
        table = self._table()
        table.add(b"".join(records))
        place = self._append(table.finish())
        return self._append(self._record(f"place:{place_bits}", place=place))

    def _append_attributes(self) -> int:
        """Append the attributes: longer values first and by themselves, then the names, then the table of the sets."""
        table = self._table()
        items: list[bytes] = []
        for full_name, value in self.attributes.items():
            prefix, _, name = full_name.partition(".")
            counted = self._record("size:32", size=len(value)) + value
            kind = PREFIXES[prefix]
            if len(value) > INLINE_VALUE_BYTES:
                start, offset = table.add(counted)
                counted = self._record("size:32 place:64", size=8, place=start << 16 | offset)
                kind |= 0x100
            items.append(self._record("kind:16 size:16", kind=kind, size=len(name)) + name.encode() + counted)
        start, offset = table.add(b"".join(items))
        values_at = self._append(table.finish())
        spec = "place:64 count:32 size:32"
        sets = self._table()
        sets.add(self._record(spec, place=start << 16 | offset, count=len(items), size=sum(map(len, items))))
        sets_at = self._append(sets.finish())
        return self._append(self._record("place:64 count:32 unused:32 at:64", place=values_at, count=1, at=sets_at))

    def _table(self) -> _Table:
        return _Table(self.order, self.pack)

    def _record(self, spec: str, **values: int) -> bytes:
        return _record(self.order, spec, **values)

    def _turned(self, head: bytes, widths: Sequence[int]) -> bytes:
        return turned(head, widths) if self.order == "big" else head


def _record(order: str, spec: str, **values: int) -> bytes:
    """Return the fields of ``spec``, each ``name:bits``, one after the other; those without a value are 0.

    In little-endian images the first field is in the low bits, in big-endian ones in the high bits.
    """
    fields = [(values.get(name, 0), int(bits)) for name, _, bits in (text.partition(":") for text in spec.split())]
    number = size = 0
    for value, bits in fields if order == "big" else reversed(fields):
        number = number << bits | value
        size += bits
    return number.to_bytes(size // 8, order)  # type: ignore[arg-type]  # "big" or "little"
