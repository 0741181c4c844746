"""Which parts of an image are programs: images hold islands of content in a sea of erased flash."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from firmware_checks.architecture import Code, Recognition
from firmware_checks.span import Span
from firmware_checks.structure.load_base import words_of
from firmware_checks.structure.programs import Found, architectures, recognise
from firmware_checks.structure.vector_table import VectorTable, find_tables
from firmware_checks.texture import Stretch, Texture
from toolkit.report.model import Confidence

__all__ = ["MAXIMUM_TILES", "Placed", "place_programs"]

MAXIMUM_TILES = 512
MAXIMUM_ISLANDS = 64
"""Islands looked at one by one; what lies behind stays unknown."""
SEPARATOR_BYTES = 4096
"""Padding or noise of this size may part two programs; less is found inside most."""
TAIL_ZEROS_BYTES = 1024
"""Zeros at the end of a program, up to this many, are its variables and no padding."""
MINIMUM_ISLAND_BYTES = 1024
REFERENCED = 3
"""So many pointers into an island make it part of the program that holds them."""
SCANNED_BYTES = 1 << 19
PAGE_BYTES = 0x100
MAXIMUM_TRIES = 8
"""Tables that are tried as the start of a program."""
CORTEX_M = "arm-cortex-m"


@dataclass(frozen=True, slots=True)
class Placed:
    """A program at ``[start, end)`` of the span; its recognition counts from ``start``."""

    start: int
    end: int
    found: Found
    table: VectorTable | None = None

    @property
    def recognition(self) -> Recognition:
        """Why it is believed to be one."""
        return self.found.recognition


def place_programs(span: Span, stretches: Sequence[Stretch]) -> list[Placed]:
    """Return the programs in ``span``, in order, without overlap."""
    view = span.window.view
    if not any(stretch.texture is Texture.PLAIN for stretch in stretches):
        return []
    tables = list(find_tables(view, stretches))
    placed = list(_with_tables(span, stretches, tables))
    if not placed:
        whole = recognise(_code(span, stretches, 0, span.size, span.address))
        placed = _spread(span, stretches, 0, span.size, whole) if whole is not None else []
    for start, end in _unclaimed(stretches, placed):
        found = recognise(_code(span, stretches, start, end, _address(span, start)))
        if found is not None and found.recognition.confidence is Confidence.HIGH:
            placed.append(Placed(start, end, found))
    return sorted(placed, key=lambda program: program.start)


def _with_tables(span: Span, stretches: Sequence[Stretch], tables: Sequence[VectorTable]) -> Iterator[Placed]:
    """Yield the programs that start with a vector table."""
    cortex = architectures()[CORTEX_M]
    accepted = _accepted(span, stretches, tables)
    ends = [table.offset for table, _ in accepted[1:]] + [span.size]
    position = 0
    for (table, recognition), end in zip(accepted, ends, strict=False):
        start = table.offset
        if end < span.size or recognition is None:  # so far it was looked at together with what follows
            recognition = cortex.recognise(_code(span, stretches, start, end, _address(span, start)))  # noqa: PLW2901
        if recognition is None or start < position:
            continue
        for program in _spread(span, stretches, start, end, Found(cortex, recognition)):
            yield replace(program, table=replace(table, offset=0)) if program.start == start else program
            position = program.end


def _accepted(
    span: Span, stretches: Sequence[Stretch], tables: Sequence[VectorTable]
) -> list[tuple[VectorTable, Recognition | None]]:
    """Return the tables that are the start of a program; tables of function pointers inside a program look similar."""
    accepted: list[tuple[VectorTable, Recognition | None]] = []
    base: int | None = None
    tries = MAXIMUM_TRIES
    for table in tables:
        if base is not None and _runs_in_place(table, base + table.offset, span.size - table.offset):
            accepted.append((table, None))
        elif tries:
            tries -= 1
            recognition = _try_table(span, stretches, table)
            if recognition is None or (accepted and recognition.confidence is not Confidence.HIGH):
                continue
            accepted.append((table, recognition))
            if base is None:
                base = (recognition.load_address or 0) - table.offset
    return accepted


def _try_table(span: Span, stretches: Sequence[Stretch], table: VectorTable) -> Recognition | None:
    """Recognise the bytes from ``table`` on as a program that starts with it."""
    code = _code(span, stretches, table.offset, span.size, _address(span, table.offset))
    recognition = architectures()[CORTEX_M].recognise(code)
    return recognition if recognition is not None and recognition.stack_address == table.stack else None


def _runs_in_place(table: VectorTable, address: int, size: int) -> bool:
    """Tell whether ``table``, when it stands at ``address``, begins a flash page and its handlers follow it."""
    low, high = table.load_range(size)
    return low <= address <= high and not address % PAGE_BYTES and not table.stack % 8 and len(table.handlers) > 2


def _code(span: Span, stretches: Sequence[Stretch], start: int, end: int, address: int | None) -> Code:
    plain = tuple(
        (max(stretch.start, start) - start, min(stretch.end, end) - start)
        for stretch in stretches
        if stretch.texture is Texture.PLAIN and stretch.end > start and stretch.start < end
    )
    return Code(span.window.view[start:end], address, plain)


def _address(span: Span, start: int) -> int | None:
    return None if span.address is None else span.address + start


def _spread(span: Span, stretches: Sequence[Stretch], start: int, end: int, found: Found) -> list[Placed]:
    """Return the program that was recognised in ``[start, end)``, and further ones of the same kind behind it.

    An island behind erased flash belongs to the program when it is code of the same kind, holds vectors or entry, or
    is pointed to; with an entry of its own it is a program of its own.
    """
    islands = list(_islands(stretches, start, end))[:MAXIMUM_ISLANDS]
    result = [Placed(start, islands[0][1], found)]
    base = found.recognition.load_address
    pointers = _pointers(span, start, islands[0][1], found.recognition) if len(islands) > 1 else []
    for low, high in islands[1:]:
        address = None if base is None else base + low - start
        own = found.architecture.recognise(_code(span, stretches, low, high, address))
        if own is not None and own.entry_address is not None and own.confidence is Confidence.HIGH:
            result.append(Placed(low, high, Found(found.architecture, own)))
            base, start, pointers = own.load_address, low, _pointers(span, low, high, own)
        elif own is not None or _belongs(result[-1], pointers, address, low, high):
            result[-1] = replace(result[-1], end=high)
    return [replace(program, end=_with_tail(stretches, program.end, end)) for program in result]


def _islands(stretches: Sequence[Stretch], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of content in ``[start, end)`` that large padding or noise sets apart."""
    low: int | None = None
    high = start
    for stretch in stretches:
        if stretch.end <= start or stretch.start >= end:
            continue
        if stretch.texture is Texture.PLAIN:
            if low is not None and stretch.start - high >= SEPARATOR_BYTES:
                yield low, high
                low = None
            low = max(stretch.start, start) if low is None else low
            high = min(stretch.end, end)
    if low is not None:
        yield low, high


def _pointers(span: Span, start: int, end: int, recognition: Recognition) -> list[int]:
    """Return what may be addresses in ``[start, end)``, ascending."""
    width = 8 if (recognition.load_address or 0) >> 32 else 4
    data = bytes(span.window.view[start : min(end, start + SCANNED_BYTES)])
    return sorted(set(words_of(data, width, recognition.byte_order)))


def _belongs(program: Placed, pointers: Sequence[int], address: int | None, low: int, high: int) -> bool:
    """Tell whether ``program`` has its vectors or its entry in, or points into, ``[low, high)`` at ``address``."""
    recognition = program.recognition
    if recognition.vectors is not None and low < program.start + recognition.vectors[1] <= high:
        return True
    if address is None:
        return False
    stop = address + high - low
    if recognition.entry_address is not None and address <= recognition.entry_address < stop:
        return True
    return bisect_left(pointers, stop) - bisect_left(pointers, address) >= REFERENCED


def _with_tail(stretches: Sequence[Stretch], end: int, limit: int) -> int:
    """Return the end of a program together with the few zeros that follow it."""
    for stretch in stretches:
        if stretch.start == end and stretch.value == 0 and stretch.size < TAIL_ZEROS_BYTES:
            return min(stretch.end, limit)
    return end


def _unclaimed(stretches: Sequence[Stretch], placed: Sequence[Placed]) -> Iterator[tuple[int, int]]:
    """Yield islands that no program covers and that are large enough to be one."""
    if not placed:
        return
    position = 0
    bounds = [*sorted((program.start, program.end) for program in placed), (stretches[-1].end, stretches[-1].end)]
    count = 0
    for start, end in bounds:
        for low, high in _islands(stretches, position, start) if start > position else ():
            count += 1
            if high - low >= MINIMUM_ISLAND_BYTES and count <= MAXIMUM_ISLANDS:
                yield low, high
        position = max(position, end)
