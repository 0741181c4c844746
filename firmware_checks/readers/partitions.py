"""What MBR and GPT partition tables share: names of types, and the pieces of a disk with the space between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import Part
from toolkit.core.problems import Problems
from toolkit.report.model import Fact, RegionKind

__all__ = ["GUID_TYPES", "MBR_TYPES", "Partition", "disk_parts"]

MBR_TYPES: Final = {
    0x01: "FAT12",
    0x04: "FAT16 below 32 MiB",
    0x05: "extended",
    0x06: "FAT16",
    0x07: "NTFS, exFAT or HPFS",
    0x0B: "FAT32",
    0x0C: "FAT32 (LBA)",
    0x0E: "FAT16 (LBA)",
    0x0F: "extended (LBA)",
    0x11: "hidden FAT12",
    0x14: "hidden FAT16 below 32 MiB",
    0x16: "hidden FAT16",
    0x17: "hidden NTFS or exFAT",
    0x1B: "hidden FAT32",
    0x1C: "hidden FAT32 (LBA)",
    0x1E: "hidden FAT16 (LBA)",
    0x27: "Windows recovery",
    0x41: "PowerPC boot",
    0x4D: "QNX 4",
    0x82: "Linux swap",
    0x83: "Linux",
    0x85: "Linux extended",
    0x8E: "Linux LVM",
    0xA2: "boot loader of an SoC FPGA",
    0xA5: "FreeBSD",
    0xA6: "OpenBSD",
    0xA8: "Darwin UFS",
    0xA9: "NetBSD",
    0xB1: "QNX 6",
    0xDA: "data without a file system",
    0xEE: "protective, for a GPT",
    0xEF: "EFI system",
    0xFB: "VMware VMFS",
    0xFD: "Linux RAID",
}
"""Types that medical and other embedded devices use. Source: util-linux ``sfdisk --list-types --label dos``."""

GUID_TYPES: Final = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "Microsoft LDM metadata",
    "af9b60a0-1431-4f62-bc68-3311714a69ad": "Microsoft LDM data",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux file system",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "44479540-f297-41b2-9af7-d131d5f0458a": "Linux root (x86)",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "Linux root (Arm)",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (Arm 64)",
    "933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": "Linux LUKS (encrypted)",
    "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5": "Linux root verity (x86-64)",
    "7386cdf2-203c-47a9-a498-f2ecce45a2d6": "Linux root verity (Arm)",
    "df3300ce-d69f-4c92-978c-9bfb0f38d820": "Linux root verity (Arm 64)",
    "3de21764-95bd-54bd-a5c3-4abe786f38a8": "U-Boot environment",
    "fe3a2a5d-4f32-41a7-b725-accc3285a309": "ChromeOS kernel",
    "3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec": "ChromeOS root",
}
"""Source: UEFI Specification 2.10, 5.3.3; util-linux ``sfdisk --list-types --label gpt``; UAPI Group, Discoverable
Partitions Specification; U-Boot ``include/part_efi.h`` (environment)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A piece ``[start, end)`` of the disk in bytes, as its table has it."""

    title: str
    start: int
    end: int
    facts: Mapping[str, Fact] = field(default_factory=dict)


def disk_parts(partitions: Iterable[Partition], framing: Sequence[Part], size: int, tally: Problems) -> list[Part]:
    """Return the pieces of a disk of ``size`` bytes, the unpartitioned space between them included.

    ``framing`` are the tables. Boot loaders like to live in unpartitioned space, so that is looked into as well.
    """
    parts: list[Part] = []
    taken = sorted((part.start, part.end) for part in framing)
    for partition in sorted(partitions, key=lambda p: (p.start, p.end)):
        end = min(partition.end, size)
        if partition.end > size:
            tally.add(f"a partition reaches past the end of the {size} bytes that are there", partition.title)
        if partition.start >= end:
            continue
        if any(start < end and partition.start < until for start, until in taken):
            tally.add("a partition overlaps another one or a table, and was not looked into", partition.title)
            continue
        taken.append((partition.start, end))
        parts.append(_inside(partition.title, partition.start, end, partition.facts))
    return sorted([*framing, *parts, *_gaps(taken, size)], key=lambda part: part.start)


def _gaps(taken: Iterable[tuple[int, int]], size: int) -> Iterable[Part]:
    position = 0
    for start, end in [*sorted(taken), (size, size)]:
        if start > position:
            yield _inside("unpartitioned space", position, start, {})
        position = max(position, end)


def _inside(title: str, start: int, end: int, facts: Mapping[str, Fact]) -> Part:
    kind = RegionKind.CONTAINER
    return Part(start=start, end=end, title=title, kind=kind, facts=facts, look_inside=True)
