from __future__ import annotations

import hashlib
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.esp_partition_table import FORMAT
from firmware_checks.patterns import PatternSet
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

Row = tuple[int, int, int, int, bytes, int]
APP: Row = (0, 0x10, 0x1_0000, 0x10_0000, b"ota_0", 0)
NVS: Row = (1, 0x02, 0x9000, 0x6000, b"nvs", 0)


def rows_of(*rows: Row) -> bytes:
    return b"".join(struct.pack("<HBBII16sI", 0x50AA, *row) for row in rows)


def hashed(rows: bytes) -> bytes:
    return rows + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(rows, usedforsecurity=False).digest()


def opened(data: bytes, before: bytes = b"") -> Opened:
    whole = Span("flash.bin", Window.of(before + data))
    return FORMAT.open(whole.part(len(before), whole.size), Limits())


LABELS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16).map(str.encode)
ROWS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, 3, 0x40, 0xFE]),
        st.integers(0, 255),
        st.integers(0, 0xFFFF).map(lambda n: n * 0x1000),
        st.integers(1, 0xFFFF_FFFF),
        LABELS,
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=95,
)


@given(ROWS, st.binary(max_size=20))
def test_rows_are_read_back(rows: list[Row], before: bytes) -> None:
    image = opened(hashed(rows_of(*rows)).ljust(0xC00, b"\xff"), before)
    assert image.size == 0xC00
    assert image.integrity[0].valid
    partitions = [part for part in image.parts if part.kind is RegionKind.CONFIGURATION]
    assert [
        (
            p.facts["flash_offset"],
            p.facts["size_bytes"],
            p.facts["name"],
            p.facts["encrypted"],
            p.facts["read_only"],
        )
        for p in partitions
    ] == [(offset, size, label.decode(), bool(f & 1), bool(f & 2)) for _, _, offset, size, label, f in rows]
    assert sum(part.end - part.start for part in image.parts) == image.size


def test_the_example_is_the_table_of_a_single_application() -> None:
    image = opened(FORMAT.example())
    assert image.kind is RegionKind.CONFIGURATION
    assert image.facts == {
        "partitions": (
            "nvs: data/nvs, 24576 bytes at 0x9000",
            "phy_init: data/phy, 4096 bytes at 0xf000",
            "factory: app/factory, 1048576 bytes at 0x10000",
        ),
        "flash_bytes_used": 0x11_0000,
        "application_slots": 1,
        "encrypted_partitions": (),
    }


def test_types_without_a_name_are_given_by_number() -> None:
    table = rows_of((0x40, 0x05, 0x9000, 0x1000, b"mine", 1), (1, 0x7F, 0xA000, 0x1000, b"odd", 0))
    image = opened(hashed(table))
    assert [part.title for part in image.parts][:2] == ["partition mine: 0x40/0x05", "partition odd: data/0x7f"]
    assert image.facts["encrypted_partitions"] == ("mine",)


def test_a_table_is_found_by_its_magic_anywhere() -> None:
    data = b"\xff" * 0x8000 + FORMAT.example()
    patterns = PatternSet([magic.pattern("table") for magic in FORMAT.magics])
    assert min(hit.start for hit in patterns.search(memoryview(data))) == 0x8000


@given(st.integers(0, 31), st.integers(1, 255))
def test_a_changed_row_makes_the_md5_invalid(index: int, flip: int) -> None:
    data = bytearray(hashed(rows_of(APP, NVS)))
    data[32 + index] ^= flip
    try:
        image = opened(bytes(data))
    except FormatError:
        assert index in {0, 1}  # the row's magic: neither a row nor the end of the table
        return
    assert [i.valid for i in image.integrity] == [False]


@pytest.mark.parametrize(
    "row",
    [
        (0x20, 0, 0x9000, 0x1000, b"type", 0),
        (0xFF, 0, 0x9000, 0x1000, b"type", 0),
        (1, 2, 0x9001, 0x1000, b"offset", 0),
        (1, 2, 0x9000, 0, b"size", 0),
        (1, 2, 0x9000, 0x1000, b"flags", 4),
        (1, 2, 0x9000, 0x1000, b"la\x07bel", 0),
    ],
)
def test_an_impossible_row_is_refused_as_the_first_and_said_later(row: Row) -> None:
    with pytest.raises(FormatError):
        opened(hashed(rows_of(row, NVS)))
    assert len(opened(hashed(rows_of(APP, row))).problems) == 1


def test_overlapping_partitions_are_said() -> None:
    image = opened(hashed(rows_of(APP, (1, 2, 0x10_0000, 0x1000, b"inside", 0), NVS)))
    assert image.problems == ("partitions ota_0 and inside overlap at 0x100000",)


def test_a_table_without_md5_ends_with_erased_flash_or_with_the_file() -> None:
    rows = rows_of(NVS, APP)
    for after, size in ((b"", 64), (b"\xff" * 32, 96), (b"\xff" * 0x2000, 0xC00)):
        image = opened(rows + after)
        assert (image.integrity, image.size) == ((), size)
    with pytest.raises(FormatError, match="after 2 rows"):
        opened(rows + b"code")


def test_a_table_full_of_rows_ends_at_its_size() -> None:
    image = opened(rows_of(*[NVS] * 200))
    assert image.size == 0xC00
    assert len(image.parts) == 96


def test_what_follows_a_hashed_table_is_left_to_others() -> None:
    table = hashed(rows_of(NVS))
    assert opened(table + b"something else").size == len(table)


def test_a_table_cut_at_any_byte_is_opened_or_refused() -> None:
    data = hashed(rows_of(NVS, APP))
    ends = {64, 128}  # a table may end with the file, or with its MD5
    for size in range(len(data)):
        try:
            image = opened(data[:size])
        except FormatError:
            assert size not in ends
            continue
        assert image.size == size
        assert size in {32, *ends}


def test_damaged_tables_are_opened_or_refused_and_nothing_else() -> None:
    rng = random.Random(3)  # noqa: S311  # the same damage in every run
    for _ in range(400):
        data = bytearray(hashed(rows_of(NVS, APP, NVS)).ljust(0x200, b"\xff"))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(160)] = rng.randrange(256)
        try:
            image = opened(bytes(data))
        except FormatError:
            continue
        assert 0 < image.size <= len(data)
        assert sum(part.end - part.start for part in image.parts) == image.size
