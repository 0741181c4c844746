"""Texts by which programs show which parts of a product were built into them: seen here, weighed with vulnerabilities.

All that is no text for people is looked at; what is a program or library of an operating system, there from its first
byte to its last, is marked as whole: what the absence of a text says about a piece is nothing. Which texts: see
``feature_facts``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.patterns.pattern import Pattern
from firmware_checks.patterns.shared import Patterns
from firmware_checks.readers.elf_file import LINUX_ABI, MAGIC, ElfFile, SectionType, SegmentType
from firmware_checks.vulnerabilities.feature_facts import shipped_features

__all__ = ["OBSERVER", "PACKED", "FeatureText"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureText(Observation):
    """A text that a part of a product holds, or all programs with the product."""

    text: str
    soname: str
    """Name that a shared library gives itself; empty for all else."""
    is_whole: bool
    """Whether it is a program, and all that its tables name is in the file."""


PACKED = "UPX!"
"""In each program that UPX has packed: its texts cannot be read. Source: UPX, src/conf.h, UPX_MAGIC_LE32."""
TEXT_BYTES = 4_096
"""So much without a zero is a text for people."""


@cache
def _patterns() -> Patterns:
    texts = sorted({PACKED, *(text for product in shipped_features() for text in product.texts())})
    return tuple(Pattern.of(text, re.escape(text.encode()), anchor=text.encode(), enough=1) for text in texts)


def _read(content: Content) -> Iterator[FeatureText]:
    hits = {hit.pattern.owner: hit.start for hit in content.hits(_patterns())}
    if not hits:
        return
    elf = content.elf
    is_whole = elf is not None and elf.is_hosted and _is_whole(elf)
    soname = (elf.needed()[1] or "") if elf is not None and is_whole else ""
    for text, offset in hits.items():
        yield FeatureText(offset=offset, excerpt=text, text=text, soname=soname, is_whole=is_whole)


def _is_whole(elf: ElfFile) -> bool:
    """Return whether the file holds all bytes that its tables name."""
    header = elf.header
    ends = [segment.offset + segment.file_bytes for segment in elf.segments]
    ends += [s.offset + s.size for s in elf.sections if s.type not in (SectionType.NOBITS, SectionType.NULL)]
    ends.append(header.sections_at + header.section_count * header.section_row_bytes)
    tables_read = len(elf.segments) == header.segment_count and len(elf.sections) == header.section_count
    return tables_read and max(ends) <= elf.window.size


def _wants(content: Content) -> bool:
    return 0 in bytes(content.span.window.view[:TEXT_BYTES])


def _example() -> tuple[str, bytes]:
    text = shipped_features()[0].witnesses[0].encode() + b"\0"
    head = MAGIC + bytes([1, 1, 1, LINUX_ABI]) + bytes(8)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    segment = struct.pack("<8I", SegmentType.LOAD, 0, 0, 0, 0, 84 + len(text), 84 + len(text), 4)
    return "usr/sbin/pumpd", head + segment + text


OBSERVER = Observer(
    name="feature-texts",
    title="Texts of the parts that a program was built with",
    source="the projects' own sources, as firmware_checks/vulnerabilities/features names them",
    wants=_wants,
    read=_read,
    patterns=_patterns,
    example=_example,
    shows=1,
)
