"""Flattened device trees, read strictly: one root, no name twice beside another, nothing out of place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from signing.refusal import Refusal
from toolkit.core.layout import U32BE, Layout, const, wire
from toolkit.core.window import Window

__all__ = ["DeviceTree", "Node", "Tag", "strict_device_tree"]

MAGIC: Final = 0xD00DFEED
BEGIN_NODE, END_NODE, PROPERTY, NOP, END = 1, 2, 3, 4, 9
MOST_DEPTH: Final = 16
MOST_TAGS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Header of a tree, version 17. Source: Devicetree Specification 0.4, 5.2."""

    magic: int = wire(const(MAGIC, U32BE))
    total_bytes: int = wire(U32BE)
    structure_offset: int = wire(U32BE)
    strings_offset: int = wire(U32BE)
    reservations_offset: int = wire(U32BE)
    version: int = wire(const(17, U32BE))
    last_compatible_version: int = wire(const(16, U32BE))
    boot_cpu: int = wire(U32BE)
    strings_bytes: int = wire(U32BE)
    structure_bytes: int = wire(U32BE)


HEADER = Layout(Header, size=40)


@dataclass(slots=True)
class Node:
    """A node with its properties and the nodes below it."""

    path: str
    properties: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a property that holds one text; empty when it is not there."""
        return (self.texts(name) or ("",))[0]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts that a property holds."""
        value = self.properties.get(name, b"")
        if value and value[-1:] != b"\0":
            raise Refusal("fdt.text", f"{self.path}: {name} is no text")
        return tuple(part.decode("ascii") for part in value.split(b"\0")[:-1])

    def number(self, name: str) -> int | None:
        """Return a property that holds a number; None when it is not there."""
        value = self.properties.get(name)
        if value is None:
            return None
        if len(value) != 4:
            raise Refusal("fdt.number", f"{self.path}: {name} is no number")
        return int.from_bytes(value, "big")


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of the structure: what it is, where it starts and ends, and the path of a node or name of a property."""

    kind: int
    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTree:
    """A tree and where everything of it stands; offsets count from the start of the tree."""

    header: Header
    root: Node
    tags: tuple[Tag, ...]
    strings: bytes


def strict_device_tree(data: bytes) -> DeviceTree:
    """Return the tree at the start of ``data``, which may go on behind it."""
    whole = Window.of(data)
    header = HEADER.read(whole)
    window = whole.sub(0, header.total_bytes)
    structure = window.sub(header.structure_offset, header.structure_bytes)
    strings = bytes(window.take(header.strings_offset, header.strings_bytes))
    if header.structure_offset % 4 or min(header.structure_offset, header.strings_offset) < HEADER.size:
        raise Refusal("fdt.header", "the parts of the tree overlap or are not aligned")
    reader = _Reader(structure, header.structure_offset, strings)
    return DeviceTree(header=header, root=reader.read(), tags=tuple(reader.tags), strings=strings)


class _Reader:
    def __init__(self, structure: Window, base: int, strings: bytes) -> None:
        self._structure = structure
        self._base = base
        self._strings = strings
        self._place = 0
        self.tags: list[Tag] = []

    def read(self) -> Node:
        """Read the root node, which is followed by the end."""
        kind, _name = self._tag()
        if kind != BEGIN_NODE or self.tags[-1].name != "/":
            raise Refusal("fdt.structure", "the tree does not start with its root")
        root = self._node(Node("/"), depth=0)
        kind, _name = self._tag()
        while kind == NOP:
            kind, _name = self._tag()
        if kind != END or self._place != self._structure.size:
            raise Refusal("fdt.structure", "something follows the root of the tree")
        return root

    def _node(self, node: Node, depth: int) -> Node:
        if depth > MOST_DEPTH:
            raise Refusal("fdt.depth", f"the tree is deeper than {MOST_DEPTH} levels")
        while True:
            kind, value = self._tag(node.path)
            if kind == END_NODE:
                return node
            if kind == PROPERTY:
                self._property(node, self.tags[-1].name, value)
            elif kind == BEGIN_NODE:
                path = self.tags[-1].name
                name = path.rpartition("/")[2]
                if name in node.children:
                    raise Refusal("fdt.duplicate", f"the node {path[:60]!r} stands twice in the tree")
                node.children[name] = self._node(Node(path), depth + 1)
            elif kind != NOP:
                raise Refusal("fdt.structure", "the tree ends within a node")

    @staticmethod
    def _property(node: Node, name: str, value: bytes) -> None:
        if name in node.properties or node.children:
            raise Refusal("fdt.duplicate", f"{node.path[:60]}: the property {name[:30]!r} stands twice or too late")
        node.properties[name] = value

    def _tag(self, path: str = "") -> tuple[int, bytes]:
        """Read the next tag; note it, and return its kind and the value of a property."""
        start = self._place
        kind = self._number()
        name, value = "", b""
        if kind == BEGIN_NODE:
            name = self._node_name(path)
        elif kind == PROPERTY:
            size, offset = self._number(), self._number()
            value = bytes(self._structure.take(self._place, size))
            self._place += size + -size % 4
            name = self._string(offset)
        elif kind not in (END_NODE, NOP, END):
            raise Refusal("fdt.structure", f"an unknown tag {kind:#x} in the tree")
        if len(self.tags) >= MOST_TAGS:
            raise Refusal("fdt.structure", f"the tree has more than {MOST_TAGS} tags")
        self.tags.append(Tag(kind, self._base + start, self._base + self._place, name))
        return kind, value

    def _number(self) -> int:
        value = int.from_bytes(self._structure.take(self._place, 4), "big")
        self._place += 4
        return value

    def _node_name(self, path: str) -> str:
        """Return the path of the node whose name comes next; names with a unit address mean two things to U-Boot."""
        end = bytes(self._structure.view[self._place : self._place + 256]).find(b"\0")
        if end < 0:
            raise Refusal("fdt.structure", "a name in the tree does not end")
        name = bytes(self._structure.take(self._place, end)).decode("ascii")
        self._place += end + 1 + -(end + 1) % 4
        if not path:
            return "/" + name
        if not name or "/" in name or "@" in name:
            raise Refusal("fdt.name", f"the node name {name[:40]!r} is empty or has a unit address")
        return path.rstrip("/") + "/" + name

    def _string(self, offset: int) -> str:
        end = self._strings.find(b"\0", offset)
        if not 0 <= offset < len(self._strings) or end < 0:
            raise Refusal("fdt.structure", "a property name lies outside of the tree")
        return self._strings[offset:end].decode("ascii")
