import struct

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.ole import FORMAT, INSTALLER_CLASS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

DOCUMENT = FORMAT.example()
DIRECTORY = 1024


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("manual.doc", Window.of(data)), Limits())


def _changed(at: int, field: bytes) -> bytes:
    return DOCUMENT[:at] + field + DOCUMENT[at + len(field) :]


def _named(name: str) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    return _changed(DIRECTORY + 128, text.ljust(64, b"\0") + struct.pack("<H", len(text)))


def test_a_document_ends_at_its_last_sector_in_use() -> None:
    opened = _open(DOCUMENT + bytes(3000))
    assert opened.size == len(DOCUMENT)
    assert opened.title == "Microsoft Word document"
    assert opened.facts["streams"] == ("Root Entry", "WordDocument")
    assert opened.problems == ()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Workbook", "Microsoft Excel workbook"),
        ("PowerPoint Document", "Microsoft PowerPoint presentation"),
        ("something", "Microsoft Office or MSI file"),
    ],
)
def test_the_names_of_streams_tell_what_it_is(name: str, title: str) -> None:
    assert _open(_named(name)).title == title


def test_an_installer_is_told_by_the_class_of_its_root() -> None:
    assert _open(_changed(DIRECTORY + 80, INSTALLER_CLASS)).title == "Windows installer (MSI)"


def test_macros_are_told() -> None:
    assert _open(_named("Macros")).facts["macros"] is True


def test_a_cut_document_says_how_much_is_missing() -> None:
    opened = _open(DOCUMENT[:1700])
    assert opened.size == 1700
    assert opened.problems == ("the file is cut short: 348 bytes are missing",)


def test_an_allocation_table_that_names_itself_twice_or_leaves_the_file_ends() -> None:
    assert _open(_changed(76, struct.pack("<3I", 0, 0, 7))).size == len(DOCUMENT)
    assert _open(_changed(76, struct.pack("<2I", 0, 9000))).size == len(DOCUMENT)
    assert _open(_changed(76, struct.pack("<I", 9000))).size == 1024


def test_more_of_the_allocation_table_is_named_in_a_chain_of_sectors() -> None:
    chain = bytearray(512)
    struct.pack_into("<128I", chain, 0, 4, *[0xFFFF_FFFF] * 126, 3)
    table = struct.pack("<2I", 0xFFFF_FFFD, 0xFFFF_FFFE).ljust(512, b"\xff")
    data = _changed(68, struct.pack("<2I", 3, 1)) + bytes(chain) + table
    assert _open(data + bytes(65_000)).size == (128 + 1 + 2) * 512
    assert _open(data[:2300]).size == 2048


def test_a_file_with_large_sectors_is_measured_in_them() -> None:
    head = bytearray(DOCUMENT[:512])
    struct.pack_into("<H", head, 26, 4)
    struct.pack_into("<H", head, 30, 12)
    table = struct.pack("<2I", 0xFFFF_FFFD, 0xFFFF_FFFE).ljust(4096, b"\xff")
    directory = DOCUMENT[DIRECTORY : DIRECTORY + 512].ljust(4096, b"\0")
    data = bytes(head).ljust(4096, b"\0") + table + directory
    assert _open(data + bytes(9000)).size == len(data)


def test_an_empty_allocation_table_and_a_directory_outside_leave_the_header() -> None:
    data = DOCUMENT[:512] + b"\xff" * 512 + DOCUMENT[1024:]
    assert _open(data).size == 1024
    opened = _open(_changed(48, struct.pack("<I", 9000)))
    assert opened.facts["streams"] == ()


def test_only_the_first_names_are_told() -> None:
    entry = DOCUMENT[DIRECTORY + 128 : DIRECTORY + 256]
    streams = _open(DOCUMENT[: DIRECTORY + 128] + entry * 200).facts["streams"]
    assert isinstance(streams, tuple)
    assert len(streams) == 64


@pytest.mark.parametrize("data", [b"", DOCUMENT[:100], _changed(26, b"\x05"), _changed(28, b"\0\0"), bytes(600)])
def test_what_is_no_compound_file_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
