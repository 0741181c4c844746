"""Whether a version is one that an advisory's free text means; what cannot be read for sure is said to be open."""

from __future__ import annotations

import re
from typing import NamedTuple

from firmware_checks.vulnerabilities.affected_text import ranges_in_words
from firmware_checks.vulnerabilities.assets import folded
from firmware_checks.vulnerabilities.versions import SchemeName, version_key
from toolkit.report.model import Confidence

__all__ = ["Place", "VersionMatch", "compare_version"]

Place = str
INSIDE, LATER, OUTSIDE, NO_VERSION, UNCLEAR = "inside", "later", "outside", "no_version", "unclear"
_SHORT = 3
_ALL = frozenset({"vers:all/*", "*", "all", "all versions", "all version", "any"})
_PREFIX = re.compile(
    r"^(?:(?:version|vers|ver|v|release|rel|revision|rev|firmware|software|sw|fw|r)(?![a-z])[ .:_#-]*)+(?=\w)",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(?P<letters>[a-z]{0,3})[._-]?(?P<rest>\d[\w.+-]*(?: (?:sp|p|hf|build|service pack) ?\d+)?)")
_WILDCARD = re.compile(r"(?P<start>\d+(?:\.\d+)*)(?:\.[x*])+")
_BOUND = re.compile(r"(?P<sign>>=|<=|>|<)\s*(?P<version>[^<>|]+)")
_BELOW = re.compile(
    r"(?P<version>\S+)\s+(?:and|or)\s+(?:below|prior|earlier|older|lower)(?: versions?)?", re.IGNORECASE
)
_CONDITION = re.compile(r"\(.*\)| (?:model|with|on) .*", re.IGNORECASE)
"""What else must hold, which a version cannot show."""


class VersionMatch(NamedTuple):
    """Where a version lies against what an advisory says."""

    place: Place
    """inside, later (than all that are named), outside, no_version or unclear."""
    confidence: Confidence
    reason: str
    is_bounded: bool = True
    """False where the advisory means all versions."""


def compare_version(version: str | None, text: str, model: str = "") -> VersionMatch:
    """Compare the version of a device with the text of an advisory; ``model`` is for advisories that name models."""
    said = " ".join(text.split())
    if said.casefold() in _ALL:
        return VersionMatch(INSIDE, Confidence.CERTAIN, "the advisory means all versions", is_bounded=False)
    if _CONDITION.sub("", said).strip().casefold() in _ALL:
        return VersionMatch(INSIDE, Confidence.MEDIUM, f"the advisory means all versions: {said!r}", is_bounded=False)
    if not said:
        reason = "the advisory names the product without versions"
        return VersionMatch(INSIDE, Confidence.MEDIUM, reason, is_bounded=False)
    if _names_model(said, model):
        return VersionMatch(INSIDE, Confidence.HIGH, f"the advisory names the model {said!r}", is_bounded=False)
    if version is None:
        return VersionMatch(NO_VERSION, Confidence.LOW, f"the advisory means {said!r}, the list states no version")
    return _compare(version, said)


def _names_model(said: str, model: str) -> bool:
    """Tell whether the text in the place of a version is the device's model number, as some advisories have it."""
    own = folded(model).replace(" ", "")
    codes = [folded(piece).replace(" ", "") for piece in said.split("|") if not _BOUND.search(piece)]
    return any(len(code) > _SHORT and re.search(r"[a-z]", code) is not None and code in own for code in codes)


def _compare(version: str, said: str) -> VersionMatch:
    pieces = [piece.strip() for piece in re.split(r"[|,]", _CONDITION.sub("", said)) if piece.strip()]
    bounds = [found for piece in pieces if (found := _BOUND.fullmatch(piece))]
    if len(pieces) == 2 == len(bounds) and bounds[0]["sign"][0] == ">" and bounds[1]["sign"][0] == "<":
        pieces = [f"{pieces[0]} {pieces[1]}"]
    places = [_place(version, piece) for piece in pieces]
    sure = Confidence.MEDIUM if _CONDITION.search(said) else Confidence.HIGH
    if INSIDE in places:
        return VersionMatch(INSIDE, sure, f"{version} is among what the advisory means: {said!r}")
    if UNCLEAR in places or not places:
        return VersionMatch(UNCLEAR, Confidence.LOW, f"{version} cannot be compared with {said!r}")
    if all(place == LATER for place in places):
        if "<" in said and "<=" not in said:
            return VersionMatch(LATER, sure, f"{version} is not before the first mended version: {said!r}")
        return VersionMatch(OUTSIDE, Confidence.MEDIUM, f"{version} is later than all that is named: {said!r}")
    return VersionMatch(OUTSIDE, Confidence.MEDIUM, f"{version} is not among what the advisory means: {said!r}")


def _place(version: str, piece: str) -> Place:
    bounds = list(_BOUND.finditer(piece))
    if not bounds and folded(version) == folded(piece):
        return INSIDE
    if bounds and not _BOUND.sub("", piece).strip():
        return _between(version, [(bound["sign"], bound["version"]) for bound in bounds])
    if found := _WILDCARD.fullmatch(_plain(piece)):
        own = _plain(version)
        return (
            INSIDE if own == found["start"] or own.startswith(f"{found['start']}.") else _exact(version, found["start"])
        )
    if found := _BELOW.fullmatch(piece):
        return _between(version, [("<=", found["version"])])
    words = ranges_in_words(piece)
    if words:
        signs = {"version_start_including": ">=", "version_start_excluding": ">", "version_end_excluding": "<"}
        return _between(version, [(signs.get(name, "<="), bound) for name, bound in words[0].items()])
    return _exact(version, piece)


def _between(version: str, bounds: list[tuple[str, str]]) -> Place:
    place = INSIDE
    for sign, bound in bounds:
        found = _order(version, bound)
        if found is None:
            return UNCLEAR
        holds = {"<": found < 0, "<=": found <= 0, ">": found > 0, ">=": found >= 0}[sign]
        if not holds:
            place = LATER if sign[0] == "<" else OUTSIDE
    return place


def _exact(version: str, bound: str) -> Place:
    """Single versions that are named say nothing of others, which nobody may have looked at."""
    return INSIDE if _order(version, bound) == 0 else UNCLEAR


def _order(version: str, bound: str) -> int | None:
    """Return -1, 0 or 1; None where the two are not of one kind, such as ``U61`` and ``L80``."""
    first, second = _PLAIN.fullmatch(_plain(version)), _PLAIN.fullmatch(_wildcard_start(_plain(bound)))
    if first is None or second is None or first["letters"] != second["letters"]:
        return None
    ours, theirs = (version_key(found["rest"], SchemeName.DASHED) for found in (first, second))
    return (ours > theirs) - (ours < theirs)


def _wildcard_start(text: str) -> str:
    found = _WILDCARD.fullmatch(text)
    return found["start"] if found else text


def _plain(text: str) -> str:
    return _PREFIX.sub("", text.strip().casefold().rstrip(".")).strip()
