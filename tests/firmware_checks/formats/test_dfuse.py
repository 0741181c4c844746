from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.dfuse import FORMAT
from firmware_checks.patterns import PatternSet
from firmware_checks.readers.dfu_trailer import with_suffix
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

Target = tuple[int, str, list[tuple[int, bytes]]]


def build(targets: list[Target], /, **claims: int) -> bytes:
    """Build a DfuSe file from (alternate setting, name, [(address, bytes)])."""
    body = b""
    for alternate, name, elements in targets:
        content = b"".join(struct.pack("<II", address, len(data)) + data for address, data in elements)
        count = claims.get("elements", len(elements))
        header = (b"Target", alternate, bool(name), name.encode(), len(content), count)
        body += struct.pack("<6sBI255sII", *header) + content
    size = claims.get("image_bytes", 11 + len(body))
    prefix = struct.pack("<5sBIB", b"DfuSe", 1, size, claims.get("targets", len(targets)))
    return with_suffix(prefix + body, vendor_id=0x0483, product_id=0xDF11, dfu_version=0x011A)


def opened(data: bytes, before: bytes = b"", limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    whole = Span("pump.dfu", Window.of(before + data))
    return FORMAT.open(whole.part(len(before), whole.size), limits)


def memory_of(image: Opened) -> list[tuple[str, list[tuple[int, bytes]]]]:
    return [(m.title, [(s.address, bytes(s.data)) for s in m.map.segments]) for m in image.memories]


ELEMENTS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4).map(
    lambda contents: [(0x0800_0000 + index * 0x1_0000, data) for index, data in enumerate(contents)]
)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
TARGETS = st.lists(st.tuples(st.integers(0, 255), NAMES, ELEMENTS), min_size=1, max_size=3)


@given(TARGETS, st.binary(max_size=20), st.binary(max_size=20))
def test_targets_and_elements_are_read_back(targets: list[Target], before: bytes, after: bytes) -> None:
    data = build(targets)
    image = opened(data + after, before)
    assert image.size == len(data)
    assert memory_of(image) == [
        (f"alt {alternate}: {name}" if name else f"alt {alternate}", elements) for alternate, name, elements in targets
    ]
    assert image.problems == ()
    assert image.integrity[0].valid


@given(TARGETS, st.binary(max_size=20))
def test_every_byte_in_memory_leads_back_to_its_place_in_the_file(targets: list[Target], before: bytes) -> None:
    data = build(targets)
    for memory in opened(data, before).memories:
        for segment in memory.map.segments:
            for index, byte in enumerate(segment.data):
                assert (before + data)[segment.provenance.offset_at(index)] == byte


@given(TARGETS)
def test_every_byte_is_header_or_memory(targets: list[Target]) -> None:
    image = opened(build(targets))
    headers = sum(part.end - part.start for part in image.parts)
    assert headers + sum(memory.map.size for memory in image.memories) == image.size


def test_the_file_is_found_by_its_magic_anywhere() -> None:
    data = b"\xff" * 100 + FORMAT.example() + b"\xff" * 50
    (magic,) = FORMAT.magics
    hits = list(PatternSet([magic.pattern("dfuse")]).search(memoryview(data)))
    assert [hit.start for hit in hits] == [100]


@given(st.integers(0, len(FORMAT.example()) - 17), st.integers(1, 255))
@settings(max_examples=50)
def test_a_changed_byte_makes_the_checksum_invalid(index: int, flip: int) -> None:
    data = bytearray(FORMAT.example())
    data[index] ^= flip
    try:
        image = opened(bytes(data))
    except FormatError:
        return
    assert [i.valid for i in image.integrity] in ([], [False])


def test_unprintable_characters_of_a_name_are_shown_as_dots() -> None:
    data = bytearray(FORMAT.example())
    data[22:25] = b"\x07\x80A"
    assert opened(bytes(data)).memories[0].title == "alt 0: ..Aernal Flash"


def test_a_file_cut_at_any_byte_keeps_what_was_there() -> None:
    data = FORMAT.example()
    for size in range(len(data)):
        if size < 11 + 274:
            with pytest.raises(FormatError):
                opened(data[:size])
        else:
            image = opened(data[:size])
            assert image.problems
            content = b"".join(piece for _, pieces in memory_of(image) for _, piece in pieces)
            assert data[11 + 274 + 8 :].startswith(content)
            assert image.size <= size


def test_a_missing_suffix_is_said() -> None:
    data = FORMAT.example()
    image = opened(data[:-16] + b"no suffix here, just other bytes")
    assert image.size == len(data) - 16
    assert image.problems == ("the rest was not read: no DFU suffix: its signature is not there",)


def test_sizes_that_disagree_are_said() -> None:
    target: Target = (0, "Flash", [(0x0800_0000, b"code")])
    assert opened(build([target], image_bytes=99)).problems == ("the targets end at 0x129, the prefix says 0x63",)
    data = bytearray(build([target]))
    data[11 + 266] ^= 1
    assert opened(bytes(data)).problems == ("alt 0: Flash has 12 bytes, its prefix says 13",)


def test_more_targets_than_there_are_end_with_a_problem() -> None:
    image = opened(build([(0, "Flash", [(0, b"code")])], targets=255))
    assert len(image.memories) == 1
    assert image.problems[0].startswith("the file is cut: 274 bytes wanted")


def test_billions_of_elements_end_where_the_bytes_do() -> None:
    image = opened(build([(0, "Flash", [(0, b"code")])], elements=0xFFFF_FFFF))
    assert memory_of(image)[0][1][0][1].startswith(b"code")
    assert image.problems


def test_more_elements_than_the_limit_are_refused() -> None:
    data = build([(0, "Flash", [(0, b"")] * 50)])
    with pytest.raises(LimitExceeded, match="more than 40 DfuSe elements"):
        opened(data, limits=Limits(segments=40))


def test_damaged_files_are_opened_or_refused_and_nothing_else() -> None:
    rng = random.Random(11)  # noqa: S311  # the same damage in every run
    seed = build([(0, "Flash", [(0x0800_0000, bytes(30)), (0x0801_0000, bytes(30))]), (1, "", [(0, b"x")])])
    structure = [*range(11), *range(11, 18), *range(277, 293), *range(len(seed) - 16, len(seed))]
    for _ in range(400):
        data = bytearray(seed)
        for _ in range(rng.randint(1, 3)):
            data[rng.choice(structure)] = rng.randrange(256)
        try:
            image = opened(bytes(data))
        except FormatError:
            continue
        assert 0 < image.size <= len(data)
        assert all(0 <= part.start < part.end <= image.size for part in image.parts)
