"""Settings that open a service wider than it needs: sshd, snmpd, FTP servers, shares, trusted hosts, listeners."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_checks.exposure.comments import without_markup_comments
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "OpenSetting", "Service"]

MOST_BYTES = 1 << 19
WELL_KNOWN = ("public", "private", "community", "snmp", "admin")


class Service(enum.StrEnum):
    """Whose setting it is."""

    SSH = "ssh"
    SNMP = "snmp"
    FTP = "ftp"
    SHARE = "share"
    TRUST = "trusted hosts"
    LISTENER = "listener"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSetting(Observation):
    """One setting; ``is_grave`` when nobody needs to know anything to get in or to change something."""

    service: Service
    words: str
    is_grave: bool


_Found = tuple[str, bool]
_SSH = {
    "permitrootlogin": ("yes", "the superuser may log in over SSH with a password", False),
    "permitemptypasswords": ("yes", "SSH lets accounts in that have no password", True),
    "protocol": ("1", "SSH protocol 1, which is broken, is allowed", False),
    "hostbasedauthentication": ("yes", "SSH trusts what other computers say about their users", False),
}
_COMMUNITY = re.compile(r"^(r[ow])community6?\s+(\S+)(.*)", re.IGNORECASE)
_COM2SEC = re.compile(r"^com2sec6?\s+(?:-Cn\s+\S+\s+)?\S+\s+(\S+)\s+(\S+)", re.IGNORECASE)
_EXPORT = re.compile(r"(?:^|\s)(\*|0\.0\.0\.0/0|(?=\())\(([^)]*)\)")
_EVERYWHERE = re.compile(
    r"(?:bind(?:[-_.]?(?:address|ip|addr|host))?|listen(?:[-_.]?\w+)?|host(?:name)?|address|ip(?:addr)?|url|urls|server[._]\w+|interface|endpoint|prefix)"
    r"[\"']?\s*(?:[:=\s]|value=)\s*[\"'\[]*(?:https?://|tcp://|net\.tcp://)?(?:0\.0\.0\.0(?![\d./])|\*:\d+|\+:\d+)",
    re.IGNORECASE,
)


def _ssh(line: str) -> _Found | None:
    key, _, value = line.replace("=", " ").partition(" ")
    setting = _SSH.get(key.lower())
    if setting is None or setting[0] not in re.split(r"[\s,]+", value.strip().lower()):
        return None
    return setting[1], setting[2]


def _snmp(line: str) -> _Found | None:
    found = _COMMUNITY.match(line)
    if found is not None:
        is_known, may_write = found[2].strip('"') in WELL_KNOWN, found[1].lower() == "rw"
        if may_write:
            name = found[2] if is_known else "********"
            return f"whoever knows the community {name} may change settings over SNMP", is_known
        narrowed = "-V" in found[3] or re.search(r"\b(?:localhost|127\.0\.0\.1)\b", found[3]) is not None
        return ("SNMP answers everybody who says " + found[2].strip('"'), False) if is_known and not narrowed else None
    found = _COM2SEC.match(line)
    if found is None or found[2].strip('"') not in WELL_KNOWN or found[1] in ("localhost", "127.0.0.1"):
        return None
    return f"SNMP answers everybody who says {found[2]}", False


def _ftp(line: str) -> _Found | None:
    key, _, value = line.replace("=", " ").partition(" ")
    name, is_on = key.lower(), value.strip().lower() in ("yes", "on", "1", "true")
    if name == "anonymous_enable" and is_on:
        return "the FTP server lets everybody in without a password", False
    if name in ("anon_upload_enable", "anon_mkdir_write_enable", "anon_other_write_enable") and is_on:
        return "the FTP server lets everybody store files", True
    if name == "<anonymous":
        return "the FTP server lets everybody in without a password", False
    return None


def _share(line: str) -> _Found | None:
    key, mark, value = line.partition("=")
    name, said = key.strip().lower(), value.strip().lower()
    if not mark:
        return None
    if name in ("guest ok", "public", "guest only") and said in ("yes", "true", "1"):
        return "a folder is shared with everybody, without a password", True
    if name in ("server min protocol", "min protocol") and said in ("nt1", "core", "lanman1", "lanman2", "cifs"):
        return "shares are offered over SMB version 1", False
    return None


def _exports(line: str) -> _Found | None:
    options = [found[2].split(",") for found in _EXPORT.finditer(line)]
    if not options:
        return None
    if any("rw" in row for row in options):
        return "a folder is exported over NFS to every computer, which may change it", True
    return "a folder is exported over NFS to every computer", False


def _trust(line: str) -> _Found | None:
    return (
        ("every computer is trusted to name its users (rsh, rlogin)", True)
        if line.split(maxsplit=1)[0] == "+"
        else None
    )


def _listener(line: str) -> _Found | None:
    if _EVERYWHERE.search(line) is None or line.startswith("//"):
        return None
    return "a service listens on every network the device is connected to", False


_FILES: dict[str, tuple[Service, Callable[[str], _Found | None]]] = {
    "sshd_config": (Service.SSH, _ssh),
    "snmpd.conf": (Service.SNMP, _snmp),
    "snmpd.local.conf": (Service.SNMP, _snmp),
    "vsftpd.conf": (Service.FTP, _ftp),
    "proftpd.conf": (Service.FTP, _ftp),
    "smb.conf": (Service.SHARE, _share),
    "exports": (Service.SHARE, _exports),
    "hosts.equiv": (Service.TRUST, _trust),
    ".rhosts": (Service.TRUST, _trust),
}
_SETTINGS = (
    ".conf",
    ".cfg",
    ".ini",
    ".json",
    ".xml",
    ".config",
    ".yaml",
    ".yml",
    ".toml",
    ".properties",
    ".cnf",
    ".env",
    ".service",
    ".cmd",
    ".bat",
    ".ps1",
)
_MANUALS = re.compile(
    r"(?:^|/)(?:share|examples?|tests?|dist-packages|site-packages|lib/python[\d.]*|node_modules|gocode)/"
)


def _reader(content: Content) -> tuple[Service, Callable[[str], _Found | None]] | None:
    known = _FILES.get(content.name)
    if known is not None:
        return known
    if re.search(r"(?:^|/)(?:sshd_config|exports|vsftpd)\.d/", content.path):
        return _FILES["sshd_config" if "sshd_config" in content.path else "exports"]
    return (Service.LISTENER, _listener) if content.name.lower().endswith(_SETTINGS) else None


def _read(content: Content) -> Iterator[Observation]:
    reader = _reader(content)
    text = without_markup_comments(bytes(content.span.window.view[:MOST_BYTES]))
    if reader is None or b"\0" in text[:512]:
        return
    service, read = reader
    if service is Service.LISTENER and not any(gate in text for gate in (b"0.0.0.0", b"*:", b"+:")):
        return
    start = 0
    is_printer = False
    for raw in text.splitlines(keepends=True):
        line = raw.decode("utf-8", "replace").strip()
        if line.startswith("["):
            is_printer = line.lower() in ("[printers]", "[print$]")
        found = read(line) if line and line[0] not in "#;" and not is_printer else None
        if found is not None:
            yield OpenSetting(offset=start, excerpt=found[0], service=service, words=found[0], is_grave=found[1])
        start += len(raw)


def _wants(content: Content) -> bool:
    if content.span.size > MOST_BYTES:
        return False
    return _reader(content) is not None and _MANUALS.search(content.path) is None


OBSERVER = Observer(
    name="service-settings",
    title="Settings that open services",
    source="sshd_config(5), snmpd.conf(5), vsftpd.conf(5), smb.conf(5), exports(5), hosts.equiv(5)",
    wants=_wants,
    read=_read,
    example=lambda: (
        "etc/ssh/sshd_config",
        b"# PermitRootLogin yes\nPermitRootLogin yes\nPermitEmptyPasswords no\nProtocol 2,1\n",
    ),
    shows=2,
)
