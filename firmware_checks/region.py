"""The region tree: what was recognised where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from firmware_checks.address_map import AddressMap, Overlap
from firmware_checks.span import Linear, Span
from toolkit.core.findings import Evidence
from toolkit.report.model import Confidence, Fact, Integrity, RegionKind, RegionRecord

__all__ = ["MemoryPlace", "Place", "Program", "Region", "SegmentPlace"]

FACTS_FOR_CHECKS = frozenset({"signed", "published_test_key", "security_counter", "readout_protection"})
"""See ``Opened``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where bytes were found that are no longer held; see ``Span``. Only the first byte's offset is certain."""

    path: str
    size: int
    provenance: Linear
    extent: tuple[int, int]
    address: int | None
    holes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, span: Span) -> Place:
        """Return the place of ``span``, whose bytes may then go."""
        return cls(
            path=span.path,
            size=span.size,
            provenance=Linear(span.provenance.offset_at(0)),
            extent=span.extent,
            address=span.address,
            holes=span.holes,
        )

    def evidence(self, index: int) -> Evidence:
        """Return where byte ``index`` is; its offset only for the first."""
        return Evidence(
            path=self.path,
            offset=None if index else self.provenance.base,
            address=None if self.address is None else self.address + index,
        )


@dataclass(frozen=True, slots=True)
class SegmentPlace:
    """Addresses ``[address, end)`` of a memory whose bytes are no longer held."""

    address: int
    end: int
    provenance: Linear


@dataclass(frozen=True, slots=True)
class MemoryPlace:
    """What is left of an ``AddressMap`` whose bytes are no longer held."""

    path: str
    segments: tuple[SegmentPlace, ...]
    overlaps: tuple[Overlap, ...]

    @classmethod
    def of(cls, memory: AddressMap) -> MemoryPlace:
        """Return the outline of ``memory``, whose bytes may then go."""
        segments = (SegmentPlace(s.address, s.end, Linear(s.provenance.offset_at(0))) for s in memory.segments)
        return cls(memory.path, tuple(segments), memory.overlaps)


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

    span: Span | Place
    format: str
    kind: RegionKind
    title: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    integrity: tuple[Integrity, ...] = ()
    problems: tuple[str, ...] = ()
    decoded: bool = False
    program: Program | None = None
    memory: AddressMap | MemoryPlace | None = None
    """The address map this region was read from, on the node that stands for one address space."""
    children: list[Region] = field(default_factory=list)
    copied: Mapping[RegionKind, int] = field(default_factory=dict)
    """Bytes of each kind in content that has no rows of its own here; coverage counts them."""

    @property
    def defined_bytes(self) -> int:
        """Bytes that the file defines."""
        return self.span.size - sum(end - start for start, end in self.span.holes)

    @property
    def is_telling(self) -> bool:
        """Whether a check may find something in what this region says."""
        wrong = any(not value.valid for value in self.integrity)
        return wrong or bool(self.problems) or not FACTS_FOR_CHECKS.isdisjoint(self.facts)

    @property
    def held(self) -> Span:
        """The bytes, while they are held: until what is inside the content they belong to has been looked at."""
        if isinstance(self.span, Place):
            raise TypeError(f"the bytes of {self.span.path} are no longer held")
        return self.span

    def release(self) -> int:
        """Let go of the bytes of this region and all below it; return how many regions held some. What they say stays.

        Below a region that holds none, none does.
        """
        if isinstance(self.span, Place):
            return 0
        self.span = Place.of(self.span)
        if isinstance(self.memory, AddressMap):
            self.memory = MemoryPlace.of(self.memory)
        return 1 + sum(child.release() for child in self.children)

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
            size=self.defined_bytes,
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
