"""The description that a Perl distribution carries: META.json."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from toolkit.core.errors import FormatError

__all__ = ["READER"]

MOST_BYTES = 4 << 20


class _Distribution(msgspec.Struct):
    name: str = ""
    version: str | float = ""


def _read(content: Content) -> Iterator[Fact]:
    try:
        found = msgspec.json.decode(bytes(content.span.window.view[:MOST_BYTES]), type=_Distribution)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"the description cannot be read: {error}") from None
    if found.name and found.version:
        yield Statement(
            name=found.name,
            version=str(found.version).removeprefix("v"),
            relation=Relation.IS,
            offset=0,
            excerpt=f"{found.name} {found.version}",
            purl_type="cpan",
        )


def _wants(content: Content) -> bool:
    return content.name in {"MYMETA.json", "META.json"} and "perl" in content.path.lower()


def _example() -> tuple[str, bytes]:
    return "usr/lib/perl5/.meta/Device-Modem-1.59/MYMETA.json", b'{"name": "Device-Modem", "version": "1.59"}'


READER = FactReader(
    name="perl-metadata",
    title="Description of a Perl distribution",
    source="CPAN::Meta::Spec version 2",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("Device-Modem", "1.59"),),
)
