import gzip
import struct

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.linux_efi_zboot import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("vmlinuz.efi", Window.of(data)), Limits())


def _changed(at: int, value: bytes) -> bytes:
    data = bytearray(FORMAT.example())
    data[at : at + len(value)] = value
    return bytes(data)


def test_the_compressed_kernel_is_a_part() -> None:
    data = FORMAT.example()
    opened = _open(data + b"after")
    assert opened.size == len(data)
    kernel = next(part for part in opened.parts if part.title == "compressed kernel")
    assert gzip.decompress(data[kernel.start : kernel.end]).startswith(b"kernel of a pump")
    assert opened.facts == {"compression": "gzip"}


def test_the_header_for_efi_says_how_long_the_file_is_and_whether_it_is_signed() -> None:
    coff = struct.pack("<4s2H12x2H", b"PE\0\0", 0xAA64, 1, 0, 0)
    head = coff + struct.pack("<8s4I16x", b".text", 0, 0, 500, 0)
    data = bytearray(_changed(0x3C, struct.pack("<I", len(FORMAT.example()))) + head)
    opened = _open(bytes(data) + bytes(600))
    assert (opened.size, opened.facts["signed"]) == (500, False)
    assert opened.parts[-1].title == "decompressor"


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (8, b"\0\0\0\0"),
        (8, b"\xff\xff\xff\x7f"),
        (12, b"\0\0\0\0"),
        (12, b"\xff\xff\xff\xff"),
        (24, b"\x01"),
        (4, b"x"),
    ],
)
def test_what_is_no_kernel_is_refused(at: int, value: bytes) -> None:
    with pytest.raises(FormatError):
        _open(_changed(at, value))
