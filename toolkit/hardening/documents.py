"""A page of plain words: declared once, written as Markdown for an editor and as HTML for browser and printer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from toolkit.report.markup import Markup, element, join
from toolkit.report.page_frame import framed
from toolkit.report.printable import printable

__all__ = ["Block", "Document", "Heading", "Items", "Paragraph", "Steps", "Table", "to_html", "to_markdown"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")
_LINE_START = re.compile(r"^(\d+(?=[.)])|(?=[-+=]))")


@dataclass(frozen=True, slots=True)
class Heading:
    """Starts a section; ``level`` from 2 on."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Steps:
    """What is to be done in this order."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Items:
    """A list in no order."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under heads."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


Block = Heading | Paragraph | Steps | Items | Table


@dataclass(frozen=True, slots=True)
class Document:
    """A page; every text in it is shown as text, whatever it holds."""

    title: str
    blocks: Sequence[Block]
    language: str = "en"


SPACING: Final = """
h2 { margin-top: 1.8rem; }
h3 { margin-top: .9rem; }
"""


def to_markdown(document: Document) -> str:
    """Return the page as Markdown (CommonMark with tables)."""
    blocks = [f"# {_plain(document.title)}", *map(_markdown, document.blocks)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def to_html(document: Document) -> str:
    """Return the page as one HTML file: no script, no network, nothing unescaped."""
    body = element("body", element("main", element("h1", document.title), *map(_html, document.blocks)))
    return framed(body, title=document.title, language=document.language, more_style=SPACING)


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return _plain(block.text)
    if isinstance(block, Steps):
        return "\n".join(f"{number}. {_plain(item)}" for number, item in enumerate(block.items, 1))
    if isinstance(block, Items):
        return "\n".join(f"- {_plain(item)}" for item in block.items)
    rows = [block.heads, ["---"] * len(block.heads)]
    lines = [" | ".join(cell if row is rows[1] else _plain(cell) for cell in row) for row in [*rows, *block.rows]]
    return "\n".join(f"| {line} |" for line in lines)


def _plain(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is."""
    escaped = _SPECIAL.sub(r"\\\1", printable(text))
    return _LINE_START.sub(r"\1\\", escaped)


def _html(block: Block) -> Markup:
    if isinstance(block, Heading):
        return element(f"h{block.level}", block.text)
    if isinstance(block, Paragraph):
        return element("p", block.text)
    if isinstance(block, Steps | Items):
        name = "ol" if isinstance(block, Steps) else "ul"
        return element(name, *(element("li", item) for item in block.items))
    head = element("tr", *(element("th", text, scope="col") for text in block.heads))
    rows = (element("tr", *(element("td", cell) for cell in row)) for row in block.rows)
    return element("table", element("thead", head), element("tbody", join(rows, "\n")))
