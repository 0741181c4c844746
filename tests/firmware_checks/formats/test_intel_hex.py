"""Intel HEX: what a programmer would load is what is read, and everything odd is told."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.intel_hex import FORMAT
from firmware_checks.span import Linear, Records, Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

END = ":00000001FF\n"
LIMITS = Limits()


def _line(kind: int, address: int, payload: bytes) -> str:
    record = bytes([len(payload), address >> 8, address & 0xFF, kind, *payload])
    return f":{record.hex().upper()}{-sum(record) & 0xFF:02X}\n"


def _open(text: str | bytes, *, base: int = 0, limits: Limits = LIMITS) -> Opened:
    data = text.encode("latin-1") if isinstance(text, str) else text
    return FORMAT.open(Span("pump.hex", Window.of(data), Linear(base)), limits)


def _memory(opened: Opened, title: str = "") -> dict[int, int]:
    (memory,) = [m for m in opened.memories if m.title == title]
    return {s.address + i: byte for s in memory.map.segments for i, byte in enumerate(s.data)}


def _written(address: int, data: bytes, each: int) -> str:
    """Write ``data`` at ``address`` in records of ``each`` bytes that do not cross 64 KiB."""
    text, high = "", None
    position = 0
    while position < len(data):
        at = address + position
        size = min(each, len(data) - position, 0x1_0000 - (at & 0xFFFF))
        if at >> 16 != high:
            high = at >> 16
            text += _line(4, 0, high.to_bytes(2, "big"))
        text += _line(0, at & 0xFFFF, data[position : position + size])
        position += size
    return text


segments = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 0x3_0000), st.integers(0xFFFF_0000, 0xFFFF_FF00)),
        st.binary(min_size=1, max_size=120),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=5,
)


@given(segments, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.integers(0, 999))
def test_what_is_written_is_read_back_with_its_place_in_the_file(
    written: list[tuple[int, bytes, int]], line_end: str, lower: bool, base: int
) -> None:
    text = ("".join(_written(*segment) for segment in written) + END).replace("\n", line_end)
    text = text.lower() if lower else text
    opened = _open(text, base=base)
    expected = {a + i: byte for a, data, _ in written for i, byte in enumerate(data)}
    assert _memory(opened) == expected
    assert opened.size == len(text)
    assert opened.problems == ()
    assert opened.integrity[0].valid
    memory = opened.memories[0].map
    for address, byte in expected.items():
        found = memory.find(address)
        assert found is not None
        offset = found[0].provenance.offset_at(found[1]) - base
        assert int(text[offset : offset + 2], 16) == byte


def test_the_example_is_a_program_and_option_bytes() -> None:
    opened = _open(FORMAT.example())
    assert [(s.address, len(s.data)) for s in opened.memories[0].map.segments] == [(0x0800_0000, 20), (0x1FFF_F800, 2)]
    assert opened.facts == {
        "records": 7,
        "data_records": 3,
        "data_bytes": 22,
        "address_ranges": 2,
        "gaps": 1,
        "overlaps": 0,
        "conflicting_overlaps": 0,
        "addressing": "linear",
        "entry_address": 0x0800_0009,
    }
    assert opened.memories[0].map.entry_address == 0x0800_0009


def test_a_large_file_is_read_line_by_line_and_at_once_alike() -> None:
    data = b"".join(hashlib.sha256(bytes([k])).digest() for k in range(256)) * 5
    text = _written(0x0800_8000, data, 16)
    assert _memory(_open(text + END)) == _memory(_open(text.replace("\n", " \n", 1) + END))
    assert bytes(_open(text + END).memories[0].map.segments[0].data) == data


def test_segment_addresses_wrap_within_64_kib_and_linear_ones_at_4_gib() -> None:
    eight = bytes(range(8))
    segmented = _open(_line(2, 0, b"\x10\x00") + _line(0, 0xFFFC, eight) + END)
    assert _memory(segmented) == dict(zip([*range(0x1_FFFC, 0x2_0000), *range(0x1_0000, 0x1_0004)], eight, strict=True))
    assert segmented.problems == ("a record runs past the last address and wraps around to the first: line 2",)
    assert segmented.facts["addressing"] == "segmented"
    linear = _open(_line(4, 0, b"\xff\xff") + _line(0, 0xFFFC, eight) + END)
    assert _memory(linear) == dict(zip([*range(0xFFFF_FFFC, 0x1_0000_0000), *range(4)], eight, strict=True))
    plain = _open(_line(0, 0xFFFC, eight) + END)
    assert _memory(plain) == dict(zip(range(0xFFFC, 0x1_0004), eight, strict=True))
    assert plain.problems == ()
    assert plain.facts["addressing"] == "16-bit"


def test_the_wrapped_part_of_a_record_keeps_its_place() -> None:
    text = _line(2, 0, b"\x10\x00") + _line(0, 0xFFFC, bytes(range(8))) + END
    found = _open(text).memories[0].map.find(0x1_0001)
    assert found is not None
    offset = found[0].provenance.offset_at(found[1])
    assert text[offset : offset + 2] == "05"


@pytest.mark.parametrize(
    ("record", "entry"),
    [(_line(5, 0, b"\x00\x00\x01\x01"), 0x101), (_line(3, 0, b"\x00\x10\x00\x01"), 0x101)],
)
def test_start_records_give_the_entry_address(record: str, entry: int) -> None:
    opened = _open(_line(0, 0x100, b"abcd") + record + END)
    assert opened.facts["entry_address"] == entry
    assert opened.memories[0].map.entry_address == entry


def test_a_record_with_a_wrong_checksum_is_loaded_and_told() -> None:
    lines = [_line(0, 4 * k, b"abcd") for k in range(6)]
    lines[2] = lines[2][:-3] + "00\n"
    lines[4] = lines[4][:-3] + "01\n"
    opened = _open("".join(lines) + END)
    assert len(_memory(opened)) == 24
    assert opened.problems == ("the checksum of a record is wrong: lines 3, 5",)
    verdict = opened.integrity[0]
    assert (verdict.algorithm, verdict.covers, verdict.valid) == ("sum8", "7 records", False)
    assert verdict.computed == "2 wrong, first at line 3"


def test_overlapping_records_are_in_the_map() -> None:
    opened = _open(_line(0, 0, b"aaaa") + _line(0, 2, b"bbbb") + _line(0, 0x100, b"c") + _line(0, 0x100, b"c") + END)
    assert bytes(opened.memories[0].map.segments[0].data) == b"aabbbb"
    assert (opened.facts["overlaps"], opened.facts["conflicting_overlaps"]) == (2, 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (_line(0, 0, b"a"), "the end-of-file record is missing"),
        (_line(0, 0, b"a") + END + _line(0, 1, b"b"), "records follow the end-of-file record"),
        (_line(0, 0, b"a") + END + "\n\n" + _line(0, 1, b"b"), "records follow the end-of-file record"),
        (_line(0, 0, b"a") + ":10000000AB\n" + END, "a record is cut or damaged and was left out: line 2"),
        (_line(0, 0, b"a") + ":01 0000 00 AA 55\n" + END, "a record is cut or damaged and was left out: line 2"),
        (_line(0, 0, b"a") + ":01zz\n" + END, "a record is cut or damaged and was left out: line 2"),
        (_line(0, 0, b"a") + "; comment\n" + END, "a line is no record and was skipped: line 2"),
        (_line(0, 0, b"a") + _line(7, 0, b"x") + END, "a record of unknown type 07 was skipped: line 2"),
        (_line(4, 0, b"x") + _line(0, 0, b"a") + END, "a record of type 04 holds 1 bytes, which is wrong: line 1"),
        (_line(0, 0, b"a") + _line(10, 0, b"x") + END, "a record of type 0A holds 1 bytes, which is wrong: line 2"),
        (END, "there is no data in it"),
    ],
)
def test_every_oddity_is_told(text: str, problem: str) -> None:
    opened = _open(text)
    assert [p for p in opened.problems if p.startswith(problem)], opened.problems
    assert opened.size == (text.index(END) + len(END) if END in text else len(text))


def test_blank_lines_and_blanks_around_records_do_no_harm() -> None:
    text = "\n" + _line(0, 0, b"ab") + "\r\n  " + _line(0, 2, b"cd").replace("\n", " \t\n") + END + "\r\n\x1a"
    opened = _open(text.lstrip())
    assert _memory(opened) == {0: 97, 1: 98, 2: 99, 3: 100}
    assert opened.problems == ()
    assert opened.size == len(text.lstrip())


def test_text_around_an_embedded_container_is_not_part_of_it() -> None:
    inner = _written(0, b"program bytes", 4) + END
    around = inner + '"""\n\nmain()\n'
    assert _open(around).size == len(inner)
    cut = inner.removesuffix(END)
    assert _open(cut + "\n".join(["text"] * 40)).size == len(cut)


def test_universal_hex_has_one_memory_per_board() -> None:
    text = "".join([
        _line(4, 0, b"\0\0"),
        _line(10, 0, b"\x99\x00\xc0\xde"),
        _written(0, b"first board", 4).removeprefix(_line(4, 0, b"\0\0")),
        _line(12, 0, b"\xff" * 9),
        _line(11, 0, b""),
        _line(4, 0, b"\0\0"),
        _line(10, 0, b"\x99\x03\xc0\xde"),
        *[_line(13, 4 * k, b"next") for k in range(3)],
        _line(14, 0, b"source code"),
        _line(11, 0, b"\xff\xff"),
        _line(10, 0, b"\x12\x34"),
        _line(13, 0, b"other"),
        _line(11, 0, b""),
        _line(0, 0x40, b"no board"),
        END,
    ])  # fmt: skip
    opened = _open(text)
    assert opened.title == "micro:bit Universal Hex"
    titles = [m.title for m in opened.memories]
    assert titles == ["micro:bit V1 (0x9900)", "micro:bit V2 (0x9903)", "board (0x1234)", ""]
    assert bytes(opened.memories[0].map.segments[0].data) == b"first board"
    assert bytes(opened.memories[1].map.segments[0].data) == b"nextnextnext"
    assert opened.facts["other_data_bytes"] == 11
    assert opened.problems == ()


@pytest.mark.parametrize(
    "text", ["", "\n", ":", ":00", "S00600004844521B\n", ":0100000041BE41\n", _line(6, 0, b""), "; x\n" + END, ":é\n"]
)
def test_a_first_line_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        _open(text)


def test_a_limit_stops_the_loading_and_not_the_reading() -> None:
    text = "".join(_line(0, 16 * k, b"ab") for k in range(20)) + END
    opened = _open(text, limits=Limits(segments=5))
    assert len(_memory(opened)) == 10
    assert opened.size == len(text)
    assert opened.limits_hit == ("more than 5 separate address ranges, the rest was not loaded",)


def test_a_container_that_was_itself_decoded_keeps_the_way_to_the_file() -> None:
    text = _line(0, 0, b"ab") + _line(0, 2, b"cd") + END
    outer = Records([0, 16], [1000, 2000], 1)
    opened = FORMAT.open(Span("file", Window.of(text.encode()), outer), Limits())
    assert [opened.memories[0].map.segments[0].provenance.offset_at(i) for i in (0, 2)] == [1009, 2000 + 16 - 16 + 9]


def test_a_text_cut_anywhere_is_read_or_refused() -> None:
    text = _written(0x0800_FFF0, bytes(range(48)), 16) + END
    for end in range(len(text)):
        try:
            opened = _open(text[:end])
        except FormatError:
            continue
        assert opened.size == end
        assert opened.problems or end == len(text) - 1, "only the last line end may be missing"


@given(st.data())
def test_a_damaged_text_is_read_or_refused(data: st.DataObject) -> None:
    text = bytearray((_written(0xFFF0, bytes(range(200)), 16) + END).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        opened = _open(bytes(text))
    except FormatError:
        return
    assert 0 < opened.size <= len(text)
    for memory in opened.memories:
        for segment in memory.map.segments:
            first, last = segment.provenance.extent(0, len(segment.data))
            assert 0 <= first < last <= len(text)


@pytest.mark.parametrize(
    "first",
    [_line(0, 0xC000, bytes(16)), _line(0, 0x9000, bytes(32)), _line(0, 3, b"\x02\x01\x00"), _line(2, 0, b"\1\0")],
)
def test_a_first_record_of_usual_length_is_seen_anywhere(first: str) -> None:
    text = f"hex = '''{first}{END}'''".encode()
    searched = [magic for magic in FORMAT.magics if magic.anywhere]
    found = [m for magic in searched if (m := magic.pattern("x").expression.search(text))]
    assert [m.start() for m in found] == [9]
