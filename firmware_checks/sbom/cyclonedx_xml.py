"""CycloneDX in XML, turned into the tree that its JSON form has.

Source: https://cyclonedx.org/docs/1.6/xml/. A document type declaration is refused, and with it every entity: CycloneDX
needs none, and small files with entities can stand for very large ones.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET  # for the type of elements; defusedxml reads
from collections.abc import Callable
from typing import Any, Final

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from toolkit.core.errors import FormatError

__all__ = ["cyclonedx_tree"]

MOST_ELEMENTS_PER_COMPONENT: Final = 100
_NAMESPACE: Final = re.compile(r"\{http://cyclonedx\.org/schema/bom/(?P<version>\d+\.\d+)\}bom")
Tree = dict[str, Any]


def cyclonedx_tree(data: bytes, most_depth: int, most_components: int) -> Tree:
    """Return the tree of an XML document; raise ``FormatError`` when it is not CycloneDX, or absurd."""
    root = _root(data, most_depth, most_components * MOST_ELEMENTS_PER_COMPONENT)
    found = _NAMESPACE.fullmatch(root.tag)
    if found is None:
        raise FormatError("this XML is not CycloneDX")
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    tree: Tree = {"specVersion": found["version"], "metadata": _metadata(root.find("metadata"))}
    tree["components"] = _components(root)
    tree["dependencies"] = [
        {"ref": row.get("ref", ""), "dependsOn": [child.get("ref", "") for child in row.findall("dependency")]}
        for row in root.findall("dependencies/dependency")
    ]
    tree["compositions"] = [{"aggregate": _text(row, "aggregate")} for row in root.findall("compositions/composition")]
    return tree


def _root(data: bytes, most_depth: int, most_elements: int) -> ET.Element:
    depth = count = 0
    root: ET.Element | None = None
    try:
        for event, element in iterparse(io.BytesIO(data), events=("start", "end"), forbid_dtd=True):
            root = element if root is None else root
            is_start = event == "start"
            depth, count = depth + (1 if is_start else -1), count + is_start
            if depth > most_depth or count > most_elements:
                raise FormatError(f"the XML is nested deeper than {most_depth}, or has more than {most_elements} parts")
    except DefusedXmlException as error:
        raise FormatError("the XML declares a document type or entities, which CycloneDX does not") from error
    except (ET.ParseError, ValueError, LookupError) as error:
        raise FormatError(f"this is no XML document: {error}") from error
    assert root is not None  # noqa: S101  # a document without elements is a ParseError
    return root


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _listed(element: ET.Element, path: str, one: Callable[[ET.Element], Tree]) -> list[Tree]:
    return [one(child) for child in element.findall(path)]


def _named(element: ET.Element | None) -> Tree:
    return {"name": "" if element is None else _text(element, "name")}


def _metadata(element: ET.Element | None) -> Tree:
    if element is None:
        return {}
    about = element.find("component")
    tools = [*element.findall("tools/tool"), *element.findall("tools/components/component")]
    tree: Tree = {
        "timestamp": _text(element, "timestamp"),
        "tools": [_named(tool) for tool in [*tools, *element.findall("tools/services/service")]],
        "authors": _listed(element, "authors/author", _named),
        "lifecycles": [
            {"phase": _text(row, "phase"), "name": _text(row, "name")}
            for row in element.findall("lifecycles/lifecycle")
        ],
        **{kind: _named(element.find(kind)) for kind in ("supplier", "manufacture", "manufacturer")},
    }
    return tree if about is None else {**tree, "component": _component(about)}


def _components(element: ET.Element) -> list[Tree]:
    return _listed(element, "components/component", _component)


def _component(element: ET.Element) -> Tree:
    swid = element.find("swid")
    return {
        "bom-ref": element.get("bom-ref", ""),
        "type": element.get("type", ""),
        **{kind: _text(element, kind) for kind in ("group", "name", "version", "publisher", "author", "cpe", "purl")},
        "supplier": _named(element.find("supplier")),
        "manufacturer": _named(element.find("manufacturer")),
        "authors": _listed(element, "authors/author", _named),
        "hashes": [{"alg": row.get("alg", ""), "content": row.text or ""} for row in element.findall("hashes/hash")],
        "licenses": [
            *({"license": {"id": _text(row, "id"), "name": _text(row, "name")}} for row in _licenses(element)),
            *({"expression": row.text or ""} for row in element.findall("licenses/expression")),
        ],
        "swid": {"tagId": "" if swid is None else swid.get("tagId", "")},
        "swhid": [row.text or "" for row in element.findall("swhid")],
        "omniborId": [row.text or "" for row in element.findall("omniborId")],
        "properties": [
            {"name": row.get("name", ""), "value": row.text or ""} for row in element.findall("properties/property")
        ],
        "components": _components(element),
    }


def _licenses(element: ET.Element) -> list[ET.Element]:
    return element.findall("licenses/license")
