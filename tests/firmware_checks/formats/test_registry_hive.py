import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.registry_hive import FORMAT
from firmware_checks.readers.xor_words import xor_words
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

HIVEXML = shutil.which("hivexml") or ""
HIVE = FORMAT.example()


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("SYSTEM", Window.of(data)), Limits())


def _changed(at: int, field: bytes) -> bytes:
    return HIVE[:at] + field + HIVE[at + len(field) :]


def test_a_hive_is_measured_and_tells_its_name_and_time() -> None:
    opened = _open(HIVE + b"after")
    assert (opened.size, opened.kind, opened.title) == (8192, RegionKind.DATA, "Windows registry hive")
    assert opened.facts == {
        "format_version": "1.5", "name": "\\SystemRoot\\PUMP", "dirty": False, "modified": "2020-01-01T00:00:00+00:00",
        "bins_bytes": 4096, "root": "PUMP", "keys": 0, "values": 0,
    }  # fmt: skip
    assert [(verdict.covers, verdict.valid) for verdict in opened.integrity] == [("base block", True)]
    assert opened.problems == ()


def test_a_hive_that_was_being_written_is_dirty_and_its_check_sum_is_wrong() -> None:
    opened = _open(_changed(4, b"\x02"))
    assert opened.facts["dirty"] is True
    assert [verdict.valid for verdict in opened.integrity] == [False]


def test_a_check_sum_of_zero_is_written_as_one() -> None:
    rest = xor_words(_changed(200, bytes(4))[:508])
    opened = _open(_changed(200, struct.pack("<I", rest)))
    assert opened.integrity[0].computed == "00000001"


def test_a_log_is_told_and_only_its_base_block_is_covered() -> None:
    opened = _open(_changed(28, b"\x06"))
    assert (opened.size, opened.title) == (512, "Windows registry log (changes not yet in the registry)")
    assert "modified" not in _open(_changed(12, bytes(8))).facts


def test_damaged_bins_and_a_cut_file_are_told() -> None:
    two = _changed(40, struct.pack("<I", 8192)) + b"hbin" + bytes(4092)
    assert _open(two).problems == ("the bins are damaged at 0x2000",)
    cut = _open(HIVE[:-96])
    assert (cut.size, cut.problems) == (8096, ("the file is cut short: 96 bytes are missing",))


def test_a_topmost_key_that_is_not_there_is_left_out() -> None:
    assert "root" not in _open(_changed(36, b"\xff\xff\xff\x7f")).facts
    wide = bytearray(HIVE)
    struct.pack_into("<H", wide, 4096 + 32 + 4 + 2, 0x0C)
    assert _open(bytes(wide)).facts["root"] == b"PUMP".decode("utf-16-le")


@pytest.mark.parametrize(
    "data", [b"", HIVE[:511], _changed(28, b"\x05"), _changed(40, b"\x01"), _changed(4096, b"x"), _changed(20, b"\x02")]
)
def test_what_is_no_hive_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.skipif(not HIVEXML, reason="hivexml is not installed")
def test_hivexml_reads_our_hive(tmp_path: Path) -> None:
    (tmp_path / "hive").write_bytes(HIVE)
    result = subprocess.run([HIVEXML, tmp_path / "hive"], check=True, capture_output=True, text=True)
    assert '<node name="PUMP" root="1">' in result.stdout
