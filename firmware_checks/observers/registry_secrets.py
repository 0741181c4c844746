"""Passwords that stand readably in a registry hive, and password files that VNC hides with a key everybody has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from firmware_checks.credentials.likely import is_likely_password
from firmware_checks.credentials.signs import SecretKind
from firmware_checks.exposure.registry_hive import Hive, HiveKey
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.observers.embedded_secrets import Secret

__all__ = ["OBSERVER"]

MOST_KEYS = 20_000
MOST_DEPTH = 24
VNC_BYTES = (8, 16)
"""One password, or two: the second only lets somebody look. Source: manual of vncpasswd."""
_NAME = re.compile(r"(?i)(?:^|[a-z_ ])(?:password|passwd|pwd)\d?$|^(?:networkkey|psk|pin)$")
_AUTOMATIC = "defaultpassword"


def _read(content: Content) -> Iterator[Observation]:
    if not content.head.startswith(b"regf"):
        data = bytes(content.span.window.view)
        if len(data) in VNC_BYTES and any(byte < 0x20 or byte > 0x7E for byte in data):
            yield _secret(0, "password of VNC, hidden with a key everybody has", data.hex())
        return
    hive = Hive(content.span.window)
    for key in _keys(hive):
        for name, value, place in hive.values(key) if key.value_count else ():
            is_named = _NAME.search(name) is not None and name.lower() != _AUTOMATIC
            if is_named and isinstance(value, str) and is_likely_password(value, quoted=True):
                yield _secret(place, f"{name} in the registry", value)


def _keys(hive: Hive) -> Iterator[HiveKey]:
    """Yield all keys, at most so many; each is below the one it was found in."""
    left = MOST_KEYS
    waiting = [(hive.root(), 0)]
    while waiting and left:
        key, depth = waiting.pop()
        left -= 1
        yield key
        if depth < MOST_DEPTH:
            waiting += [(below, depth + 1) for below in hive.children(key)]


def _secret(offset: int, what: str, value: str) -> Secret:
    return Secret(
        offset=offset,
        excerpt=f"{what}: ********",
        kind=SecretKind.PASSWORD,
        what=what,
        user="",
        fingerprint=hashlib.sha256(value.encode()).hexdigest()[:16],
        value=value,
    )


def _wants(content: Content) -> bool:
    if content.head.startswith(b"regf"):
        return True
    is_of_vnc = content.name in ("passwd", "vncpasswd", ".vncpasswd", "x11vnc.pass", "vnc.passwd")
    return is_of_vnc and content.span.size in VNC_BYTES


OBSERVER = Observer(
    name="registry-secrets",
    title="Readable passwords in registry hives and password files of VNC",
    source="M. Suhanov, Windows registry file format specification; manual of vncpasswd of TightVNC",
    wants=_wants,
    read=_read,
    example=lambda: ("root/.vnc/passwd", bytes.fromhex("17526b06234e5807")),
    shows=1,
)
