"""The rows of a difference that come from what was judged: components, findings, vulnerabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

from firmware_checks.difference.tables import Place, grouped
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.matcher import Matcher
from firmware_checks.vulnerabilities.versions import SchemeName, compare
from toolkit.core.findings import Finding
from toolkit.report.accepting import all_findings
from toolkit.report.model import Component, Report
from toolkit.report.review import (
    Change,
    ComponentChange,
    Fate,
    FindingChange,
    Presence,
    VulnerabilityChange,
)
from toolkit.report.vulnerability import MatchStatus, Vulnerability

__all__ = ["Order", "component_changes", "finding_changes", "order_of", "vulnerability_changes"]

Order = Callable[[str, str, str], int]
"""(component, version, version) -> -1, 0 or 1 as the makers of the component count."""


def order_of(components: Iterable[Component]) -> Order:
    """Return how the makers of these components count their versions."""
    matcher = Matcher(shipped_knowledge())
    schemes: dict[str, SchemeName] = {}
    for component in components:
        known = matcher.identify(component).known
        schemes[component.name] = known.scheme if known is not None else SchemeName.DASHED
    return lambda name, a, b: compare(a, b, schemes.get(name, SchemeName.DASHED))


def component_changes(old: Report, new: Report, order: Order) -> Iterator[ComponentChange]:
    """Yield the components that came, went, or have another version."""
    before, now = (grouped(report.components, lambda c: c.name) for report in (old, new))
    for name in sorted({*before, *now}):
        was, is_ = (_versions(side.get(name, ())) for side in (before, now))
        gone, come = [v for v in was if v not in is_], [v for v in is_ if v not in was]
        title = (now.get(name) or before[name])[0].title
        for left, right in zip_longest(gone, come, fillvalue=None) if was and is_ else ():
            change = _direction(name, left, right, order)
            yield ComponentChange(name=name, title=title, change=change, old=left or None, new=right or None)
        if not was or not is_:
            change = Change.ADDED if is_ else Change.REMOVED
            for version in is_ or was:
                row = {"old": None, "new": version or None} if is_ else {"old": version or None, "new": None}
                yield ComponentChange(name=name, title=title, change=change, **row)


def _versions(components: Sequence[Component]) -> list[str]:
    """Return the versions, each once; candidates in one text, empty where none is known."""
    texts = (c.version or " | ".join(c.version_candidates) for c in components)
    return sorted(dict.fromkeys(texts))


def _direction(name: str, old: str | None, new: str | None, order: Order) -> Change:
    if old is None or new is None:
        return Change.ADDED if old is None else Change.REMOVED
    if not old or not new or " | " in old + new:
        return Change.CHANGED
    step = order(name, old, new)
    return Change.CHANGED if step == 0 else Change.UPGRADED if step < 0 else Change.DOWNGRADED


def finding_changes(old: Report, new: Report, place: Place, shown: Place) -> Iterator[FindingChange]:
    """Yield the findings of both images, the same ones too: those of one check at one place."""
    before = grouped(all_findings(old), lambda f: (f.check, _path(f, shown)))
    now = grouped(all_findings(new), lambda f: (f.check, _path(f, place)))
    accepted = {each.finding: each.acceptance for report in (old, new) for each in report.accepted}
    for key in sorted({*before, *now}):
        for was, is_ in zip_longest(before.get(key, ()), now.get(key, ())):
            yield _finding(was, is_, key[1], accepted)


def _path(finding: Finding, place: Place) -> str:
    return "!".join(place(finding.evidence[0].path)) if finding.evidence else ""


def _finding(old: Finding | None, new: Finding | None, path: str, accepted: Mapping[Finding, str]) -> FindingChange:
    finding = new or old
    assert finding is not None  # noqa: S101  # one of the two is there
    presence = Presence.NEW if old is None else Presence.GONE if new is None else Presence.SAME
    return FindingChange(
        presence=presence,
        check=finding.check,
        title=finding.title,
        severity=finding.severity,
        old_severity=old.severity if old is not None and new is not None else None,
        path=path,
        detail=finding.detail,
        accepted=accepted.get(finding),
    )


def vulnerability_changes(old: Report, new: Report, order: Order) -> Iterator[VulnerabilityChange]:
    """Yield what becomes of every vulnerability that applies, or may apply, to one of the images."""
    before, now = (_by_name(report) for report in (old, new))
    for key in sorted({*before, *now}):
        was, is_ = before.get(key), now.get(key)
        fate = _fate(was, is_, key[1], (old, new), order)
        if fate is not None:
            yield _vulnerability(was, is_, fate, (old, new))


def _by_name(report: Report) -> dict[tuple[str, str], Vulnerability]:
    """Return the vulnerabilities by name and component; of several copies of one, the one that applies."""
    rows = sorted(report.vulnerabilities, key=_applies)
    return {(row.id, row.component): row for row in rows}


def _applies(row: Vulnerability | None) -> bool:
    return row is not None and row.status is not MatchStatus.NOT_AFFECTED


def _fate(
    old: Vulnerability | None, new: Vulnerability | None, component: str, reports: tuple[Report, Report], order: Order
) -> Fate | None:
    if _applies(old) and _applies(new):
        return Fate.LEFT
    if _applies(old):
        still_there = any(c.name == component for c in reports[1].components)
        return Fate.FIXED if still_there else Fate.NOT_SEEN
    if not _applies(new):
        return None
    older, newer = (_version(report, component) for report in reports)
    back = older is not None and newer is not None and order(component, older, newer) > 0
    return Fate.REOPENED if back or old is not None else Fate.NEW


def _version(report: Report, component: str) -> str | None:
    return next((c.version for c in report.components if c.name == component), None)


def _vulnerability(
    old: Vulnerability | None, new: Vulnerability | None, fate: Fate, reports: tuple[Report, Report]
) -> VulnerabilityChange:
    row = new or old
    assert row is not None  # noqa: S101  # one of the two is there
    return VulnerabilityChange(
        id=row.id,
        component=row.component,
        fate=fate,
        old_version=_version(reports[0], row.component),
        new_version=_version(reports[1], row.component),
        old_status=old.status if old is not None else None,
        new_status=new.status if new is not None else None,
        severity=row.severity,
        score=row.score,
        decision=row.urgency.decision.value if row.urgency is not None else None,
        exploited=row.exploited_since is not None,
        triaged=row.triage is not None,
        accepted=row.accepted,
    )
