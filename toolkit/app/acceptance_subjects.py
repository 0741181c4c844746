"""What of a report can be accepted, and the acceptance of it: findings by key or check, vulnerabilities by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from toolkit.core.errors import InputError
from toolkit.report.acceptance import ONE_BY_ONE, excerpts_digest, finding_key, path_patterns
from toolkit.report.accepting import all_findings
from toolkit.report.model import Report
from toolkit.report.vulnerability import MatchStatus

__all__ = ["Subject", "subject_named", "subjects"]

LEAST_OF_KEY = 6
MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that somebody may accept."""

    key: str
    names: tuple[str, ...]
    """What it may be called besides its key."""
    title: str
    fields: dict[str, Any]
    """What of an acceptance says what it is about; texts that stand there are under ``excerpt_sha256``."""

    @property
    def id(self) -> str:
        """Return a short name for the decision."""
        return f"{self.names[0].lower()}-{self.key[:8]}" if "check" in self.fields else self.key


def subjects(report: Report) -> Iterator[Subject]:
    """Yield what can be accepted of ``report``: findings, then vulnerabilities that apply or may apply."""
    for finding in all_findings(report):
        if finding.check in ONE_BY_ONE:
            continue
        paths = path_patterns(finding)
        fields: dict[str, Any] = {"check": finding.check, "paths": paths}
        if any(place.excerpt for place in finding.evidence):
            fields["excerpt_sha256"] = excerpts_digest(finding)
        shown = f"{finding.severity.value}: {finding.title} ({', '.join(paths)})"
        yield Subject(finding_key(finding), (finding.check,), shown, fields)
    for row in report.vulnerabilities:
        if row.status is not MatchStatus.NOT_AFFECTED:
            fields = {"vulnerability": row.id, "component": row.component}
            key = f"{row.id}-{row.component}".lower()
            shown = f"{row.severity}: {row.id} in {row.component} {row.component_version or ''}".rstrip()
            yield Subject(key, (row.id, f"{row.id}@{row.component}"), shown, fields)


def subject_named(report: Report, name: str) -> Subject:
    """Return what ``name`` means: a key or the beginning of one, a check, or a vulnerability; never a guess."""
    if name in ONE_BY_ONE:
        raise InputError(
            f"{name} is accepted one vulnerability at a time: name the vulnerability, such as CVE-2022-28391"
        )
    found = {each.key: each for each in subjects(report) if _is_called(each, name)}
    if not found:
        raise InputError(f"the report has no finding {name!r}; `medharden policy accept REPORT` lists them")
    if len(found) > 1:
        keys = ", ".join(sorted(found)[:MOST_TOLD])
        raise InputError(f"{name!r} may mean {len(found)} findings; give the key of one: {keys}")
    return next(iter(found.values()))


def _is_called(subject: Subject, name: str) -> bool:
    return name in subject.names or (len(name) >= LEAST_OF_KEY and subject.key.startswith(name.lower()))
