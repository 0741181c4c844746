"""Properties of text containers: lines of any kind of end, and where a container ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.readers.text_records import (
    FIRST_SLICE_BYTES,
    MOST_STRAY_LINES,
    Outcome,
    checksum_verdict,
    decode_equal,
    first_line,
    read_records,
)
from toolkit.core.problems import Problems
from toolkit.core.window import Window


@dataclass
class _Letters:
    """Takes lines that start with r for records and e for the last; notes number, offset and text."""

    seen: list[tuple[int, int, bytes]] = field(default_factory=list)
    equal: bool = False

    def take(self, number: int, offset: int, line: bytes) -> Outcome:
        self.seen.append((number, offset, line))
        return {b"r": Outcome.RECORD, b"e": Outcome.LAST}.get(line[:1], Outcome.STRAY)

    def take_equal(self, number: int, offset: int, group: Sequence[bytes]) -> bool:
        if not self.equal or any(line[:1] != b"r" for line in group):
            return False
        for line in group:
            self.seen.append((number, offset, line))
            number, offset = number + 1, offset + len(line)
        return True


def _read(text: bytes, reader: _Letters | None = None) -> tuple[int, bool, tuple[str, ...]]:
    problems = Problems()
    return (*read_records(Window.of(text), reader or _Letters(), problems), problems.sentences())


@given(
    st.lists(
        st.tuples(st.sampled_from([b"r", b"rec", b"r" * 900]), st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=60
    ),
    st.booleans(),
)
def test_every_line_is_given_with_its_number_and_offset(rows: list[tuple[bytes, bytes]], equal: bool) -> None:
    text = b"".join(row + end for row, end in rows)
    reader = _Letters(equal=equal)
    assert _read(text, reader)[:2] == (len(text), False)
    assert b"".join(line for _, _, line in reader.seen) == text
    expected, offset = [], 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        expected.append((number, offset, line))
        offset += len(line)
    assert reader.seen == expected


def test_a_line_end_of_two_characters_is_not_torn_where_a_slice_ends() -> None:
    text = b"r" * (FIRST_SLICE_BYTES - 5) + b"\r\n" + b"r\r\n" * 3
    for lead in range(4):
        reader = _Letters()
        _read(b"\n" * lead + text, reader)
        assert [number for number, _, _ in reader.seen] == [lead + 1, lead + 2, lead + 3, lead + 4]


def test_a_line_longer_than_any_record_is_given_in_pieces() -> None:
    assert _read(b"r" + b"x" * 3 * FIRST_SLICE_BYTES)[0] == FIRST_SLICE_BYTES


def test_the_last_record_ends_the_container() -> None:
    assert _read(b"r\ne\nr\n") == (4, True, ())


def test_blank_lines_at_the_end_of_the_file_belong_to_it_and_others_do_not() -> None:
    assert _read(b"\n\nr\n\ne\r\n\r\n\x1a")[:2] == (11, True)
    assert _read(b'r\ne\n\n\n"""')[:2] == (4, True)


def test_comments_between_records_are_told_and_text_after_them_is_not_taken() -> None:
    assert _read(b"r\n# one\n\n# two\nr\n# three\n") == (
        17,
        False,
        ("a line is no record and was skipped: lines 2, 4",),
    )
    far = b"r\n" + b"#\n" * (MOST_STRAY_LINES + 1) + b"r\n"
    assert _read(far) == (2, False, ())


def test_nothing_is_no_record() -> None:
    assert _read(b"") == (0, False, ())
    assert first_line(Window.of(b"")) == b""
    assert first_line(Window.of(b"\n  ab \r\ncd")) == b"ab"


@pytest.mark.parametrize(
    "group",
    [
        [b":01FF\n", b":02FE\r"],
        [b":01FF\n", b":02FE\n"],
    ],
)
def test_equal_lines_are_decoded_together(group: list[bytes]) -> None:
    assert decode_equal(group, b":", 0) == [b"\x01\xff", b"\x02\xfe"]


@pytest.mark.parametrize(
    "group",
    [
        [b":01FF\n", b"x01FF\n"],
        [b":01FF\n", b":01F\r\n"],
        [b":01FF\n", b":0 FF\n"],
        [b":01FF\n", b":01:F\n"],
        [b":01FF\n", b":01G0\n"],
        [b":01FF\n", b":01\xff0\n"],
        [b":01FF\n", b":01FE\n"],
        [b":\n", b":\n"],
        [b":0\n", b":1\n"],
    ],
)
def test_one_line_out_of_order_refuses_them_all(group: list[bytes]) -> None:
    assert decode_equal(group, b":", 0) is None


def test_the_verdict_on_all_checksums_names_the_first_that_is_wrong() -> None:
    assert checksum_verdict(23456, 0, 0).computed == "all valid"
    wrong = checksum_verdict(23456, 3, 17)
    assert (wrong.covers, wrong.computed, wrong.valid) == ("23,456 records", "3 wrong, first at line 17", False)
