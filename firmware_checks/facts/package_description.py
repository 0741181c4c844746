"""The DESCRIPTION file of an installed package of R or Octave."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.readers.message_head import message_head

__all__ = ["READER"]

_OF_R = re.compile(r"(?:^|/)(?:site-)?library/[^/]+/DESCRIPTION$")
_OF_OCTAVE = re.compile(r"(?:^|/)octave/.*/packinfo/DESCRIPTION$")
_NAME = re.compile(r"[A-Za-z][\w.-]{0,80}")
_VERSION = re.compile(r"\d+(?:[.-]\d+)+")


def _read(content: Content) -> Iterator[Fact]:
    fields = message_head(content.span.window)
    is_of_r = _OF_R.search(content.path) is not None
    name, version = fields.get("package" if is_of_r else "name", ""), fields.get("version", "")
    if fields.get("priority") == "base" or not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        return  # a part of R itself, or damaged
    yield Statement(
        name=name if is_of_r else f"octave-{name}",
        version=version,
        relation=Relation.IS,
        offset=0,
        excerpt=f"{name} {version}",
        purl_type="cran" if is_of_r else "generic",
    )


def _wants(content: Content) -> bool:
    return content.name == "DESCRIPTION" and any(form.search(content.path) for form in (_OF_R, _OF_OCTAVE))


def _example() -> tuple[str, bytes]:
    text = "Package: pumpcurves\nVersion: 1.4-2\nTitle: Curves of Infusion Pumps\nDepends: R (>= 3.5.0)\n"
    return "usr/lib/R/site-library/pumpcurves/DESCRIPTION", text.encode()


READER = FactReader(
    name="package-description",
    title="Description of a package of R or Octave",
    source="Writing R Extensions 1.1.1, the DESCRIPTION file; GNU Octave manual, creating packages",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("pumpcurves", "1.4-2"),),
)
