"""USB sticks and memory cards with a FAT file system."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from firmware_checks.formats.fat import BOOT, ROW, VOLUME_ID, VOLUME_ID_MARK, BootSector, VolumeId
from firmware_checks.twin_containers.file_systems import folders_of

__all__ = ["stick"]

SECTOR_BYTES = 512
END_OF_CHAIN = 0xFFF
FOLDER, LONG_NAME, LAST_LONG = 0x10, 0x0F, 0x40


def stick(files: Mapping[str, bytes], *, label: bytes = b"SERVICE    ") -> bytes:
    """Return a FAT12 volume, as on a small card, with long names."""
    writer = _Writer()
    root = writer.rows(folders_of(files))
    return writer.volume(root, label)


class _Writer:
    """Gives each file and folder clusters of one sector, one after the other."""

    def __init__(self) -> None:
        self.clusters: list[bytes] = []
        self.next: list[int] = [0xFF8, END_OF_CHAIN]

    def store(self, content: bytes) -> int:
        """Put ``content`` into clusters and return the number of the first, 0 for nothing."""
        first = len(self.next)
        count = -(-len(content) // SECTOR_BYTES)
        self.clusters += [content[SECTOR_BYTES * number :][:SECTOR_BYTES] for number in range(count)]
        self.next += [first + number + 1 for number in range(count - 1)] + [END_OF_CHAIN] * (count > 0)
        return first if count else 0

    def rows(self, tree: Mapping[str, Any]) -> bytes:
        """Return the rows of a folder, and store what is in it."""
        out = b""
        for number, (name, inner) in enumerate(tree.items()):
            is_folder = not isinstance(inner, bytes)
            content = self.rows(inner) if is_folder else inner
            short = b"FILE%04d%s" % (number, b"   " if is_folder else b"DAT")
            first, size = self.store(content), 0 if is_folder else len(inner)
            out += _long_rows(name, short)
            out += ROW.pack(short, FOLDER if is_folder else 0x20, 0, 0, 0x6000, 0x5A21, first, size)
        return out

    def volume(self, root: bytes, label: bytes) -> bytes:
        """Return the whole volume."""
        table_sectors = -(-3 * len(self.next) // (2 * SECTOR_BYTES))
        root_sectors = max(1, -(-len(root) // SECTOR_BYTES))
        boot = BootSector(
            jump=b"\xeb\x3c\x90", system=b"MSDOS5.0", sector_bytes=SECTOR_BYTES, cluster_sectors=1, reserved_sectors=1,
            tables=2, root_rows=root_sectors * SECTOR_BYTES // ROW.size,
            sectors_16=1 + 2 * table_sectors + root_sectors + len(self.clusters), media=0xF8,
            table_sectors_16=table_sectors, track_sectors=1, heads=1, hidden_sectors=0, sectors_32=0,
        )  # fmt: skip
        identity = VolumeId(drive=0x80, reserved=0, mark=VOLUME_ID_MARK, serial=7, label=label, type=b"FAT12   ")
        sector = (BOOT.build(boot) + VOLUME_ID.build(identity)).ljust(SECTOR_BYTES - 2, b"\0") + b"\x55\xaa"
        packed = sum(entry << 12 * number for number, entry in enumerate(self.next))
        table = packed.to_bytes(-(-3 * len(self.next) // 2), "little").ljust(table_sectors * SECTOR_BYTES, b"\0")
        heap = b"".join(cluster.ljust(SECTOR_BYTES, b"\0") for cluster in self.clusters)
        return sector + table + table + root.ljust(root_sectors * SECTOR_BYTES, b"\0") + heap


def _long_rows(name: str, short: bytes) -> bytes:
    """Return the rows that hold a long name, last piece first. Source: Microsoft, FAT specification, long names."""
    units = (name + "\0").encode("utf-16-le")
    count = -(-len(units) // 26)
    units = units.ljust(26 * count, b"\xff")
    sum_of_short = 0
    for byte in short:
        sum_of_short = ((sum_of_short & 1) << 7 | sum_of_short >> 1) + byte & 0xFF
    rows = b""
    for number in range(count, 0, -1):
        piece = units[26 * number - 26 : 26 * number]
        mark = number | (LAST_LONG if number == count else 0)
        rows += struct.pack("<B10sBBB12sH4s", mark, piece[:10], LONG_NAME, 0, sum_of_short, piece[10:22], 0, piece[22:])
    return rows
