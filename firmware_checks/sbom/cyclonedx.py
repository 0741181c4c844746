"""CycloneDX 1.2 to 1.6, from the tree of its JSON form.

Source: https://cyclonedx.org/docs/1.6/json/. Support is read from the registered property names and from those that
makers use for the fields of the FDA guidance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from firmware_checks.sbom.record import Sbom, SbomComponent
from toolkit.core.errors import FormatError

__all__ = ["VERSIONS", "from_cyclonedx"]

VERSIONS = ("1.2", "1.3", "1.4", "1.5", "1.6")
_NO_LETTER = re.compile(r"[^a-z]+")
_LEVEL = re.compile(r"(?:levelofsupport|supportlevel|supportstatus|medhardensupport)$")
_END = re.compile(r"endofsupport(?:date)?$")
Value = TypeVar("Value")


class _Named(msgspec.Struct):
    name: str = ""


class _Hash(msgspec.Struct):
    alg: str = ""
    content: str = ""


class _License(msgspec.Struct):
    id: str = ""
    name: str = ""


class _LicenseChoice(msgspec.Struct):
    license: _License | None = None
    expression: str = ""


class _Property(msgspec.Struct):
    name: str = ""
    value: str = ""


class _Swid(msgspec.Struct, rename="camel"):
    tag_id: str = ""


class _Component(msgspec.Struct):
    bom_ref: str = msgspec.field(default="", name="bom-ref")
    type: str = ""
    group: str = ""
    name: str = ""
    version: str = ""
    supplier: _Named | None = None
    manufacturer: _Named | None = None
    publisher: str = ""
    author: str = ""
    authors: list[_Named] = []
    hashes: list[_Hash] = []
    licenses: list[_LicenseChoice] = []
    cpe: str = ""
    purl: str = ""
    swid: _Swid | None = None
    swhid: list[str] = []
    omnibor: list[str] = msgspec.field(default=[], name="omniborId")
    properties: list[_Property] = []
    components: list[_Component] = []


class _Tools(msgspec.Struct):
    components: list[_Named] = []
    services: list[_Named] = []


class _Lifecycle(msgspec.Struct):
    phase: str = ""
    name: str = ""


class _Metadata(msgspec.Struct):
    timestamp: str = ""
    tools: list[_Named] | _Tools = []
    authors: list[_Named] = []
    supplier: _Named | None = None
    manufacture: _Named | None = None
    manufacturer: _Named | None = None
    component: _Component | None = None
    lifecycles: list[_Lifecycle] = []


class _Dependency(msgspec.Struct, rename="camel"):
    ref: str = ""
    depends_on: list[str] = []


class _Composition(msgspec.Struct):
    aggregate: str = ""


class _Bom(msgspec.Struct, rename="camel"):
    spec_version: str = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    components: list[_Component] = []
    dependencies: list[_Dependency] = []
    compositions: list[_Composition] = []


def from_cyclonedx(tree: Any, encoding: str) -> Sbom:
    """Return what ``tree`` says; raise ``FormatError`` when it is not CycloneDX of a version we know."""
    bom = converted(tree, _Bom)
    if bom.spec_version not in VERSIONS:
        raise FormatError(f"CycloneDX version {bom.spec_version[:20]!r}; known are {', '.join(VERSIONS)}")
    metadata = bom.metadata
    tools = metadata.tools
    named = [*tools.components, *tools.services] if isinstance(tools, _Tools) else tools
    organisations = (metadata.supplier, metadata.manufacturer, metadata.manufacture)
    authors = [*metadata.authors, *(each for each in organisations if each is not None)]
    related = {name for row in bom.dependencies if row.depends_on for name in (row.ref, *row.depends_on)}
    return Sbom(
        format="CycloneDX",
        version=bom.spec_version,
        encoding=encoding,
        timestamp=metadata.timestamp,
        authors=_names(authors),
        tools=_names(named),
        context=", ".join(row.phase or row.name for row in metadata.lifecycles),
        primary=_component(metadata.component) if metadata.component is not None else None,
        components=tuple(_component(part) for part in _flat(bom.components, metadata.component)),
        related=frozenset(related - {""}),
        says_how_complete=any(row.aggregate not in ("", "not_specified") for row in bom.compositions),
    )


def converted(tree: Any, kind: type[Value]) -> Value:
    """Return ``tree`` as records; raise ``FormatError`` with the place of what does not fit."""
    try:
        return msgspec.convert(tree, type=kind)
    except msgspec.ValidationError as error:
        raise FormatError(str(error)) from error


def _flat(components: list[_Component], primary: _Component | None) -> Iterator[_Component]:
    """Yield the components and what is nested in them, each before its parts."""
    waiting = [*reversed(components), *(reversed(primary.components) if primary is not None else ())]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(part.components)


def _names(rows: list[_Named]) -> tuple[str, ...]:
    return tuple(row.name for row in rows if row.name.strip())


def _component(part: _Component) -> SbomComponent:
    suppliers = (
        part.supplier.name if part.supplier is not None else "",
        part.manufacturer.name if part.manufacturer is not None else "",
        part.publisher,
        part.author,
        *_names(part.authors),
    )
    licenses = [row.expression or (row.license and (row.license.id or row.license.name)) for row in part.licenses]
    swid = [part.swid.tag_id] if part.swid is not None and part.swid.tag_id else []
    return SbomComponent(
        reference=part.bom_ref,
        name=f"{part.group}/{part.name}" if part.group and part.name else part.name,
        version=part.version.strip(),
        supplier=next((name for name in suppliers if name.strip()), ""),
        kind=part.type,
        purl=part.purl,
        cpe=part.cpe,
        other_identifiers=(*swid, *part.swhid, *part.omnibor),
        hashes=tuple(f"{row.alg}:{row.content}" for row in part.hashes if row.content),
        licenses=tuple(name for name in licenses if name),
        support_level=_property(part, _LEVEL),
        end_of_support=_property(part, _END),
    )


def _property(part: _Component, wanted: re.Pattern[str]) -> str:
    found = (row.value for row in part.properties if wanted.search(_NO_LETTER.sub("", row.name.lower())))
    return next((value for value in found if value.strip()), "")
