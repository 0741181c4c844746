"""The address map behind the picture."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolkit.report.address_picture import MOST_AREAS, picture
from toolkit.report.address_spaces import AddressSpace, Area, address_spaces
from toolkit.report.languages import Translator
from toolkit.report.model import RegionKind, RegionRecord

PROGRAM, DATA, UNKNOWN = RegionKind.PROGRAM, RegionKind.DATA, RegionKind.UNKNOWN


def _row(
    title: str,
    depth: int,
    address: int | None,
    size: int,
    *,
    kind: RegionKind = PROGRAM,
    path: str = "a",
    holes: int = 0,
) -> RegionRecord:
    return RegionRecord(
        path=path,
        format="f",
        kind=kind,
        title=title,
        start=0,
        end=size,
        size=size,
        depth=depth,
        address=address,
        address_end=None if address is None else address + size + holes,
    )


def _drawn(space: AddressSpace) -> list[tuple[int, int, str]]:
    return [(area.start, area.end, area.title) for area in space.areas]


def test_inner_regions_take_the_place_of_what_they_lie_in() -> None:
    rows = [_row("outer", 0, 0, 100), _row("in", 1, 20, 10), _row("deep", 2, 25, 5), _row("late", 1, 90, 10)]
    (space,) = address_spaces(rows)
    assert _drawn(space) == [(0, 20, "outer"), (20, 25, "in"), (25, 30, "deep"), (30, 90, "outer"), (90, 100, "late")]


def test_addresses_that_the_file_does_not_define_stay_empty() -> None:
    rows = [_row("whole", 0, 0, 30, holes=70), _row("first", 1, 0, 20), _row("last", 1, 90, 10)]
    (space,) = address_spaces(rows)
    assert _drawn(space) == [(0, 20, "first"), (90, 100, "last")]


def test_areas_that_go_on_and_say_the_same_are_one() -> None:
    (space,) = address_spaces([_row("code", 0, 0, 10), _row("code", 0, 10, 10), _row("code", 0, 40, 10)])
    assert _drawn(space) == [(0, 20, "code"), (40, 50, "code")]


def test_memories_of_two_devices_in_one_container_are_two_spaces() -> None:
    rows = [
        _row("Intel HEX", 0, None, 60),
        _row("v1 code", 1, 0, 50),
        _row("v1 settings", 1, 0x1000, 8),
        _row("v2 code", 1, 0, 70),
        _row("v2 settings", 1, 0x1000, 8),
    ]
    spaces = address_spaces(rows)
    assert [[area.title for area in space.areas] for space in spaces] == [
        ["v1 code", "v1 settings"],
        ["v2 code", "v2 settings"],
    ]
    assert {space.name for space in spaces} == {"a (Intel HEX)"}


def test_each_file_and_each_holder_has_its_own_space() -> None:
    rows = [
        _row("archive", 0, None, 9),
        _row("hex", 1, None, 9, path="a!x"),
        _row("flash", 2, None, 9, path="a!x"),
        _row("code", 3, 0x100, 9, path="a!x"),
        _row("eeprom", 2, None, 9, path="a!x"),
        _row("values", 3, 0x100, 9, path="a!x"),
        _row("raw", 1, 0x100, 9, path="a!y"),
    ]
    named = {space.name: [area.title for area in space.areas] for space in address_spaces(rows)}
    assert named == {"a!x (flash)": ["code"], "a!x (eeprom)": ["values"], "a!y": ["raw"]}


def test_unpacked_content_has_addresses_of_its_own() -> None:
    rows = [
        _row("partition", 0, 0x100, 50),
        _row("framing", 1, None, 20),
        _row("code", 2, 0x110, 10),
        _row("packed", 1, None, 20),
        _row("inside", 2, 0x100, 9, path="a!in"),
    ]
    named = {space.name: _drawn(space) for space in address_spaces(rows)}
    assert named == {
        "a": [(0x100, 0x110, "partition"), (0x110, 0x11A, "code"), (0x11A, 0x132, "partition")],
        "a!in": [(0x100, 0x109, "inside")],
    }


def test_of_regions_that_overlap_the_first_one_is_drawn() -> None:
    rows = [_row("outer", 0, 0, 100), _row("first", 1, 0, 50), _row("hidden", 1, 10, 20), _row("later", 1, 40, 20)]
    (space,) = address_spaces(rows)
    assert _drawn(space) == [(0, 50, "first"), (50, 60, "later"), (60, 100, "outer")]


def test_a_report_without_addresses_has_no_map() -> None:
    assert address_spaces([_row("a", 0, None, 9), _row("b", 0, 5, 0)]) == []


def test_a_row_that_does_not_name_its_last_address_ends_with_its_bytes() -> None:
    row = RegionRecord(path="a", format="f", kind=DATA, title="t", start=0, end=4, size=4, depth=0, address=16)
    assert _drawn(address_spaces([row])[0]) == [(16, 20, "t")]


ROWS = st.builds(
    _row,
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 80),
    st.none() | st.integers(0, 300),
    st.integers(0, 60),
    kind=st.sampled_from(RegionKind),
    path=st.sampled_from(["x", "x!y"]),
    holes=st.sampled_from([0, 0, 20]),
)


@given(st.lists(ROWS, max_size=30))
def test_areas_are_sorted_and_apart_whatever_the_rows_say(rows: list[RegionRecord]) -> None:
    for space in address_spaces(rows):
        assert all(area.start < area.end for area in space.areas)
        assert all(a.end <= b.start for a, b in zip(space.areas, space.areas[1:], strict=False))


@given(st.lists(ROWS, max_size=30))
def test_every_space_with_areas_can_be_drawn(rows: list[RegionRecord]) -> None:
    for space in address_spaces(rows):
        assert space.areas
        assert picture(space, Translator()).startswith("<svg ")


@given(st.lists(st.tuples(st.integers(1, 5_000), st.sampled_from([0, 0, 16])), min_size=1, max_size=120))
def test_a_picture_fits_a_page_and_names_first_and_last_address(pieces: list[tuple[int, int]]) -> None:
    areas: list[Area] = []
    position = 0x1000
    for size, gap in pieces:
        areas.append(Area(position, position + size, UNKNOWN, f"at {position}"))
        position += size + gap
    drawn = picture(AddressSpace("a", tuple(areas)), Translator())
    height = int(drawn.split('viewBox="0 0 720 ')[1].split('"')[0])
    assert height <= 1_120
    assert drawn.count('class="what"') <= MOST_AREAS + 1
    assert "0x00001000" in drawn
    assert f"0x{areas[-1].end:08x}" in drawn


def test_small_areas_are_summed_up_between_the_large_ones() -> None:
    areas = [Area(100 * n, 100 * n + (90 if n in (3, 20) else 1), DATA, f"area {n}") for n in range(40)]
    drawn = picture(AddressSpace("a", tuple(areas)), Translator())
    assert "area 3<" in drawn
    assert "area 20<" in drawn
    assert "14 small areas" in drawn  # of the equal ones the first five are kept


def test_many_regions_are_read_in_a_moment() -> None:
    rows = [_row(f"{n}", 1, 16 * n, 16) for n in reversed(range(20_000))]
    (space,) = address_spaces(rows)
    assert len(space.areas) == 20_000
