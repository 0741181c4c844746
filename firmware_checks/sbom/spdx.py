"""SPDX 2.2 and 2.3, from the tree of its JSON form.

Source: https://spdx.github.io/spdx-spec/v2.3/. ``NOASSERTION`` and ``NONE`` count as not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from firmware_checks.sbom.cyclonedx import converted
from firmware_checks.sbom.record import Sbom, SbomComponent
from toolkit.core.errors import FormatError

__all__ = ["VERSIONS", "from_spdx"]

VERSIONS = ("SPDX-2.2", "SPDX-2.3")
_NOT_SAID = frozenset({"", "NOASSERTION", "NONE"})
_PERSON = re.compile(r"(?:Organization|Person):\s*(.+?)(?:\s*\(\s*\))?\s*$")
_TOOL = re.compile(r"Tool:\s*(.+?)\s*$")
_LEVEL = re.compile(r"level of support\s*[:=]\s*([^\n;.]+)", re.IGNORECASE)
_CONTEXT = re.compile(
    r"\b(design|source|build|analy[sz]ed|deployed|runtime)\b sbom|sbom type\s*[:=]\s*(\w+)", re.IGNORECASE
)
"""The types of bills of materials that CISA names, where the comment of a document says one."""


class _Checksum(msgspec.Struct, rename="camel"):
    algorithm: str = ""
    checksum_value: str = ""


class _External(msgspec.Struct, rename="camel"):
    reference_type: str = ""
    reference_locator: str = ""


class _Annotation(msgspec.Struct):
    comment: str = ""


class _Package(msgspec.Struct, rename="camel"):
    spdx_id: str = msgspec.field(default="", name="SPDXID")
    name: str = ""
    version_info: str = ""
    supplier: str = ""
    originator: str = ""
    checksums: list[_Checksum] = []
    license_declared: str = ""
    license_concluded: str = ""
    external_refs: list[_External] = []
    primary_package_purpose: str = ""
    valid_until_date: str = ""
    comment: str = ""
    annotations: list[_Annotation] = []


class _Relationship(msgspec.Struct, rename="camel"):
    spdx_element_id: str = ""
    relationship_type: str = ""
    related_spdx_element: str = ""


class _CreationInfo(msgspec.Struct):
    created: str = ""
    creators: list[str] = []
    comment: str = ""


class _Document(msgspec.Struct, rename="camel"):
    spdx_version: str = ""
    spdx_id: str = msgspec.field(default="SPDXRef-DOCUMENT", name="SPDXID")
    comment: str = ""
    creation_info: _CreationInfo = msgspec.field(default_factory=_CreationInfo)
    document_describes: list[str] = []
    packages: list[_Package] = []
    relationships: list[_Relationship] = []


def from_spdx(tree: Any, encoding: str) -> Sbom:
    """Return what ``tree`` says; raise ``FormatError`` when it is not SPDX of a version we know."""
    document = converted(tree, _Document)
    if document.spdx_version not in VERSIONS:
        raise FormatError(f"{document.spdx_version[:20]!r}; known are {', '.join(VERSIONS)}")
    creation = document.creation_info
    described = _described(document)
    primary = next((package for package in document.packages if package.spdx_id in described), None)
    context = _CONTEXT.search(f"{creation.comment}\n{document.comment}")
    return Sbom(
        format="SPDX",
        version=document.spdx_version.removeprefix("SPDX-"),
        encoding=encoding,
        timestamp=creation.created,
        authors=tuple(found[1] for text in creation.creators if (found := _PERSON.match(text))),
        tools=tuple(found[1] for text in creation.creators if (found := _TOOL.match(text))),
        context="" if context is None else (context[1] or context[2]).lower(),
        primary=None if primary is None else _component(primary),
        components=tuple(_component(package) for package in document.packages if package is not primary),
        related=frozenset(_related(document)),
        says_how_complete=any(row.related_spdx_element in ("NONE", "NOASSERTION") for row in document.relationships),
    )


def _described(document: _Document) -> set[str]:
    said = set(document.document_describes)
    for row in document.relationships:
        if row.relationship_type == "DESCRIBES" and row.spdx_element_id == document.spdx_id:
            said.add(row.related_spdx_element)
        elif row.relationship_type == "DESCRIBED_BY" and row.related_spdx_element == document.spdx_id:
            said.add(row.spdx_element_id)
    return said


def _related(document: _Document) -> Iterator[str]:
    """Yield what is related to another part; that the document describes something relates nothing."""
    for row in document.relationships:
        both = (row.spdx_element_id, row.related_spdx_element)
        if document.spdx_id not in both and not _NOT_SAID & set(both):
            yield from both


def _said(text: str) -> str:
    return "" if text.strip() in _NOT_SAID else text.strip()


def _component(package: _Package) -> SbomComponent:
    references: dict[str, list[str]] = {}
    for row in package.external_refs:
        references.setdefault(row.reference_type.rpartition("/")[2], []).append(row.reference_locator)
    supplier = _PERSON.match(package.supplier) or _PERSON.match(package.originator)
    comments = "\n".join((package.comment, *(row.comment for row in package.annotations)))
    level = _LEVEL.search(comments)
    names = [*references.get("cpe23Type", ()), *references.get("cpe22Type", ())]
    others = [name for kind in ("swid", "swh", "gitoid") for name in references.get(kind, ())]
    return SbomComponent(
        reference=package.spdx_id,
        name=package.name.strip(),
        version=_said(package.version_info),
        supplier="" if supplier is None else supplier[1],
        kind=package.primary_package_purpose.lower(),
        purl=next(iter(references.get("purl", ())), ""),
        cpe=next(iter(names), ""),
        other_identifiers=tuple(others),
        hashes=tuple(f"{row.algorithm}:{row.checksum_value}" for row in package.checksums if row.checksum_value),
        licenses=tuple(filter(None, map(_said, (package.license_declared, package.license_concluded)))),
        support_level="" if level is None else level[1].strip(),
        end_of_support=package.valid_until_date,
    )
