import struct
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.pe import FORMAT
from firmware_checks.patterns import PatternSet
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

PROGRAM = FORMAT.example()
COFF = 0x80
OPTIONAL = COFF + 24


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("setup.exe", Window.of(data)), Limits())


def _changed(at: int, field: bytes) -> bytes:
    return PROGRAM[:at] + field + PROGRAM[at + len(field) :]


def _with_directories(at: int, size: int, *, magic: int = 0x10B, start: int = 96) -> bytes:
    """Build a program with data directories; the section table stands behind them."""
    optional = struct.pack("<H", magic).ljust(start, b"\0") + bytes(32) + struct.pack("<2I", at, size)
    coff = struct.pack("<4s2H3I2H", b"PE\0\0", 0x8664, 1, 0, 0, 0, len(optional), 0x22)
    section = PROGRAM[OPTIONAL + 70 : OPTIONAL + 110]
    return (PROGRAM[:COFF] + coff + optional + section).ljust(0x200, b"\0") + PROGRAM[0x200:]


def test_a_program_says_what_it_runs_on() -> None:
    opened = _open(PROGRAM)
    assert opened.kind is RegionKind.PROGRAM
    assert opened.title == "Windows program"
    assert opened.facts == {
        "machine": "x86",
        "sections": (".text",),
        "built": "2020-01-01T00:00:00+00:00",
        "bits": 32,
        "subsystem": "console",
        "signed": False,
    }


def test_what_is_appended_to_a_program_is_left_outside() -> None:
    assert _open(PROGRAM + b"PK\x03\x04 an installer's payload").size == len(PROGRAM)


def test_a_library_is_told() -> None:
    assert _open(_changed(COFF + 22, b"\x02\x21")).title == "Windows library"


def test_a_program_without_a_date_tells_none() -> None:
    assert "built" not in _open(_changed(COFF + 8, bytes(4))).facts


def test_symbols_behind_the_sections_belong_to_the_program() -> None:
    data = _changed(COFF + 12, struct.pack("<2I", len(PROGRAM), 2)) + bytes(36) + struct.pack("<I", 10) + b"symbol"
    assert _open(data + b"after").size == len(data)


@pytest.mark.parametrize(("magic", "start"), [(0x10B, 96), (0x20B, 112)])
def test_a_signature_behind_the_sections_belongs_to_the_program(magic: int, start: int) -> None:
    data = _with_directories(0x210, 40, magic=magic, start=start)
    opened = _open(data + bytes(40) + b"after")
    assert opened.size == 0x210 + 40
    assert opened.facts["signed"] is True
    assert opened.facts["bits"] == (32 if magic == 0x10B else 64)


def test_a_signature_behind_a_payload_is_told_and_left_outside() -> None:
    opened = _open(_with_directories(0x400, 40) + bytes(600))
    assert opened.size == 0x210
    assert opened.facts["signed"] is True


def test_a_cut_program_says_how_much_is_missing() -> None:
    opened = _open(PROGRAM[:-6])
    assert opened.size == len(PROGRAM) - 6
    assert opened.problems == ("the file is cut short: 6 bytes are missing",)


def test_an_unknown_optional_header_says_nothing() -> None:
    assert "bits" not in _open(_changed(OPTIONAL, b"\x07\x01")).facts


def test_a_subsystem_without_a_name_is_told_by_its_number() -> None:
    assert _open(_changed(OPTIONAL + 68, b"\x63")).facts["subsystem"] == "number 99"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MZ",
        bytes(600),
        b"MZ" + bytes(600),
        _changed(0x3C, b"\xff\xff\xff\xff"),
        _changed(COFF, b"NE"),
        _changed(COFF + 4, b"\x99\x99"),
        _changed(COFF + 6, b"\0\0"),
        _changed(COFF + 6, b"\xff\xff"),
        PROGRAM[: OPTIONAL + 80],
    ],
)
def test_what_is_no_program_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.parametrize("header_at", [0x40, 0x80, 0x180])
def test_a_program_inside_other_bytes_is_found_by_its_two_magics(header_at: int) -> None:
    data = b"\x55" * 999 + b"MZ" + bytes(header_at - 2) + b"PE\0\0" + bytes(100)
    patterns = PatternSet([magic.pattern("pe") for magic in FORMAT.magics])
    assert 999 in {hit.start for hit in patterns.search(memoryview(data))}


def _real_program() -> bytes:
    """A launcher that distlib carries for Windows: a real program with a version resource."""
    return resources.files("distlib").joinpath("w64.exe").read_bytes()


def test_a_real_program_says_its_name_its_version_and_its_sections() -> None:
    opened = _open(_real_program())
    assert opened.facts["product"] == "Simple Launcher"
    assert str(opened.facts["version"]).startswith("1.1.0")
    assert opened.program is not None
    assert opened.program.arch == "x86_64"
    assert [part.title for part in opened.parts][:1] == ["section .text"]
    assert all(a.end <= b.start for a, b in zip(opened.parts, opened.parts[1:], strict=False))


def test_sections_that_claim_the_same_bytes_are_looked_at_once() -> None:
    second = PROGRAM[OPTIONAL + 70 : OPTIONAL + 110]
    data = bytearray(PROGRAM)
    data[COFF + 6] = 2
    data[OPTIONAL + 110 : OPTIONAL + 150] = second
    assert len(_open(bytes(data)).parts) == 1


@given(st.integers(0, 0x1000), st.binary(min_size=1, max_size=8))
def test_a_damaged_real_program_is_read_or_refused(at: int, noise: bytes) -> None:
    data = _real_program()
    try:
        _open(data[:at] + noise + data[at + len(noise) :])
    except FormatError:
        return
