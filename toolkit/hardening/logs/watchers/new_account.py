"""Was an account made or given more rights?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.controls import Controls
from toolkit.core.findings import Severity
from toolkit.hardening.logs.event import LogEvent
from toolkit.hardening.logs.watcher import Seen, Watch, Watcher, shown_name

__all__ = ["WATCHER"]

CREATED, RESET, MEMBERS = 4720, 4724, (4728, 4732, 4756)
POWERFUL = ("sudo", "wheel", "root", "admin", "adm", "docker", "S-1-5-32-544", "Administrators", "Administratoren")
_NEW = re.compile(r"new user: name=(?P<user>[^,]{1,64}), UID=(?P<uid>\d{1,10})")
_GROUP = re.compile(r"add '(?P<user>[^']{1,64})' to (?:shadow )?group '(?P<group>[^']{1,64})'")
_PASSWORD = re.compile(r"password (?:for '?(?P<user>[\w.-]{1,64})'? )?changed(?: for (?P<user2>[\w.-]{1,64}))?")


def _see(event: LogEvent) -> Iterator[Seen]:
    yield from _windows(event) if event.number is not None else _unix(event)


def _unix(event: LogEvent) -> Iterator[Seen]:
    made = _NEW.search(event.message)
    if made is not None:
        is_root = int(made["uid"]) == 0
        rights = "with all rights " if is_root else ""
        severity = Severity.CRITICAL if is_root else Severity.MEDIUM
        yield Seen(severity, f"account {shown_name(made['user'])} {rights}was made", event)
    added = _GROUP.search(event.message)
    if added is not None and added["group"] in POWERFUL and "shadow group" not in event.message:
        yield Seen(Severity.HIGH, f"{shown_name(added['user'])} was put into the group {added['group']}", event)
    changed = _PASSWORD.search(event.message) if event.program in ("passwd", "chpasswd", "usermod") else None
    if changed is not None:
        user = changed["user"] or changed["user2"] or ""
        yield Seen(Severity.LOW, f"the password of {shown_name(user)} was changed", event)


def _windows(event: LogEvent) -> Iterator[Seen]:
    user = shown_name(event.values.get("TargetUserName", ""))
    if event.number == CREATED:
        yield Seen(Severity.MEDIUM, f"account {user} was made", event)
    elif event.number in MEMBERS and (
        event.values.get("TargetSid") in POWERFUL or event.values.get("TargetUserName") in POWERFUL
    ):
        yield Seen(Severity.HIGH, f"somebody was put into the group {user}", event)
    elif event.number == RESET:
        yield Seen(Severity.LOW, f"the password of {user} was set by somebody else", event)


def _watch() -> Watch:
    return _see


WATCHER = Watcher(
    name="log-new-account",
    question="Was an account made or given more rights?",
    title="An account was made or given more rights",
    remedy=(
        "Devices seldom get new accounts: ask service staff whether it was them. If nobody knows of it, treat the "
        "device as taken over: put another one at the patient and keep this one for examination."
    ),
    severity_rule="Critical for a second root, high for a powerful group, medium for an account, low for a password.",
    source="useradd, usermod, passwd of shadow; Windows events 4720, 4724, 4728, 4732 and 4756",
    controls=Controls(
        fda=("A", "F"), iec_62443=("CR 1.3", "CR 2.8"), iec_81001=("6.2",), cra=("I.2l",), mds2=("AUDT", "AUTH"),
        cwe=("269",),
    ),
    watch=_watch,
)  # fmt: skip
