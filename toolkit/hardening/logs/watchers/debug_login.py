"""Did somebody get in by a service or debug way?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.core.findings import Severity
from toolkit.hardening.logs.event import LogEvent
from toolkit.hardening.logs.logins import login_of
from toolkit.hardening.logs.watcher import Seen, Watch, Watcher, shown_name

__all__ = ["WATCHER"]

_SERIAL = re.compile(r"(?:/dev/)?(?:tty(?:S|AMA|USB|ACM|mxc|O|PS|LP|SAC|HS|GS)\d{1,3}|console|hvc\d)$")
_DEBUG = re.compile(r"\b(?:telnetd|in\.telnetd|adbd|gdbserver|rlogind|rshd|netconsole)\b")
_CONNECTED = re.compile(
    r"connect|session opened|Listening on port|Remote debugging from host|Process .{0,64} created", re.IGNORECASE
)


def _see(event: LogEvent) -> Iterator[Seen]:
    login = login_of(event)
    if login is not None and login.is_open:
        yield from _opened(event, login.line, login.user, login.source)
    elif _DEBUG.search(event.program) and _CONNECTED.search(event.message):
        yield Seen(Severity.HIGH, f"somebody used {shown_name(event.program)}", event)


def _opened(event: LogEvent, line: str, user: str, source: str) -> Iterator[Seen]:
    if _SERIAL.search(line):
        yield Seen(Severity.HIGH, f"{shown_name(user)} logged in at the serial port {shown_name(line)}", event)
    elif line == "remote desktop":
        yield Seen(Severity.MEDIUM, f"{shown_name(user)} logged in by remote desktop{_from(source)}", event)
    elif user == "root" and source:
        yield Seen(Severity.MEDIUM, f"root logged in over the network{_from(source)}", event)


def _from(source: str) -> str:
    return f" from {shown_name(source)}" if source else ""


def _watch() -> Watch:
    return _see


WATCHER = Watcher(
    name="log-debug-login",
    question="Did somebody get in by a service or debug way?",
    title="Somebody used a way in that is for service or debugging",
    remedy=(
        "Compare the time with the visits of service staff. If nobody was there, somebody had the device in hand or "
        "reached it over the network: compare it with its baseline and close that way in."
    ),
    severity_rule="High at a serial port or through a debug service, medium for root or remote desktop.",
    source="login, sshd, dropbear, telnetd, adbd, gdbserver; Windows event 4624",
    controls=Controls(
        fda=("A", "F"), iec_62443=("CR 2.8", "EDR 2.13"), iec_81001=("6.2",), cra=("I.2l",), mds2=("AUDT", "RMOT"),
        cwe=("489",),
    ),
    watch=_watch,
)  # fmt: skip
