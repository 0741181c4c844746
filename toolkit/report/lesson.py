"""A lesson: a documented case, what a scan finds in its weak twin, and what stays of that in the hardened one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.core.findings import Finding

__all__ = ["BenchLesson", "CaseRow", "Lesson"]


class CaseRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the list of cases."""

    case: Annotated[str, Meta(description="Name of the case.")]
    device: Annotated[str, Meta(description="The kind of device.")]
    advisory: Annotated[str, Meta(description="Advisory of CISA that documents it.")]
    has_twin: Annotated[bool, Meta(description="False where no file shows it, and only a bench does.")]


class Lesson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What there is to learn from one case."""

    case: Annotated[str, Meta(description="Name of the case.")]
    device: Annotated[str, Meta(description="The kind of device.")]
    advisory: Annotated[str, Meta(description="Advisory of CISA that documents it.")]
    cves: Annotated[tuple[str, ...], Meta(description="Vulnerabilities that were published for it.")]
    container: Annotated[str, Meta(description="What the two images come in.")]
    image: Annotated[str, Meta(description="File name of both images.")]
    size: Annotated[int, Meta(description="Size of the weak image in bytes.")]
    mechanism: Annotated[str, Meta(description="What was wrong.")]
    for_patient: Annotated[str, Meta(description="What it means for a patient.")]
    difference: Annotated[str, Meta(description="What the hardened image does instead.")]
    findings: Annotated[tuple[Finding, ...], Meta(description="What the case is about, found in the weak image.")]
    further: Annotated[int, Meta(description="How many other findings the weak image has.")]
    hardened_findings: Annotated[
        tuple[Finding, ...], Meta(description="Findings of the hardened image from medium severity on.")
    ]


class BenchLesson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A case that no file shows."""

    case: Annotated[str, Meta(description="Name of the case.")]
    device: Annotated[str, Meta(description="The kind of device.")]
    advisory: Annotated[str, Meta(description="Advisory of CISA that documents it.")]
    reason: Annotated[str, Meta(description="Why no file shows it.")]
    bench_checks: Annotated[tuple[str, ...], Meta(description="Checks on the bench that show it.")]
