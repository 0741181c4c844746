"""What every image format must hold, with no edit here when one is added."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_checks.format import ImageFormat, Opened
from firmware_checks.opener import Opener
from firmware_checks.span import Linear, Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget, Limits
from toolkit.core.registry import discover
from toolkit.core.window import Window

FORMATS = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
ANYWHERE = [f for f in FORMATS.values() if not f.whole_file_only]
SMALL = Limits(entries=1000, entry_bytes=1 << 20, unpacked_bytes=4 << 20)

EXTREMES = [b"\0", b"\xff", b"9", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\x80"]

every_format = pytest.mark.parametrize("image_format", FORMATS.values(), ids=FORMATS.keys())


def _open(image_format: ImageFormat, data: bytes) -> Opened | None:
    """Open and read everything the format offers; None for a refusal. Any other exception fails the test."""
    span = Span("example", Window.of(data), Linear(0))
    try:
        opened = image_format.open(span, SMALL)
        assert 0 < opened.size <= len(data)
        for part in opened.parts:
            assert 0 <= part.start <= part.end <= opened.size
        _read_entries(opened)
        for memory in opened.memories:
            for inner in memory.map.spans():
                first, last = inner.extent
                assert 0 <= first < last <= len(data)
    except (FormatError, LimitExceeded):
        return None
    return opened


def _read_entries(opened: Opened) -> None:
    for count, entry in enumerate(opened.entries):
        assert count < SMALL.entries + 1
        try:
            assert len(entry.read(SMALL.entry_bytes)) <= SMALL.entry_bytes
        except (FormatError, LimitExceeded):
            continue


@every_format
def test_a_format_says_what_it_was_written_from_and_what_it_does_not_do(image_format: ImageFormat) -> None:
    assert image_format.title
    assert image_format.source
    assert image_format.limits
    assert image_format.magics or image_format.whole_file_only


@every_format
def test_the_example_opens_whole(image_format: ImageFormat) -> None:
    example = image_format.example()
    opened = _open(image_format, example)
    assert opened is not None
    assert opened.size == len(example)
    assert opened.title


@every_format
def test_the_example_is_built_the_same_every_time(image_format: ImageFormat) -> None:
    assert image_format.example() == image_format.example()


@pytest.mark.parametrize("image_format", ANYWHERE, ids=[f.name for f in ANYWHERE])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.integers(1, 5000), after=st.integers(0, 300), seed=st.integers(0, 99))
def test_a_built_example_is_found_where_it_was_put(
    image_format: ImageFormat, before: int, after: int, seed: int
) -> None:
    noise = random.Random(seed)  # noqa: S311  # filler, not a secret
    data = noise.randbytes(before) + image_format.example() + noise.randbytes(after)
    opener = Opener(FORMATS, [], Budget(Limits()), lambda _size: None)
    regions = opener.explore(Span("dump", Window.of(data)))
    found = [r for r in regions if r.format == image_format.name]
    assert before in {r.span.provenance.offset_at(0) for r in found}, [(r.format, r.title) for r in regions]


@every_format
def test_an_example_cut_at_any_byte_is_read_or_refused(image_format: ImageFormat) -> None:
    example = image_format.example()
    for end in _cuts(len(example)):
        _open(image_format, example[:end])


def _cuts(size: int) -> Iterable[int]:
    """Every byte for the first and last 2 KiB, every 97th between: large examples would take minutes otherwise."""
    return sorted({*range(min(size, 2048)), *range(2048, size, 97), *range(max(0, size - 2048), size)})


@every_format
@settings(max_examples=150)
@given(data=st.data())
def test_a_mutated_example_is_read_or_refused(image_format: ImageFormat, data: st.DataObject) -> None:
    example = bytearray(image_format.example())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(example) - 1))
        value = data.draw(st.sampled_from(EXTREMES))
        example[at : at + len(value)] = value
    _open(image_format, bytes(example))


@every_format
@settings(max_examples=50)
@given(st.binary(max_size=600))
def test_random_bytes_are_refused_or_read_without_harm(image_format: ImageFormat, data: bytes) -> None:
    _open(image_format, data)


@every_format
@settings(max_examples=50)
@given(st.binary(max_size=600))
def test_random_bytes_after_the_right_start_do_no_harm(image_format: ImageFormat, data: bytes) -> None:
    example = image_format.example()
    _open(image_format, example[:16] + data)
    _open(image_format, example[: len(example) // 2] + data)
