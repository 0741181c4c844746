import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.gpt import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

SECTOR = 512
BACKUP = 10
"""Sector of the backup header in the example; its table is in the sector before."""


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("card.img", Window.of(data)), Limits())


def _changed(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def _sealed(data: bytes, sector: int) -> bytes:
    """Make the check values of the copy whose header is in ``sector`` right again."""
    start = sector * SECTOR
    table, rows, row_bytes = struct.unpack_from("<QII", data, start + 72)
    crc = zlib.crc32(data[table * SECTOR : table * SECTOR + rows * row_bytes])
    data = _changed(data, start + 88, struct.pack("<I", crc))
    blank = _changed(data[start : start + 92], 16, bytes(4))
    return _changed(data, start + 16, struct.pack("<I", zlib.crc32(blank)))


def _with_row(at: int, value: bytes) -> bytes:
    """Return the example with ``value`` at byte ``at`` of the table of both copies."""
    data = _changed(_changed(FORMAT.example(), 2 * SECTOR + at, value), 9 * SECTOR + at, value)
    return _sealed(_sealed(data, 1), BACKUP)


def test_the_partition_is_found_with_its_name_and_purpose_and_all_check_values_are_right() -> None:
    opened = _open(FORMAT.example())
    (part,) = [p for p in opened.parts if p.title.startswith("partition")]
    assert (part.title, part.start, part.end, part.look_inside) == ("partition 1: settings", 2048, 3584, True)
    assert part.facts["type_name"] == "Linux file system"
    assert [(v.covers, v.valid) for v in opened.integrity] == [
        ("the primary GPT header", True),
        ("the primary GPT table", True),
        ("the backup GPT header", True),
        ("the backup GPT table", True),
    ]
    assert sum(p.end - p.start for p in opened.parts) >= opened.size - 4 * SECTOR
    assert not opened.problems


@pytest.mark.parametrize("damage", [1 * SECTOR + 40, 2 * SECTOR + 60])
def test_the_backup_is_used_when_the_primary_is_damaged(damage: int) -> None:
    opened = _open(_changed(FORMAT.example(), damage, b"\x77"))
    (part,) = [p for p in opened.parts if p.title.startswith("partition")]
    assert part.title == "partition 1: settings"
    assert [v.valid for v in opened.integrity].count(False) == 1


def test_the_backup_at_the_end_is_read_when_the_primary_is_gone() -> None:
    opened = _open(_changed(FORMAT.example(), SECTOR, bytes(2 * SECTOR)))
    assert [p.title for p in opened.parts if p.title.startswith("partition")] == ["partition 1: settings"]
    assert "the primary GPT is missing; its backup was read" in opened.problems


def test_a_disk_cut_short_keeps_what_is_there() -> None:
    opened = _open(FORMAT.example()[: 6 * SECTOR])
    assert opened.size == 6 * SECTOR
    assert "the backup GPT is missing" in opened.problems
    assert any("cut short" in problem for problem in opened.problems)
    assert any("reaches past the end" in problem for problem in opened.problems)


def test_two_copies_that_differ_are_told() -> None:
    data = _sealed(_changed(FORMAT.example(), 9 * SECTOR + 60, b"x"), BACKUP)
    assert "the two copies of the GPT differ" in _open(data).problems


def test_both_copies_damaged_are_read_and_told() -> None:
    data = _changed(_changed(FORMAT.example(), SECTOR + 57, b"x"), BACKUP * SECTOR + 57, b"x")
    assert "neither copy of the GPT is undamaged" in _open(data).problems


def test_a_partition_that_ends_before_it_starts_is_told() -> None:
    opened = _open(_with_row(40, struct.pack("<Q", 1)))
    assert any("ends before it starts" in problem for problem in opened.problems)


def test_hidden_characters_in_a_name_are_shown_and_attributes_named() -> None:
    opened = _open(
        _with_row(48, struct.pack("<Q", 1 | 1 << 60) + "a\u202eb\ud800".encode("utf-16-le", "surrogatepass"))
    )
    (part,) = [p for p in opened.parts if p.title.startswith("partition")]
    assert part.facts["name"] == "a\\u202eb\\ud800ings"
    assert part.facts["attributes"] == ("required", "read-only")


def test_a_partition_over_the_table_is_not_looked_into() -> None:
    opened = _open(_with_row(32, struct.pack("<QQ", 2, 5)))
    assert any("overlaps" in problem for problem in opened.problems)


def test_a_disk_with_sectors_of_4096_bytes_is_read() -> None:
    example = FORMAT.example()
    sectors = [example[at : at + SECTOR].ljust(4096, b"\0") for at in range(0, len(example), SECTOR)]
    opened = _open(b"".join(sectors))
    assert opened.facts["sector_bytes"] == 4096
    assert [p.start for p in opened.parts if p.title.startswith("partition")] == [4 * 4096]
    assert all(v.valid for v in opened.integrity)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (510, b"\0\0"),
        (SECTOR + 12, struct.pack("<I", 91)),
        (SECTOR + 12, struct.pack("<I", 513)),
        (SECTOR + 24, struct.pack("<Q", 7)),
        (SECTOR + 72, struct.pack("<Q", 1 << 60)),
        (SECTOR + 80, struct.pack("<I", 0xFFFF_FFFF)),
        (SECTOR + 84, struct.pack("<I", 0)),
        (SECTOR + 84, struct.pack("<I", 100)),
    ],
)
def test_a_header_with_impossible_values_and_no_backup_is_refused(at: int, value: bytes) -> None:
    with pytest.raises(FormatError):
        _open(_changed(FORMAT.example(), at, value)[: BACKUP * SECTOR])


def test_a_table_in_its_own_header_is_read_without_harm() -> None:
    data = _sealed(_changed(FORMAT.example(), SECTOR + 72, struct.pack("<Q", 1)), 1)
    opened = _open(data)
    assert 0 < opened.size <= len(data)


@given(at=st.integers(512, 11 * SECTOR - 4), value=st.binary(min_size=1, max_size=4))
def test_any_damage_is_read_around_or_refused(at: int, value: bytes) -> None:
    data = _changed(FORMAT.example(), at, value)
    try:
        opened = _open(data)
    except FormatError:
        return
    assert all(0 <= p.start < p.end <= opened.size for p in opened.parts)


@pytest.mark.skipif(shutil.which("sfdisk") is None, reason="sfdisk (util-linux) is not installed")
def test_a_disk_partitioned_by_sfdisk_is_read(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(4 << 20))
    script = b"label: gpt\nstart=2048,size=1000,type=U,name=boot\nstart=4096,size=64,type=L,name=root\n"
    sfdisk = str(shutil.which("sfdisk"))
    subprocess.run([sfdisk, "--quiet", str(disk)], input=script, check=True, capture_output=True)
    opened = _open(disk.read_bytes())
    found = [(p.title, p.start // SECTOR, p.end // SECTOR) for p in opened.parts if p.title.startswith("partition")]
    assert found == [("partition 1: boot", 2048, 3048), ("partition 2: root", 4096, 4160)]
    assert opened.size == 4 << 20
    assert [v.valid for v in opened.integrity] == [True] * 4
    assert not opened.problems
