import struct

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.softdevice import FORMAT, softdevice_name
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

INFO_AT = 0x2000
END = 0x1C000


def _open(data: bytes, *, address: int | None = None) -> Opened:
    return FORMAT.open(Span("dump.bin", Window.of(data), address=address), Limits())


def _built(info: str, *, end: int = END, vectors: tuple[int, int] = (0x2000_2000, 0x1_5001), size: int = 0) -> bytes:
    """Put an information structure, as hexadecimal text, where a SoftDevice has it."""
    head = struct.pack("<2I", *vectors).ljust(INFO_AT, b"\xff") + bytes.fromhex(info)
    return head.ljust(size or end - 0x1000, b"\xff")


S113 = "2cffffffdbe5b15100c00100cc00ffff71000000c1cf6a00fea0d9111c1006c389ccfc7a7b3b49141906a8c0"
S130 = "10ffffffdbe5b15100b001008700ffff"
S132 = "18ffffffdbe5b15100f001009100ffff84000000a8ca2d00"
"""As they stand in S113 7.0.1, S130 2.0.1 and S132 3.1.0."""


def test_a_softdevice_that_names_itself_is_told() -> None:
    opened = _open(_built(S113))
    assert opened.title == "Nordic SoftDevice S113 7.0.1"
    assert opened.kind is RegionKind.PROGRAM
    assert opened.size == END - 0x1000
    assert opened.facts == {
        "fwid": 0xCC,
        "application_address": 0x1C000,
        "softdevice": "S113",
        "version": "7.0.1",
        "build": "fea0d9111c1006c389ccfc7a7b3b49141906a8c0",
    }
    assert opened.program is not None
    assert opened.program.facts()["role"] == "softdevice"
    assert (opened.program.load_address, opened.program.mcu_family) == (0x1000, "nRF52")
    assert (opened.program.entry_address, opened.program.stack_address) == (0x1_5000, 0x2000_2000)
    assert opened.problems == ()


def test_an_older_structure_is_read_by_its_own_length() -> None:
    s130 = _open(_built(S130 + S132, end=0x1B000))
    assert (s130.title, s130.program and s130.program.mcu_family) == ("Nordic SoftDevice S130 2.0.1", "nRF51")
    s132 = _open(_built(S132, end=0x1F000))
    assert (s132.title, s132.program and s132.program.mcu_family) == ("Nordic SoftDevice S132 3.1.0", "nRF52")
    assert "build" not in s132.facts


def test_an_unknown_softdevice_is_told_by_its_numbers() -> None:
    opened = _open(_built(S130.replace("8700", "feff"), end=0x1B000))
    assert opened.title == "Nordic SoftDevice"
    assert opened.facts == {"fwid": 0xFFFE, "application_address": 0x1B000}
    assert opened.program is not None
    assert opened.program.mcu_family is None
    assert opened.program.mcu_family_confidence is None
    newer = _open(_built(S113.replace("cc00ffff71", "feffffff73")))
    assert newer.facts["softdevice"] == "S115"
    assert newer.program is not None
    assert newer.program.mcu_family is None


def test_an_impossible_number_is_not_taken_for_a_name() -> None:
    assert "softdevice" not in _open(_built(S113.replace("cc00ffff71", "feffffff01"))).facts


def test_a_file_that_ends_with_its_last_byte_is_whole_and_a_shorter_one_is_cut() -> None:
    assert _open(_built(S113, size=0x1A400)).problems == ()
    cut = _open(_built(S113, size=0x3000))
    assert cut.size == 0x3000
    assert cut.problems == (f"the SoftDevice is cut short: {0x18000} of {0x1B000} bytes are missing",)


def test_a_softdevice_at_another_address_is_told() -> None:
    assert _open(_built(S113), address=0x1000).problems == ()
    assert _open(_built(S113), address=0x8000).problems == ("it stands at 0x8000; a SoftDevice runs only at 0x1000",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(0x3000),
        _built(S113)[: INFO_AT + 30],
        _built(S113.replace("2cffffff", "2c00ffff")),
        _built(S113.replace("2cffffff", "04ffffff")),
        _built(S113.replace("2cffffff", "80ffffff")),
        _built(S113.replace("00c00100", "01c00100")),
        _built(S113.replace("00c00100", "00100000")),
        _built(S113.replace("00c00100", "0000f000")),
        _built(S113, vectors=(0x1000, 0x1_5001)),
        _built(S113, vectors=(0x2000_2000, 0x1_5000)),
        _built(S113, vectors=(0x2000_2000, 0x5_0001)),
    ],
)
def test_the_magic_in_the_code_of_a_boot_loader_is_no_softdevice(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.parametrize(
    ("fwid", "name"),
    [
        (0x101, "S132 7.2.0"),
        (0x64, "S110 8.0.0"),
        (0, "no SoftDevice"),
        (0xFFFE, "any (development number)"),
        (0x999, "unknown 0x0999"),
    ],
)
def test_firmware_identifiers_have_names(fwid: int, name: str) -> None:
    assert softdevice_name(fwid) == name
