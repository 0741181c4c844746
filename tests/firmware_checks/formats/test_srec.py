"""Motorola S-records: what a programmer would load is what is read, and everything odd is told."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.srec import FORMAT
from firmware_checks.span import Linear, Records, Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

LIMITS = Limits()
ADDRESS_BYTES = {0: 2, 1: 2, 2: 3, 3: 4, 4: 2, 5: 2, 6: 3, 7: 4, 8: 3, 9: 2}


def _line(kind: int, address: int, payload: bytes = b"") -> str:
    body = address.to_bytes(ADDRESS_BYTES[kind], "big") + payload
    record = bytes([len(body) + 1]) + body
    return f"S{kind}{record.hex().upper()}{~sum(record) & 0xFF:02X}\n"


END = _line(9, 0)


def _open(text: str | bytes, *, base: int = 0, limits: Limits = LIMITS) -> Opened:
    data = text.encode("latin-1") if isinstance(text, str) else text
    return FORMAT.open(Span("pump.s19", Window.of(data), Linear(base)), limits)


def _memory(opened: Opened) -> dict[int, int]:
    return {s.address + i: b for m in opened.memories for s in m.map.segments for i, b in enumerate(s.data)}


def _written(kind: int, address: int, data: bytes, each: int) -> str:
    return "".join(_line(kind, address + k, data[k : k + each]) for k in range(0, len(data), each))


segments = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3]), st.integers(0, 0xFF00), st.binary(min_size=1, max_size=120), st.integers(1, 40)
    ),
    min_size=1,
    max_size=5,
)


@given(segments, st.sampled_from(["\n", "\r\n", "\r"]), st.integers(0, 999))
def test_what_is_written_is_read_back_with_its_place_in_the_file(
    written: list[tuple[int, int, bytes, int]], line_end: str, base: int
) -> None:
    text = ("".join(_written(*segment) for segment in written) + END).replace("\n", line_end)
    opened = _open(text, base=base)
    expected = {a + i: byte for _, a, data, _ in written for i, byte in enumerate(data)}
    assert _memory(opened) == expected
    assert (opened.size, opened.problems) == (len(text), ())
    assert opened.integrity[0].valid
    memory = opened.memories[0].map
    for address, byte in expected.items():
        found = memory.find(address)
        assert found is not None
        offset = found[0].provenance.offset_at(found[1]) - base
        assert int(text[offset : offset + 2], 16) == byte


def test_the_example_has_a_header_a_count_and_an_entry() -> None:
    opened = _open(FORMAT.example())
    assert bytes(opened.memories[0].map.segments[0].data) == bytes(range(0x20, 0x34))
    assert opened.memories[0].map.entry_address == 0x8000
    assert opened.facts == {
        "records": 5,
        "data_records": 2,
        "address_bits": 16,
        "header": "pump.s19",
        "entry_address": 0x8000,
        "data_bytes": 20,
        "address_ranges": 1,
        "gaps": 0,
        "overlaps": 0,
        "conflicting_overlaps": 0,
    }
    assert [(i.algorithm, i.valid) for i in opened.integrity] == [("sum8", True), ("count", True)]


def test_a_large_file_is_read_line_by_line_and_at_once_alike() -> None:
    data = b"".join(hashlib.sha256(bytes([k])).digest() for k in range(256)) * 3
    text = _written(3, 0x0800_8000, data, 32)
    assert bytes(_open(text + END).memories[0].map.segments[0].data) == data
    assert _memory(_open(text + END)) == _memory(_open(text.replace("\n", " \n", 1) + END))


@pytest.mark.parametrize(
    ("end", "entry"), [(_line(7, 0x101), 0x101), (_line(8, 0x101), 0x101), (_line(9, 0x101), 0x101), (END, None)]
)
def test_the_last_record_gives_the_entry_address_unless_it_is_zero(end: str, entry: int | None) -> None:
    opened = _open(_line(1, 0x100, b"abcd") + end)
    assert opened.facts.get("entry_address") == entry
    assert opened.memories[0].map.entry_address == entry


def test_the_first_header_with_text_is_shown() -> None:
    opened = _open(_line(0, 0) + _line(0, 0, b"v1.2\x07\0\0") + _line(0, 0, b"more") + _line(1, 0, b"a") + END)
    assert opened.facts["header"] == "v1.2."


@pytest.mark.parametrize("kind", [5, 6])
def test_a_count_of_all_records_or_of_those_since_the_last_count_is_right(kind: int) -> None:
    block = _line(1, 0, b"a") + _line(1, 1, b"b")
    assert _open(block + _line(kind, 2) + block + _line(kind, 2) + END).problems == ()
    assert _open(block + _line(kind, 2) + block + _line(kind, 4) + END).problems == ()
    wrong = _open(block + _line(kind, 5) + block + _line(kind, 4) + END)
    assert wrong.problems == ("5 data records are announced and 2 are there: line 3",)
    assert (wrong.integrity[1].stored, wrong.integrity[1].computed, wrong.integrity[1].valid) == ("5", "2", False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (_line(1, 0, b"a"), "the record that ends the file (S7, S8 or S9) is missing"),
        (_line(1, 0, b"a") + END + _line(1, 1, b"b"), "records follow the one that ends the file"),
        (_line(1, 0, b"a") + "S1130000AB\n" + END, "a record is cut or damaged and was left out: line 2"),
        (_line(1, 0, b"a") + "S104 0001 61 99\n" + END, "a record is cut or damaged and was left out: line 2"),
        (_line(1, 0, b"a") + "S1zz\n" + END, "a line is no record and was skipped: line 2"),
        (_line(1, 0, b"a") + "S10400zz\n" + END, "a record is cut or damaged and was left out: line 2"),
        (_line(1, 0, b"a") + "$$ symbols\n" + END, "a line is no record and was skipped: line 2"),
        (_line(1, 0, b"a") + _line(4, 0, b"x") + END, "a record of the reserved type S4 was skipped: line 2"),
        (_line(1, 0, b"a") + _line(1, 1, b"b")[:-3] + "00\n" + END, "the checksum of a record is wrong: line 2"),
        (_line(1, 0xFFFF, b"ab") + END, "a record runs past the end of its address range: line 1"),
        (_line(0, 0, b"x") + END, "there is no data in it"),
    ],
)
def test_every_oddity_is_told(text: str, problem: str) -> None:
    opened = _open(text)
    assert [p for p in opened.problems if p.startswith(problem)], opened.problems
    assert opened.size == (text.index(END) + len(END) if END in text else len(text))


@pytest.mark.parametrize(
    "rows",
    [
        [_line(1, 0, b"ab"), _line(1, 5, b"cd")],
        [_line(1, 0xFFFE, b"ab"), _line(1, 0, b"cd")],
        [_line(1, 0), _line(1, 0)],
        [_line(1, 0, b"ab"), _line(2, 2, b"d")],
        ["S1060000616236\n", "S1060000616236\n"],
    ],
)
def test_equal_lines_that_do_not_continue_each_other_are_read_one_by_one(rows: list[str]) -> None:
    header = _line(0, 0, b"a header of its own length")
    together = _open(header + "".join(rows) + END)
    apart = _open(header + rows[0] + "\n" + rows[1] + END)
    assert _memory(together) == _memory(apart)
    assert together.facts == apart.facts


def test_a_record_with_a_wrong_checksum_is_loaded() -> None:
    opened = _open(_line(1, 0, b"abcd")[:-3] + "00\n" + END)
    assert len(_memory(opened)) == 4
    assert opened.integrity[0].computed == "1 wrong, first at line 1"


def test_text_around_an_embedded_container_is_not_part_of_it() -> None:
    inner = _written(2, 0x1_0000, b"program bytes", 4) + END
    assert _open(inner + "';\nint main(void)\n").size == len(inner)


@pytest.mark.parametrize("text", ["", "\n", "S", "S1", "Sx", ":00000001FF\n", "S1030000FF\nx"[:6], "S5\n", "S10\xe9\n"])
def test_a_first_line_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        _open(text)


def test_a_right_count_after_the_last_record_says_as_much_as_an_end() -> None:
    assert _open(_line(1, 0, b"a") + _line(5, 1, b"")).problems == ()
    assert _open(_line(1, 0, b"a") + _line(5, 1, b"") + _line(1, 1, b"b")).problems != ()


def test_a_limit_stops_the_loading_and_not_the_reading() -> None:
    text = "".join(_line(1, 16 * k, b"ab") for k in range(20)) + END
    opened = _open(text, limits=Limits(entry_bytes=9))
    assert (len(_memory(opened)), opened.size) == (8, len(text))
    assert opened.limits_hit == ("more than 9 bytes of content, the rest was not loaded",)


def test_a_container_that_was_itself_decoded_keeps_the_way_to_the_file() -> None:
    text = _line(1, 0, b"ab") + _line(1, 2, b"cd") + END
    opened = FORMAT.open(Span("file", Window.of(text.encode()), Records([0, 15], [1000, 2000], 1)), LIMITS)
    assert [opened.memories[0].map.segments[0].provenance.offset_at(i) for i in (0, 2)] == [1008, 2008]


def test_a_text_cut_anywhere_is_read_or_refused() -> None:
    text = FORMAT.example()
    for end in range(len(text)):
        try:
            opened = _open(text[:end])
        except FormatError:
            continue
        assert opened.size == end
        assert opened.problems or end > text.index(b"S5"), "after the count only the end record may be missing"


@given(st.data())
def test_a_damaged_text_is_read_or_refused(data: st.DataObject) -> None:
    text = bytearray((_line(0, 0, b"x") + _written(3, 0xFFFF_FF00, bytes(range(200)), 16) + END).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        opened = _open(bytes(text))
    except FormatError:
        return
    assert 0 < opened.size <= len(text)


@pytest.mark.parametrize("first", [_line(0, 0), _line(1, 0x8000, b"a"), _line(2, 0, bytes(16)), _line(3, 9, bytes(32))])
def test_a_first_record_is_seen_anywhere(first: str) -> None:
    text = f"srec = '''{first}{END}'''".encode()
    found = [m for magic in FORMAT.magics if (m := magic.pattern("x").expression.search(text))]
    assert [m.start() for m in found] == [10]
