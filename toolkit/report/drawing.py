"""The shapes of the HTML report: a look for every kind of region that is told apart without colour too."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from toolkit.report.languages import Translator
from toolkit.report.markup import Markup, element, join
from toolkit.report.model import RegionKind
from toolkit.report.summary import Light, Share

__all__ = ["bar", "kind_patterns", "lamps", "rectangle", "severity_rectangle", "severity_swatch", "swatch"]

BAR_WIDTH, BAR_HEIGHT = 720, 30
SHARE_LEAST = 6
"""Width of the smallest share that is there, in pixels."""

_UNREAD: Final = "unread"
_STROKES: Final = MappingProxyType(
    {
        RegionKind.CONTAINER.value: "M0 8H8",
        RegionKind.CONFIGURATION.value: "M0 0L8 8M8 0L0 8",
        RegionKind.METADATA.value: "M4 0V8",
        RegionKind.DATA.value: "M0 4H8",
        RegionKind.ENCRYPTED.value: "M-2 2L2 -2M0 8L8 0M6 10L10 6",
        RegionKind.UNKNOWN.value: "M3 4H5",
        _UNREAD: "M-2 6L2 10M0 0L8 8M6 -2L10 2",
        "severity-high": "M-2 2L2 -2M0 8L8 0M6 10L10 6",
        "severity-medium": "M0 0L8 8M8 0L0 8",
        "severity-low": "M0 4H8",
        "severity-unknown": "M3 4H5",
    }
)
"""Lines of an 8 by 8 pattern over the colour of a kind or severity; the darkest and the lightest have none."""


def kind_patterns() -> Markup:
    """Return the patterns that ``rectangle`` refers to; they stand once in the page."""
    patterns = [
        element(
            "pattern",
            element("path", d=path, class_="stroke"),
            id=f"over-{name}",
            width=8,
            height=8,
            patternUnits="userSpaceOnUse",
        )
        for name, path in _STROKES.items()
    ]
    return element("svg", element("defs", *patterns), class_="patterns", aria_hidden="true", width=0, height=0)


def rectangle(kind: RegionKind | None, x: float, y: float, width: float, height: float) -> Markup:
    """Return a rectangle with the look of ``kind``; None is what was not read."""
    name = _UNREAD if kind is None else kind.value
    return _rectangle(name, f"kind-{name}", x, y, width, height)


def severity_rectangle(name: str, x: float, y: float, width: float, height: float) -> Markup:
    """Return a rectangle with the look of the severity called ``name``."""
    return _rectangle(f"severity-{name}", f"severity-{name}", x, y, width, height)


def _rectangle(name: str, class_: str, x: float, y: float, width: float, height: float) -> Markup:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
    over = f"url(#over-{name})" if name in _STROKES else "none"
    return join([element("rect", class_=class_, **place), element("rect", class_="outline", fill=over, **place)])


def swatch(kind: RegionKind | None) -> Markup:
    """Return a small sample of the look of ``kind`` for a legend."""
    return element("svg", rectangle(kind, 0.5, 0.5, 21, 13), class_="swatch", viewBox="0 0 22 14", aria_hidden="true")


def severity_swatch(name: str) -> Markup:
    """Return a small sample of the look of a severity for a legend."""
    shape = severity_rectangle(name, 0.5, 0.5, 21, 13)
    return element("svg", shape, class_="swatch", viewBox="0 0 22 14", aria_hidden="true")


def bar(shares: Sequence[Share], say: Translator) -> Markup:
    """Return the shares side by side, to size, of which one or more are there; the legend says the same in numbers."""
    there = [share for share in shares if share.size]
    total = sum(share.size for share in there)
    to_scale = BAR_WIDTH - 1 - SHARE_LEAST * len(there)
    blocks: list[Markup] = []
    x = 0.5
    for share in there:
        width = SHARE_LEAST + to_scale * share.size / total
        blocks.append(rectangle(share.kind, x, 0.5, width, BAR_HEIGHT - 1))
        x += width
    label = ", ".join(f"{say(share.label)} {say.percent(share.size / total)}" for share in there)
    looks = {"viewBox": f"0 0 {BAR_WIDTH} {BAR_HEIGHT}", "preserveAspectRatio": "none", "class_": "bar"}
    return element("svg", *blocks, role="img", aria_label=label, **looks)


def lamps(light: Light) -> Markup:
    """Return the traffic light; the lamp that is on is filled, the others are rings."""
    names = ("red", "amber", "green")
    lit = light.name.lower()
    circles = [
        element("circle", cx=22, cy=22 + 36 * place, r=14, class_=f"lamp {name}" if name == lit else "lamp")
        for place, name in enumerate(names)
    ]
    case = element("rect", x=1, y=1, width=42, height=114, rx=10, class_="case")
    return element("svg", case, *circles, class_="lamps", viewBox="0 0 44 116", aria_hidden="true")
