"""Logins in messages of many programs: who came from where, and whether the door opened."""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolkit.hardening.logs.event import LogEvent

__all__ = ["Login", "login_of"]

WINDOWS_SUCCESS, WINDOWS_FAILURE = 4624, 4625
REMOTE_DESKTOP = "10"
"""Logon type; source: Microsoft, audit event 4624."""
_FAILED = re.compile(
    r"Failed (?:password|none|publickey|keyboard-interactive(?:/pam)?) for (?:invalid user )?(?P<user>.{0,64}?) from "
    r"(?P<source>[\w.:%-]{1,64})"
    r"|Bad (?:password|PAM password) attempt for '(?P<user2>[^']{0,64})' from (?P<source2>[\w.:%-]{1,64}?)(?::\d+)?$"
    r"|Login attempt for nonexistent user from (?P<source3>[\w.:%-]{1,64}?)(?::\d+)?$"
    r"|(?:invalid password|authentication failure|FAILED LOGIN|FAIL LOGIN|bad password|login failed)\b.*",
    re.IGNORECASE,
)
_REMOTE_HOST = re.compile(r"(?:rhost=|Client \"|FROM |from ['\"]?)(?:::ffff:)?(?P<source>[\w.:%/-]{2,64})")
_OPENED = re.compile(
    r"Accepted (?P<how>[\w/-]{1,32}) for (?P<user>\S{1,64}) from (?P<source>[\w.:%-]{1,64})"
    r"|(?P<how2>Password|Pubkey|PAM password) auth succeeded for '(?P<user2>[^']{1,64})'.* from "
    r"(?P<source2>[\w.:%-]{1,64}?)(?::\d+)?$"
    r"|ROOT LOGIN +on '?(?P<line>[\w/]{2,32})'?|root login on '?(?P<line2>[\w/]{2,32})'?"
    r"|LOGIN ON (?P<line3>[\w/]{2,32}) BY (?P<user3>\S{1,64})"
    r"|OK LOGIN: Client \"(?:::ffff:)?(?P<source4>[\w.:]{2,64})\"",
)  # fmt: skip
_PROGRAMS = (
    "sshd",
    "dropbear",
    "login",
    "telnetd",
    "vsftpd",
    "ftpd",
    "proftpd",
    "pure-ftpd",
    "su",
    "sudo",
    "getty",
    "systemd-logind",
)
_NEVER = frozenset({"-", "", "::1", "127.0.0.1", "localhost"})


@dataclass(frozen=True, slots=True)
class Login:
    """One attempt."""

    is_open: bool
    user: str
    source: str
    """Computer it came from; empty for somebody at the device."""
    line: str = ""
    """Terminal, such as ``ttyS0``; ``remote desktop`` for one."""
    how: str = ""


def login_of(event: LogEvent) -> Login | None:
    """Return the attempt that ``event`` tells of; None when it tells of something else."""
    if event.number is not None:
        return _windows(event)
    opened = _OPENED.search(event.message)
    if opened is not None:
        of = opened.groupdict()
        line = of["line"] or of["line2"] or of["line3"] or ""
        user = of["user"] or of["user2"] or of["user3"] or ("root" if line else "")
        source = of["source"] or of["source2"] or of["source4"] or ""
        return Login(True, user, "" if source in _NEVER else source, line, of["how"] or of["how2"] or "")
    program = event.program.partition("(")[0]
    failed = _FAILED.search(event.message) if program in _PROGRAMS or "pam" in event.message else None
    if failed is None:
        return None
    of = failed.groupdict()
    source = of["source"] or of["source2"] or of["source3"] or _somewhere(event.message)
    return Login(False, of["user"] or of["user2"] or "", "" if source in _NEVER else source)


def _somewhere(message: str) -> str:
    found = _REMOTE_HOST.search(message)
    return found["source"] if found is not None else ""


def _windows(event: LogEvent) -> Login | None:
    if event.number not in (WINDOWS_SUCCESS, WINDOWS_FAILURE):
        return None
    values = event.values
    source = values.get("IpAddress", "")
    line = "remote desktop" if values.get("LogonType") == REMOTE_DESKTOP else ""
    user = values.get("TargetUserName", "")
    return Login(event.number == WINDOWS_SUCCESS, user, "" if source in _NEVER else source, line)
