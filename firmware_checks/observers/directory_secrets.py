"""Key tables of Kerberos and password files of Samba: what opens the hospital's directory and its file servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "DirectorySecret"]

KEYTAB = b"\x05\x02\x00\x00"
MOST_LINES = 500
_SMB_LINE = re.compile(rb"(?m)^(?P<user>[^:\r\n#]{1,32}):\d{1,10}:[0-9A-FX]{32}:(?P<hash>[0-9A-F]{32}):\[U")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySecret(Observation):
    """What opens a directory or a file server without a password having to be typed."""

    what: str


def _read(content: Content) -> Iterator[Observation]:
    if content.head.startswith(KEYTAB):
        yield from _keytab(content)
    else:
        text = bytes(content.span.window.view[: MOST_LINES * 256])
        for found in _SMB_LINE.finditer(text):
            user = found["user"].decode("utf-8", "replace")
            yield DirectorySecret(
                offset=found.start(), excerpt=f"{user}: ********", what="password of Samba, which opens as it is"
            )


def _keytab(content: Content) -> Iterator[Observation]:
    """Yield the key table when its first entry holds together. Source: MIT Kerberos, "Keytab file format"."""
    window = content.span.window
    entry_bytes = int.from_bytes(window.take(2, 4))
    parts, realm_bytes = int.from_bytes(window.take(6, 2)), int.from_bytes(window.take(8, 2))
    realm = bytes(window.take(10, realm_bytes))
    if 0 < parts < 8 and 0 < realm_bytes < 128 and entry_bytes <= window.size - 6 and realm.isascii():
        what = "key table of Kerberos"
        yield DirectorySecret(offset=0, excerpt=f"{what} for {realm.decode()}: ********", what=what)


def _wants(content: Content) -> bool:
    return content.head.startswith(KEYTAB) or content.name in ("smbpasswd", "smbpasswd.bak")


def _example() -> tuple[str, bytes]:
    principal = b"\x00\x01\x00\x07EXAMPLE\x00\x04host\x00\x00\x00\x01\x65\x00\x00\x00\x01\x00\x12\x00\x20" + b"k" * 32
    return "etc/krb5.keytab", b"\x05\x02" + len(principal).to_bytes(4) + principal


OBSERVER = Observer(
    name="directory-secrets",
    title="Secrets of directories and file servers",
    source='smbpasswd(5); "Keytab file format" of MIT Kerberos',
    wants=_wants,
    read=_read,
    example=_example,
    shows=1,
)
