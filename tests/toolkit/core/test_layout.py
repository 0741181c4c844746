from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.core.errors import FormatError, Truncated
from toolkit.core.layout import U8, U16BE, U32LE, Layout, array, const, raw, text, wire
from toolkit.core.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    magic: bytes = wire(const(b"MD"))
    kind: int = wire(const(3, U8))
    size_bytes: int = wire(U32LE)
    flags: int = wire(U16BE)
    name: str = wire(text(4))
    pairs: list[int] = wire(array(2, U8))
    rest: bytes = wire(raw(1))


SAMPLE = Layout(Sample, size=16)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.text("abcXYZ", max_size=4), st.binary(max_size=5))
def test_what_a_layout_builds_it_reads_back_at_any_offset(size: int, flags: int, name: str, before: bytes) -> None:
    record = Sample(magic=b"MD", kind=3, size_bytes=size, flags=flags, name=name, pairs=[1, 2], rest=b"!")
    data = SAMPLE.build(record)
    assert len(data) == SAMPLE.size
    assert SAMPLE.read(Window.of(before + data), len(before)) == record


def test_a_wrong_constant_names_the_field_and_the_place() -> None:
    data = bytearray(SAMPLE.build(Sample(magic=b"MD", kind=3, size_bytes=0, flags=0, name="", pairs=[0, 0], rest=b" ")))
    data[2] = 9
    with pytest.raises(FormatError, match=r"Sample\.kind at 0x5 has an impossible value"):
        SAMPLE.read(Window.of(bytes(5) + bytes(data)), 5)


def test_a_short_record_is_truncated() -> None:
    with pytest.raises(Truncated):
        SAMPLE.read(Window.of(b"MD"))


def test_a_wrong_declared_size_fails_at_import() -> None:
    with pytest.raises(TypeError, match="declared as 15 bytes and takes 16"):
        Layout(Sample, size=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """Numbers and bytes alone, which are read another way."""

    magic: bytes = wire(const(b"MD"))
    version: int = wire(const(3, U32LE))
    size_bytes: int = wire(U32LE)
    kind: int = wire(U8)
    rest: bytes = wire(raw(3))


PLAIN = Layout(Plain, size=14)


@given(st.binary(min_size=14, max_size=14), st.booleans())
def test_plain_records_are_read_as_construct_reads_them(data: bytes, whole: bool) -> None:
    data = b"MD" + (3).to_bytes(4, "little") + data[6:] if whole else data
    slow = Layout(Plain, size=14)
    slow._quick = None
    assert PLAIN._quick is not None
    outcomes: list[object] = []
    for layout in (PLAIN, slow):
        try:
            outcomes.append(layout.read(Window.of(b"before" + data), 6))
        except FormatError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
