"""Risks that somebody has accepted for a while: what is accepted, until when, by whom and why.

An accepted finding stays in the report, in a section of its own, and does not count any more; on the day after its
last one it counts again. What is accepted is told by the name of the check and by where it shows, never by an offset
or the name of the image, so that a decision still holds for the next firmware version.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from toolkit.core.findings import Evidence, Finding

__all__ = [
    "LONGEST",
    "NEAR",
    "ONE_BY_ONE",
    "Acceptance",
    "AcceptanceRecord",
    "AcceptanceState",
    "AcceptedFinding",
    "excerpts_digest",
    "finding_key",
    "matches",
    "path_patterns",
    "state_on",
    "wrong_with",
]

LONGEST: Final = timedelta(days=731)
"""Longest time a risk may be accepted for: two years, one of which may be a leap year."""
NEAR: Final = timedelta(days=30)
"""From here on a report tells that an acceptance runs out soon."""
ONE_BY_ONE: Final = frozenset({"known-exploited", "vulnerable-component"})
"""Checks that speak of all vulnerabilities of a component, also of those that become known later."""
ITSELF: Final = "."
"""Pattern of the image itself."""
_MOST_STARS: Final = 32
_NUMBER: Final = re.compile(r"(?:0x[0-9a-fA-F]+|\d+)(?:[._-]?(?:0x[0-9a-fA-F]+|\d+))*")

Line = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]
"""One line of text that is not empty."""
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._+-]{0,99}$")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class AcceptanceState(enum.StrEnum):
    """What becomes of an acceptance in one report."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    """It still counts, for 30 days at most."""
    EXPIRED = "expired"
    """It has run out: what it was about counts again."""
    UNUSED = "unused"
    """It still counts, and nothing in the image is what it is about."""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One risk that somebody answers for until a day: either what a check found, or one known vulnerability."""

    id: Annotated[Name, Meta(description="Short name of this decision.")]
    check: Annotated[Name | None, Meta(description="Check whose finding is accepted; left out with vulnerability.")] = (
        None
    )
    vulnerability: Annotated[
        Line | None, Meta(description="Vulnerability that is accepted, for example a CVE name.")
    ] = None
    component: Annotated[
        Line | None, Meta(description="Component, by its short name; required with vulnerability.")
    ] = None
    paths: Annotated[
        tuple[Line, ...],
        Meta(
            max_length=100,
            description="Where it may show, without the name of the image; * is any text, . the image itself.",
        ),
    ] = ()
    excerpt_sha256: Annotated[Sha256 | None, Meta(description="Digest of what stands there; another text counts.")] = (
        None
    )
    reason: Annotated[Line, Meta(description="Why it is acceptable.")]
    owner: Annotated[Line, Meta(description="Who answers for it.")]
    created_by: Annotated[Line | None, Meta(description="Who wrote it down.")] = None
    created: Annotated[date | None, Meta(description="Day it was written down.")] = None
    until: Annotated[date, Meta(description="Last day on which it counts, two years ahead at most.")]


class AcceptedFinding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding that does not count, because somebody accepted it."""

    acceptance: Annotated[str, Meta(description="Name of the acceptance, as in acceptances.")]
    finding: Annotated[Finding, Meta(description="What the check found.")]


class AcceptanceRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An acceptance and what became of it on this day in this image; none is dropped in silence."""

    acceptance: Annotated[Acceptance, Meta(description="What was accepted.")]
    state: Annotated[AcceptanceState, Meta(description="active, expiring (30 days at most), expired or unused.")]
    days_left: Annotated[int, Meta(description="Days until its last one; less than 0 when it has run out.")]
    matched: Annotated[int, Meta(ge=0, description="Findings or vulnerabilities it is about.")]
    returned: Annotated[
        tuple[int, ...], Meta(description="Positions in findings, from 0, of what counts again since it has run out.")
    ] = ()


def wrong_with(acceptance: Acceptance, today: date) -> Iterator[tuple[str, str]]:
    """Yield field and reason of everything about ``acceptance`` that cannot be taken on the day ``today``."""
    yield from _wrong_subject(acceptance)
    since = acceptance.created or today
    if since > today:
        yield "created", f"{since} lies ahead of {today}"
    elif acceptance.until - since > LONGEST:
        yield "until", f"{acceptance.until} is more than two years after {since}; decide for two years at most"
    elif acceptance.until < since:
        yield "until", f"{acceptance.until} is before {since}"


def _wrong_subject(acceptance: Acceptance) -> Iterator[tuple[str, str]]:
    if acceptance.vulnerability is not None:
        if acceptance.component is None:
            yield "component", "is missing; a vulnerability is accepted for one component"
        if acceptance.check is not None or acceptance.paths or acceptance.excerpt_sha256 is not None:
            yield "vulnerability", "stands with component alone, without check, paths or excerpt_sha256"
    elif acceptance.check is None:
        yield "check", "is missing; name the check, or a vulnerability and its component"
    elif acceptance.check in ONE_BY_ONE:
        yield "check", f"{acceptance.check} is accepted one vulnerability at a time: give vulnerability and component"
    if any(path.count("*") > _MOST_STARS for path in acceptance.paths):
        yield "paths", f"more than {_MOST_STARS} * in one"


def state_on(acceptance: Acceptance, matched: int, today: date) -> AcceptanceState:
    """Return what becomes of an acceptance that is about ``matched`` things on the day ``today``."""
    if today > acceptance.until:
        return AcceptanceState.EXPIRED
    if not matched:
        return AcceptanceState.UNUSED
    return AcceptanceState.EXPIRING if acceptance.until - today <= NEAR else AcceptanceState.ACTIVE


def matches(acceptance: Acceptance, finding: Finding, component_places: Sequence[Evidence]) -> bool:
    """Tell whether ``finding`` is what was accepted, all of its places and texts.

    ``component_places`` is where the component of the acceptance shows; a finding speaks of it when it shows there.
    """
    if acceptance.check != finding.check:
        return False
    if acceptance.component is not None and not _shows_at(finding, component_places):
        return False
    if acceptance.paths and not _all_within(finding.evidence, acceptance.paths):
        return False
    return acceptance.excerpt_sha256 is None or acceptance.excerpt_sha256 == excerpts_digest(finding)


def _shows_at(finding: Finding, places: Iterable[Evidence]) -> bool:
    known = {(place.path, place.offset) for place in places}
    return any((place.path, place.offset) in known for place in finding.evidence)


def _all_within(evidence: Sequence[Evidence], patterns: Sequence[str]) -> bool:
    places = {_inside(place.path) for place in evidence} or {ITSELF}
    return all(any(_fits(place, pattern) for pattern in patterns) for place in places)


def _inside(path: str) -> str:
    return path.partition("!")[2] or ITSELF


def _fits(text: str, pattern: str) -> bool:
    """Tell whether ``text`` is ``pattern`` with each ``*`` replaced by any text; in time linear in their lengths."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    at, last = len(first), rest[-1]
    for piece in rest[:-1]:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - at >= len(last) and text.endswith(last)


def path_patterns(finding: Finding) -> tuple[str, ...]:
    """Return where ``finding`` shows, with a ``*`` for what the next version may number otherwise.

    Containers carry versions and offsets in their names, and so does a file that lies directly in the image.
    """
    return tuple(sorted({_pattern(_inside(place.path)) for place in finding.evidence} or {ITSELF}))


def _pattern(path: str) -> str:
    *containers, name = path.split("!")
    kept = name if containers else _NUMBER.sub("*", name)
    return "!".join([*(_NUMBER.sub("*", container) for container in containers), kept])


def excerpts_digest(finding: Finding) -> str:
    """Return the SHA-256 of the texts that a finding shows, whatever their order and spaces."""
    texts = sorted({" ".join(place.excerpt.split()) for place in finding.evidence if place.excerpt})
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def finding_key(finding: Finding) -> str:
    """Return 16 hexadecimal digits that name a finding in this firmware version and the next.

    Check, places and texts decide; the name of the image, offsets, addresses and numbers in names of containers do not.
    """
    parts = (finding.check, *path_patterns(finding), excerpts_digest(finding))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
