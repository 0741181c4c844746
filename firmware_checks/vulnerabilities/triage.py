"""What users decided themselves about vulnerabilities, put over what the data says: they have the last word.

A decision is kept by component and vulnerability, never by firmware image, so that it still counts for the next
firmware version. One that names a version of the component counts for that version alone; one that has a last day
counts until then. Those that do not count are told with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple, TypeVar
from urllib.parse import unquote

import msgspec

from firmware_checks.vulnerabilities.cpe import ANY, NONE, parse_cpe
from firmware_checks.vulnerabilities.versions import SchemeName, compare
from toolkit.core.errors import FormatError
from toolkit.report.confidence import Confidence
from toolkit.report.model import Component
from toolkit.report.vulnerability import Justification, Match, MatchStatus, Triage, UnusedDecision

__all__ = [
    "Decided",
    "Decisions",
    "Named",
    "TriageFile",
    "decode",
    "expiry_at",
    "expiry_in",
    "in_order",
    "name_of",
    "source_text",
]

Document = TypeVar("Document")
_EXPIRES = re.compile(r"\bexpires:?\s+(\d{4}-\d\d-\d\d)\b", re.IGNORECASE)
_PURL = re.compile(r"(pkg:[^?#]*?)(?:@([^@/?#]*))?(?:[?#].*)?", re.DOTALL)
"""Name without version, and version; an ``@`` before a slash belongs to the name."""
_SEPARATORS = re.compile(r"[\s_./-]+")
_NOT_THERE = "the image has no such component"
_STATUSES = {
    "affected": MatchStatus.AFFECTED,
    "not_affected": MatchStatus.NOT_AFFECTED,
    "fixed": MatchStatus.NOT_AFFECTED,
    "under_investigation": MatchStatus.UNDER_INVESTIGATION,
}


class Named(NamedTuple):
    """A component as a decision names it; what the file does not say is empty."""

    text: str
    """As it stands in the file."""
    purl: str = ""
    """Package URL without version."""
    cpe: tuple[str, str] | None = None
    """Vendor and product."""
    name: str = ""
    version: str = ""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the user about one vulnerability of one component."""

    id: str
    component: Named
    status: str
    """affected, not_affected, fixed or under_investigation."""
    justification: Justification | None = None
    statement: str = ""
    source: str
    decided: str | None = None
    """Moment, as the file has it, in ISO 8601."""
    expires: date | None = None
    """First day on which it counts no more."""

    @property
    def day(self) -> str | None:
        """Day of the decision."""
        return None if self.decided is None else self.decided[:10]


class TriageFile(msgspec.Struct, frozen=True, kw_only=True):
    """All decisions of one file, later ones behind earlier ones."""

    decisions: tuple[Decided, ...]
    sha256: str


def name_of(text: str, *, cpe: str = "", name: str = "", version: str = "") -> Named:
    """Return the component that ``text`` names: a package URL, a CPE 2.3 name, or a plain name."""
    purl, found = "", ""
    if text.startswith("pkg:"):
        purl, found = _PURL.fullmatch(text).groups("")  # type: ignore[union-attr]  # it fits whatever follows
        purl, found = purl.lower(), unquote(found)
        name = name or unquote(purl.rpartition("/")[2])
    product: tuple[str, str] | None = None
    stated = cpe or (text if text.startswith("cpe:2.3:") else "")
    if stated:
        try:
            parsed = parse_cpe(stated)
        except FormatError:
            pass
        else:
            product = parsed.vendor, parsed.product
            found = found or (parsed.full_version if parsed.version not in (ANY, NONE) else "")
    return Named(text, purl, product, name or ("" if purl or product else text), version or found)


def expiry_in(*texts: str) -> date | None:
    """Return the day after ``expires`` in any of ``texts``; VEX has no field for it, so it stands in the words."""
    found = [match[1] for text in texts if (match := _EXPIRES.search(text))]
    try:
        return min(map(date.fromisoformat, found), default=None)
    except ValueError as error:
        raise FormatError(f"expires {found[0]} is no day") from error


def expiry_at(place: str, *texts: str) -> date | None:
    """Return the same for a place in a file, which an error then names."""
    try:
        return expiry_in(*texts)
    except FormatError as error:
        raise FormatError(f"{place}: {error}") from error


def source_text(kind: str, author: str) -> str:
    """Return who decided, as the report names them."""
    return f"{kind}, {author}" if author else kind


def decode(data: bytes, kind: type[Document]) -> Document:
    """Return the document in ``data``; raise ``FormatError`` where it is none."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"cannot be read as decisions: {error}") from error


class Decisions:
    """The decisions of one file on their way to the matches of one image; remembers which were used."""

    def __init__(self, file: TriageFile, today: date) -> None:
        self._today = today
        self._unused: dict[Decided, str] = dict.fromkeys(file.decisions, _NOT_THERE)
        self._used: set[Decided] = set()
        self._by_id: dict[str, list[Decided]] = {}
        for decision in file.decisions:
            self._by_id.setdefault(decision.id, []).append(decision)

    def apply(self, match: Match, component: Component, scheme: SchemeName) -> tuple[Match, Triage | None]:
        """Return ``match`` as the user decided, with the decision; as it was where there is none."""
        valid = [decision for decision in self._by_id.get(match.id, ()) if self._counts(decision, component, scheme)]
        if not valid:
            return match, None
        *older, last = valid
        for decision in older:
            self._unused[decision] = f"a later decision of the file says {last.status.replace('_', ' ')}"
        self._used.add(last)
        return _decided(match, last), Triage(
            source=last.source,
            statement=last.statement,
            decided=last.day,
            expires=last.expires.isoformat() if last.expires is not None else None,
        )

    def see(self, components: Iterable[Component]) -> None:
        """Note which decisions are about components of the image, though no vulnerability of the data fits them."""
        components = tuple(components)
        for decision, reason in self._unused.items():
            if reason == _NOT_THERE and any(_is_about(decision.component, component) for component in components):
                self._unused[decision] = "the data does not have this vulnerability for the component"

    @property
    def unused(self) -> tuple[UnusedDecision, ...]:
        """What was decided and not used, with the reason."""
        return tuple(
            UnusedDecision(id=each.id, component=each.component.text, status=each.status, reason=reason)
            for each, reason in self._unused.items()
            if each not in self._used
        )

    def _counts(self, decision: Decided, component: Component, scheme: SchemeName) -> bool:
        if not _is_about(decision.component, component):
            return False
        if decision.expires is not None and decision.expires <= self._today:
            self._unused[decision] = f"it expired on {decision.expires.isoformat()}"
            return False
        said, here = decision.component.version, component.version
        if said and (here is None or compare(said, here, scheme) != 0):
            self._unused[decision] = f"it was made for version {said}, the image has {here or 'one that is not known'}"
            return False
        return True


def _is_about(named: Named, component: Component) -> bool:
    if named.purl and component.purl and name_of(component.purl).purl == named.purl:
        return True
    if named.cpe is not None and component.cpe and name_of(component.cpe).cpe == named.cpe:
        return True
    plain = _plain(named.name)
    return bool(plain) and plain in (_plain(component.name), _plain(component.title))


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())


def _decided(match: Match, decision: Decided) -> Match:
    status = _STATUSES[decision.status]
    said = decision.statement or decision.justification or decision.status
    reason = f"decided: {' '.join(said.replace('_', ' ').split())} (without the decision: {match.reason})"
    excuse = decision.justification or Justification.CODE_NOT_PRESENT
    return msgspec.structs.replace(
        match,
        status=status,
        confidence=Confidence.HIGH,
        justification=excuse if status is MatchStatus.NOT_AFFECTED else None,
        reason=reason,
        evidence=match.evidence if status is match.status else (),
    )


def in_order(decisions: Sequence[Decided]) -> tuple[Decided, ...]:
    """Return ``decisions`` by time, those without one first; what the file has later comes later.

    Raise ``FormatError`` where a time is none.
    """
    return tuple(sorted(decisions, key=_moment))


def _moment(decision: Decided) -> datetime:
    if decision.decided is None:
        return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(decision.decided)
    except ValueError as error:
        raise FormatError(f"{decision.decided[:40]!r} of {decision.id} is no time in ISO 8601") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
