"""The side-by-side manifests of Windows: the libraries a program asks for by name and version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from toolkit.report.model import Confidence

__all__ = ["READER"]

MOST_BYTES = 1 << 20
_IDENTITY = re.compile(rb"<(?:\w+:)?assemblyIdentity\s(?P<fields>[^>]{1,600})>")
_FIELD = re.compile(r"(?P<name>name|version)\s*=\s*[\"'](?P<value>[^\"']{1,200})[\"']")


def _read(content: Content) -> Iterator[Fact]:
    """Yield the assembly that the manifest itself is of: the first; the others are what it needs."""
    match = _IDENTITY.search(bytes(content.span.window.view[:MOST_BYTES]))
    if match is None:
        return
    fields = dict(_FIELD.findall(match["fields"].decode("utf-8", "replace")))
    if "name" in fields and "version" in fields:
        yield Statement(
            name=fields["name"],
            version=fields["version"],
            relation=Relation.IS,
            offset=match.start(),
            excerpt=f"{fields['name']} {fields['version']}",
            confidence=Confidence.HIGH,
        )


def _wants(content: Content) -> bool:
    return content.name.lower().endswith(".manifest")


def _example() -> tuple[str, bytes]:
    text = """<?xml version="1.0"?><assembly>
    <assemblyIdentity type="win32" name="Microsoft.VC90.CRT" version="9.0.21022.8"/>
    <dependency><assemblyIdentity name="other" version="1.0.0.0"/></dependency></assembly>"""
    return "Microsoft.VC90.CRT.manifest", text.encode()


READER = FactReader(
    name="windows-manifest",
    title="Windows assembly manifest",
    source="Microsoft, Assembly Manifests (assemblyIdentity)",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("Microsoft.VC90.CRT", "9.0.21022.8"),),
)
