"""romfs: the simplest file system of Linux, uncompressed, for small systems that start from ROM."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.inode_tree import Inode
from firmware_checks.readers.tree_listing import list_tree
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.layout import U32BE, Layout, const, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"-rom1fs-"
ALIGN = 16
NAME_BYTES = 512
"""Longest name that is read; Linux stops at 128."""
CHECKED_BYTES = 512
"""The check sum of the volume covers so many bytes."""
IMAGE_ALIGN = 1024
"""genromfs fills the image up to a multiple of this."""
TARGET_BYTES = 4096
MOST_HARD_LINKS = 16
"""Links that may lead to links."""

HARD_LINK, EXECUTABLE = 0, 8
KINDS: Final = {
    1: (EntryKind.FOLDER, 0o644),
    2: (EntryKind.FILE, 0o644),
    3: (EntryKind.SYMBOLIC_LINK, 0o777),
    4: (EntryKind.BLOCK_DEVICE, 0o600),
    5: (EntryKind.CHARACTER_DEVICE, 0o600),
    6: (EntryKind.SOCKET, 0o644),
    7: (EntryKind.PIPE, 0o644),
}
"""What the low bits of a header say, with the rights Linux gives it. Source: Linux, fs/romfs/super.c, romfs_modemap."""
_FILE = struct.Struct(">4I")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeHeader:
    """Start of the image; the name of the volume follows. Source: Linux, Documentation/filesystems/romfs.rst."""

    magic: bytes = wire(const(MAGIC))
    size: int = wire(U32BE)
    """Bytes that can be reached, not counting what fills the image up."""
    check_sum: int = wire(U32BE)


VOLUME = Layout(VolumeHeader, size=16)


@dataclass(frozen=True, slots=True)
class FileHeader:
    """A file, folder, link or device. Source: as above."""

    following: int
    """Offset of the next header in the same folder; 0 for none."""
    kind: int
    executable: bool
    info: int
    """First header of a folder, header that a hard link stands for, or numbers of a device."""
    size: int
    name: bytes
    content_at: int
    intact: bool
    """Whether the header's words add up to zero."""


@dataclass(slots=True, repr=False)
class _FileSystem:
    window: Window
    problems: Problems
    _listed: set[int] = field(default_factory=set)
    """Headers that were met in a folder: each belongs to one."""

    def names(self, folder: int) -> Iterator[tuple[bytes, int]]:
        """Yield name and header of what is in a folder; hard links give the header they stand for."""
        at = self.header(folder).info & -ALIGN
        while at:
            if at in self._listed:
                raise FormatError(f"the list of files comes back to {at:#x}")
            self._listed.add(at)
            header = self.header(at)
            if not header.intact:
                self.problems.add("check sum of a header is wrong", header.name.decode("utf-8", "backslashreplace"))
            yield header.name, self._meant(at, header)
            at = header.following

    def _meant(self, at: int, header: FileHeader) -> int:
        for _ in range(MOST_HARD_LINKS):
            if header.kind != HARD_LINK:
                break
            at = header.info & -ALIGN
            try:
                header = self.header(at)
            except FormatError:  # told when it is listed
                break
        return at

    def header(self, at: int) -> FileHeader:
        """Return the header at ``at``."""
        following, info, size, _check_sum = _FILE.unpack(self.window.take(at, _FILE.size))
        name, content_at = _name(self.window, at + _FILE.size)
        return FileHeader(
            following=following & -ALIGN,
            kind=following & 7,
            executable=bool(following & EXECUTABLE),
            info=info,
            size=size,
            name=name,
            content_at=content_at,
            intact=_sum(self.window.take(at, content_at - at)) == 0,
        )

    def inode(self, number: int) -> Inode:
        """Return what the header at ``number`` describes."""
        header = self.header(number)
        if header.kind not in KINDS:
            raise FormatError(f"hard links lead from link to link up to {number:#x}")
        kind, rights = KINDS[header.kind]
        is_device = kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE)
        return Inode(
            kind=kind,
            read=partial(self._read, header),
            packed_bytes=min(header.size, self.window.size),
            unpacked_bytes=header.size,
            mode=rights | (0o111 if header.executable else 0),
            target=self._target(header) if kind is EntryKind.SYMBOLIC_LINK else "",
            device=(header.info >> 16, header.info & 0xFFFF) if is_device else None,
            offset=header.content_at if kind is EntryKind.FILE and header.size else None,
        )

    def _read(self, header: FileHeader, max_bytes: int) -> bytes:
        if header.size > max_bytes:
            raise LimitExceeded("entry_bytes", f"holds more than {max_bytes} bytes")
        return bytes(self.window.take(header.content_at, header.size))

    def _target(self, header: FileHeader) -> str:
        try:
            data = self._read(header, TARGET_BYTES)
        except (FormatError, LimitExceeded) as error:
            self.problems.add("the target of a link could not be read", str(error))
            return ""
        return visible(data.decode("utf-8", "backslashreplace"), most_characters=TARGET_BYTES)


def _name(window: Window, at: int) -> tuple[bytes, int]:
    """Return the name at ``at`` and where its padding ends."""
    name, end, _rest = bytes(window.view[at : at + NAME_BYTES]).partition(b"\0")
    if not end:
        raise FormatError(f"the name at {at:#x} has no end")
    return name, at + (len(name) // ALIGN + 1) * ALIGN


def _sum(data: memoryview) -> int:
    """Return the sum of the big-endian words of ``data``, which is made to be zero."""
    whole = data[: len(data) // 4 * 4]
    words: tuple[int, ...] = struct.unpack(f">{len(whole) // 4}I", whole)
    return sum(words) & 0xFFFF_FFFF


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    volume = VOLUME.read(window)
    size = min(volume.size, window.size)
    name, root = _name(window, VOLUME.size)
    problems = Problems()
    if size < volume.size:
        problems.add(f"only {size} of its {volume.size} bytes are there")
    system = _FileSystem(window.sub(0, size), problems)
    if system.header(root).kind not in KINDS or KINDS[system.header(root).kind][0] is not EntryKind.FOLDER:
        raise FormatError(f"the root of the romfs at {window.origin:#x} is no folder")
    listing = list_tree(system, root, limits, problems)
    label = visible(name.decode("utf-8", "backslashreplace"))
    facts: dict[str, Fact] = {"label": label} if label else {}
    return Opened(
        size=_filled(window, size),
        kind=RegionKind.CONTAINER,
        title="romfs file system",
        facts=facts | listing.facts,
        integrity=(_verdict(volume, window, size),),
        entries=listing.entries,
        problems=problems.sentences(),
        limits_hit=listing.limits_hit,
    )


def _filled(window: Window, size: int) -> int:
    """Return the size with the zeros that fill the image up."""
    end = -(-size // IMAGE_ALIGN) * IMAGE_ALIGN
    return end if end <= window.size and not any(window.take(size, end - size)) else size


def _verdict(volume: VolumeHeader, window: Window, size: int) -> Integrity:
    """Hold the check sum of the volume against the first 512 bytes."""
    total = _sum(window.take(0, min(CHECKED_BYTES, size)))
    computed = (volume.check_sum - total) & 0xFFFF_FFFF
    return Integrity(
        algorithm="sum of words",
        covers=f"first {CHECKED_BYTES} bytes",
        stored=f"{volume.check_sum:08x}",
        computed=f"{computed:08x}",
        valid=total == 0,
    )


def _header(at: int, following: int, kind: int, info: int, name: bytes, content: bytes = b"") -> bytes:
    """Return a header with its content, for the example: ``following`` counts from the image's start."""
    padded = name + bytes(ALIGN - len(name) % ALIGN)
    fields = [following | kind, info, len(content), 0]
    fields[3] = -_sum(memoryview(_FILE.pack(*fields) + padded)) & 0xFFFF_FFFF
    return (_FILE.pack(*fields) + padded + content).ljust((following or at) - at, b"\0")


def _example() -> bytes:
    content = b"rate = 5\n" * 20
    root, parent, file = 32, 64, 96
    link = file + 32 + len(content) + -len(content) % ALIGN
    hard, device = link + 48, link + 80
    body = _header(root, parent, 1 | EXECUTABLE, root, b".") + _header(parent, file, HARD_LINK, root, b"..")
    body += _header(file, link, 2, 0, b"pump.conf", content)
    body += _header(link, hard, 3, 0, b"conf", b"pump.conf")
    body += _header(hard, device, HARD_LINK, file, b"same.conf")
    body += _header(device, 0, 5, 4 << 16 | 64, b"ttyS0")
    size = root + len(body)
    image = VOLUME.build(VolumeHeader(magic=MAGIC, size=size, check_sum=0)) + b"pump".ljust(16, b"\0") + body
    check_sum = -_sum(memoryview(image)[:CHECKED_BYTES]) & 0xFFFF_FFFF
    start = VOLUME.build(VolumeHeader(magic=MAGIC, size=size, check_sum=check_sum))
    return (start + image[VOLUME.size :]).ljust(IMAGE_ALIGN, b"\0")


FORMAT = ImageFormat(
    name="romfs",
    title="romfs file system",
    source="Linux kernel, Documentation/filesystems/romfs.rst, fs/romfs/super.c",
    limits="The format holds no owners and no times; of the rights only whether a file may be executed.",
    open=_open,
    magics=(Magic(rb"-rom1fs-"),),
    example=_example,
)
