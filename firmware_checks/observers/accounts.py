"""Accounts of a Unix system and of web servers, and how each password is kept: passwd, shadow, htpasswd."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.readers.elf_file import MAGIC

__all__ = ["OBSERVER", "Account", "PasswordScheme"]

MOST_BYTES = 1 << 18
_WEB = ("htpasswd", ".htpasswd", "htpasswd.users", "httpd.passwd", "lighttpd.user", "boa.passwd")
_SYSTEM = re.compile(
    r"(?P<base>passwd|shadow|master\.passwd)(?:-|~|[._-](?:bak|backup|old|orig|default|dist|tmpl|new|ro|\d))?"
)
_WEB_ENDING = re.compile(r"\.?(?:htpasswd|htusers|users\.passwd)$")
_OF_BUSYBOX = "httpd.conf"
_PAGE_RULE = re.compile(rb"/[^:\s]*:(?P<rest>[^:\s]+:\S+)")
"""A line of httpd.conf of BusyBox: path, user and password."""
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,63}\$?")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}")
_DESCRYPT = re.compile(r"[./0-9A-Za-z]{13}")


class PasswordScheme(enum.StrEnum):
    """How a password is kept. Source: crypt(5) of libxcrypt."""

    EMPTY = "none: anybody can log in"
    LOCKED = "locked"
    ELSEWHERE = "kept in another file"
    DESCRYPT = "descrypt"
    MD5 = "MD5"
    APR1 = "MD5 of Apache"
    SHA1 = "SHA-1 without salt"
    SHA256 = "SHA-256"
    SHA512 = "SHA-512"
    BCRYPT = "bcrypt"
    YESCRYPT = "yescrypt"
    SCRYPT = "scrypt"
    MD5_PLAIN = "MD5 without salt"
    OTHER = "other"


_PREFIXES = {
    "$1$": PasswordScheme.MD5,
    "$apr1$": PasswordScheme.APR1,
    "{SHA}": PasswordScheme.SHA1,
    "$2": PasswordScheme.BCRYPT,
    "$5$": PasswordScheme.SHA256,
    "$6$": PasswordScheme.SHA512,
    "$7$": PasswordScheme.SCRYPT,
    "$y$": PasswordScheme.YESCRYPT,
    "$gy$": PasswordScheme.YESCRYPT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Observation):
    """One line of passwd, shadow or htpasswd."""

    user: str
    scheme: PasswordScheme
    uid: int | None
    """Number of the user; None in shadow, which does not have it."""
    shell: str
    stored: str = field(repr=False)
    """The password as it is kept; never for an output."""


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    least = _least_fields(content.name)
    start = 0
    for line in text.splitlines(keepends=True):
        row = _PAGE_RULE.match(line) if content.name == _OF_BUSYBOX else None
        if content.name == _OF_BUSYBOX and row is None:
            start += len(line)
            continue
        told = line if row is None else row["rest"]
        fields = told.rstrip(b"\r\n").decode("utf-8", "replace").split(":")
        if len(fields) >= least and _USER.fullmatch(fields[0]):
            yield _account(fields, start, has_number=least >= 7)
        start += len(line)


def _least_fields(name: str) -> int:
    known = _SYSTEM.fullmatch(name)
    if known is None:
        return 2
    return 3 if known["base"] == "shadow" else 7


def _account(fields: list[str], offset: int, *, has_number: bool) -> Account:
    scheme = scheme_of(fields[1])
    return Account(
        offset=offset,
        excerpt=f"{fields[0]}: password {scheme.value}",
        user=fields[0],
        scheme=scheme,
        uid=int(fields[2]) if has_number and fields[2].isdecimal() and len(fields[2]) <= 10 else None,
        shell=fields[-1] if has_number else "",
        stored=fields[1],
    )


def scheme_of(stored: str) -> PasswordScheme:
    """Return how the password in the second field of passwd or shadow is kept."""
    if stored == "":
        return PasswordScheme.EMPTY
    if stored == "x":
        return PasswordScheme.ELSEWHERE
    if stored[0] in "*!":
        return PasswordScheme.LOCKED
    known = next((scheme for prefix, scheme in _PREFIXES.items() if stored.startswith(prefix)), None)
    if known is not None:
        return known
    if _HEXADECIMAL.fullmatch(stored):
        return PasswordScheme.MD5_PLAIN if len(stored) == 32 else PasswordScheme.SHA1
    return PasswordScheme.DESCRYPT if _DESCRYPT.fullmatch(stored) else PasswordScheme.OTHER


def _wants(content: Content) -> bool:
    name = content.name
    is_known = name in _WEB or name == _OF_BUSYBOX or _SYSTEM.fullmatch(name) or _WEB_ENDING.search(name)
    return bool(is_known) and not content.head.startswith((MAGIC, b"#!"))


OBSERVER = Observer(
    name="accounts",
    title="Accounts of a Unix system",
    source="passwd(5), shadow(5), crypt(5) and the manual of htpasswd of Apache",
    wants=_wants,
    read=_read,
    example=lambda: ("etc/shadow", b"root::18000:0:99999:7:::\nservice:$1$ab$abcdefghijklmnopqrstuv:18000::::::\n"),
    shows=2,
)
