"""The manifest of a Java archive: the bundle or implementation it is, with its version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.readers.message_head import message_head
from toolkit.report.model import Confidence

__all__ = ["READER"]

_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.-]{0,60}")
_ARCHIVE = re.compile(r"([^!/]+?)(?:-\d[\w.]*)?\.[jwe]ar!")


def _read(content: Content) -> Iterator[Fact]:
    """Yield the archive: the name from the bundle, else from the archive's file name."""
    fields = message_head(content.span.window)
    version = fields.get("bundle-version") if "bundle-symbolicname" in fields else fields.get("implementation-version")
    archive = _ARCHIVE.search(content.span.path)
    name = fields.get("bundle-symbolicname", "").partition(";")[0] or (archive[1] if archive else "")
    if name and version and _VERSION.fullmatch(version):
        yield Statement(
            name=name.rpartition(".")[2] if name.count(".") > 1 else name,
            version=version,
            relation=Relation.IS,
            offset=0,
            excerpt=f"{name} {version}",
            purl_type="maven",
            namespace=name.rpartition(".")[0],
            confidence=Confidence.HIGH,
        )


def _wants(content: Content) -> bool:
    return content.path == "META-INF/MANIFEST.MF"


def _example() -> tuple[str, bytes]:
    text = "Manifest-Version: 1.0\r\nBundle-SymbolicName: org.example.tele\r\n metry;singleton:=true\r\n"
    text += "Bundle-Version: 1.9.2\r\n"
    return "META-INF/MANIFEST.MF", text.encode()


READER = FactReader(
    name="java-manifest",
    title="Manifest of a Java archive",
    source="Java Archive (JAR) File Specification; OSGi Core, bundle manifest headers",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("telemetry", "1.9.2"),),
)
