import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from firmware_checks.format import ImageFormat, Opened
from firmware_checks.formats import gpt, mbr
from firmware_checks.opener import Opener
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window

SECTOR = 512
Row = tuple[int, int, int, int]


def _open(data: bytes) -> Opened:
    return mbr.FORMAT.open(Span("card.img", Window.of(data)), Limits())


def _table(*rows: Row, code: bytes = b"") -> bytes:
    """Build a sector with the rows (status, type, first sector, sectors)."""
    packed = b"".join(struct.pack("<BxxxBxxxII", *row) for row in rows)
    return code.ljust(446, b"\0") + packed.ljust(64, b"\0") + b"\x55\xaa"


def _disk(sectors: int, placed: dict[int, bytes]) -> bytes:
    disk = bytearray(sectors * SECTOR)
    for sector, data in placed.items():
        disk[sector * SECTOR : sector * SECTOR + len(data)] = data
    return bytes(disk)


def _partitions(opened: Opened) -> list[tuple[int, int]]:
    return [(p.start // SECTOR, p.end // SECTOR) for p in opened.parts if p.title.startswith("partition")]


def test_primary_and_logical_partitions_are_listed_and_the_space_between_them_is_looked_into() -> None:
    opened = _open(mbr.FORMAT.example())
    assert [(p.title, p.look_inside) for p in opened.parts] == [
        ("master boot record", False),
        ("unpartitioned space", True),
        ("partition 1: data without a file system", True),
        ("extended boot record", False),
        ("partition 2: data without a file system", True),
    ]
    assert sum(p.end - p.start for p in opened.parts) == opened.size
    assert opened.parts[2].facts["active"] is True
    assert opened.parts[4].facts["logical"] is True
    assert opened.facts["disk_signature"] == "1234abcd"
    assert not opened.problems


def test_a_chain_of_three_logical_partitions_is_followed() -> None:
    opened = _open(
        _disk(
            40,
            {
                0: _table((0, 0x83, 1, 3), (0, 0x0F, 10, 30)),
                10: _table((0, 0x83, 2, 4), (0, 0x05, 10, 10)),
                20: _table((0, 0x82, 2, 4), (0, 0x05, 20, 10)),
                30: _table((0, 0x0B, 2, 4)),
            },
        )
    )
    assert _partitions(opened) == [(1, 4), (12, 16), (22, 26), (32, 36)]


@pytest.mark.parametrize("following", [0, 10])
def test_a_chain_that_runs_in_a_circle_ends(following: int) -> None:
    tables = {0: _table((0, 0x05, 10, 30)), 10: _table((0, 0x83, 2, 4), (0, 0x05, following, 9)), 20: b""}
    if following:
        tables[20] = _table((0, 0x83, 2, 4), (0, 0x05, 0, 9))
    opened = _open(_disk(40, tables))
    assert any("runs in a circle" in problem for problem in opened.problems)


def test_an_extended_partition_without_a_table_is_told() -> None:
    opened = _open(_disk(40, {0: _table((0, 0x83, 1, 3), (0, 0x05, 10, 30))}))
    assert _partitions(opened) == [(1, 4)]
    assert any("has no table" in problem for problem in opened.problems)


def test_a_partition_that_reaches_past_the_end_is_read_as_far_as_it_is_there() -> None:
    opened = _open(_disk(10, {0: _table((0, 0x83, 2, 100), (0, 0x83, 200, 100))}))
    assert _partitions(opened) == [(2, 10)]
    assert any("reaches past the end" in problem for problem in opened.problems)


def test_a_logical_partition_over_a_primary_one_is_told_and_not_looked_into() -> None:
    opened = _open(_disk(60, {0: _table((0, 0x83, 30, 9), (0, 0x05, 10, 20)), 10: _table((0, 0x83, 15, 10))}))
    assert _partitions(opened) == [(25, 35)]
    assert any("overlaps" in problem for problem in opened.problems)


def test_an_impossible_row_among_logical_ones_is_passed_over() -> None:
    disk = _disk(60, {0: _table((0, 0x83, 1, 3), (0, 0x05, 10, 30)), 10: _table((0, 0x83, 0, 4), (0, 0x83, 2, 4))})
    assert _partitions(_open(disk)) == [(1, 4), (12, 16)]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0x12, 0x83, 1, 3)],
        [(0x80, 0x83, 1, 3), (0x80, 0x83, 4, 3)],
        [(0, 0x83, 1, 3), (0, 0x83, 2, 3)],
        [(0, 0x83, 0, 3)],
        [(0, 0x83, 1, 0)],
        [(0, 0, 1, 3)],
        [(0, 0x83, 1000, 3)],
    ],
)
def test_rows_that_make_no_sense_are_no_table(rows: list[Row]) -> None:
    with pytest.raises(FormatError):
        _open(_disk(10, {0: _table(*rows)}))


@pytest.mark.parametrize(
    "start",
    [
        b"\xeb\x3c\x90mkfs.fat\x00\x02\x01\x01\x00\x02",
        b"\xeb\x52\x90NTFS    ",
        b"\xeb\x76\x90EXFAT   ",
    ],
)
def test_the_boot_sector_of_a_file_system_is_no_partition_table(start: bytes) -> None:
    row = (0, 0x83, 1, 3)
    assert _open(_disk(10, {0: _table(row)}))
    with pytest.raises(FormatError):
        _open(_disk(10, {0: _table(row, code=start)}))


def test_the_two_bytes_at_the_end_of_random_sectors_say_nothing() -> None:
    noise = random.Random(1)  # noqa: S311  # filler, not a secret
    for _ in range(500):
        with pytest.raises(FormatError):
            _open(noise.randbytes(510) + b"\x55\xaa" + bytes(SECTOR))


def test_a_protective_table_without_a_gpt_is_told() -> None:
    opened = _open(_disk(10, {0: _table((0, 0xEE, 1, 9))}))
    assert any("no GPT" in problem for problem in opened.problems)


def test_partitions_are_opened_by_the_opener_and_the_table_is_not_looked_for_within_other_bytes() -> None:
    formats: dict[str, ImageFormat] = {f.name: f for f in (mbr.FORMAT, gpt.FORMAT)}
    inner = gpt.FORMAT.example()
    disk = _disk(40, {0: _table((0, 0x83, 4, 11)), 4: inner})
    opener = Opener(formats, [], Budget(Limits()), lambda _size: None)
    found = [
        (r.format, r.span.provenance.offset_at(0)) for region in opener.explore(_span(disk)) for r in region.walk()
    ]
    assert ("mbr", 0) in found
    assert ("gpt", 4 * SECTOR) in found
    noisy = b"\x01" * SECTOR + mbr.FORMAT.example()
    assert "mbr" not in {region.format for region in opener.explore(_span(noisy))}


def _span(data: bytes) -> Span:
    return Span("card.img", Window.of(data))


@pytest.mark.skipif(shutil.which("sfdisk") is None, reason="sfdisk (util-linux) is not installed")
def test_a_disk_partitioned_by_sfdisk_is_read(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(4 << 20))
    script = b"label: dos\nstart=2048,size=1000,type=c,bootable\nstart=4096,type=5\nstart=4200,size=100\nstart=5000\n"
    sfdisk = str(shutil.which("sfdisk"))
    subprocess.run([sfdisk, "--quiet", str(disk)], input=script, check=True, capture_output=True)
    opened = _open(disk.read_bytes())
    assert _partitions(opened) == [(2048, 3048), (4200, 4300), (5000, 8192)]
    assert not opened.problems
