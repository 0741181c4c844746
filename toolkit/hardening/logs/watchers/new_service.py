"""Was something set up that starts by itself?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.core.findings import Severity
from toolkit.hardening.logs.event import LogEvent
from toolkit.hardening.logs.watcher import Seen, Watch, Watcher, shown_name

__all__ = ["WATCHER"]

SERVICE_INSTALLED, SERVICE_AUDITED, TASK_CREATED = 7045, 4697, 4698
_CRON = re.compile(r"\((?P<user>[\w.-]{1,64})\) REPLACE \((?P<whose>[\w.-]{1,64})\)")
_ENABLED = re.compile(
    r"COMMAND=(?:\S*/)?(?:systemctl (?:--\S+ )?(?:enable|link)|update-rc\.d|chkconfig|rc-update|insserv|crontab|at)\b"
)
_DOUBTFUL = re.compile(
    r"(?:\\Temp\\|\\Users\\Public|\\AppData\\|%COMSPEC%|powershell|cmd(?:\.exe)? +/c|\\\\)", re.IGNORECASE
)


def _see(event: LogEvent) -> Iterator[Seen]:
    if event.number in (SERVICE_INSTALLED, SERVICE_AUDITED, TASK_CREATED):
        name = event.values.get("ServiceName") or event.values.get("TaskName", "")
        command = (
            event.values.get("ImagePath") or event.values.get("ServiceFileName") or event.values.get("TaskContent", "")
        )
        is_doubtful = _DOUBTFUL.search(command) is not None
        how = ", from a place or in a way that programs of a maker do not use" if is_doubtful else ""
        kind = "task" if event.number == TASK_CREATED else "service"
        severity = Severity.HIGH if is_doubtful else Severity.MEDIUM
        yield Seen(severity, f"{kind} {shown_name(name)} was installed{how}", event)
        return
    cron = _CRON.search(event.message) if event.program in ("crontab", "cron", "crond", "CROND") else None
    if cron is not None:
        yield Seen(Severity.MEDIUM, f"the timetable of {shown_name(cron['whose'])} was changed", event)
    enabled = _ENABLED.search(event.message) if event.program in ("sudo", "doas") else None
    if enabled is not None:
        yield Seen(Severity.MEDIUM, "somebody with all rights set up something that starts by itself", event)


def _watch() -> Watch:
    return _see


WATCHER = Watcher(
    name="log-new-service",
    question="Was something set up that starts by itself?",
    title="Something was set up that starts by itself",
    remedy=(
        "Ask the maker or the service staff whether an update of that day did it. What nobody knows of starts again "
        "with every restart: compare the device with its baseline, and keep it off the network until it is explained."
    ),
    severity_rule="High when it starts from a place or in a way that makers do not use, medium otherwise.",
    source="Windows events 4697, 4698 and 7045; cron; sudo",
    controls=Controls(
        fda=("D", "F"),
        iec_62443=("CR 2.8", "CR 3.4"),
        iec_81001=("6.2",),
        cra=("I.2l",),
        mds2=("AUDT", "MLDP"),
        cwe=("829",),
    ),
    watch=_watch,
)
