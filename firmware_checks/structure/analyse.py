"""What a stretch of bytes is that no container format claimed: programs, settings, padding, noise, text, or unknown.

The regions returned tile the stretch in order; only ranges that the file does not define may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from firmware_checks.region import Region
from firmware_checks.span import Span
from firmware_checks.structure.check_value import find_check_value
from firmware_checks.structure.islands import MAXIMUM_TILES, place_programs
from firmware_checks.structure.program_region import program_regions
from firmware_checks.structure.protection import Area, areas_of, configuration_region
from firmware_checks.texture import Stretch, Texture, is_text, survey
from toolkit.core.limits import Limits
from toolkit.report.model import RegionKind

__all__ = ["analyse"]

INNER_PADDING_BYTES = 256
"""Shorter padding between two other things belongs to them."""
COARSER = 16
PADDING_TITLES = {0x00: "Padding (all bytes 0x00)", 0xFF: "Padding (all bytes 0xff, erased flash)"}


def analyse(span: Span, limits: Limits) -> list[Region]:
    """Return what ``span`` is made of."""
    regions: list[Region] = []
    position = 0
    for start, end, area in _configuration_runs(span):
        regions += _analyse_part(span.part(position, start), limits)
        regions.append(configuration_region(span.part(start, end), area))
        position = end
    regions += _analyse_part(span.part(position, span.size), limits)
    return regions


def _configuration_runs(span: Span) -> Iterator[tuple[int, int, Area]]:
    """Yield the defined runs of bytes that lie whole in an area for settings: there the address alone says it."""
    if span.address is None:
        return
    for start, end in defined(span, 0, span.size):
        for area in areas_of(span.address + start, span.address + end):
            yield start, end, area
            break


def defined(span: Span, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of ``[start, end)`` that the file defines."""
    position = start
    for hole_start, hole_end in span.holes:
        if hole_end <= position or hole_start >= end:
            continue
        if hole_start > position:
            yield position, hole_start
        position = hole_end
    if position < end:
        yield position, end


def _analyse_part(span: Span, limits: Limits) -> list[Region]:
    if not any(True for _ in defined(span, 0, span.size)):
        return []
    most = min(MAXIMUM_TILES, limits.regions)
    inner = INNER_PADDING_BYTES
    stretches = survey(span.window.view, inner_padding_bytes=inner)
    while len(stretches) > most and inner < span.size:
        inner *= COARSER
        stretches = survey(span.window.view, inner_padding_bytes=inner)
    programs = place_programs(span, stretches)
    regions: list[Region] = []
    position = 0
    for region, program in zip(program_regions(span, stretches, programs), programs, strict=True):
        regions += _rest(span, stretches, position, program.start)
        regions.append(region)
        position = program.end
    behind = any(stretch.texture is not Texture.PADDING and stretch.end > position for stretch in stretches)
    check = find_check_value(span.window.view) if programs and behind else None
    if check is None or check.start < position:
        return [*regions, *_rest(span, stretches, position, span.size)]
    regions += _rest(span, stretches, position, check.start)
    regions.append(check.region(span.part(check.start, check.end)))
    return [*regions, *_rest(span, stretches, check.end, span.size)]


def _rest(span: Span, stretches: Sequence[Stretch], start: int, end: int) -> Iterator[Region]:
    """Yield regions for ``[start, end)``, in which there is no program."""
    for stretch in stretches:
        first, last = max(stretch.start, start), min(stretch.end, end)
        if first >= last:
            continue
        if stretch.texture is Texture.PADDING:
            for low, high in defined(span, first, last):
                title = PADDING_TITLES[stretch.value or 0]
                yield Region(span=span.part(low, high), format="padding", kind=RegionKind.PADDING, title=title)
        elif stretch.texture is Texture.NOISE:
            yield noise_region(span.part(first, last))
        else:
            yield _content(span.part(first, last))


def noise_region(span: Span) -> Region:
    """Return the region of bytes that look random."""
    return Region(
        span=span,
        format="noise",
        kind=RegionKind.ENCRYPTED,
        title="Encrypted or compressed content",
        facts={"why": ("all byte values occur equally often",)},
    )


def _content(span: Span) -> Region:
    if is_text(span.window.view):
        return Region(span=span, format="text", kind=RegionKind.DATA, title="Text")
    return Region(span=span, format="raw", kind=RegionKind.UNKNOWN, title="Content that was not recognised")
