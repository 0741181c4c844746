"""The description that RubyGems keeps of an installed gem."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement

__all__ = ["READER"]

HEAD_BYTES = 4096
_STUB = re.compile(r"^# stub: (?P<name>[\w.-]{1,100}) (?P<version>\d[\w.]{0,60}) ", re.MULTILINE)


def _read(content: Content) -> Iterator[Fact]:
    match = _STUB.search(bytes(content.span.window.view[:HEAD_BYTES]).decode("utf-8", "replace"))
    if match is not None:
        yield Statement(
            name=match["name"],
            version=match["version"],
            relation=Relation.IS,
            offset=match.start(),
            excerpt=match.group().strip(),
            purl_type="gem",
        )


def _wants(content: Content) -> bool:
    return content.name.endswith(".gemspec") and "/specifications/default/" not in content.path  # parts of Ruby itself


def _example() -> tuple[str, bytes]:
    text = "# -*- encoding: utf-8 -*-\n# stub: modbus 1.3.2 ruby lib\n\nGem::Specification.new do |s|\nend\n"
    return "usr/share/rubygems/specifications/modbus-1.3.2.gemspec", text.encode()


READER = FactReader(
    name="ruby-gemspec",
    title="Description of a Ruby gem",
    source="RubyGems, Gem::StubSpecification",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("modbus", "1.3.2"),),
)
