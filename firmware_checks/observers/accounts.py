"""Accounts of a Unix system, and how each password is kept, from passwd and shadow."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "Account", "PasswordScheme"]

MOST_BYTES = 1 << 20
_FILES = ("etc/passwd", "etc/shadow", "etc/passwd-", "etc/shadow-", "etc/master.passwd")
_DESCRYPT = re.compile(r"[./0-9A-Za-z]{13}")


class PasswordScheme(enum.StrEnum):
    """How a password is kept. Source: crypt(5) of libxcrypt."""

    EMPTY = "none: anybody can log in"
    LOCKED = "locked"
    ELSEWHERE = "kept in another file"
    DESCRYPT = "descrypt"
    MD5 = "MD5"
    SHA256 = "SHA-256"
    SHA512 = "SHA-512"
    BCRYPT = "bcrypt"
    YESCRYPT = "yescrypt"
    SCRYPT = "scrypt"
    OTHER = "other"


_PREFIXES = {
    "$1$": PasswordScheme.MD5,
    "$2": PasswordScheme.BCRYPT,
    "$5$": PasswordScheme.SHA256,
    "$6$": PasswordScheme.SHA512,
    "$7$": PasswordScheme.SCRYPT,
    "$y$": PasswordScheme.YESCRYPT,
    "$gy$": PasswordScheme.YESCRYPT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Observation):
    """One line of passwd or shadow."""

    user: str
    scheme: PasswordScheme
    uid: int | None
    """Number of the user; None in shadow, which does not have it."""
    shell: str


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    is_shadow = "shadow" in content.name
    start = 0
    for line in text.splitlines(keepends=True):
        fields = line.rstrip(b"\r\n").decode("utf-8", "replace").split(":")
        if len(fields) >= (3 if is_shadow else 7) and fields[0] and not fields[0].startswith("#"):
            yield _account(fields, start, is_shadow=is_shadow)
        start += len(line)


def _account(fields: list[str], offset: int, *, is_shadow: bool) -> Account:
    scheme = scheme_of(fields[1])
    return Account(
        offset=offset,
        excerpt=f"{fields[0]}: password {scheme.value}",
        user=fields[0],
        scheme=scheme,
        uid=int(fields[2]) if not is_shadow and fields[2].isdecimal() and len(fields[2]) <= 10 else None,
        shell="" if is_shadow else fields[-1],
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
    return PasswordScheme.DESCRYPT if _DESCRYPT.fullmatch(stored) else PasswordScheme.OTHER


def _wants(content: Content) -> bool:
    return content.path.endswith(_FILES)


OBSERVER = Observer(
    name="accounts",
    title="Accounts of a Unix system",
    source="passwd(5), shadow(5) and crypt(5)",
    wants=_wants,
    read=_read,
    example=lambda: ("etc/shadow", b"root::18000:0:99999:7:::\nservice:$1$ab$abcdefghijklmnopqrstuv:18000::::::\n"),
    shows=2,
)
