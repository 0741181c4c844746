"""Which vulnerabilities the change log of a Debian package says are mended in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Holding, HoldingKind

__all__ = ["READER"]

MOST_BYTES = 16 << 20
"""The log of the kernel, the longest, has 3 MB."""
MOST_NAMES = 20_000
HEAD_BYTES = 256
_FIRST = re.compile(rb"(?P<package>[a-z0-9][a-z0-9+.-]{1,80}) \((?P<release>[^ )]{1,80})\) [^;\n]{1,80}; urgency=")
_NAME = re.compile(r"CVE-\d{4}-\d{4,7}")
_UNSURE = re.compile(r"revert|incomplete|regression|re-?open|not (?:yet )?fixed|drop|disable|partial", re.IGNORECASE)
"""What may stand in a line that names a vulnerability which is not mended for all that."""


def _read(content: Content) -> Iterator[Fact]:
    data = bytes(content.span.window.view[:MOST_BYTES])
    first = _FIRST.match(data)
    if first is None:
        return
    mended: set[str] = set()
    doubted: set[str] = set()
    for item in re.split(r"\n\s*\*\s", data.decode("utf-8", "replace")):
        names = _NAME.findall(item)
        (doubted if _UNSURE.search(item) else mended).update(names)
    names = sorted(mended - doubted)[:MOST_NAMES]
    if names:
        package, release = first["package"].decode(), first["release"].decode("ascii", "replace")
        yield Holding(kind=HoldingKind.CHANGES, subject=package, release=release, names=frozenset(names))


def _wants(content: Content) -> bool:
    is_named = content.name.lower().startswith("changelog")
    return is_named and _FIRST.match(bytes(content.span.window.view[:HEAD_BYTES])) is not None


def _example() -> tuple[str, bytes]:
    text = """openssl (1.1.1n-0+deb11u5) bullseye-security; urgency=medium

  * CVE-2023-0464 (Excessive resource use verifying constraints)
  * Revert the change for CVE-2023-0465

 -- A. Maintainer <maintainer@example.org>  Sat, 27 May 2023 10:00:00 +0200
"""
    return "usr/share/doc/libssl1.1/changelog.Debian", text.encode()


READER = FactReader(
    name="changelog",
    title="Change log of a Debian package",
    source="Debian Policy 4.4, deb-changelog(5)",
    wants=_wants,
    read=_read,
    example=_example,
    states=(),
)
