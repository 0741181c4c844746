import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.jpeg import FORMAT, SCAN_CHUNK_BYTES, SEGMENTS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

PICTURE = FORMAT.example()
END = b"\xff\xd9"


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("logo.jpg", Window.of(data)), Limits())


def _comment(text: bytes) -> bytes:
    return b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=60))
def test_a_picture_ends_at_its_end_mark(comment: bytes, coded: bytes, after: bytes) -> None:
    stuffed = coded.replace(b"\xff", b"\xff\x00")
    data = PICTURE[:2] + _comment(comment) + PICTURE[2:-2] + stuffed + b"\xff\xd3" + stuffed + END
    opened = _open(data + after)
    assert opened.size == len(data)
    assert opened.facts == {"width": 1, "height": 1}
    assert opened.problems == ()


def test_a_picture_in_several_scans_is_one() -> None:
    scan = PICTURE[PICTURE.index(b"\xff\xda") : -2]
    data = PICTURE[:-2] + scan + scan + END
    assert _open(data + b"after").size == len(data)


@pytest.mark.parametrize("before", [SCAN_CHUNK_BYTES - 1, SCAN_CHUNK_BYTES, SCAN_CHUNK_BYTES + 1])
def test_the_end_mark_is_found_across_the_border_of_two_pieces(before: int) -> None:
    data = PICTURE[:-2] + b"\x55" * before + END
    assert _open(data + b"\x55").size == len(data)


def test_a_cut_picture_is_taken_to_the_end() -> None:
    opened = _open(PICTURE[:-2])
    assert opened.size == len(PICTURE) - 2
    assert opened.problems[0].startswith("the picture is cut short")


def test_a_picture_ends_where_bytes_stand_that_no_picture_holds() -> None:
    opened = _open(PICTURE[:-2] + b"\xff\x07" + bytes(100))
    assert opened.size == len(PICTURE) - 2
    assert opened.problems[0].startswith("the picture is damaged")


def test_segments_without_end_are_left() -> None:
    data = PICTURE[:-2] + _comment(b"") * (SEGMENTS + 10) + END
    assert _open(data).size < len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x01" + bytes(50),
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(40),
        PICTURE[: PICTURE.index(b"\xff\xda")] + END,
        b"\xff\xd8" + PICTURE[PICTURE.index(b"\xff\xda") :],
        b"\xff\xd8\xff\xc0\x00\x02" + END,
        bytes(50),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_only_a_whole_picture_is_closed() -> None:
    assert FORMAT.closed is not None
    picture = FORMAT.example()
    assert FORMAT.closed(Window.of(picture))
    assert not FORMAT.closed(Window.of(picture + b"\0"))
    assert not FORMAT.closed(Window.of(picture[:40]))
    assert not FORMAT.closed(Window.of(b"\xff\xd8\xff\xd9"))
