"""Flattened device trees: named nodes with properties, as boot loaders hand them to an operating system.

Source: Devicetree Specification 0.4, 5 (flattened devicetree format); version 16 as the Linux kernel documents it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from firmware_checks.readers.entry_names import visible
from toolkit.core.errors import FormatError
from toolkit.core.layout import U32BE, Layout, const, wire
from toolkit.core.window import Window

__all__ = ["MAGIC", "FlatTree", "Node", "Property", "TreeSource", "build_tree", "read_tree"]

MAGIC: Final = b"\xd0\x0d\xfe\xed"
OLDEST, NEWEST = 16, 17
BEGIN_NODE, END_NODE, PROPERTY, NOP, END = 1, 2, 3, 4, 9
MOST_TOKENS = 1 << 17
"""Steps through one tree; the largest boards' trees take a tenth of it."""
MOST_DEPTH = 64
NAME_BYTES = 256
"""Longest name of a node or property; the specification allows 31 characters, practice more."""
RESERVATION_BYTES = 16
CELL = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHeader:
    """Start of a tree; offsets in bytes from it. Source: Devicetree Specification 0.4, 5.2."""

    magic: bytes = wire(const(MAGIC))
    total_bytes: int = wire(U32BE)
    structure_at: int = wire(U32BE)
    strings_at: int = wire(U32BE)
    reservations_at: int = wire(U32BE)
    version: int = wire(U32BE)
    last_compatible_version: int = wire(U32BE)
    boot_processor: int = wire(U32BE)
    strings_bytes: int = wire(U32BE)
    structure_bytes: int = wire(U32BE)
    """Since version 17."""


HEADER = Layout(TreeHeader, size=40)


@dataclass(frozen=True, slots=True)
class Property:
    """The value of a property: ``data``, which starts at byte ``start`` of the tree."""

    start: int
    data: memoryview

    @property
    def texts(self) -> tuple[str, ...]:
        """The value as a list of texts, each ended by a zero byte."""
        text = bytes(self.data).rstrip(b"\0")
        return tuple(visible(piece.decode("utf-8", "backslashreplace")) for piece in text.split(b"\0"))

    @property
    def text(self) -> str:
        """The first text of the value."""
        return self.texts[0]

    @property
    def number(self) -> int | None:
        """The value as one number of one or two cells; None when it is something else."""
        return int.from_bytes(self.data, "big") if len(self.data) in (4, 8) else None


@dataclass(slots=True)
class Node:
    """One node with what stands in it."""

    name: str
    properties: dict[str, Property] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    def at(self, *path: str) -> Node | None:
        """Return the node at ``path`` below this one."""
        node: Node | None = self
        for name in path:
            node = node.children.get(name) if node is not None else None
        return node

    def text(self, name: str) -> str:
        """Return a property as text, empty when there is none."""
        found = self.properties.get(name)
        return found.text if found is not None else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a property as a list of texts, empty when there is none."""
        found = self.properties.get(name)
        return found.texts if found is not None and len(found.data) else ()

    def number(self, name: str) -> int | None:
        """Return a property as a number, None when there is none."""
        found = self.properties.get(name)
        return found.number if found is not None else None

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it."""
        yield self
        for child in self.children.values():
            yield from child.walk()


@dataclass(slots=True)
class FlatTree:
    """A tree that was read; ``size`` in bytes as its header says."""

    root: Node
    size: int
    version: int
    reservations: int
    """Stretches of memory that the system must leave alone."""
    problems: list[str] = field(default_factory=list)


def read_tree(window: Window) -> FlatTree:
    """Return the tree at the start of ``window``; raise ``FormatError`` when there is none."""
    header = HEADER.read(window)
    if header.version < OLDEST or header.last_compatible_version > NEWEST or header.total_bytes < HEADER.size:
        raise FormatError(f"what follows the device tree magic at {window.origin:#x} is no header")
    whole = window.sub(0, header.total_bytes)
    strings = whole.sub(header.strings_at, header.strings_bytes)
    if header.version == OLDEST:
        after = header.strings_at if header.strings_at > header.structure_at else whole.size
        structure = whole.sub(header.structure_at, after - header.structure_at)
    else:
        structure = whole.sub(header.structure_at, header.structure_bytes)
    walk = _Walk(structure, strings, header.structure_at)
    return FlatTree(
        root=walk.root(),
        size=header.total_bytes,
        version=header.version,
        reservations=_reservations(whole, header.reservations_at),
        problems=walk.problems,
    )


def _reservations(whole: Window, start: int) -> int:
    """Return how many stretches the memory reservation block lists. Source: 5.3."""
    for count in range(MOST_DEPTH):
        entry = bytes(whole.view[start + count * RESERVATION_BYTES : start + (count + 1) * RESERVATION_BYTES])
        if not any(entry):
            return count
    return MOST_DEPTH


@dataclass(slots=True)
class _Walk:
    """Goes through the structure block token by token. Source: 5.4."""

    structure: Window
    strings: Window
    base: int
    place: int = 0
    problems: list[str] = field(default_factory=list)
    _open: list[Node] = field(default_factory=list)

    def root(self) -> Node:
        """Return the root with all below it; what cannot be read further on is a problem."""
        token = NOP
        while token == NOP:
            token = self._cell()
        if token != BEGIN_NODE:
            raise FormatError("the device tree does not begin with a node")
        root = Node(self._name())
        self._open.append(root)
        try:
            self._read_all()
        except FormatError as error:
            self.problems.append(f"the rest of the tree was not read: {error}")
        return root

    def _read_all(self) -> None:
        for _ in range(MOST_TOKENS):
            if not self._open:
                return
            self._read(self._cell())
        raise FormatError(f"it has more than {MOST_TOKENS} parts")

    def _read(self, token: int) -> None:
        if token == BEGIN_NODE:
            self._begin()
        elif token == END_NODE:
            self._open.pop()
        elif token == PROPERTY:
            self._property()
        elif token != NOP:
            raise FormatError(f"{token:#x} is no part of a device tree")

    def _begin(self) -> None:
        if len(self._open) >= MOST_DEPTH:
            raise FormatError(f"it is nested deeper than {MOST_DEPTH} levels")
        node = Node(self._name())
        parent = self._open[-1]
        parent.children.setdefault(node.name, node)
        self._open.append(node)

    def _property(self) -> None:
        size, name_at = self._cell(), self._cell()
        data = self.structure.take(self.place, size)
        name = _text_at(self.strings, name_at)
        self._open[-1].properties.setdefault(name, Property(self.base + self.place, data))
        self._skip(size)

    def _cell(self) -> int:
        (value,) = CELL.unpack(self.structure.take(self.place, CELL.size))
        self.place += CELL.size
        return int(value)

    def _name(self) -> str:
        text = _text_at(self.structure, self.place)
        self._skip(len(text.encode("latin-1")) + 1)
        return text

    def _skip(self, size: int) -> None:
        self.place += size + -size % CELL.size


def _text_at(window: Window, start: int) -> str:
    """Return the text at ``start`` up to its zero byte; names are ASCII, other bytes survive as Latin-1."""
    text, end, _ = bytes(window.view[start : start + NAME_BYTES]).partition(b"\0")
    if not end:
        raise FormatError(f"a name in the device tree at {window.origin + start:#x} has no end")
    return text.decode("latin-1")


TreeSource: TypeAlias = Mapping[str, "bytes | TreeSource"]
"""A tree to build: properties as bytes, nodes as mappings."""


def build_tree(root: TreeSource, *, reserved: bytes = b"") -> bytes:
    """Return the flattened form, version 17, of ``root``."""
    strings = bytearray()
    structure = _built("", root, strings) + CELL.pack(END)
    reservations = reserved + bytes(RESERVATION_BYTES)
    structure_at = HEADER.size + len(reservations)
    strings_at = structure_at + len(structure)
    header = TreeHeader(
        magic=MAGIC, total_bytes=strings_at + len(strings), structure_at=structure_at, strings_at=strings_at,
        reservations_at=HEADER.size, version=NEWEST, last_compatible_version=OLDEST, boot_processor=0,
        strings_bytes=len(strings), structure_bytes=len(structure),
    )  # fmt: skip
    return HEADER.build(header) + reservations + structure + strings


def _built(name: str, node: TreeSource, strings: bytearray) -> bytes:
    text = name.encode("latin-1") + b"\0"
    built = CELL.pack(BEGIN_NODE) + text + bytes(-len(text) % CELL.size)
    for key, value in node.items():
        if isinstance(value, bytes):
            built += struct.pack(">3I", PROPERTY, len(value), len(strings)) + value + bytes(-len(value) % CELL.size)
            strings += key.encode("latin-1") + b"\0"
        else:
            built += _built(key, value, strings)
    return built + CELL.pack(END_NODE)
