from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.readers.byte_search import CHUNK_BYTES, positions
from toolkit.core.window import Window


@given(st.lists(st.sampled_from([b"a", b"b", b"ab"]), max_size=30), st.integers(0, 10), st.integers(0, 60))
def test_every_place_in_the_range_is_found_once(pieces: list[bytes], start: int, stop: int) -> None:
    data = b"".join(pieces)
    expected = [at for at in range(start, len(data)) if data[at : at + 2] == b"ab" and at + 2 <= stop]
    assert list(positions(Window.of(data), b"ab", start, stop)) == expected


def test_places_across_the_border_of_two_pieces_are_found() -> None:
    data = bytearray(3 * CHUNK_BYTES)
    places = [CHUNK_BYTES - 2, 2 * CHUNK_BYTES - 1, 2 * CHUNK_BYTES + 3]
    for place in places:
        data[place : place + 4] = b"%EOF"
    assert list(positions(Window.of(data), b"%EOF", 0, len(data))) == places
