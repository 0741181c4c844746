"""From all that is said about one vulnerability of one component to one match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from firmware_checks.vulnerabilities.cvss import parse_vector
from firmware_checks.vulnerabilities.database import AffectedRow, StoredProduct
from firmware_checks.vulnerabilities.knowledge import KnownProduct, KnownVulnerability
from firmware_checks.vulnerabilities.known_exploited import exploited_since
from firmware_checks.vulnerabilities.ranges import VersionRange
from firmware_checks.vulnerabilities.record import Cvss, SourceKind
from firmware_checks.vulnerabilities.tables import SOURCES
from firmware_checks.vulnerabilities.versions import version_key
from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Justification, Match, MatchStatus, Provenance

__all__ = ["OWN", "Case", "Claim", "known_claim", "lower", "match_of", "severity_word", "sureness"]

OWN = "medharden"
MOST_STATEMENTS = 12
"""Statements that one match shows; a record may name a hundred ranges."""
_KEPT = 4_096
"""Scores, vectors and lists of weaknesses that are remembered: thousands of records share a few hundred."""
_AFFECTED, _NOT_AFFECTED, _OPEN = MatchStatus.AFFECTED, MatchStatus.NOT_AFFECTED, MatchStatus.UNDER_INVESTIGATION
_RANKS = {confidence: rank for rank, confidence in enumerate(Confidence)}
_SCORES = msgspec.json.Decoder(tuple[Cvss, ...])
_WORDS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


class Claim(msgspec.Struct, kw_only=True, gc=False):
    """One statement that holds for some of the possible versions."""

    provenance: Provenance
    confidence: Confidence
    versions: frozenset[str]
    note: str = ""
    """Why it is not surer."""
    conditions: tuple[str, ...] = ()
    """What must also be true and is not known."""
    is_excluded: bool = False
    """Whether what was found in the device contradicts it."""
    is_outranked: bool = False
    """Whether the makers themselves say otherwise."""

    @property
    def weight(self) -> tuple[bool, bool, bool, int]:
        """What decides which of several statements is shown first."""
        return not self.is_excluded, not self.is_outranked, not self.conditions, _RANKS[self.confidence]


class Case(msgspec.Struct, gc=False):
    """All that is said about one vulnerability of one component."""

    claims: list[Claim] = []  # msgspec makes a new one each time
    known: KnownVulnerability | None = None
    row: AffectedRow | None = None
    denial: str = ""
    """Ranges of the knowledge base when it knows the vulnerability and they hold none of the versions."""


def lower(one: Confidence, other: Confidence) -> Confidence:
    """Return the less sure of two."""
    return one if one is other or _RANKS[one] <= _RANKS[other] else other


@lru_cache(maxsize=_KEPT)
def severity_word(score: float | None) -> str:
    """Return the word for a CVSS base score. Source: CVSS 3.1 specification, section 5."""
    if score is None:
        return "unknown"
    return next((word for least, word in _WORDS if score >= least), "none")


def known_claim(
    product: KnownProduct, row: KnownVulnerability, versions: VersionRange, keys: Mapping[str, bytes]
) -> Claim | None:
    """Return what the knowledge base says of the versions in ``keys``; None when none of them is inside."""
    low, high = versions.keys(product.scheme)
    inside = frozenset(version for version, key in keys.items() if low <= key < high)
    if keys and not inside:
        return None
    is_vague = row.doubt is not None or versions.is_unbounded
    confidence = Confidence.LOW if is_vague else Confidence.MEDIUM if row.condition else Confidence.HIGH
    note = row.doubt or ("the source names no bounds" if versions.is_unbounded else row.condition or "")
    return Claim(
        provenance=Provenance(
            source=OWN, record=row.source, product=product.cpes[0].replace("\\", ""), range=str(versions)
        ),
        confidence=confidence if keys else Confidence.LOW,
        versions=inside,
        note=note,
    )


def sureness(row: AffectedRow, product: StoredProduct, version: str | None) -> tuple[Confidence, str]:
    """Return how sure a range of the database is, and why it is not surer."""
    if version is None:
        return Confidence.LOW, ""
    text = row.range
    if text.startswith("="):
        is_same = version_key(text[1:], product.scheme) == version_key(version, product.scheme)
        return (Confidence.HIGH, "") if is_same else (Confidence.MEDIUM, f"{text[1:]} is named with any update")
    if "<" not in text:
        if ">" in text:
            return Confidence.MEDIUM, "no version is named in which it is mended"
        return Confidence.LOW, "no versions are named"
    is_fallback = row.origin == "cna" or (not row.is_authority and row.record % SOURCES != SourceKind.NVD)
    return (Confidence.MEDIUM, "the NVD has not looked at it") if is_fallback else (Confidence.HIGH, "")


def match_of(name: str, case: Case, versions: Sequence[str], ceiling: Confidence) -> Match:
    """Return the match that the statements in ``case`` amount to; ``ceiling`` is how sure the component itself is."""
    claims = case.claims
    if len(claims) > 1:
        claims = sorted(claims, key=lambda claim: claim.weight, reverse=True)
    best = claims[0]
    affected = _held(claims, versions)
    status, confidence, reason = _verdict(case, best, versions, affected)
    row = case.row
    score, epss = (None, None) if row is None else (row.score, row.epss)
    match = Match(  # with more than 15 names Python makes a dictionary first, which is three times as slow
        id=name,
        status=status,
        confidence=lower(confidence, ceiling),
        reason=reason,
        range=best.provenance.range,
        versions=affected,
        score=score,
        severity=severity_word(score),
        vector=_vector_of(row.cvss, score) if row is not None else None,
        cwes=_cwes(row.cwes) if row is not None and row.cwes else (),
        exploited_since=row.exploited_since if row is not None else None,
        epss=epss,
        summary=(row.text if row is not None else None) or "",
        provenance=_statements(claims),
    )
    if status is _NOT_AFFECTED:
        match = msgspec.structs.replace(match, justification=Justification.CODE_NOT_PRESENT)
    if case.known is not None:
        return _with_facts(match, case.known)
    listed = None if match.exploited_since is not None else exploited_since(name)
    return match if listed is None else msgspec.structs.replace(match, exploited_since=listed)


def _with_facts(match: Match, known: KnownVulnerability) -> Match:
    """Return ``match`` with what the knowledge base adds: words of our own, and what the database does not say."""
    vector, score = match.vector, match.score
    if known.cvss is not None:
        vector = vector or known.cvss
        score = score if score is not None else _score_of(known.cvss)
    listed = known.kev.isoformat() if known.kev is not None else exploited_since(match.id)
    return msgspec.structs.replace(
        match,
        score=score,
        severity=match.severity if match.score is not None else known.severity.value,
        vector=vector,
        cwes=match.cwes or known.cwes,
        exploited_since=match.exploited_since or listed,
        summary=known.summary,
        families=tuple(family.value for family in known.families),
    )


def _score_of(vector: str) -> float | None:
    parsed = parse_vector(vector)
    return None if parsed is None else parsed.score


@lru_cache(maxsize=_KEPT)
def _vector_of(cvss: bytes | None, score: float | None) -> str | None:
    """Return the vector of the highest score; of several, the newest version of CVSS."""
    published = _SCORES.decode(cvss) if cvss is not None else ()
    return next((each.vector for each in published if each.vector and each.score == score), None)


@lru_cache(maxsize=_KEPT)
def _cwes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _held(claims: Sequence[Claim], versions: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``versions`` that a statement names which nothing contradicts."""
    if len(versions) == 1 and len(claims) == 1:
        return () if claims[0].is_excluded else tuple(versions)
    held = {version for claim in claims if not claim.is_excluded for version in claim.versions}
    return tuple(version for version in versions if version in held)


def _statements(claims: Sequence[Claim]) -> tuple[Provenance, ...]:
    if len(claims) == 1:
        return (claims[0].provenance,)
    return tuple(dict.fromkeys(claim.provenance for claim in claims))[:MOST_STATEMENTS]


def _verdict(
    case: Case, best: Claim, versions: Sequence[str], affected: Sequence[str]
) -> tuple[MatchStatus, Confidence, str]:
    said = best.provenance
    if best.is_excluded:
        return (
            _NOT_AFFECTED,
            best.confidence,
            f"it would apply if {' and '.join(best.conditions) or 'it ran on another system'}",
        )
    if not versions:
        return _OPEN, Confidence.LOW, f"the version is not known; affected are {said.range}"
    if case.denial:
        reason = f"sources disagree: {said.source} names {said.range}, the shipped facts name {case.denial}"
        return _OPEN, Confidence.LOW, reason
    if best.is_outranked:
        return _OPEN, Confidence.LOW, f"{said.source} names {said.range}, the makers do not name this version"
    if len(affected) < len(versions):
        reason = f"affected if the version is {' or '.join(affected)} ({said.range})"
        return _OPEN, lower(best.confidence, Confidence.MEDIUM), reason
    if best.conditions:
        reason = f"{said.range} is affected if {' and '.join(best.conditions)}"
        return _OPEN, lower(best.confidence, Confidence.MEDIUM), reason
    note = f"; {best.note}" if best.note else ""
    return _AFFECTED, best.confidence, f"{', '.join(affected)} is in {said.range}{note}"
