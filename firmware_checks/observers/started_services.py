"""Services that a device starts: inetd, xinetd, inittab, init and other scripts, units of systemd, cron."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from firmware_checks.exposure.service_kinds import PROGRAMS, ServiceKind, program_of
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "Start", "StartedService"]

MOST_BYTES = 1 << 18
MOST_LINES = 10_000
MOST_RAW_BYTES = 16 << 20


class Start(enum.StrEnum):
    """What starts a service."""

    INETD = "inetd"
    XINETD = "xinetd"
    INIT = "inittab"
    UNIT = "a unit of systemd"
    CRON = "cron"
    INIT_SCRIPT = "an init script"
    SCRIPT = "a script"
    PROGRAM = "the program of a microcontroller"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedService(Observation):
    """A line that starts a program others can reach."""

    kind: ServiceKind
    program: str
    start: Start
    arguments: str = field(repr=False)
    """All that follows the program; may hold a password, so never for an output."""
    line: str = field(repr=False)
    """Of inittab: terminal and action before the program."""


_GATE = re.compile(
    rb"telnetd|ftpd|rshd|rlogind|rexecd|vnc|gdbserver|lldb-server|adbd|qconn|pdebug|debugserver|tcf-agent|upnpd|minissdpd"
    rb"|minidlnad|getty|ListenStream|AxedaDesktopServer|\bn(?:et)?cat\b|\bnc\b|\bsocat\b|ttyd|shellinaboxd|udpsvd"
)
_NAME = "|".join(re.escape(name) for name in sorted(PROGRAMS, key=len, reverse=True))
_STARTER = (
    r"(?:exec|nohup|setsid|busybox|sudo|then|do|else|tcpd|env|nice|start|eval"
    r"|(?:\S*/)?(?:tcpsvd|udpsvd)[ \t][^\n;|&]{1,60}?|\S*/busybox|\S*/start-stop-daemon[^\n]*?)"
)
_PATH = r"[\"']?(?:[\w./${}-]*/)?"
_COMMAND = re.compile(
    rf"(?:^|[;&|({{`!]|\$\(|\b{_STARTER}[ \t])[ \t]*(?:\w+=\S*[ \t]+)*{_PATH}(?P<name>{_NAME})(?=[\s\"';&|)]|$)"
    r"(?P<rest>[^\n;|&]*)"
)
_EXEC = re.compile(rf"(?:-x|--exec|-a|--startas)[ =]+{_PATH}(?P<name>{_NAME})(?=[\s\"']|$)(?P<rest>[^\n;|&]*)")
_VARIABLE = re.compile(rf"^\s*(?:export\s+)?\w*(?:DAEMON|PROG|EXEC|BIN|CMD)\w*={_PATH}(?P<name>{_NAME})[\"']?\s*$")
_INIT_SCRIPT = re.compile(r"(?:^|/)(?:init\.d|rc\d?\.d|rcS\.d)/[^/]+$")
_TEXT = re.compile(r"(?:^|/)(?:rcS|rc\.local|rc\.sysinit|rc|profile|S\d\d[^/]*|[^/]*\.sh)$")
_DROP_IN = re.compile(r"\.(?:service|socket)\.d/[^/]+\.conf$")
_LISTEN = re.compile(r"^ListenStream\s*=\s*(?:\S*:)?(?P<port>\d+)\s*$")
_PORTS = {
    "21": ("ftpd", ServiceKind.FTP), "23": ("telnetd", ServiceKind.TELNET), "512": ("rexecd", ServiceKind.REMOTE_SHELL),
    "513": ("rlogind", ServiceKind.REMOTE_SHELL), "514": ("rshd", ServiceKind.REMOTE_SHELL),
    "5900": ("vncserver", ServiceKind.SCREEN),
}  # fmt: skip
"""What waits at ports that a socket of systemd opens. Source: IANA, Service Name and Port Number Registry."""
_DISABLED = re.compile(rb"^\s*disable\s*=\s*yes", re.MULTILINE)
_CRON = re.compile(r"(?:^|/)(?:crontabs?/[^/]+|crontab|cron\.(?:d|daily|hourly|weekly|monthly)/[^/]+)$")
_MANUALS = re.compile(r"(?:^|/)(?:share/doc|examples?|tests?|dist-packages|site-packages)/")


_GREETING = re.compile(rb"220[ -][ -~]{0,40}?FTP [Ss]erver[ -~]{0,60}")
"""What an FTP server says first. Source: RFC 959, 5.4."""


def _greetings(content: Content) -> Iterator[Observation]:
    """Yield the servers in a raw program, which says itself what they greet with."""
    data = bytes(content.span.window.view[:MOST_RAW_BYTES])
    found = _GREETING.search(data) if b"FTP " in data else None
    if found is not None:
        yield StartedService(
            offset=found.start(),
            excerpt=found.group().decode("ascii", "replace"),
            kind=ServiceKind.FTP,
            program="an FTP server",
            start=Start.PROGRAM,
            arguments="",
            line="",
        )


def _way(content: Content) -> Start | None:
    name, path = content.name, content.path
    if name == "inetd.conf" or ("inetd.d/" in path and "xinetd" not in path):
        return Start.INETD
    if "xinetd.d/" in path or name == "xinetd.conf":
        return Start.XINETD
    if name == "inittab":
        return Start.INIT
    if name.endswith((".service", ".socket")) or _DROP_IN.search(path):
        return Start.UNIT
    if _CRON.search(path):
        return Start.CRON
    if _INIT_SCRIPT.search(path):
        return Start.INIT_SCRIPT
    is_script = content.head.startswith(b"#!") and b"sh" in bytes(content.span.window.view[:40]).split(b"\n", 1)[0]
    return Start.SCRIPT if is_script or _TEXT.search(path) else None


def _read(content: Content) -> Iterator[Observation]:
    if _is_raw_program(content):
        yield from _greetings(content)
        return
    way = _way(content)
    text = bytes(content.span.window.view[:MOST_BYTES])
    if way is None or b"\0" in text[:512]:
        return
    if not _GATE.search(text) and way is not Start.INIT:
        return
    if way is Start.XINETD and _DISABLED.search(text):
        return
    reader = _READERS.get(way, _script)
    for offset, line in _lines(text):
        seen = reader(line)
        if seen is not None and (seen[3] != "variable" or way is Start.INIT_SCRIPT):
            name, kind, rest, before = seen
            shown = f"{name}, started by {way.value}"
            if kind is ServiceKind.CONSOLE and name in ("sh", "ash", "bash"):
                shown = f"{before}:{name}"
            yield StartedService(
                offset=offset, excerpt=shown, kind=kind, program=name, start=way, arguments=rest, line=before
            )


def _lines(text: bytes) -> Iterator[tuple[int, str]]:
    """Yield offset and text of each line that is no comment; in xinetd a block counts as one line."""
    start = 0
    for raw in text.splitlines(keepends=True)[:MOST_LINES]:
        line = raw.decode("utf-8", "replace").strip()
        if line and not line.startswith(("#", ";")):
            yield start, line
        start += len(raw)


_Found = tuple[str, ServiceKind, str, str]


def _inetd(line: str) -> _Found | None:
    fields = line.split()
    found = program_of(fields[5:]) if len(fields) >= 6 else None
    return (*found, "") if found is not None else None


def _xinetd(line: str) -> _Found | None:
    key, mark, value = line.partition("=")
    found = program_of(value.split()) if mark and key.strip() == "server" else None
    return (*found, "") if found is not None else None


def _inittab(line: str) -> _Found | None:
    fields = line.split(":", 3)
    if len(fields) < 4 or fields[2] not in ("respawn", "once", "wait", "boot", "sysinit", "askfirst", "bootwait"):
        return None
    words = fields[3].split()
    before = f"{fields[0]}::{fields[2]}"
    name = words[0].lstrip("-").rpartition("/")[2] if words else ""
    if (name in ("sh", "ash", "bash") and len(words) == 1) or (name == "sulogin" and "-e" in words):
        return name, ServiceKind.CONSOLE, "", before
    found = program_of(words)
    return (*found, before) if found is not None else None


def _unit(line: str) -> _Found | None:
    key, _, value = line.partition("=")
    listen = _LISTEN.match(line)
    if listen is not None and listen["port"] in _PORTS:
        name, kind = _PORTS[listen["port"]]
        return name, kind, "", ""
    found = program_of(value.split()) if key.strip() in ("ExecStart", "ExecStartPre", "ExecStartPost") else None
    return (*found, "") if found is not None else None


def _script(line: str) -> _Found | None:
    code = re.split(r"(?:^|\s)#", line, maxsplit=1)[0]
    found = _COMMAND.search(code) or (_EXEC.search(code) if "daemon" in code else None)
    if found is None:
        found = _VARIABLE.search(code)
        if found is None:
            return None
        return found["name"], PROGRAMS[found["name"]], "", "variable"
    named = program_of([found["name"], *found["rest"].split()])
    if (
        named is None
        or "--stop" in code
        or " -K" in code
        or re.search(r"\b(?:killall|pidof|pkill|which|command)\b", code)
    ):
        return None
    return (*named, "")


_READERS: dict[Start, Callable[[str], _Found | None]] = {
    Start.INETD: _inetd,
    Start.XINETD: _xinetd,
    Start.INIT: _inittab,
    Start.UNIT: _unit,
}


def _is_raw_program(content: Content) -> bool:
    """Tell whether it is one, or a file that is called like one and does not begin with text."""
    if content.elf is not None:
        return False
    is_called_so = content.name.lower().endswith((".bin", ".img", ".rom", ".fw")) and b"\0" in content.head
    return content.program is not None or is_called_so


def _wants(content: Content) -> bool:
    if _is_raw_program(content):
        return True
    if content.span.size > MOST_BYTES or _MANUALS.search(content.path):
        return False
    return _way(content) is not None


OBSERVER = Observer(
    name="started-services",
    title="Services that the device starts",
    source="inetd.conf(5), xinetd.conf(5), inittab(5), systemd.service(5), crontab(5), manual of BusyBox init",
    wants=_wants,
    read=_read,
    example=lambda: (
        "etc/init.d/rcS",
        b"#!/bin/sh\n# telnetd is off\nmount -a\ntelnetd -l /bin/sh &\nbusybox tftpd -c /tmp\nkillall vsftpd\n",
    ),
    shows=2,
)
