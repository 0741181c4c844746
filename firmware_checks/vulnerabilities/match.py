"""What is said of one component: a vulnerability, whether it applies, how sure that is, and what it rests on."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.report.model import Confidence

__all__ = ["Justification", "Match", "MatchStatus", "Provenance"]


class MatchStatus(enum.StrEnum):
    """The states of VEX. Source: CISA, Minimum Requirements for Vulnerability Exploitability eXchange."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not_affected"
    UNDER_INVESTIGATION = "under_investigation"
    """It may apply: something that decides is not known, such as the version or the chip."""


class Justification(enum.StrEnum):
    """Why a component is not affected, in the five words of VEX."""

    COMPONENT_NOT_PRESENT = "component_not_present"
    CODE_NOT_PRESENT = "vulnerable_code_not_present"
    CODE_NOT_IN_EXECUTE_PATH = "vulnerable_code_not_in_execute_path"
    NOT_CONTROLLED_BY_ADVERSARY = "vulnerable_code_cannot_be_controlled_by_adversary"
    INLINE_MITIGATIONS = "inline_mitigations_already_exist"


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One statement that a match rests on."""

    source: Annotated[str, Meta(description="Who says it: medharden, nvd, cna, osv or csaf.")]
    record: Annotated[str, Meta(description="Identifier of the record, or the document the ranges come from.")]
    product: Annotated[str, Meta(description="Part, vendor and product it is said of.")]
    node: Annotated[str, Meta(description="Place in the record: number of configuration and node.")] = ""
    range: Annotated[str, Meta(description="The versions it names; * for all, - for not said.")]


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One vulnerability of one component."""

    id: Annotated[str, Meta(description="CVE name, or another identifier where there is none.")]
    status: Annotated[MatchStatus, Meta(description="Whether it applies.")]
    confidence: Annotated[Confidence, Meta(description="How sure the status is.")]
    justification: Annotated[
        Justification | None, Meta(description="Why it does not apply, in the words of VEX; null when it does or may.")
    ] = None
    reason: Annotated[str, Meta(description="The same in words, with what decides where that is not known.")]
    evidence: Annotated[
        tuple[str, ...], Meta(description="What was found in the image that shows that it does not apply.")
    ] = ()
    range: Annotated[str, Meta(description="Versions that are affected.")]
    versions: Annotated[
        tuple[str, ...], Meta(description="Which of the possible versions are affected; empty when none is known.")
    ] = ()
    score: Annotated[float | None, Meta(description="Highest published CVSS base score.")] = None
    severity: Annotated[str, Meta(description="The same as a word.")] = "unknown"
    exploited_since: Annotated[str | None, Meta(description="Day CISA listed it as exploited; null when not.")] = None
    epss: Annotated[float | None, Meta(description="Probability from 0 to 1 that it is exploited within 30 days.")] = (
        None
    )
    summary: Annotated[str, Meta(description="What can happen.")] = ""
    families: Annotated[tuple[str, ...], Meta(description="Names under which it became known.")] = ()
    provenance: Annotated[tuple[Provenance, ...], Meta(min_length=1, description="What it rests on.")]
