"""A squashfs as a tree of numbered objects, ready to be walked and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final

from firmware_checks.format import EntryKind
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode
from firmware_checks.readers.squashfs.codecs import Codec, candidates
from firmware_checks.readers.squashfs.contents import Contents
from firmware_checks.readers.squashfs.metadata import Metadata
from firmware_checks.readers.squashfs.nodes import KINDS, NO_ATTRIBUTES, Node, Nodes
from firmware_checks.readers.squashfs.owners import Attributes, Owners
from firmware_checks.readers.squashfs.super_block import SuperBlock
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window

__all__ = ["Volume", "open_volume"]

PROBED_NAMES: Final = 64
"""Names in the first folder that must make sense before a way to unpack is believed."""


class Volume:
    """The ``InodeTree`` of one image."""

    def __init__(self, window: Window, super_block: SuperBlock, codec: Codec, limits: Limits) -> None:
        self.super_block = super_block
        self.codec = codec
        self.problems = Problems()
        self.cut = False
        """More names than ``limits`` allows were there; those after were not read."""
        self._names_left = limits.entries + 1
        metadata = Metadata(window, super_block, codec.decode)
        self._nodes = Nodes(super_block, metadata, limits.entry_bytes)
        self._contents = Contents(window, super_block, metadata, codec.decode)
        self._owners = Owners(window, super_block, metadata)
        self._attributes = Attributes(window, super_block, metadata)
        self._next: tuple[int, Inode] | None = None

    def root(self) -> Node:
        """Return the first folder; raise ``FormatError`` when there is none."""
        root = self._nodes.node(self.super_block.root)
        if root.kind is not EntryKind.FOLDER:
            raise FormatError("the first folder of a squashfs is none")
        return root

    def probe(self) -> None:
        """Raise ``FormatError`` unless the first folder and what it names make sense."""
        for name in islice(self._nodes.names(self.root()), PROBED_NAMES):
            if self._nodes.node(name.inode).kind is not KINDS.get(name.kind):
                raise FormatError("a folder and an inode of a squashfs disagree about what it is")

    def children(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """See ``InodeTree``; stops where the list of names is damaged or too long."""
        try:
            for name in self._nodes.names(self._nodes.node(folder)):
                if self._names_left == 0:
                    self.cut = True
                    return
                self._names_left -= 1
                self._next = (name.inode, self._inode(name.inode, name.kind))
                yield name.name, name.inode
        except FormatError as error:
            self.problems.add(f"names in a folder could not be read: {error}")

    def inode(self, number: int) -> Inode:
        """See ``InodeTree``."""
        if self._next is not None and self._next[0] == number:
            return self._next[1]
        return self._inode(number, 0)

    def _inode(self, number: int, kind: int) -> Inode:
        """Return the object ``number``; when it cannot be read, one of the ``kind`` its folder gives it."""
        try:
            node = self._nodes.node(number)
        except FormatError as error:
            self.problems.add("an inode could not be read", str(error))
            return Inode(kind=KINDS.get(kind, EntryKind.FILE), read=partial(_refuse, str(error)))
        return self._of_node(node)

    def _of_node(self, node: Node) -> Inode:
        is_file = node.kind is EntryKind.FILE
        uid, gid = self._owner(node)
        return Inode(
            kind=node.kind,
            read=partial(self._contents.read, node),
            packed_bytes=self._contents.packed_bytes(node) if is_file else 0,
            unpacked_bytes=node.size if is_file else 0,
            mode=node.mode,
            uid=uid,
            gid=gid,
            modified_s=node.modified_s,
            target=_shown(node.target) if node.target else "",
            device=node.device,
            extended={} if node.attributes == NO_ATTRIBUTES else self._extended(node),
            offset=node.start if node.blocks and is_file else None,
        )

    def _owner(self, node: Node) -> tuple[int | None, int | None]:
        try:
            return self._owners.of(node)
        except FormatError as error:
            self.problems.add(f"an owner could not be read: {error}")
            return None, None

    def _extended(self, node: Node) -> Mapping[str, bytes]:
        try:
            return self._attributes.of(node.attributes)
        except FormatError as error:
            self.problems.add(f"extended attributes could not be read: {error}")
            return {}


def open_volume(window: Window, super_block: SuperBlock, limits: Limits) -> Volume:
    """Return the volume, unpacked in the first way that makes sense of it; raise ``FormatError`` when none does."""
    for codec in candidates(super_block):
        volume = Volume(window, super_block, codec, limits)
        with suppress(FormatError):
            volume.probe()
            return volume
    volume = Volume(window, super_block, next(candidates(super_block)), limits)
    volume.root()  # what is damaged below it is told when it is met
    return volume


def _shown(target: bytes) -> str:
    return visible(target.decode("utf-8", "backslashreplace"), most_characters=len(target) + 1)


def _refuse(reason: str, _most_bytes: int) -> bytes:
    raise FormatError(f"its inode could not be read: {reason}")
