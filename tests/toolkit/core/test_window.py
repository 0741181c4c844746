import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.core.errors import FormatError, Truncated
from toolkit.core.window import Window


@given(st.binary(max_size=64), st.integers(-8, 80), st.integers(-8, 80))
def test_a_window_gives_exactly_the_bytes_asked_for_or_refuses(data: bytes, offset: int, size: int) -> None:
    window = Window.of(data, origin=100)
    if offset >= 0 and size >= 0 and offset + size <= len(data):
        assert bytes(window.take(offset, size)) == data[offset : offset + size]
    else:
        with pytest.raises(Truncated) as caught:
            window.take(offset, size)
        assert caught.value.offset == 100 + offset
        assert isinstance(caught.value, FormatError)


@given(st.binary(max_size=64), st.data())
def test_a_sub_window_keeps_track_of_where_it_is(data: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    inner = Window.of(data, origin=7).sub(start)
    assert inner.origin == 7 + start
    assert bytes(inner.view) == data[start:]


def test_a_window_cannot_be_written_through() -> None:
    window = Window.of(bytearray(b"abc"))
    with pytest.raises(TypeError):
        window.view[0] = 1


def test_a_magic_past_the_end_is_not_there() -> None:
    window = Window.of(b"abc")
    assert window.starts_with(b"bc", 1)
    assert not window.starts_with(b"cd", 2)
    assert not window.starts_with(b"c", -1)
