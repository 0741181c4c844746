import struct
import zlib

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.inno_setup import FORMAT, VERDICTS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

EXAMPLE = FORMAT.example()
OLD, NEW = b"rDlPtS%s\x87eVx", b"rDlPtS\xcd\xe6\xd7\x7b\x0b\x2a"


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("setup.exe", Window.of(data)), Limits())


def _with_crc(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.crc32(data))


def _crc_first(data: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(data)) + data


def _pieces(content: bytes) -> bytes:
    return b"".join(_crc_first(content[place : place + 4096]) for place in range(0, len(content), 4096))


def _data(identifier: bytes, *blocks: bytes) -> bytes:
    return identifier.ljust(64, b"\0") + b"".join(blocks)


def _block(content: bytes) -> bytes:
    pieces = _pieces(content)
    return _crc_first(struct.pack("<IB", len(pieces), 1)) + pieces


TABLES = [
    (OLD % b"02" + struct.pack("<8I", 5000, *[1] * 7), "1.2.10", None),
    (OLD % b"04" + struct.pack("<7I", 5000, *[1] * 6), "4.0.0", None),
    (OLD % b"05" + struct.pack("<7I", 5000, *[1] * 6), "4.0.3", None),
    (_with_crc(OLD % b"06" + struct.pack("<7I", 5000, *[1] * 6)), "4.0.10", True),
    (_with_crc(OLD % b"07" + struct.pack("<6I", 5000, *[1] * 5)), "4.1.6", True),
    (_with_crc(NEW + struct.pack("<7I", 1, 5000, *[1] * 5)), "5.1.5", True),
    (_with_crc(NEW + struct.pack("<I2q2I2qI", 2, 5000, *[1] * 6)), "6.5.0", True),
]


@pytest.mark.parametrize(("table", "version", "valid"), TABLES, ids=[version for _, version, _ in TABLES])
def test_the_table_of_the_loader_is_measured(table: bytes, version: str, valid: bool | None) -> None:
    opened = _open(table + b"after")
    assert (opened.size, opened.kind) == (len(table), RegionKind.METADATA)
    assert opened.facts == {"table_since_version": version, "installer_bytes": 5000}
    assert [verdict.valid for verdict in opened.integrity] == ([] if valid is None else [valid])


def test_a_wrong_check_sum_of_the_table_is_a_verdict() -> None:
    table = TABLES[-1][0]
    assert [verdict.valid for verdict in _open(table[:-1] + b"!").integrity] == [False]


def test_the_script_is_measured_and_stays_closed() -> None:
    opened = _open(EXAMPLE + b"after")
    assert (opened.size, opened.title) == (len(EXAMPLE), "Inno Setup installer (version 6.2.0)")
    assert (opened.facts["setup_version"], opened.facts["unicode"]) == ("6.2.0", True)
    assert [verdict.valid for verdict in opened.integrity] == [True] * 4
    assert opened.problems == ()
    for entry in opened.entries:
        with pytest.raises(FormatError, match="not unpacked"):
            entry.read(100)


def test_blocks_of_old_and_new_versions_are_measured() -> None:
    content = bytes(10_000)
    pieces = _pieces(content)
    old = _crc_first(struct.pack("<2I", len(content), 99_999)) + pieces
    stored = _crc_first(struct.pack("<2I", 0xFFFF_FFFF, len(content))) + pieces
    data = _data(b"My Inno Setup Extensions Setup Data (3.0.6.1)", old, stored)
    opened = _open(data + b"after")
    assert (opened.size, opened.facts["setup_version"], opened.facts["unicode"]) == (len(data), "3.0.6.1", False)
    wide = _crc_first(struct.pack("<qB", len(pieces), 1)) + pieces
    encryption = _crc_first(b"\x01" + bytes(48))
    data = _data(b"Inno Setup Setup Data (6.7.0)", encryption, wide, wide)
    opened = _open(data + b"after")
    assert (opened.size, opened.facts["encryption"]) == (len(data), "files")
    assert all(verdict.valid for verdict in opened.integrity)


def test_damaged_pieces_are_verdicts_and_not_all_are_told() -> None:
    data = _data(b"Inno Setup Setup Data (5.5.7)", _block(bytes(9000)), _block(b"x"))
    damaged = _open(data[:5000] + b"!" + data[5001:])
    assert [verdict.valid for verdict in damaged.integrity] == [True, True, False, True, True]
    many = _data(b"Inno Setup Setup Data (5.5.7)", _block(b"\1" * 4096 * 40), _block(b"x"))
    assert len(_open(many.replace(b"\1" * 50, b"\2" * 50)).integrity) == 2 + VERDICTS


def test_a_cut_or_missing_block_is_told() -> None:
    data = _data(b"Inno Setup Setup Data (5.5.7)", _block(bytes(9000)))
    opened = _open(data[:-100])
    assert opened.size == len(data) - 100
    assert opened.problems[0] == "block 1 is cut short: 100 bytes are missing"
    assert "no block of Inno Setup stands at" in _open(data + bytes(30)).problems[0]
    negative = _data(b"Inno Setup Setup Data (6.7.0)", _crc_first(struct.pack("<qB", -5, 1)))
    assert _open(negative).size == len(negative)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        NEW + struct.pack("<7I", 3, *[0] * 6),
        OLD % b"03" + bytes(40),
        TABLES[0][0][:20],
        _data(b"Inno Setup Setup Data (5.5.7)") + b"a string in a program",
        _data(b"Inno Setup Setup Data (5.5.7", _block(b"x")),
        EXAMPLE[:60],
    ],
)
def test_what_is_no_installer_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
