"""The release that a desktop program's description names: AppStream metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from firmware_checks.fact_reader import Content, Fact, FactReader
from firmware_checks.version_texts import TOLD_BY_SCRIPT, VersionText

__all__ = ["READER"]

MOST_BYTES: Final = 512 << 10
_RELEASE = re.compile(
    rb"<release(?=\s)[^<>]{0,200}?\sversion=[\"']v?(?P<number>[0-9]{1,8}(?:\.[0-9]{1,8}){1,4})"
    rb"(?P<suffix>(?:[-_.~]?(?:rc|alpha|beta|pre|dev)\.?[0-9]{0,4}|[a-z])?)[\"'][^<>]{0,200}>"
)
_DATE = re.compile(rb"(?:date=[\"'](?P<date>[0-9-]{10})|timestamp=[\"'](?P<seconds>[0-9]{9,11}))")
_DEVELOPMENT = re.compile(rb"type=[\"'](?:development|snapshot)")
_PLACE = re.compile(r"(?:^|/)share/(?:metainfo|appdata)/[^/]+\.(?:metainfo|appdata)\.xml$")


def _read(content: Content) -> Iterator[Fact]:
    """Yield the newest release, which stands first; one that stands elsewhere by its date."""
    data = bytes(content.span.window.view[:MOST_BYTES])
    released = [match for match in _RELEASE.finditer(data) if not _DEVELOPMENT.search(match.group())]
    if not released:
        return
    match = max(released, key=_date)
    number = match["number"].decode()
    yield VersionText(
        number=number,
        version=number + match["suffix"].decode(),
        before=TOLD_BY_SCRIPT,
        after="",
        near=("", ""),
        offset=match.start("number"),
    )


def _date(match: re.Match[bytes]) -> bytes:
    """Return the day of a release in a form that sorts; releases of one day stay in the order they are written."""
    date = _DATE.search(match.group())
    return b"" if date is None else date["date"] or b"1970-" + date["seconds"].rjust(11, b"0")


def _wants(content: Content) -> bool:
    return content.name.endswith(".xml") and _PLACE.search(content.path) is not None


def _example() -> tuple[str, bytes]:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<component type="desktop-application"><id>org.example.pumpview</id>\n'
        '<releases><release version="4.7.1" date="2024-05-01"/><release version="4.7.0" date="2024-01-07"/></releases>'
        "</component>\n"
    )
    return "usr/share/metainfo/org.example.pumpview.metainfo.xml", text.encode()


READER = FactReader(
    name="appstream",
    title="Releases of a desktop program",
    source="AppStream specification, upstream metadata, the releases tag",
    wants=_wants,
    read=_read,
    example=_example,
    states=(),
)
