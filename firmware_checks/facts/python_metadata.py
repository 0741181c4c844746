"""What an installed Python package says about itself: METADATA or PKG-INFO."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.readers.message_head import message_head

__all__ = ["READER"]

_PLACE = re.compile(r"(?:\.dist-info/METADATA|\.egg-info/PKG-INFO|EGG-INFO/PKG-INFO|\.egg-info)$")


def _read(content: Content) -> Iterator[Fact]:
    fields = message_head(content.span.window)
    name, version = fields.get("name"), fields.get("version")
    if "metadata-version" in fields and name and version:
        yield Statement(
            name=re.sub(r"[-_.]+", "-", name).lower(),
            version=version,
            relation=Relation.IS,
            offset=0,
            excerpt=f"Name: {name}, Version: {version}",
            purl_type="pypi",
        )


def _wants(content: Content) -> bool:
    return _PLACE.search(content.path) is not None


def _example() -> tuple[str, bytes]:
    text = "Metadata-Version: 2.1\nName: pySerial\nVersion: 3.5\nSummary: Serial ports\n\nLong text\nVersion: 9\n"
    return "usr/lib/python3/dist-packages/pyserial-3.5.dist-info/METADATA", text.encode()


READER = FactReader(
    name="python-metadata",
    title="Metadata of a Python package",
    source="Python packaging: core metadata specifications; PEP 503 for the form of names",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("pyserial", "3.5"),),
)
