"""The address map as a picture."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.report.address_spaces import AddressSpace, Area
from toolkit.report.drawing import rectangle
from toolkit.report.languages import Translator
from toolkit.report.markup import Markup, element, join
from toolkit.report.model import RegionKind
from toolkit.report.summary import address_text
from toolkit.report.wording import KIND_NAMES, Label

__all__ = ["picture"]

MOST_AREAS = 14
"""Areas drawn in one picture: more do not fit on a printed page with their labels."""
WIDTH = 720
BLOCK_LEFT, BLOCK_WIDTH = 112, 150
LABEL_LEFT = BLOCK_LEFT + BLOCK_WIDTH + 12
LABEL_CHARACTERS = 48
AREA_LEAST, AREAS_TO_SCALE = 28, 240
"""Height of the smallest area, and the height that all areas share by size, in pixels."""
GAP_HEIGHT = 30
MARGIN = 10


def _few(areas: Sequence[Area], say: Translator) -> list[Area]:
    """Return at most ``MOST_AREAS`` + 1 areas: the largest ones, and the others in between summed up."""
    if len(areas) <= MOST_AREAS:
        return list(areas)
    largest = set(sorted(range(len(areas)), key=lambda i: -areas[i].size)[: MOST_AREAS // 2])
    kept: list[Area] = []
    run: list[Area] = []
    for index, area in enumerate(areas):
        if index not in largest:
            run.append(area)
            continue
        kept += [*_summed(run, say), area]
        run = []
    return [*kept, *_summed(run, say)]


def _summed(run: Sequence[Area], say: Translator) -> list[Area]:
    if len(run) < 2:
        return list(run)
    title = say(Label.AREAS, count=say.number(len(run)))
    return [Area(run[0].start, run[-1].end, RegionKind.CONTAINER, title)]


def picture(space: AddressSpace, say: Translator) -> Markup:
    """Return the address space as an SVG figure, lowest address at the top."""
    areas = _few(space.areas, say)
    total = sum(area.size for area in areas)
    parts: list[Markup] = []
    y = float(MARGIN)
    for index, area in enumerate(areas):
        if index and area.start > areas[index - 1].end:
            parts.append(_gap(areas[index - 1].end, area.start, y, say))
            y += GAP_HEIGHT
        height = AREA_LEAST + AREAS_TO_SCALE * area.size / total
        parts.append(_block(area, y, height, say))
        y += height
    parts.append(_address(areas[-1].end, y))
    title = say(Label.MAP_OF, name=space.name)
    return element(
        "svg",
        element("title", title),
        join(parts, "\n"),
        viewBox=f"0 0 {WIDTH} {y + MARGIN:.0f}",
        role="img",
        class_="map",
    )


def _block(area: Area, y: float, height: float, say: Translator) -> Markup:
    title = say(area.title)
    shown = title if len(title) <= LABEL_CHARACTERS else f"{title[:LABEL_CHARACTERS]}..."
    detail = f"{say(KIND_NAMES[area.kind])}, {say.size(area.size)}"
    middle = y + height / 2
    return join(
        [
            rectangle(area.kind, BLOCK_LEFT, y, BLOCK_WIDTH, height),
            _address(area.start, y),
            element("text", shown, x=LABEL_LEFT, y=f"{middle - 3:.1f}", class_="what"),
            element("text", detail, x=LABEL_LEFT, y=f"{middle + 11:.1f}", class_="detail"),
        ]
    )


def _address(address: int, y: float) -> Markup:
    return element("text", address_text(address), x=BLOCK_LEFT - 8, y=f"{y + 4:.1f}", class_="address")


def _gap(start: int, end: int, y: float, say: Translator) -> Markup:
    """Return a broken line in place of addresses that nothing is said about."""
    step, half = BLOCK_WIDTH / 10, GAP_HEIGHT / 2
    points = " ".join(f"{BLOCK_LEFT + n * step:.0f},{y + half + (4 if n % 2 else -4) + 2:.0f}" for n in range(11))
    return join(
        [
            _address(start, y + 2),
            element("polyline", points=points, class_="gap"),
            element(
                "text",
                say(Label.GAP, size=say.size(end - start)),
                x=LABEL_LEFT,
                y=f"{y + half + 5:.1f}",
                class_="detail",
            ),
        ]
    )
