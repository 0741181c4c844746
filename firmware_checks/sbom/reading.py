"""Reading a bill of materials: CycloneDX 1.2 to 1.6 in JSON or XML, SPDX 2.2 and 2.3 in JSON or tag-value.

The file comes from somebody else. It is bounded in size, depth and number of parts; a key that stands twice, a document
type declaration and text that is not UTF-8 are refused, since programs read such files differently.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firmware_checks.sbom.cyclonedx import from_cyclonedx
from firmware_checks.sbom.cyclonedx_xml import cyclonedx_tree
from firmware_checks.sbom.record import Sbom
from firmware_checks.sbom.spdx import from_spdx
from firmware_checks.sbom.tag_value import spdx_tree
from signing.refusal import Refusal
from signing.strict.json_text import strict_json
from toolkit.core.errors import FormatError, InputError

__all__ = ["LARGEST_BYTES", "MOST_COMPONENTS", "MOST_DEPTH", "read_sbom", "sbom_of"]

LARGEST_BYTES = 64 << 20
MOST_DEPTH = 64
"""Nested brackets or elements."""
MOST_COMPONENTS = 100_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_sbom(path: Path) -> tuple[Sbom, bytes]:
    """Return what the file at ``path`` says, and its bytes; raise ``InputError`` when it cannot be read as one."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return sbom_of(data), data
    except FormatError as error:
        raise InputError(f"{path}: {error}") from error


def sbom_of(data: bytes, *, most_components: int = MOST_COMPONENTS) -> Sbom:
    """Return what the document ``data`` says; raise ``FormatError`` when it is none that can be read."""
    if len(data) > LARGEST_BYTES:
        raise FormatError(f"more than {LARGEST_BYTES} bytes, which no bill of materials has")
    text = data.removeprefix(_BYTE_ORDER_MARK)
    start = text.lstrip()[:1]
    if start == b"{":
        sbom = _from_json(text)
    elif start == b"<":
        sbom = from_cyclonedx(cyclonedx_tree(text, MOST_DEPTH, most_components), "XML")
    elif b"SPDXVersion:" in text:
        sbom = from_spdx(spdx_tree(text, most_components), "tag-value")
    else:
        raise FormatError("this is neither CycloneDX (JSON, XML) nor SPDX (JSON, tag-value)")
    if len(sbom.everything) > most_components:
        raise FormatError(f"more than {most_components} components")
    return sbom


def _from_json(text: bytes) -> Sbom:
    try:
        document: Any = strict_json(text, most_bytes=LARGEST_BYTES, most_depth=MOST_DEPTH)
    except Refusal as refusal:
        raise FormatError(str(refusal)) from refusal
    if "spdxVersion" in document:
        return from_spdx(document, "JSON")
    if document.get("bomFormat") == "CycloneDX":
        return from_cyclonedx(document, "JSON")
    raise FormatError("this JSON is neither CycloneDX (bomFormat) nor SPDX 2 (spdxVersion)")
