"""Settings of Windows and Windows CE that let somebody in, from registry hives and registry texts (.reg)."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.exposure.registry_hive import Hive, HiveKey
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "OLD", "OLD_NAME", "WindowsGap", "WindowsSetting", "gaps_of"]

MOST_TEXT_BYTES = 1 << 22


class WindowsGap(enum.StrEnum):
    """What a setting opens."""

    REMOTE = "remote access"
    LOGON = "automatic logon"
    START = "start of programs"
    RIGHTS = "rights of programs"
    VERSION = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsSetting(Observation):
    """A setting; ``is_grave`` when nothing else is needed to get in."""

    gap: WindowsGap
    words: str
    is_grave: bool


_Value = str | int
_NUMBERS = {
    (r"lanmanserver\\parameters$", "smb1", 1): (WindowsGap.REMOTE, "SMB version 1 is switched on", True),
    (r"control\\terminal server$", "fdenytsconnections", 0): (
        WindowsGap.REMOTE, "Remote Desktop is switched on", False,
    ),
    (r"winstations\\rdp-tcp$", "userauthentication", 0): (
        WindowsGap.REMOTE, "Remote Desktop shows its logon screen to everybody", True,
    ),
    (r"firewallpolicy\\\w+profile$", "enablefirewall", 0): (WindowsGap.REMOTE, "the firewall is switched off", False),
    (r"comm\\telnetd$", "isenabled", 1): (WindowsGap.REMOTE, "the Telnet server of Windows CE is switched on", True),
    (r"comm\\telnetd$", "useauthentication", 0): (WindowsGap.REMOTE, "Telnet asks for no password", True),
    (r"comm\\ftpd$", "isenabled", 1): (WindowsGap.REMOTE, "the FTP server of Windows CE is switched on", True),
    (r"comm\\ftpd$", "allowanonymous", 1): (WindowsGap.REMOTE, "FTP lets everybody in", True),
    (r"comm\\ftpd$", "useauthentication", 0): (WindowsGap.REMOTE, "FTP asks for no password", True),
    (r"comm\\ftpd$", "allowanonymousupload", 1): (WindowsGap.REMOTE, "FTP lets everybody store files", True),
    (r"services\\mrxsmb10$", "start", 2): (WindowsGap.REMOTE, "SMB version 1 is switched on", True),
    (r"schannel\\protocols\\ssl [23]\.0\\(?:server|client)$", "enabled", 1): (
        WindowsGap.REMOTE, "Windows allows SSL, which is broken", False,
    ),
    (r"schannel\\protocols\\tls 1\.0\\(?:server|client)$", "enabled", 1): (
        WindowsGap.REMOTE, "Windows allows TLS 1.0, which is outdated", False,
    ),
}  # fmt: skip
OLD = {
    "4.0": "Windows NT 4", "5.0": "Windows 2000", "5.1": "Windows XP", "5.2": "Windows Server 2003",
    "6.0": "Windows Vista or Server 2008",
    "6.1": "Windows 7 or Server 2008 R2", "6.2": "Windows 8 or Server 2012",
}  # fmt: skip
"""Versions Microsoft mends no more, by ``CurrentVersion``; later ones say 6.3. Source: Microsoft, lifecycle."""
OLD_NAME = re.compile(
    r"Windows (?:95|98|NT(?: 4(?:\.0)?)?|2000|XP(?: Embedded)?|Server 2003|Vista|7|CE"
    r"|Embedded Standard(?: 2009)?)(?![\w.])"
)
_UNQUOTED = re.compile(r"^(?!\")[a-z]:\\[^\"]*?\s[^\"]*?\.exe\b", re.IGNORECASE)
_SPACE_LATER = re.compile(r"^[a-z]:\\\S+\.exe(?:\s|$)", re.IGNORECASE)
_OWN_PROGRAM = re.compile(r"^\"?[a-z]:\\(?!win)[^\"]*\.exe\b", re.IGNORECASE)
_OPEN_FOLDER = re.compile(
    r"^\"?(?:[a-z]:\\(?:te?mp|users\\public|programdata|windows\\temp)\\|%temp%|%public%)", re.IGNORECASE
)
_CHOSEN = (
    r"microsoft\windows nt\currentversion", r"microsoft\windows nt\currentversion\winlogon",
    r"microsoft\windows\currentversion\run",
    r"services\lanmanserver\parameters", r"control\terminal server",
    r"control\terminal server\winstations\rdp-tcp",
    r"services\sharedaccess\parameters\firewallpolicy\standardprofile", r"comm\telnetd", r"comm\ftpd",
)  # fmt: skip


_Gap = tuple[str, WindowsGap, str, bool]
"""Name of the value, what it opens, in words, and whether that is grave."""


def gaps_of(key: str, values: dict[str, _Value]) -> Iterator[_Gap]:
    """Yield what the values of ``key`` open."""
    path = key.lower()
    for (place, name, wrong), (gap, words, grave) in _NUMBERS.items():
        if values.get(name) == wrong and re.search(place, path):
            yield name, gap, words, grave
    if path.endswith("currentversion\\winlogon"):
        yield from _logon(values)
    if path.endswith("windows nt\\currentversion"):
        yield from _version(values)
    yield from _starts(path, values)


def _version(values: dict[str, _Value]) -> Iterator[_Gap]:
    number = str(values.get("currentversion", ""))
    old = OLD.get(number)
    name = OLD_NAME.search(str(values.get("productname", ""))) if not number else None
    if old is not None:
        yield "currentversion", WindowsGap.VERSION, f"{old}: its maker mends it no more", True
    elif name is not None:
        yield "productname", WindowsGap.VERSION, f"{name.group()}: its maker mends it no more", True


def _logon(values: dict[str, _Value]) -> Iterator[_Gap]:
    if str(values.get("autoadminlogon", "0")) == "1":
        yield "autoadminlogon", WindowsGap.LOGON, "Windows logs a user in by itself", False
        if values.get("defaultpassword"):
            words = "the password of the automatic logon is stored readably"
            yield "defaultpassword", WindowsGap.LOGON, words, True


def _starts(path: str, values: dict[str, _Value]) -> Iterator[_Gap]:
    if path.endswith(("currentversion\\run", "currentversion\\runonce")):
        for name, value in values.items():
            if _OPEN_FOLDER.match(str(value)):
                yield name, WindowsGap.START, "a program every user can replace starts with Windows", True
    image = str(values.get("imagepath", ""))
    if str(values.get("objectname", "")).lower() == "localsystem" and _OWN_PROGRAM.search(image):
        words = "a service of the device's own runs with all rights of the computer"
        yield "objectname", WindowsGap.RIGHTS, words, True
    if re.search(r"services\\[^\\]+$", path) and _UNQUOTED.match(image) and not _SPACE_LATER.match(image):
        yield "imagepath", WindowsGap.START, "the path of a service has blanks and no quotation marks", False


def _read(content: Content) -> Iterator[Observation]:
    keys = _hive_keys(content) if content.head.startswith(b"regf") else _text_keys(content)
    for key, rows in keys:
        values = {name.lower(): value for name, value, _ in rows}
        places = {name.lower(): place for name, _, place in rows}
        for name, gap, words, grave in gaps_of(key, values):
            shown = f"{key.rpartition(chr(92))[2]}: {name}"
            yield WindowsSetting(offset=places[name], excerpt=shown, gap=gap, words=words, is_grave=grave)


_Rows = list[tuple[str, _Value, int]]


def _hive_keys(content: Content) -> Iterator[tuple[str, _Rows]]:
    """Yield the keys we judge: fixed ones, and all services."""
    hive = Hive(content.span.window)
    tops = [hive.root()]
    tops += [key for key in hive.children(tops[0]) if re.fullmatch(r"(?i)controlset\d{3}|software|system", key.name)]
    for top in tops:
        for path in _CHOSEN:
            key = _down(hive, top, path)
            if key is not None:
                yield path, list(hive.values(key))
        services = hive.child(top, "services")
        for key in hive.children(services) if services is not None else ():
            yield f"services\\{key.name}", list(hive.values(key))


def _down(hive: Hive, top: HiveKey, path: str) -> HiveKey | None:
    key: HiveKey | None = top
    for name in path.split("\\"):
        key = hive.child(key, name) if key is not None else None
    return key


_ROW = re.compile(
    r"^\s*\"(?P<name>[^\"]{1,200})\"\s*=\s*"
    r"(?:dword:(?P<number>[0-9a-fA-F]{1,8})|\"(?P<text>(?:[^\"\\]|\\.)*)\")"
)


def _text_keys(content: Content) -> Iterator[tuple[str, _Rows]]:
    raw = bytes(content.span.window.view[:MOST_TEXT_BYTES])
    is_wide = raw.startswith(b"\xff\xfe")
    text = raw.decode("utf-16-le" if is_wide else "latin-1", "replace")
    width = 2 if is_wide else 1
    key, start = "", 0
    rows: _Rows = []
    for line in text.splitlines(keepends=True):
        if line.lstrip("\ufeff ").startswith("["):
            if rows:
                yield key, rows
            key, rows = line.strip("\ufeff \r\n[]"), []
        found = _ROW.match(line)
        if found is not None and key:
            number = found["number"]
            value: _Value = int(number, 16) if number else found["text"].replace("\\\\", "\\").replace('\\"', '"')
            rows.append((found["name"], value, start))
        start += len(line) * width
    if rows:
        yield key, rows


def _wants(content: Content) -> bool:
    is_text = content.name.lower().endswith((".reg", ".fdf", ".rgu")) and content.span.size <= MOST_TEXT_BYTES
    return (is_text and "share/" not in content.path) or content.head.startswith(b"regf")


_EXAMPLE = (
    b'REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\Comm\\TELNETD]\r\n"IsEnabled"=dword:1\r\n"UseAuthentication"=dword:1\r\n'
    b'[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon]\r\n"AutoAdminLogon"="1"\r\n'
)

OBSERVER = Observer(
    name="windows-settings",
    title="Settings of Windows",
    source="Microsoft Learn: Winlogon, Terminal Server, SMB and Windows CE server settings; regf specification",
    wants=_wants,
    read=_read,
    example=lambda: ("Windows/default.reg", _EXAMPLE),
    shows=2,
)
