"""Does a device log at all? Its image shows who writes a log, what starts it, where it goes and how long it stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_checks.format import EntryKind
from toolkit.core.errors import MedhardenError
from toolkit.hardening.logs.watcher import shown_name
from toolkit.hardening.subject import HardeningSubject, SubjectFile, System
from toolkit.report.printable import printable

__all__ = ["LogAbility", "log_ability"]

MOST_TEXT_BYTES = 1 << 18
MOST_TEXTS = 4_000
LOGGERS = ("syslogd", "rsyslogd", "syslog-ng", "systemd-journald", "metalog", "socklog", "ulogd")
_PROGRAM_FOLDER = re.compile(r"^(?:usr/)?(?:s?bin|lib/systemd|libexec)/[^/]+$")
_START = re.compile(
    r"^etc/(?:init\.d/|rc[\w.]*|inittab$|rc\.d/|systemd/system/)|^(?:usr/)?lib/systemd/system/|^etc/(?:default|sysconfig)/"
)
_SETTINGS = re.compile(
    r"^etc/(?:r?syslog|syslog-ng|systemd/journald)[\w./-]*\.conf(?:\.d/.*)?$|^etc/rsyslog\.d/|^etc/(?:startup|syslog)\.conf$"
)
_REMOTE = re.compile(
    r"^[^#\n]*?(?:\s@{1,2}(?:\([^\s)]*\))?(?P<old>[A-Za-z0-9][\w.:-]{2,80})|target=\"(?P<new>[\w.:-]{2,80})\""
    r"|syslogd\b[^\n#]*\s-R\s*(?P<busybox>[\w.:-]{2,80})|\b(?:udp|tcp|network|syslog)\(\s*\"(?P<ng>[\w.:-]{2,80})\")",
    re.MULTILINE,
)
_VOLATILE = re.compile(
    r"^[^#\n]*\s/var(?:/log|/volatile)?\s+tmpfs|^\s*Storage\s*=\s*(?:volatile|none)|syslogd\b[^\n#]*\s-C\d*",
    re.MULTILINE,
)


class LogAbility(msgspec.Struct, frozen=True, kw_only=True):
    """What the image shows about logs."""

    answer: Annotated[str, Meta(description="yes, no, or unknown where the image does not show it.")]
    reason: Annotated[str, Meta(description="Why, in words.")]
    programs: Annotated[tuple[str, ...], Meta(description="Programs that write a log.")] = ()
    started_by: Annotated[tuple[str, ...], Meta(description="Files that start them.")] = ()
    sent_to: Annotated[tuple[str, ...], Meta(description="Computers that get a copy.")] = ()
    stays: Annotated[str, Meta(description="until restart, on disk, or unknown.")] = "unknown"


def log_ability(subject: HardeningSubject) -> LogAbility:
    """Return what the image shows; what could not be read makes a "no" unknown."""
    if subject.system is System.WINDOWS:
        found = [
            f.path
            for f in subject.files()
            if re.search(r"/winevt/logs/security\.evtx$|/sysevent\.evt$", f.path, re.IGNORECASE)
        ]
        if found:
            return LogAbility(
                answer="yes", reason="it has the event log of Windows", programs=("eventlog",), stays="on disk"
            )
        return LogAbility(
            answer="unknown", reason="the image has no event log of Windows; it is made at the first start"
        )
    if subject.system is not System.LINUX:
        return LogAbility(answer="unknown", reason="only the images of Linux and Windows devices show who writes a log")
    return _of_linux(subject)


def _of_linux(subject: HardeningSubject) -> LogAbility:
    files = list(subject.files())
    programs = sorted({name for file in files if (name := _logger(file)) is not None})
    if not programs:
        if subject.unread:
            return LogAbility(
                answer="unknown", reason="no program that writes a log was seen, and parts could not be read"
            )
        return LogAbility(answer="no", reason="there is no program that writes a log")
    starters, hosts, is_volatile = [], set[str](), False
    for file, text in _texts(subject, files):
        if _START.search(file.name) and any(re.search(rf"\b{re.escape(name)}\b", text) for name in LOGGERS):
            starters.append(file.path)
        hosts.update(_hosts(text))
        is_volatile = is_volatile or _VOLATILE.search(text) is not None
    is_volatile = is_volatile or any(
        f.name == "var/log" and f.kind is EntryKind.SYMBOLIC_LINK and "log" in f.name for f in files
    )
    is_started = bool(starters) or "systemd-journald" in programs
    answer, reason = "yes", "a program that writes a log is started"
    if not is_started:
        answer, reason = "no", "the program that writes a log is never started"
        if subject.unread:
            answer, reason = "unknown", "nothing was seen that starts it, and parts could not be read"
    return LogAbility(
        answer=answer,
        reason=reason,
        programs=tuple(programs),
        started_by=tuple(printable(path) for path in sorted(starters)),
        sent_to=tuple(sorted(map(shown_name, hosts))),
        stays="until restart" if is_volatile else "on disk",
    )


def _logger(file: SubjectFile) -> str | None:
    base = file.name.rpartition("/")[2]
    return base if base in LOGGERS and _PROGRAM_FOLDER.search(file.name) else None


def _texts(subject: HardeningSubject, files: list[SubjectFile]) -> Iterator[tuple[SubjectFile, str]]:
    wanted = [f for f in files if f.kind is EntryKind.FILE and (f.size or 0) <= MOST_TEXT_BYTES and _is_text(f.name)]
    for file in wanted[:MOST_TEXTS]:
        try:
            yield file, subject.read(file).decode("utf-8", "replace")
        except MedhardenError:
            continue  # what could not be read is told by whoever listed the image


def _is_text(name: str) -> bool:
    return name == "etc/fstab" or _START.search(name) is not None or _SETTINGS.search(name) is not None


def _hosts(text: str) -> Iterator[str]:
    for found in _REMOTE.finditer(text):
        yield next(value for value in found.groupdict().values() if value)
