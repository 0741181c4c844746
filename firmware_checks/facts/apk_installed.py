"""The register of installed packages that apk keeps on Alpine: one letter, a colon and a value on each line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement

__all__ = ["READER"]

MOST_BYTES = 32 << 20
_PARAGRAPH = re.compile(rb"(?:[^\n]+\n?)+")
_FIELD = re.compile(r"^([PVo]):(.{1,300})$", re.MULTILINE)
_REVISION = re.compile(r"-r\d+$")


def _read(content: Content) -> Iterator[Fact]:
    for match in _PARAGRAPH.finditer(bytes(content.span.window.view[:MOST_BYTES])):
        fields: dict[str, str] = dict(_FIELD.findall(match.group().decode("utf-8", "replace")))
        if "P" in fields and "V" in fields:
            yield Statement(
                name=fields["o"] if "o" in fields else fields["P"],
                version=_REVISION.sub("", fields["V"]),
                release=fields["V"],
                relation=Relation.LISTS,
                offset=match.start(),
                excerpt=f"{fields['P']} {fields['V']}",
                purl_type="apk",
                namespace="alpine",
            )


def _wants(content: Content) -> bool:
    return content.path.endswith("apk/db/installed")


def _example() -> tuple[str, bytes]:
    text = "C:Q1x=\nP:musl\nV:1.2.3-r4\nA:armv7\n\nP:libcrypto1.1\nV:1.1.1t-r2\no:openssl\n"
    return "lib/apk/db/installed", text.encode()


READER = FactReader(
    name="apk-installed",
    title="apk register of installed packages",
    source="Alpine Linux, apk-tools: apk installed database, APKINDEX format",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("musl", "1.2.3"), ("openssl", "1.1.1t")),
)
