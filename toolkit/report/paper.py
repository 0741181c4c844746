"""A page of ours as PDF: the same content as the HTML, tagged for screen readers, with page numbers.

The page is read back as a tree of its elements, which a Typst template in this folder lays out. Texts reach the
template as data and never as markup, so nothing that came out of an image can act. Fonts are those that the library
carries, and the time in the file is the day of the report: equal pages give equal bytes on every computer.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Final, Literal

from toolkit.core.errors import MissingExtra
from toolkit.report.markup import Markup, element

__all__ = ["PAPERS", "Paper", "page_to_pdf"]

Paper = Literal["a4", "letter"]
PAPERS: Final[tuple[Paper, ...]] = ("a4", "letter")
STANDARD: Final = "ua-1"
"""PDF/UA-1 (ISO 14289-1): what screen readers need; the library refuses to write a file that breaks it."""

_EMPTY: Final = frozenset({"br", "col", "meta"})
_HEADINGS: Final = frozenset({"h1", "h2", "h3"})
_SKIPPED: Final = frozenset({"head", "script", "style"})
_DEPTH_OF_PICTURES: Final = 5
"""A title this deep is that of a picture, not of the page."""
_COLOURS: Final = re.compile(r"--(\w+): (#[0-9a-f]{3,6});")
SHOWN: Final = (
    (0x20, 0x7E), (0xA0, 0x2AF), (0x370, 0x3FF), (0x400, 0x4FF), (0x1E00, 0x1EFF), (0x2010, 0x203F), (0x2070, 0x20BF),
    (0x2190, 0x22FF), (0x2500, 0x257F), (0x25A0, 0x25FF),
)  # fmt: skip
"""First and last characters of what the fonts of the library can show: Latin, Greek, Cyrillic, signs, arrows."""
_NOT_SHOWN: Final = re.compile(f"[^\n{''.join(f'{chr(first)}-{chr(last)}' for first, last in SHOWN)}]")
_MOST_WEIGHT, _LEAST_WEIGHT = 44, 9
"""Characters between which columns of a table share its width by what stands in them."""

Node = dict[str, Any]
"""Element: ``tag``, ``class``, ``attributes`` and ``children``, which are nodes and texts."""


def page_to_pdf(page: bytes, *, day: str, paper: Paper = "a4") -> bytes:
    """Return one of our HTML pages as PDF; ``day`` is the date to put into it.

    Raises ``MissingExtra`` where the library is not installed.
    """
    try:
        import typst
    except ImportError as error:
        raise MissingExtra(feature="a report as PDF", extra="pdf") from error
    tree = _Tree()
    tree.feed(page.decode())
    tree.close()
    document = {"title": tree.title, "language": tree.language, "paper": _PAPER_NAMES[paper], "body": tree.body()}
    template = (importlib.resources.files("toolkit.report") / "paper.typ").read_bytes()
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    made = typst.compile(
        template,
        format="pdf",
        sys_inputs={"document": json.dumps(document)},
        pdf_standards=STANDARD,
        ignore_system_fonts=True,
        timestamp=moment,
    )
    assert isinstance(made, bytes)  # noqa: S101  # one document is one file
    return made


_PAPER_NAMES: Final[dict[Paper, str]] = {"a4": "a4", "letter": "us-letter"}


class _Tree(HTMLParser):
    """Reads a page as nodes; pictures become files of their own with the look they have on the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._root: Node = {"tag": "root", "children": []}
        self._open: list[Node] = [self._root]
        self._style = ""
        self.title = ""
        self.language = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        attributes = {name: _shown(value or "") for name, value in attrs}
        node: Node = {
            "tag": tag,
            "class": attributes.pop("class", "").split(),
            "children": [],
            "attributes": attributes,
        }
        if tag == "html":
            self.language = attributes["lang"]
        self._open[-1]["children"].append(node)
        if tag not in _EMPTY:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  # our pages nest
        """End the innermost element."""
        self._open.pop()

    def handle_data(self, data: str) -> None:
        """Add text to the innermost element."""
        inside = self._open[-1]["tag"]
        if inside == "style":
            self._style += data
            return
        shown = _shown(data)
        if inside == "title" and len(self._open) < _DEPTH_OF_PICTURES:
            self.title = shown
        self._open[-1]["children"].append(shown)

    def body(self) -> Node:
        """Return the body, made ready for the template."""
        body = next(_found(self._root, "body"))
        patterns = next((node for node in _found(body, "svg") if "patterns" in node["class"]), None)
        look = element("style", Markup(_plain_style(self._style)))
        defined = join_nodes(patterns["children"]) if patterns is not None else Markup("")
        return _ready(body, f"{look}{defined}")


def _shown(text: str) -> str:
    r"""Return ``text`` with the characters that no font here can show written out, as ``\u65e5``."""
    return _NOT_SHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _found(node: Node, tag: str) -> Iterator[Node]:
    for child in node["children"]:
        if isinstance(child, dict):
            if child["tag"] == tag:
                yield child
            yield from _found(child, tag)


def _plain_style(style: str) -> str:
    """Return the rules for pictures with the colours put in: a picture of its own knows no variables."""
    colours = dict(_COLOURS.findall(style))
    rules = re.sub(r"var\(--(\w+)\)", lambda match: colours.get(match[1], match[0]), style)
    wanted = re.findall(r"^(\.[\w .-]+ \{[^}]*\})$", rules, re.MULTILINE)
    kept = [rule for rule in wanted if re.search(r"\b(fill|stroke|text-anchor|font-weight)\b", rule)]
    return f"text {{ font-family: 'Libertinus Serif'; font-size: 12px; }} {' '.join(kept)}"


def _ready(node: Node, look: str) -> Node:
    """Return ``node`` as the template takes it: pictures as text, tables with the widths of their columns."""
    if node["tag"] == "svg":
        return _picture(node, look)
    children = [
        child if isinstance(child, str) else _ready(child, look)
        for child in node["children"]
        if isinstance(child, str) or not _is_skipped(child)
    ]
    if node["tag"] in _HEADINGS and not _text(node).strip():
        children = ["-"]  # a name from the image may be empty, a heading on paper must not
    made: Node = {"tag": node["tag"], "class": node["class"], "children": children}
    if node["tag"] == "section" and any("blanks" in child["class"] for child in _found(made, "div")):
        made["class"] = [*made["class"], "kept"]  # who signs sees on one page what they sign
    if "verdict" in node["class"]:
        for word in _found(made, "p"):
            word["class"] = [*word["class"], *node["class"]]  # the template paints a word by its own classes
    if node["tag"] in ("td", "th"):
        made["colspan"], made["rowspan"] = (int(node["attributes"].get(name, "1")) for name in ("colspan", "rowspan"))
    if node["tag"] == "table":
        made["columns"] = _columns(node)
    return made


def _is_skipped(node: Node) -> bool:
    return node["tag"] in _SKIPPED or "patterns" in node["class"]


def _picture(node: Node, look: str) -> Node:
    attributes = node["attributes"]
    texts = [_text(part) for tag in ("title", "desc") for part in _found(node, tag)]
    words = attributes.get("aria-label") or ": ".join(texts)
    drawn = Markup(f"{look}{join_nodes(child for child in node['children'] if not _is_words(child))}")
    size = attributes["viewbox"].split()[2:]
    image = element(
        "svg",
        drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=attributes["viewbox"],
        class_=" ".join(node["class"]),
    )
    width, height = (float(each) for each in size)
    stretched = "bar" in node["class"]
    return {
        "tag": "svg", "class": node["class"], "children": [], "words": words, "image": image, "width": width,
        "height": height, "stretched": stretched,
    }  # fmt: skip


def _is_words(child: Node | str) -> bool:
    return isinstance(child, dict) and child["tag"] in ("title", "desc")


def join_nodes(children: Iterable[Node | str]) -> Markup:
    """Return nodes as markup again."""
    return Markup("".join(_markup(child) for child in children))


def _markup(child: Node | str) -> Markup:
    if isinstance(child, str):
        return element("tspan", child) if child.strip() else Markup("")
    attributes = {_CASED.get(name, name): value for name, value in child["attributes"].items()}
    return element(child["tag"], join_nodes(child["children"]), class_=" ".join(child["class"]) or None, **attributes)


_CASED: Final = {"viewbox": "viewBox", "patternunits": "patternUnits", "preserveaspectratio": "preserveAspectRatio"}
"""Names that the reader of HTML makes small and a picture of its own must have as they were."""


def _text(node: Node) -> str:
    return "".join(child if isinstance(child, str) else _text(child) for child in node["children"])


def _columns(table: Node) -> list[float]:
    """Return the shares of the columns in the width of a table, by the texts in them."""
    lengths: dict[int, list[int]] = {}
    held: dict[int, int] = {}
    for row in _found(table, "tr"):
        cells = [cell for cell in row["children"] if isinstance(cell, dict)]
        place = 0
        for cell in cells:
            while held.get(place, 0):
                held[place] -= 1
                place += 1
            across, down = (int(cell["attributes"].get(name, "1")) for name in ("colspan", "rowspan"))
            for column in range(place, place + across):
                held[column] = down - 1
                lengths.setdefault(column, []).extend([len(_text(cell))] if across == 1 else [])
            place += across
    means = (sum(found) / len(found) if found else 0.0 for _, found in sorted(lengths.items()))
    return [min(float(_MOST_WEIGHT), max(float(_LEAST_WEIGHT), mean)) for mean in means]
