"""Was a log emptied?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.core.findings import Severity
from toolkit.hardening.logs.event import LogEvent
from toolkit.hardening.logs.watcher import Seen, Watch, Watcher, shown_name

__all__ = ["WATCHER"]

SECURITY_CLEARED, LOG_CLEARED, AUDIT_CHANGED = 1102, 104, 4719
_COMMAND = re.compile(
    r"COMMAND=(?:\S*/)?(?:rm|shred|truncate|tee|dd|cp|mv|sh|bash|busybox|find|journalctl)\b.*?(?:/var/log|/var/run/log|--vacuum|--rotate|wtmp|lastlog|utmp)"
)
_STOPPED = re.compile(
    r"\b(?:Stopping|Stopped|Deactivated successfully).{0,60}\b(?:auditd|rsyslog|syslog-ng|Security Auditing Service)\b",
    re.IGNORECASE,
)
HOLE = re.compile(r"\x00{16,}")
"""A stretch of zero bytes where text should stand."""


def _see(event: LogEvent) -> Iterator[Seen]:
    if event.number in (SECURITY_CLEARED, LOG_CLEARED) and event.channel in ("Security", "System"):
        who = event.values.get("SubjectUserName", "")
        by = f" by {shown_name(who)}" if who else ""
        yield Seen(Severity.HIGH, f"a Windows event log was cleared{by}", event)
    elif event.number == AUDIT_CHANGED and event.channel == "Security":
        yield Seen(Severity.MEDIUM, "what Windows notes was changed", event)
    elif event.program in ("sudo", "doas") and _COMMAND.search(event.message):
        yield Seen(Severity.HIGH, "somebody with all rights deleted or emptied log files", event)
    elif event.program.startswith("systemd") and _STOPPED.search(event.message):
        yield Seen(Severity.LOW, "the program that writes the log was stopped", event)
    elif HOLE.search(event.message):
        yield Seen(Severity.LOW, "zero bytes stand where text should: erased, or lost when the power failed", event)


def _watch() -> Watch:
    return _see


WATCHER = Watcher(
    name="log-cleared",
    question="Was a log emptied?",
    title="A log was emptied or cut",
    remedy=(
        "Ask who did it and why: service staff empty logs now and then, and so does whoever wants to hide something. "
        "Compare with logs that were sent to another computer, and let the device send its log there from now on."
    ),
    severity_rule="High when somebody did it, medium when noting was changed, low when it can have happened by itself.",
    source="Windows events 104, 1102 and 4719; sudo; systemd",
    controls=Controls(
        fda=("F",),
        iec_62443=("CR 3.9", "CR 6.1"),
        iec_81001=("6.2",),
        cra=("I.2l",),
        mds2=("AUDT",),
        cwe=("117", "778"),
    ),
    watch=_watch,
)
