"""The description that LuaRocks keeps of an installed Lua package."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement

__all__ = ["READER"]

MOST_BYTES = 1 << 18
_LINE = re.compile(r"^\s*(package|version)\s*=\s*[\"']([^\"'\n]{1,200})[\"']", re.MULTILINE)
_REVISION = re.compile(r"-\d+$")


def _read(content: Content) -> Iterator[Fact]:
    fields = dict(_LINE.findall(bytes(content.span.window.view[:MOST_BYTES]).decode("utf-8", "replace")))
    if "package" in fields and "version" in fields:
        yield Statement(
            name=fields["package"].lower(),
            version=_REVISION.sub("", fields["version"]),
            release=fields["version"],
            relation=Relation.IS,
            offset=0,
            excerpt=f"{fields['package']} {fields['version']}",
            purl_type="luarocks",
        )


def _wants(content: Content) -> bool:
    return content.name.endswith(".rockspec")


def _example() -> tuple[str, bytes]:
    text = 'package = "LuaSocket"\nversion = "3.0rc1-2"\nsource = { url = "" }\n'
    return "usr/lib/luarocks/rocks/luasocket/3.0rc1-2/luasocket-3.0rc1-2.rockspec", text.encode()


READER = FactReader(
    name="lua-rockspec",
    title="Description of a Lua package",
    source="LuaRocks, rockspec format",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("luasocket", "3.0rc1"),),
)
