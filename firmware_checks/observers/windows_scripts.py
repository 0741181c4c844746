"""What scripts of Windows switch on, and texts that say which Windows it is: boot.ini, systeminfo and the like."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.observers.windows_settings import OLD_NAME, WindowsGap, WindowsSetting, gaps_of

__all__ = ["OBSERVER"]

MOST_BYTES = 1 << 18
_SCRIPTS = (".cmd", ".bat", ".ps1")
_TELLING = re.compile(
    r"(?i)(?:^|/)(?:boot\.ini|prodspec\.ini|(?:txtsetup|winnt|unattend)\.sif|(?:systeminfo|msinfo32?|w"
    r"inver)[^/]*\.txt)$"
)
_SWITCHED_OFF = re.compile(r"\s*(?:@?rem\s|::|#|;|//)", re.IGNORECASE)
_REG_ADD = re.compile(
    r"\breg(?:\.exe)?\s+add\s+\"?(?P<key>HK[^\"]{3,200}?)\"?\s+/v\s+\"?(?P<name>[^\"\s]{1,80})\"?"
    r"(?:\s+/t\s+\w+)?\s+/d\s+\"?(?P<value>[^\"\s]{1,120})",
    re.IGNORECASE,
)
_SET_ITEM = re.compile(
    r"(?:Set|New)-ItemProperty\s+(?:-Path\s+)?[\"']?(?P<key>HKLM:[^\"']{3,200}?)[\"']?\s+(?:-Name\s+)?[\"']?"
    r"(?P<name>\w{1,80})[\"']?\s+.{0,60}?-Value\s+[\"']?(?P<value>[^\"'\s]{1,120})",
    re.IGNORECASE,
)
_COMMANDS = (
    (re.compile((
        r"-EnableSMB1Protocol\s+\$?true|\bSMB1Protocol\b.*-(?:Online|All)|Enable-\w+.*\bSMB1Protocol\b"
    ), re.IGNORECASE),
     WindowsGap.REMOTE, "SMB version 1 is switched on", True),
    (re.compile(r"\bnetsh\s+(?:adv)?firewall\s+set\s+(?:\w+profiles?\s+state\s+off|opmode\s+(?:mode=)?disable)"
                r"|Set-NetFirewallProfile.*-Enabled\s+\$?False", re.IGNORECASE),
     WindowsGap.REMOTE, "the firewall is switched off", False),
    (re.compile(r"\bsc(?:\.exe)?\s+(?:create|config)\s.*\bobj=\s*\"?(?:\.\\)?LocalSystem\b", re.IGNORECASE),
     WindowsGap.RIGHTS, "a service of the device's own runs with all rights of the computer", True),
)  # fmt: skip


def _read(content: Content) -> Iterator[Observation]:
    raw = bytes(content.span.window.view[:MOST_BYTES])
    is_wide = raw.startswith(b"\xff\xfe")
    text = raw.decode("utf-16-le" if is_wide else "latin-1", "replace")
    read = _version if _TELLING.search(content.path) else _switches
    start = 0
    for line in text.splitlines(keepends=True):
        if not _SWITCHED_OFF.match(line):
            for gap, words, is_grave in read(line):
                excerpt = words.partition(":")[0]
                yield WindowsSetting(offset=start, excerpt=excerpt, gap=gap, words=words, is_grave=is_grave)
        start += len(line) * (2 if is_wide else 1)


def _version(line: str) -> Iterator[tuple[WindowsGap, str, bool]]:
    found = OLD_NAME.search(line)
    if found is not None:
        yield WindowsGap.VERSION, f"{found.group()}: its maker mends it no more", True


def _switches(line: str) -> Iterator[tuple[WindowsGap, str, bool]]:
    for expression, gap, words, is_grave in _COMMANDS:
        if expression.search(line):
            yield gap, words, is_grave
    found = _REG_ADD.search(line) or _SET_ITEM.search(line)
    if found is not None:
        value = found["value"]
        number = int(value, 0) if re.fullmatch(r"0x[0-9a-fA-F]{1,8}|[1-9]\d{0,9}|0", value) else value
        key = found["key"].replace(":", "").rstrip("\\")
        for _name, gap, words, is_grave in gaps_of(key, {found["name"].lower(): number}):
            yield gap, words, is_grave


def _wants(content: Content) -> bool:
    name = content.name.lower()
    return content.span.size <= MOST_BYTES and (name.endswith(_SCRIPTS) or _TELLING.search(content.path) is not None)


_EXAMPLE = (
    b'reg add "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Terminal Server" /v fDenyTSConnections'
    b" /t REG_DWORD /d 0 /f\r\n"
)

OBSERVER = Observer(
    name="windows-scripts",
    title="What scripts of Windows switch on, and which Windows texts name",
    source="Microsoft Learn: reg add, netsh advfirewall, Set-SmbServerConfiguration, sc create, systeminfo; boot.ini",
    wants=_wants,
    read=_read,
    example=lambda: ("setup/install.cmd", b"rem " + _EXAMPLE + _EXAMPLE),
    shows=1,
)
