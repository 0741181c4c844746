"""The package.json of an installed Node.js package."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from toolkit.core.errors import FormatError

__all__ = ["READER"]

MOST_BYTES = 4 << 20
_NAME = re.compile(r"(?:@[\w.~-]+/)?[\w.~-]{1,200}")
_VERSION = re.compile(r"\d+\.\d+\.\d+[\w.+-]{0,60}")


class _Package(msgspec.Struct):
    name: str = ""
    version: str = ""


def _read(content: Content) -> Iterator[Fact]:
    try:
        package = msgspec.json.decode(bytes(content.span.window.view[:MOST_BYTES]), type=_Package)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"package.json cannot be read: {error}") from None
    if _NAME.fullmatch(package.name) and _VERSION.fullmatch(package.version):
        scope, _, name = package.name.rpartition("/")
        yield Statement(
            name=name,
            version=package.version,
            relation=Relation.IS,
            offset=0,
            excerpt=f"{package.name} {package.version}",
            purl_type="npm",
            namespace=scope,
        )


def _wants(content: Content) -> bool:
    return content.name == "package.json" and ("node_modules/" in content.path or "nodejs/" in content.path)


def _example() -> tuple[str, bytes]:
    return "usr/lib/node_modules/@pump/log/package.json", b'{"name": "@pump/log", "version": "4.17.1", "files": []}'


READER = FactReader(
    name="node-package",
    title="Node.js package",
    source="npm documentation, package.json",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("log", "4.17.1"),),
)
