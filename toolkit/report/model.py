"""The one report: everything a person or a machine sees of a scan, declared once.

The JSON document is these records and nothing else; ``medharden report-schema`` prints its JSON Schema, in which each
description is the one that stands here. The same input read with the same data gives the same bytes: there is no time
stamp and no machine path in a report.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.acceptance import AcceptanceRecord, AcceptedFinding
from toolkit.report.confidence import Confidence
from toolkit.report.vulnerability import Answer, ComponentSupport, DataAge, Step, UnusedDecision, Vulnerability

__all__ = [
    "SCHEMA_VERSION",
    "Component",
    "Confidence",
    "Coverage",
    "DataVersions",
    "Fact",
    "ImageSummary",
    "Integrity",
    "RegionKind",
    "RegionRecord",
    "Report",
    "Subject",
    "Tool",
    "Unread",
]

SCHEMA_VERSION = "1.0"

Fact = str | int | float | bool | tuple[str | int, ...]
"""One value of a region's ``facts``."""


class RegionKind(enum.StrEnum):
    """What a stretch of bytes is, as far as we can tell."""

    CONTAINER = "container"
    """Holds other things; its own bytes are framing."""
    PROGRAM = "program"
    """Machine code with its constants."""
    CONFIGURATION = "configuration"
    """Option bytes, fuses, UICR, partition tables: settings of the hardware."""
    METADATA = "metadata"
    """Headers, signatures, descriptors, trailers."""
    DATA = "data"
    """Recognised content that is not code: text, documents, pictures, tables."""
    PADDING = "padding"
    """One byte value repeated."""
    ENCRYPTED = "encrypted"
    """Looks random: encrypted, or compressed in a way we do not know."""
    UNKNOWN = "unknown"
    """Not recognised."""


class Integrity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A check value found in the image, and what we computed over the same bytes."""

    algorithm: Annotated[str, Meta(description="For example sum8, crc32, sha256.")]
    covers: Annotated[str, Meta(description="What the value protects, in words.")]
    stored: Annotated[str, Meta(description="The value that stands in the image.")]
    computed: Annotated[str, Meta(description="The value computed over the bytes it covers.")]
    valid: Annotated[bool, Meta(description="True when both are the same.")]


class RegionRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of bytes; rows are in reading order, ``depth`` gives the tree."""

    path: Annotated[str, Meta(description="File the offsets belong to; outer!inner for content of containers.")]
    format: Annotated[str, Meta(description="Name of the format that was recognised.")]
    kind: Annotated[RegionKind, Meta(description="What the bytes are, as far as can be told.")]
    title: Annotated[str, Meta(description="What it is, in words.")]
    start: Annotated[int, Meta(ge=0, description="First byte, as offset in the file that path names.")]
    end: Annotated[int, Meta(ge=0, description="One past the last byte.")]
    size: Annotated[
        int,
        Meta(
            ge=0,
            description="Bytes of content: less than end minus start where the file writes each byte as text.",
        ),
    ]
    depth: Annotated[int, Meta(ge=0, description="0 for what was found in the file itself, 1 for what is inside that.")]
    address: Annotated[
        int | None,
        Meta(description="Address of the first byte in the device; null where it is not known."),
    ] = None
    address_end: Annotated[
        int | None,
        Meta(description="One past the last address; more than address plus size where the file leaves gaps."),
    ] = None
    facts: Annotated[
        dict[str, Fact],
        Meta(description="What the bytes say about themselves; names that end in _bytes or _address carry that unit."),
    ] = {}
    integrity: Annotated[
        tuple[Integrity, ...],
        Meta(description="Check sums and hashes that stand in the image, with our verdict."),
    ] = ()
    problems: Annotated[
        tuple[str, ...],
        Meta(description="What is wrong with the bytes and was read around."),
    ] = ()


class Component(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A third-party part found inside, with where it shows."""

    name: Annotated[str, Meta(description="Short name of the rule that found it.")]
    title: Annotated[str, Meta(description="Name as people know it.")]
    category: Annotated[str, Meta(description="What sort of part it is, for example operating system.")]
    version: Annotated[str | None, Meta(description="The version; null when it does not show or is not certain.")]
    version_candidates: Annotated[
        tuple[str, ...],
        Meta(description="Versions it could be, when there are several."),
    ] = ()
    purl: Annotated[str | None, Meta(description="Package URL.")] = None
    cpe: Annotated[str | None, Meta(description="CPE 2.3 name, for a look-up in vulnerability data.")] = None
    confidence: Annotated[Confidence, Meta(description="How sure it is that this part is inside.")]
    evidence: Annotated[tuple[Evidence, ...], Meta(description="Where it shows.")] = ()


class Unread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that was not read, and why."""

    path: Annotated[str, Meta(description="What was not read; outer!inner for content of containers.")]
    reason: Annotated[str, Meta(description="Why it was not read.")]
    size: Annotated[int, Meta(ge=0, description="Bytes as the container gives them.")]


class Coverage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where every byte went. Bytes are counted once, in the innermost content they belong to."""

    total_bytes: Annotated[int, Meta(ge=0, description="All bytes that were counted.")]
    recognised_bytes: Annotated[int, Meta(ge=0, description="Bytes whose meaning is known.")]
    padding_bytes: Annotated[int, Meta(ge=0, description="Bytes of one value repeated, such as erased flash.")]
    encrypted_bytes: Annotated[
        int,
        Meta(ge=0, description="Bytes that look random: encrypted, or compressed in an unknown way."),
    ]
    unknown_bytes: Annotated[int, Meta(ge=0, description="Bytes that were read and not recognised.")]
    unread_bytes: Annotated[int, Meta(ge=0, description="Bytes that were not read; see unread.")]
    recognised_ratio: Annotated[
        float,
        Meta(ge=0, le=1, description="Recognised bytes over all bytes that are not padding; 0 when there are none."),
    ]
    unread: Annotated[tuple[Unread, ...], Meta(description="What was not read, and why.")] = ()
    limits_hit: Annotated[tuple[str, ...], Meta(description="Budgets of the scan that were spent, in words.")] = ()


class Subject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was examined."""

    name: Annotated[str, Meta(description="Name of the file, without its folder.")]
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    sha256: Annotated[str, Meta(description="SHA-256 of the file, 64 lower-case hexadecimal digits.")]


class ImageSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The main program of the image; null where it could not be told."""

    format: Annotated[str, Meta(description="The outermost format recognised, unknown when there is none.")]
    arch: Annotated[str | None, Meta(description="Name of the processor architecture.")] = None
    arch_title: Annotated[str | None, Meta(description="The same for people, for example ARM Cortex-M.")] = None
    load_address: Annotated[int | None, Meta(description="Address of the program's first byte when it runs.")] = None
    entry_address: Annotated[int | None, Meta(description="Address where it starts to run.")] = None
    mcu_family: Annotated[str | None, Meta(description="Microcontroller family, for example STM32F4.")] = None
    mcu_family_confidence: Annotated[Confidence | None, Meta(description="How sure the family is.")] = None


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What made the report."""

    name: Annotated[str, Meta(description="Name of the program.")]
    version: Annotated[str, Meta(description="Its version.")]


class DataVersions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules and data the report rests on; another digest may give another report."""

    component_rules: Annotated[int, Meta(ge=0, description="Number of component rules.")]
    component_rules_sha256: Annotated[str, Meta(description="SHA-256 over all component rules.")]
    formats: Annotated[int, Meta(ge=0, description="Number of image formats that were tried.")]
    checks: Annotated[int, Meta(ge=0, description="Number of checks that ran.")]
    signature_packs: Annotated[int, Meta(ge=0, description="Number of packs with signatures of library functions.")] = 0
    signature_packs_sha256: Annotated[
        str, Meta(description="SHA-256 over the names, sizes and checksums of these packs; empty when there were none.")
    ] = ""
    profile: Annotated[str | None, Meta(description="Device profile that was used; null when none.")] = None
    profile_sha256: Annotated[str | None, Meta(description="SHA-256 of the device profile.")] = None
    vulnerabilities: Annotated[
        tuple[DataAge, ...],
        Meta(description="Vulnerability data that was asked, and its age; empty when none was. None is complete."),
    ] = ()
    day: Annotated[
        str | None, Meta(description="Day by which support and decisions were judged; null when none were.")
    ] = None
    triage_sha256: Annotated[
        str | None, Meta(description="SHA-256 of the file with the user's own decisions; null when there was none.")
    ] = None
    policy_sha256: Annotated[
        str | None, Meta(description="SHA-256 of the file with accepted risks; null when there was none.")
    ] = None


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything one scan says about one file."""

    schema_version: Annotated[str, Meta(description="Version of this document's structure.")] = SCHEMA_VERSION
    tool: Annotated[Tool, Meta(description="What made the report.")]
    data: Annotated[DataVersions, Meta(description="Rules and data the report rests on.")]
    subject: Annotated[Subject, Meta(description="The file that was examined.")]
    image: Annotated[ImageSummary, Meta(description="The main program of the image.")]
    coverage: Annotated[Coverage, Meta(description="How much of the image was understood, and what was not.")]
    regions: Annotated[tuple[RegionRecord, ...], Meta(description="What stands where, in reading order.")]
    components: Annotated[tuple[Component, ...], Meta(description="Third-party parts found inside.")]
    vulnerabilities: Annotated[
        tuple[Vulnerability, ...],
        Meta(
            description="Known vulnerabilities of the components, the most urgent first, those that do not apply too."
        ),
    ] = ()
    support: Annotated[
        tuple[ComponentSupport, ...], Meta(description="Until when the components are supported by their makers.")
    ] = ()
    steps: Annotated[
        tuple[Step, ...], Meta(description="What to do about vulnerable components, the most urgent first.")
    ] = ()
    answers: Annotated[
        tuple[Answer, ...], Meta(description="What the order rests on: questions about the device, and their answers.")
    ] = ()
    unused_decisions: Annotated[
        tuple[UnusedDecision, ...], Meta(description="Decisions of the user that were not used, and why.")
    ] = ()
    findings: Annotated[
        tuple[Finding, ...], Meta(description="What the checks found, without what stands in accepted.")
    ]
    accepted: Annotated[
        tuple[AcceptedFinding, ...], Meta(description="Findings that do not count, because somebody accepted them.")
    ] = ()
    acceptances: Annotated[
        tuple[AcceptanceRecord, ...], Meta(description="Every accepted risk that was given, and what became of it.")
    ] = ()
    not_examined: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="What this report says nothing about, in words; never empty."),
    ]

    @property
    def worst(self) -> Severity | None:
        """The highest severity among the findings that count."""
        return max((f.severity for f in self.findings), key=lambda s: s.rank, default=None)
