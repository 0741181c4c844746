"""TI-TXT: sections of spaced digits, read back with their place in the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.ti_txt import FORMAT
from firmware_checks.span import Linear, Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window


def _open(text: str | bytes, *, base: int = 0, limits: Limits | None = None) -> Opened:
    data = text.encode("latin-1") if isinstance(text, str) else text
    return FORMAT.open(Span("pump.txt", Window.of(data), Linear(base)), limits or Limits())


def _memory(opened: Opened) -> dict[int, int]:
    return {s.address + i: b for m in opened.memories for s in m.map.segments for i, b in enumerate(s.data)}


def _section(address: int, data: bytes, each: int, blank: str) -> str:
    rows = [blank.join(f"{byte:02X}" for byte in data[k : k + each]) for k in range(0, len(data), each)]
    return "\n".join([f"@{address:04X}", *rows, ""])


sections = st.lists(
    st.tuples(
        st.integers(0, 0xF_FFFF),
        st.binary(min_size=1, max_size=60),
        st.integers(1, 20),
        st.sampled_from([" ", "  ", "\t"]),
    ),
    min_size=1,
    max_size=4,
)


@given(sections, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(0, 99))
def test_what_is_written_is_read_back_with_its_place_in_the_file(
    written: list[tuple[int, bytes, int, str]], line_end: str, lower: bool, base: int
) -> None:
    text = ("".join(_section(*section) for section in written) + "q\n").replace("\n", line_end)
    text = text.lower() if lower else text
    opened = _open(text, base=base)
    expected = {a + i: byte for a, data, _, _ in written for i, byte in enumerate(data)}
    assert _memory(opened) == expected
    assert (opened.size, opened.problems, opened.integrity) == (len(text), (), ())
    for address, byte in expected.items():
        found = opened.memories[0].map.find(address)
        assert found is not None
        offset = found[0].provenance.offset_at(found[1]) - base
        assert int(text[offset : offset + 2], 16) == byte


def test_the_example_is_a_program_and_its_reset_vector() -> None:
    opened = _open(FORMAT.example())
    assert [(s.address, len(s.data)) for s in opened.memories[0].map.segments] == [(0xF000, 20), (0xFFFE, 2)]
    assert opened.facts["sections"] == 2


def test_oddities_are_told() -> None:
    opened = _open("@F000\n01 02\n; comment\n03 0\n04\n")
    assert list(_memory(opened).values()) == [1, 2, 4]
    assert opened.problems == (
        "a line is no record and was skipped: lines 3, 4",
        "the line with q that ends the file is missing, as in memory files for Verilog",
    )


def test_nothing_after_q_is_read() -> None:
    assert _open("@0\n01\nq\n@0\n02\n").size == 8


def test_a_limit_stops_the_loading_and_not_the_reading() -> None:
    text = "".join(f"@{k:X}00\n01\n" for k in range(9)) + "q\n"
    opened = _open(text, limits=Limits(segments=3))
    assert (len(_memory(opened)), opened.size) == (3, len(text))
    assert opened.limits_hit == ("more than 3 separate address ranges, the rest was not loaded",)


@pytest.mark.parametrize("text", ["", "01 02\n", "@\n01\n", "@F000\n", "@F000\nq\n", "@123456789\n01\nq\n", "@user\n"])
def test_what_does_not_start_with_an_address_and_bytes_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        _open(text)


def test_a_text_cut_anywhere_is_read_or_refused() -> None:
    text = FORMAT.example()
    for end in range(len(text)):
        try:
            assert 0 < _open(text[:end]).size <= end
        except FormatError:
            continue


@given(st.data())
def test_a_damaged_text_is_read_or_refused(data: st.DataObject) -> None:
    text = bytearray(FORMAT.example())
    for _ in range(data.draw(st.integers(1, 6))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert 0 < _open(bytes(text)).size <= len(text)
    except FormatError:
        return
