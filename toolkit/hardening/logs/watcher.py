"""What a watcher is: it hears the events of one log in order, and says what should not have happened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_checks.controls import Controls
from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.core.registry import discover
from toolkit.hardening.logs.event import LogEvent
from toolkit.report.printable import printable

__all__ = ["Seen", "Watch", "Watcher", "load_watchers", "shown_name"]

MOST_NAME_CHARACTERS = 64
_NAME = re.compile(r"[\w.@$\\:/-]{1,64}")


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that should not have happened."""

    severity: Severity
    detail: str
    """What was seen, in words; names are put in by ``shown_name``."""
    event: LogEvent


Watch = Callable[[LogEvent], Iterator[Seen]]
"""Hears one event after the other and remembers what it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """One question to a log. ``title`` and ``remedy`` are fixed sentences, so that they can be translated."""

    name: str
    question: str
    title: str
    remedy: str
    severity_rule: str
    source: str
    """The programs whose messages it knows."""
    controls: Controls
    watch: Callable[[], Watch]
    """Start watching one log; what is remembered is bounded."""

    def finding(self, severity: Severity, detail: str, *evidence: Evidence) -> Finding:
        """Return a finding of this watcher."""
        return Finding(
            check=self.name,
            title=self.title,
            severity=severity,
            detail=detail,
            remedy=self.remedy,
            controls=self.controls.rows(),
            evidence=evidence,
        )


def load_watchers() -> dict[str, Watcher]:
    """Return every watcher by its name; third parties add theirs by entry points."""
    return discover(
        "toolkit.hardening.logs.watchers", attribute="WATCHER", kind=Watcher, group="medharden.log_watchers"
    )


def shown_name(text: str) -> str:
    """Return the name of a user, computer or service as it may be shown; what does not look like one is not told.

    People type passwords where a name is asked for, and records of patients get into logs.
    """
    return printable(text, most=MOST_NAME_CHARACTERS) if _NAME.fullmatch(text) else "********"
