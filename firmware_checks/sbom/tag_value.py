"""SPDX in tag-value form, turned into the tree that its JSON form has.

Source: https://spdx.github.io/spdx-spec/v2.3/, the tag of each field. Files, snippets and licences are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from toolkit.core.errors import FormatError

__all__ = ["spdx_tree"]

_OPEN, _CLOSE = "<text>", "</text>"
_DOCUMENT: Final = {"SPDXVersion": "spdxVersion", "DocumentComment": "comment"}
_PACKAGE: Final = {
    "SPDXID": "SPDXID",
    "PackageVersion": "versionInfo",
    "PackageSupplier": "supplier",
    "PackageOriginator": "originator",
    "PackageLicenseDeclared": "licenseDeclared",
    "PackageLicenseConcluded": "licenseConcluded",
    "PrimaryPackagePurpose": "primaryPackagePurpose",
    "ValidUntilDate": "validUntilDate",
    "PackageComment": "comment",
}
_OTHER_SECTIONS: Final = frozenset({"FileName", "SnippetSPDXID", "LicenseID", "Reviewer", "Annotator"})
_REFERENCE_PARTS, _RELATION_PARTS = 3, 3
Tree = dict[str, Any]


def spdx_tree(data: bytes, most_packages: int) -> Tree:
    """Return the tree of a tag-value document; raise ``FormatError`` when it cannot be read."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"the document is not UTF-8 at byte {error.start}") from error
    reader = _Reader(most_packages)
    for number, tag, value in _fields(text):
        reader.take(number, tag, value)
    return reader.document


def _fields(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, tag and value; a value can go over several lines between ``<text>`` and ``</text>``."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        tag, colon, value = line.partition(":")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not colon:
            raise FormatError(f"line {number} has no tag")
        value = value.strip()
        if value.startswith(_OPEN):
            parts = [value.removeprefix(_OPEN)]
            while _CLOSE not in parts[-1]:
                _, more = next(lines, (0, None))
                if more is None:
                    raise FormatError(f"the text that begins in line {number} does not end")
                parts.append(more)
            value = "\n".join(parts).partition(_CLOSE)[0]
        yield number, tag.strip(), value


class _Reader:
    """Sorts fields into the document, its packages and its relationships."""

    def __init__(self, most_packages: int) -> None:
        self._most_packages = most_packages
        self._packages: list[Tree] = []
        self._creation: Tree = {"creators": []}
        self._relationships: list[Tree] = []
        self._section: Tree | None = None
        """The package whose fields follow; None in the head and in sections that are passed over."""
        self._is_head = True
        self.document: Tree = {
            "creationInfo": self._creation,
            "packages": self._packages,
            "relationships": self._relationships,
        }

    def take(self, number: int, tag: str, value: str) -> None:
        """Take the field that begins in line ``number``."""
        if tag == "PackageName":
            self._begin(value)
        elif tag in _OTHER_SECTIONS:
            self._section, self._is_head = None, False
        elif tag == "Relationship":
            self._relate(number, value)
        elif self._section is not None:
            self._package_field(number, self._section, tag, value)
        elif self._is_head:
            self._head_field(number, tag, value)

    def _begin(self, name: str) -> None:
        if len(self._packages) >= self._most_packages:
            raise FormatError(f"more than {self._most_packages} packages")
        self._section, self._is_head = {"name": name, "checksums": [], "externalRefs": []}, False
        self._packages.append(self._section)

    def _head_field(self, number: int, tag: str, value: str) -> None:
        if tag == "Creator":
            self._creation["creators"].append(value)
        elif tag == "Created":
            _once(self._creation, "created", value, number)
        elif tag == "CreatorComment":
            _once(self._creation, "comment", value, number)
        elif tag in _DOCUMENT:
            _once(self.document, _DOCUMENT[tag], value, number)

    def _package_field(self, number: int, package: Tree, tag: str, value: str) -> None:
        if tag == "PackageChecksum":
            algorithm, _, digest = value.partition(":")
            package["checksums"].append({"algorithm": algorithm.strip(), "checksumValue": digest.strip()})
        elif tag == "ExternalRef":
            parts = value.split(None, _REFERENCE_PARTS - 1)
            if len(parts) != _REFERENCE_PARTS:
                raise FormatError(f"line {number}: an external reference has a category, a type and a locator")
            package["externalRefs"].append({"referenceType": parts[1], "referenceLocator": parts[2]})
        elif tag in _PACKAGE:
            _once(package, _PACKAGE[tag], value, number)

    def _relate(self, number: int, value: str) -> None:
        parts = value.split()
        if len(parts) != _RELATION_PARTS:
            raise FormatError(f"line {number}: a relationship has two elements and a type")
        one, kind, other = parts
        self._relationships.append({"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other})


def _once(tree: Tree, key: str, value: str, number: int) -> None:
    if key in tree:
        raise FormatError(f"line {number}: {key} stands twice")
    tree[key] = value
