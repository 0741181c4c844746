"""Did the clock jump?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from firmware_checks.controls import Controls
from toolkit.core.findings import Severity
from toolkit.hardening.logs.event import LogEvent
from toolkit.hardening.logs.watcher import Seen, Watch, Watcher

__all__ = ["WATCHER"]

CHANGED = 4616
KERNEL_GENERAL, KERNEL_CHANGED = "Microsoft-Windows-Kernel-General", 1
LEAST = timedelta(hours=1, minutes=5)
"""More than the change between summer and winter."""
RESET_BEFORE = 2005
"""Years in which clocks start that have lost their battery."""
_SAID = re.compile(
    r"Time has been changed|time reset [+-]?\d{2,}|System clock wrong by -?\d{3,}|step time server|clock stepped"
    r"|Time jumped (?:back|for)wards?",
    re.IGNORECASE,
)
_STARTED = re.compile(
    r"syslogd (?:started|v?\d)|Linux version \d|Booting Linux|systemd-journald.*started|-- Reboot --|rsyslogd.*start$",
    re.IGNORECASE,
)


class _Clock:
    """Remembers the time of the event before."""

    def __init__(self) -> None:
        self._before: datetime | None = None
        self._has_started = False

    def __call__(self, event: LogEvent) -> Iterator[Seen]:
        if event.number == CHANGED or (event.number == KERNEL_CHANGED and event.program == KERNEL_GENERAL):
            moved = _moved(event)
            if moved is None or moved >= LEAST:
                yield Seen(Severity.MEDIUM, "the clock was set", event)
        elif _SAID.search(event.message):
            yield Seen(Severity.LOW, "the clock was set", event)
        self._has_started = self._has_started or _STARTED.search(event.message) is not None
        before, now = self._before, event.time
        if now is None or (before is not None and (before.tzinfo is None) != (now.tzinfo is None)):
            return
        self._before = now
        if before is not None and before - now > LEAST:
            yield from self._back(event, before, now)
        self._has_started = self._has_started and before is not None and now == before

    def _back(self, event: LogEvent, before: datetime, now: datetime) -> Iterator[Seen]:
        days = (before - now).days
        size = f"{days} days" if days > 1 else f"{(before - now).total_seconds() / 3600:.1f} hours"
        if now.year < RESET_BEFORE:
            yield Seen(Severity.LOW, f"the clock fell back to {now.year}, as it does when its battery is empty", event)
        elif self._has_started:
            yield Seen(Severity.LOW, f"the clock went back by {size} at a start", event)
        else:
            yield Seen(Severity.MEDIUM, f"the clock went back by {size}", event)


def _moved(event: LogEvent) -> timedelta | None:
    """Return how far Windows says the clock was moved."""
    values = event.values
    old = values.get("PreviousTime") or values.get("OldTime", "")
    new = values.get("NewTime", "")
    try:
        return abs(datetime.fromisoformat(new) - datetime.fromisoformat(old))
    except (ValueError, TypeError):
        return None


def _watch() -> Watch:
    return _Clock()


WATCHER = Watcher(
    name="log-time-jump",
    question="Did the clock jump?",
    title="The clock of the device jumped",
    remedy=(
        "Times in records of patients and in logs cannot be relied upon around this place, and expired certificates "
        "may have been accepted. Check the clock and its battery, and let the device get its time from a server "
        "you trust."
    ),
    severity_rule="Medium when it went back in operation or was set by hand, low when it did so by itself.",
    source="systemd, chrony, ntpd; Windows events 1 of Kernel-General and 4616; the times of the log itself",
    controls=Controls(
        fda=("F",), iec_62443=("CR 2.11",), iec_81001=("6.2",), cra=("I.2l",), mds2=("AUDT",), cwe=("345",)
    ),
    watch=_watch,
)
