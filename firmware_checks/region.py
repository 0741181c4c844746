"""The region tree: what was recognised where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from firmware_checks.address_map import AddressMap
from firmware_checks.span import Span
from toolkit.report.model import Confidence, Fact, Integrity, RegionKind, RegionRecord

__all__ = ["Program", "Region"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is known about a piece of machine code; ``why`` holds the reasons in words."""

    arch: str
    """Name of an architecture in ``firmware_checks/architectures``."""
    load_address: int | None = None
    """Where the first byte of the piece is placed when it runs."""
    entry_address: int | None = None
    stack_address: int | None = None
    mcu_family: str | None = None
    mcu_family_confidence: Confidence | None = None
    role: str = ""
    """``bootloader``, ``application``, ``softdevice``, ``mbr`` ... where it could be told."""
    why: tuple[str, ...] = ()

    def facts(self) -> dict[str, Fact]:
        """Return what is known as facts of a region."""
        known: dict[str, Fact | None] = {
            "arch": self.arch,
            "load_address": self.load_address,
            "entry_address": self.entry_address,
            "stack_address": self.stack_address,
            "mcu_family": self.mcu_family,
            "mcu_family_confidence": self.mcu_family_confidence,
            "role": self.role or None,
            "why": self.why or None,
        }
        return {key: value for key, value in known.items() if value is not None}


@dataclass(slots=True, kw_only=True)
class Region:
    """A stretch of bytes, what it is, and what is inside it.

    ``decoded`` marks a region whose content lives in its children and not in these bytes (text records, compressed
    data): coverage counts the children instead.
    """

    span: Span
    format: str
    kind: RegionKind
    title: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    integrity: tuple[Integrity, ...] = ()
    problems: tuple[str, ...] = ()
    decoded: bool = False
    program: Program | None = None
    memory: AddressMap | None = None
    """The address map this region was read from, on the node that stands for one address space."""
    children: list[Region] = field(default_factory=list)

    def walk(self) -> Iterator[Region]:
        """Yield this region and all below it, in reading order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def record(self, depth: int) -> RegionRecord:
        """Return the row of the report."""
        span = self.span
        start, end = span.extent
        return RegionRecord(
            path=span.path,
            format=self.format,
            kind=self.kind,
            title=self.title,
            start=start,
            end=end,
            size=span.size - sum(b - a for a, b in span.holes),
            depth=depth,
            address=span.address,
            address_end=None if span.address is None else span.address + span.size,
            facts={**(self.program.facts() if self.program else {}), **self.facts},
            integrity=self.integrity,
            problems=self.problems,
        )

    def records(self, depth: int = 0) -> Iterator[RegionRecord]:
        """Yield the rows of this region and all below it."""
        yield self.record(depth)
        for child in self.children:
            yield from child.records(depth + 1)
