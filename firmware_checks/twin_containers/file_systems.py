"""Root file systems as they lie in flash memory: cramfs, Squashfs, JFFS2, UBIFS."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from firmware_checks.formats import cramfs as cramfs_format
from firmware_checks.formats import jffs2 as jffs2_format
from firmware_checks.formats import ubifs as ubifs_format
from firmware_checks.readers.squashfs.building import build

__all__ = ["cramfs", "folders_of", "jffs2", "squashfs", "ubifs"]

Files = Mapping[str, bytes]
Modes = Mapping[str, int]
NO_MODES: Modes = MappingProxyType({})
PAGE_BYTES = 4096
FILE, FOLDER = 0o100000, 0o40755


def folders_of(files: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``files``, whose names are paths, as folders in folders."""
    tree: dict[str, Any] = {}
    for path, content in sorted(files.items()):
        *folders, name = path.split("/")
        inner = tree
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[name] = content
    return tree


def squashfs(files: Mapping[str, bytes | str]) -> bytes:
    """Return a Squashfs; a text instead of content makes a link to that path."""
    return build(folders_of(files))


def cramfs(files: Files, *, modes: Modes = NO_MODES, label: bytes = b"rootfs") -> bytes:
    """Return a cramfs, the file system of many older monitors; files are 0644 unless ``modes`` says another."""
    writer = _Cramfs(modes)
    root = writer.folder(folders_of(files), "")
    body = struct.pack("<3I", FOLDER, root[1], root[0] // 4 << 6) + bytes(writer.out[writer.start :])
    body += bytes(-(cramfs_format.ROOT_AT + len(body)) % PAGE_BYTES)
    head: list[Any] = [
        cramfs_format.MAGIC, cramfs_format.ROOT_AT + len(body), cramfs_format.VERSION_2 | 0x2, 0,
        cramfs_format.SIGNATURE, 0, 1, 3, 1 + len(files), label,
    ]  # fmt: skip
    head[5] = zlib.crc32(struct.pack("<4I16s4I16s", *head) + body)
    return struct.pack("<4I16s4I16s", *head) + body


class _Cramfs:
    """Puts what is below a folder behind what is there already, and the folder itself behind that."""

    def __init__(self, modes: Modes) -> None:
        self.start = cramfs_format.SUPER_BYTES
        self.out = bytearray(self.start)
        self.modes = modes

    def folder(self, tree: Mapping[str, Any], path: str) -> tuple[int, int]:
        """Return where the rows of a folder stand and how many bytes they take."""
        rows = b""
        for name, inner in tree.items():
            below = f"{path}/{name}".lstrip("/")
            is_folder = not isinstance(inner, bytes)
            place, size = self.folder(inner, below) if is_folder else self._file(inner)
            mode = FOLDER if is_folder else FILE | self.modes.get(below, 0o644)
            padded = name.encode() + bytes(-len(name.encode()) % 4)
            rows += struct.pack("<3I", mode, size, place // 4 << 6 | len(padded) // 4) + padded
        return self._put(rows), len(rows)

    def _file(self, content: bytes) -> tuple[int, int]:
        pages = [zlib.compress(content[at : at + PAGE_BYTES]) for at in range(0, len(content), PAGE_BYTES)]
        start = len(self.out)
        ends = [start + 4 * len(pages) + sum(map(len, pages[: count + 1])) for count in range(len(pages))]
        return self._put(struct.pack(f"<{len(ends)}I", *ends) + b"".join(pages)), len(content)

    def _put(self, data: bytes) -> int:
        start = len(self.out)
        self.out += data + bytes(-len(data) % 4)
        return start


def _numbered(tree: Mapping[str, Any], folder: int, numbers: list[int]) -> list[tuple[int, str, int, Any]]:
    """Return folder number, name, own number and content of everything below ``folder``."""
    rows: list[tuple[int, str, int, Any]] = []
    for name, inner in tree.items():
        numbers[0] += 1
        own = numbers[0]
        rows.append((folder, name, own, inner))
        if not isinstance(inner, bytes):
            rows += _numbered(inner, own, numbers)
    return rows


def jffs2(files: Files) -> bytes:
    """Return a JFFS2, as it stands in NOR flash memory."""
    order = jffs2_format.LITTLE
    marker = struct.pack("<HHI", jffs2_format.MAGIC, jffs2_format.CLEAN_MARKER, 12)
    out = marker + struct.pack("<I", jffs2_format.crc(marker))
    for folder, name, own, inner in _numbered(folders_of(files), jffs2_format.ROOT, [jffs2_format.ROOT]):
        is_folder = not isinstance(inner, bytes)
        named = (folder, own, own, 0, len(name.encode()), 4 if is_folder else 8)
        out += jffs2_format.build_node(order, jffs2_format.DIRENT, order.dirent, named, name.encode())
        content = b"" if is_folder else inner
        mode = FOLDER if is_folder else FILE | 0o644
        for version, at in enumerate(range(0, max(1, len(content)), PAGE_BYTES), 1):
            piece = content[at : at + PAGE_BYTES]
            packed = zlib.compress(piece)
            fields = (own, version, mode, 0, 0, len(content), 0, 0, 0, at, len(packed), len(piece), 6, 0, 0)
            out += jffs2_format.build_node(order, jffs2_format.INODE, order.inode, fields, packed)
    return out


def ubifs(files: Files) -> bytes:
    """Return a UBIFS volume, as it stands in NAND flash memory; for some kilobytes of files."""
    leaves = [(ubifs_format.INO, ubifs_format.inode_body(ubifs_format.ROOT, FOLDER, 0))]
    for folder, name, own, inner in _numbered(folders_of(files), ubifs_format.ROOT, [64]):
        is_folder = not isinstance(inner, bytes)
        content = b"" if is_folder else inner
        leaves.append((ubifs_format.DENT, ubifs_format.dent_body(folder, name.encode(), own)))
        mode = FOLDER if is_folder else FILE | 0o644
        leaves.append((ubifs_format.INO, ubifs_format.inode_body(own, mode, len(content))))
        for number, at in enumerate(range(0, len(content), PAGE_BYTES)):
            leaves.append((ubifs_format.DATA, _ubifs_page(own, number, content[at : at + PAGE_BYTES])))
    return ubifs_format.build_volume([(body, ubifs_format.build_node(kind, body)) for kind, body in leaves])


def _ubifs_page(inode: int, number: int, piece: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(piece) + packer.flush()
    head = struct.pack("<IHH", len(piece), ubifs_format.COMPRESSIONS.index("zlib"), 0)
    return ubifs_format.node_key(inode, ubifs_format.DATA, number) + head + packed
