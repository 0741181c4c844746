"""The version resource of a Windows program or library: product, version and maker."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.readers.binaries import windows_identity
from toolkit.report.model import Confidence

__all__ = ["READER"]

MOST_BYTES = 128 << 20
_NUMBER = re.compile(r"\d+(?:[.,]\s?\d+){1,3}")
_OWN_NAME = re.compile(r"[A-Za-z][\w .+-]{1,60}")


def _read(content: Content) -> Iterator[Fact]:
    window = content.span.window
    if window.size > MOST_BYTES or "VS_VERSION_INFO".encode("utf-16-le") not in bytes(window.view):
        return
    identity = windows_identity(window.view)
    number = _NUMBER.search(identity.version)
    name = identity.product or identity.original_name.partition(".")[0]
    if number is None or not _OWN_NAME.match(name):
        return
    version = re.sub(r"[.,]\s?", ".", number.group())
    yield Statement(
        name=re.sub(r"\.(?:dll|exe)$", "", name.strip(), flags=re.IGNORECASE),
        version=re.sub(r"^(\d+\.\d+\.\d+)\.0$", r"\1", version),
        relation=Relation.IS,
        offset=0,
        excerpt=f"ProductName {name}, FileVersion {identity.version}",
        confidence=Confidence.HIGH,
    )


def _wants(content: Content) -> bool:
    return content.head.startswith(b"MZ")


def _example() -> tuple[str, bytes]:
    return "windows/none.dll", b"MZ" + bytes(62)


READER = FactReader(
    name="windows-version",
    title="Version resource of a Windows program",
    source="Microsoft, VS_VERSIONINFO structure",
    wants=_wants,
    read=_read,
    example=_example,
    states=(),
)
