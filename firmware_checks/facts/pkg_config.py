"""The file that tells compilers about an installed library: its name and version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from toolkit.report.model import Confidence

__all__ = ["READER"]

MOST_BYTES = 1 << 16
_VERSION = re.compile(r"^Version:[ \t]*(?P<version>\d+(?:\.\d+)+[\w.+-]{0,40})[ \t]*$", re.MULTILINE)


def _read(content: Content) -> Iterator[Fact]:
    match = _VERSION.search(bytes(content.span.window.view[:MOST_BYTES]).decode("utf-8", "replace"))
    if match is not None:
        name = content.name.removesuffix(".pc")
        yield Statement(
            name=name,
            version=match["version"],
            relation=Relation.LISTS,
            offset=match.start(),
            excerpt=f"{name}: {match.group()}",
            confidence=Confidence.HIGH,
        )


def _wants(content: Content) -> bool:
    return content.name.endswith(".pc") and "pkgconfig/" in content.path


def _example() -> tuple[str, bytes]:
    return "usr/lib/pkgconfig/libmodbus.pc", b"prefix=/usr\n\nName: libmodbus\nVersion: 3.1.6\nLibs: -lmodbus\n"


READER = FactReader(
    name="pkg-config",
    title="pkg-config file",
    source="pc(5), pkg-config",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("libmodbus", "3.1.6"),),
)
