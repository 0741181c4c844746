"""Did somebody try many passwords?"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from datetime import datetime, timedelta

from firmware_checks.controls import Controls
from toolkit.core.findings import Severity
from toolkit.hardening.logs.event import LogEvent
from toolkit.hardening.logs.logins import login_of
from toolkit.hardening.logs.watcher import Seen, Watch, Watcher, shown_name

__all__ = ["WATCHER"]

MANY = 8
"""Failures in the window; people who mistype give up or ask before."""
WINDOW = timedelta(minutes=10)
AFTERWARDS = timedelta(hours=1)
MOST_SOURCES = 10_000


class _Attempts:
    """Failed logins by where they came from."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, deque[datetime | None]] = OrderedDict()
        self._attacked: OrderedDict[str, datetime | None] = OrderedDict()

    def __call__(self, event: LogEvent) -> Iterator[Seen]:
        login = login_of(event)
        if login is None:
            return
        source = login.source
        where = f"from {shown_name(source)}" if source else "at the device"
        if login.is_open:
            began = self._attacked.pop(source, None)
            if began is not None and _within(began, event.time, AFTERWARDS):
                detail = f"a login {where} as {shown_name(login.user)} worked after many that failed"
                yield Seen(Severity.CRITICAL, detail, event)
            return
        times = self._failed.setdefault(source, deque(maxlen=MANY))
        times.append(event.time)
        if len(times) == MANY and _within(times[0], event.time, WINDOW):
            self._attacked[source] = event.time
            times.clear()
            yield Seen(
                Severity.HIGH, f"{MANY} or more logins {where} failed within {WINDOW.seconds // 60} minutes", event
            )
        for remembered in (self._failed, self._attacked):
            if len(remembered) > MOST_SOURCES:
                remembered.popitem(last=False)


def _within(before: datetime | None, after: datetime | None, span: timedelta) -> bool:
    """Tell whether two events lie so close together; those without a time do when they follow each other."""
    if before is None or after is None or (before.tzinfo is None) != (after.tzinfo is None):
        return True
    return abs(after - before) <= span


def _watch() -> Watch:
    return _Attempts()


WATCHER = Watcher(
    name="log-brute-force",
    question="Did somebody try many passwords?",
    title="Somebody tried many passwords",
    remedy=(
        "Find out whose computer it is and take it off the network. Change the passwords of the device, and keep its "
        "logins away from all networks but the one of the service staff. If a login worked afterwards, treat the "
        "device as taken over: put another one at the patient and keep this one for examination."
    ),
    severity_rule="High: many logins failed in a short time; critical when one worked soon afterwards.",
    source="sshd, dropbear, login, PAM, vsftpd; Windows events 4624 and 4625",
    controls=Controls(
        fda=("F",),
        iec_62443=("CR 1.11", "CR 6.2"),
        iec_81001=("6.2",),
        cra=("I.2l",),
        mds2=("AUDT", "PAUT"),
        cwe=("307",),
    ),
    watch=_watch,
)
