"""Which documents a report can become; the module of each is imported when the document is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from toolkit.report.model import Report

__all__ = ["RENDERERS", "Renderer", "renderer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """One kind of document."""

    name: str
    suffix: str
    """End of its file names, without the dot."""
    module: str
    translated: bool = False
    """Whether people read it, so that it comes in their language."""

    def render(self, report: Report, *, language: str = "en") -> bytes:
        """Return the document as the content of a file; machines always get English."""
        function: Any = getattr(importlib.import_module(self.module), f"to_{self.name.replace('-', '_')}")
        document: bytes = function(report, language=language) if self.translated else function(report)
        return document

    def show(self, report: Report, *, language: str = "en") -> None:
        """Write the document to standard output."""
        sys.stdout.buffer.write(self.render(report, language=language))
        sys.stdout.buffer.flush()


class _Screen(Renderer):
    """The text report, which fits itself to the terminal it is shown on."""

    __slots__ = ()

    def show(self, report: Report, *, language: str = "en") -> None:
        """Write the report to standard output, in colour and as wide as the terminal where there is one."""
        from toolkit.report.text import write_text

        write_text(report, sys.stdout, language=language, environment=os.environ)


RENDERERS: Final = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            _Screen(name="text", suffix="txt", module="toolkit.report.text", translated=True),
            Renderer(name="json", suffix="json", module="toolkit.report.json_report"),
            Renderer(name="html", suffix="html", module="toolkit.report.html", translated=True),
            Renderer(name="pdf", suffix="pdf", module="toolkit.report.pdf", translated=True),
            Renderer(name="cyclonedx", suffix="cdx.json", module="toolkit.report.cyclonedx"),
            Renderer(name="cyclonedx-vex", suffix="vex.cdx.json", module="toolkit.report.cyclonedx_vex"),
            Renderer(name="openvex", suffix="openvex.json", module="toolkit.report.openvex"),
            Renderer(name="csaf-vex", suffix="csaf.json", module="toolkit.report.csaf_vex"),
            Renderer(name="spdx", suffix="spdx.json", module="toolkit.report.spdx"),
            Renderer(name="sarif", suffix="sarif", module="toolkit.report.sarif"),
            Renderer(name="csv", suffix="csv", module="toolkit.report.csv_tables"),
            Renderer(name="cef", suffix="cef", module="toolkit.report.cef"),
            Renderer(name="syslog", suffix="syslog", module="toolkit.report.syslog"),
            Renderer(name="ocsf", suffix="ocsf.jsonl", module="toolkit.report.ocsf"),
        )
    }
)
"""All kinds of documents by name."""


def renderer(name: str) -> Renderer:
    """Return the kind of document called ``name``; raise ``InputError`` when there is none."""
    if name not in RENDERERS:
        raise InputError(f"no report format {name!r}; there are: {', '.join(RENDERERS)}")
    return RENDERERS[name]
