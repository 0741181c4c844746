"""Squashfs: the packed, read-only root file system of most devices that run Linux."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from firmware_checks.format import EntryKind, ImageFormat, Magic, Opened, Part
from firmware_checks.readers.inode_tree import TreeWalk
from firmware_checks.readers.squashfs.super_block import SuperBlock, read_super_block
from firmware_checks.readers.squashfs.volume import open_volume
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

PADDED_BYTES: Final = 4096
"""Writers fill the image up to a multiple of this, so that it can be mounted from a disk."""
MAGICS: Final = (b"hsqs", b"sqsh", b"shsq", b"qshs", b"hsqt", b"tqsh")
"""Little-endian and big-endian; then the same as router makers and DD-WRT wrote it for LZMA."""
VERSION: Final = rb"[\x00-\xff]{24}(?:[\x02-\x04]\x00|\x00[\x02-\x04])"
COUNTED: Final = {
    EntryKind.FILE: "files",
    EntryKind.FOLDER: "folders",
    EntryKind.SYMBOLIC_LINK: "symbolic_links",
    EntryKind.HARD_LINK: "hard_links",
    EntryKind.CHARACTER_DEVICE: "devices",
    EntryKind.BLOCK_DEVICE: "devices",
    EntryKind.PIPE: "pipes",
    EntryKind.SOCKET: "sockets",
}


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    if not any(window.starts_with(magic) for magic in MAGICS):
        raise FormatError(f"no squashfs at {window.origin:#x}")
    super_block = read_super_block(window)
    size = _size(window, super_block.bytes_used)
    problems: list[str] = []
    if super_block.bytes_used > size:
        problems.append(f"it is cut short: {size} of {super_block.bytes_used} bytes are there")
    try:
        volume = open_volume(window.sub(0, size), super_block, limits)
    except FormatError as error:
        problems.append(f"its folders could not be read: {error}")
        return replace(_opened(super_block, size, problems), parts=_unread(super_block, size))
    walk = TreeWalk(volume, limits, volume.problems)
    walk.walk(super_block.root)
    counts = Counter(COUNTED[entry.kind] for entry in walk.entries)
    more = f"more than {limits.entries} entries; the rest was not listed"
    return replace(
        _opened(super_block, size, [*problems, *volume.problems.sentences()]),
        facts={**_facts(super_block), "compression": volume.codec.name, **dict(sorted(counts.items()))},
        entries=tuple(walk.entries),
        limits_hit=(more,) if walk.cut or volume.cut else (),
    )


def _opened(super_block: SuperBlock, size: int, problems: list[str]) -> Opened:
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title=f"Squashfs {super_block.major}.{super_block.minor} file system",
        facts=_facts(super_block),
        problems=tuple(problems),
    )


def _unread(super_block: SuperBlock, size: int) -> tuple[Part, ...]:
    """Return what follows a super block that may be all that is left: other things may have been written there."""
    start = super_block.header_bytes
    title = "Content of the file system, which could not be read"
    return (
        (Part(start=start, end=size, title=title, kind=RegionKind.UNKNOWN, look_inside=True),) if start < size else ()
    )


def _facts(super_block: SuperBlock) -> dict[str, Fact]:
    return {
        "version": f"{super_block.major}.{super_block.minor}",
        "byte_order": "big-endian" if super_block.big_endian else "little-endian",
        "block_bytes": super_block.block_bytes,
        "created": datetime.fromtimestamp(super_block.created, UTC).isoformat(),
    }


def _size(window: Window, bytes_used: int) -> int:
    """Return how many bytes the image takes: with the zeros it was filled up with, if they are there."""
    if bytes_used >= window.size:
        return window.size
    padding = window.view[bytes_used : -(-bytes_used // PADDED_BYTES) * PADDED_BYTES]
    return bytes_used if any(padding) else bytes_used + len(padding)


def _example() -> bytes:
    from firmware_checks.readers.squashfs.building import build  # only examples are built

    return build(
        {
            "bin": {"pump": b"\x7fELF" + bytes(8188) + b"5 ml/h\n" * 600},
            "etc": {"pump.ini": b"[pump]\nrate=5\n"},
            "pump.ini": "etc/pump.ini",
        }
    )


FORMAT = ImageFormat(
    name="squashfs",
    title="Squashfs file system",
    source="Linux Documentation/filesystems/squashfs.rst, fs/squashfs/squashfs_fs.h; squashfs-tools squashfs_compat.h",
    limits="Version 1 and images whose blocks are packed each in another way (some DD-WRT releases) are not read. "
    "The second and further names of a file are hard links to the first.",
    open=_open,
    magics=tuple(Magic(magic + VERSION, anchor=magic) for magic in MAGICS),
    example=_example,
)
