"""What a kernel module says about the kernel it was built for.

The text names the kernel's release as the distribution counts it. ``5.10.0-28`` is number 28 of an interface that
started at 5.10 and says nothing about the release of the kernel: then only its series is told.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.readers.elf_file import MAGIC
from toolkit.report.model import Confidence

__all__ = ["READER"]

RELOCATABLE = 1
MOST_BYTES = 1 << 16
_VERMAGIC = re.compile(rb"(?:^|\x00)vermagic=(?P<release>[^\x00 ]{1,100})")
_RELEASE = re.compile(r"(?P<version>\d+\.\d+(?:\.\d+)?(?:-rc\d+)?)(?P<local>.*)")
_INTERFACE = re.compile(r"\d+\.\d+\.0-\d+")
"""How Debian, Ubuntu and Red Hat count builds with the same interface for modules."""


def _read(content: Content) -> Iterator[Fact]:
    elf = content.elf
    section = next((s for s in elf.sections if s.name == ".modinfo"), None) if elf is not None else None
    if elf is None or section is None:
        return
    start, _ = elf.content(section)
    match = _VERMAGIC.search(bytes(elf.data(section)[:MOST_BYTES]))
    if match is None:
        return
    release = match["release"].decode("ascii", "replace")
    yield Statement(
        name="linux",
        version=_version(release),
        relation=Relation.LISTS,
        offset=start + match.start("release"),
        excerpt=f"vermagic={release}",
        confidence=Confidence.HIGH,
    )


def _version(release: str) -> str | None:
    match = _RELEASE.match(release)
    if match is None or _INTERFACE.match(release):
        return None
    return match["version"]


def _wants(content: Content) -> bool:
    return content.head.startswith(MAGIC) and (content.elf is not None and content.elf.header.type == RELOCATABLE)


def _example() -> tuple[str, bytes]:
    info = b"license=GPL\0vermagic=5.10.61-v7+ SMP mod_unload ARMv7 \0"
    names = b"\0.modinfo\0.shstrtab\0"
    at = 52 + len(info)
    header = struct.pack("<HHIIIIIHHHHHH", RELOCATABLE, 40, 1, 0, 0, at + len(names), 0, 52, 0, 0, 40, 3, 2)
    sections = bytes(40) + struct.pack("<10I", 1, 1, 2, 0, 52, len(info), 0, 0, 1, 0)
    sections += struct.pack("<10I", 10, 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return "lib/modules/pump.ko", MAGIC + bytes([1, 1, 1]) + bytes(9) + header + info + names + sections


READER = FactReader(
    name="kernel-module",
    title="Kernel module",
    source="Linux include/linux/vermagic.h and include/linux/module.h (MODULE_INFO)",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("linux", "5.10.61"),),
)
