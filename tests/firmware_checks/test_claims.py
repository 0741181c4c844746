"""Which finds stand for themselves and which belong to the program around them."""

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.claims import Carved, ProgramAt, claims
from firmware_checks.format import ImageFormat, Opened
from firmware_checks.recognise import Found
from firmware_checks.region import Region
from firmware_checks.span import Span
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

NOTHING = Span("dump", Window.of(b""))


def _never_opened(_span: Span, _limits: Limits) -> Opened:
    raise AssertionError


def _find(start: int, end: int, *, stands_alone: bool = False) -> Carved:
    image_format = ImageFormat(
        name="made-up",
        title="Made up",
        source="this test",
        limits="all",
        open=_never_opened,
        stands_alone=stands_alone,
        example=bytes,
    )
    opened = Opened(size=end - start, kind=RegionKind.DATA, title="Made up")
    return Carved(start, end, Found(image_format, opened, NOTHING))


def _program(start: int, end: int) -> ProgramAt:
    return ProgramAt(start, end, Region(span=NOTHING, format="raw", kind=RegionKind.PROGRAM, title="Program"))


def _claimed(finds: Sequence[Carved], *programs: ProgramAt) -> list[tuple[int, int, int]]:
    """Return start, end and number of finds of each claim."""
    return [(c.start, c.end, len(c.finds)) for c in claims(finds, lambda: programs)]


def test_what_lies_inside_a_program_is_claimed_with_it() -> None:
    finds = [_find(20, 30), _find(40, 50), _find(120, 130)]
    assert _claimed(finds, _program(10, 100)) == [(10, 100, 2), (120, 130, 1)]
    assert _claimed(finds[:2], _program(10, 100)) == [(10, 100, 2)]
    assert _claimed(finds, _program(10, 100), _program(110, 200)) == [(10, 100, 2), (110, 200, 1)]


def test_a_find_that_reaches_beyond_a_program_ends_it() -> None:
    assert _claimed([_find(90, 110)], _program(10, 100)) == [(10, 90, 0), (90, 110, 1)]
    finds = [_find(20, 30), _find(90, 110), _find(120, 130)]
    assert _claimed(finds, _program(10, 100), _program(115, 140)) == [(10, 90, 1), (90, 110, 1), (115, 140, 1)]


def test_a_find_that_leaves_little_of_a_program_takes_it_apart() -> None:
    assert _claimed([_find(20, 30), _find(40, 110)], _program(10, 100)) == [(20, 30, 1), (40, 110, 1)]
    assert _claimed([_find(5, 15), _find(20, 30)], _program(10, 100)) == [(5, 15, 1), (20, 30, 1)]


def test_what_runs_by_itself_is_in_no_program() -> None:
    finds = [_find(20, 30, stands_alone=True), _find(40, 50)]
    assert _claimed(finds, _program(10, 100)) == [(20, 30, 1), (40, 50, 1)]
    finds = [_find(20, 30), _find(40, 50, stands_alone=True), _find(60, 70)]
    assert _claimed(finds, _program(10, 100)) == [(20, 30, 1), (40, 50, 1), (60, 70, 1)]


def test_nobody_looks_for_programs_where_nothing_could_be_embedded() -> None:
    def unexpected() -> Sequence[ProgramAt]:
        raise AssertionError

    assert [c.start for c in claims([_find(0, 10), _find(20, 30, stands_alone=True)], unexpected)] == [0, 20]


@given(st.lists(st.integers(1, 9), max_size=12), st.lists(st.integers(1, 40), max_size=5))
def test_claims_are_in_order_and_apart_and_hold_every_find_once(sizes: list[int], programs: list[int]) -> None:
    finds, position = [], 0
    for index, size in enumerate(sizes):
        finds.append(_find(position, position + size, stands_alone=index % 5 == 4))
        position += size + index % 3
    placed, position = [], 1
    for size in programs:
        placed.append(_program(position, position + size))
        position += size + 2
    found = list(claims(finds, lambda: placed))
    assert [find for claim in found for find in claim.finds] == finds
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
    assert all(claim.start <= find.start and find.end <= claim.end for claim in found for find in claim.finds)
