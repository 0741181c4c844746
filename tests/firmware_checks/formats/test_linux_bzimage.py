import gzip
import struct

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.linux_bzimage import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

KERNEL = gzip.compress(b"kernel of a pump " * 20, mtime=0)


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("bzImage", Window.of(data)), Limits())


def _changed(*fields: tuple[int, str, int], after: bytes = b"") -> bytes:
    data = bytearray(FORMAT.example())
    for at, form, value in fields:
        struct.pack_into(form, data, at, value)
    return bytes(data) + after


def test_version_processor_and_compressed_kernel_are_told() -> None:
    data = FORMAT.example()
    opened = _open(data + b"after")
    assert (opened.size, opened.title) == (len(data), "Linux kernel 5.10.1 for PCs (bzImage)")
    assert opened.facts == {
        "boot_protocol": "2.15",
        "version": "5.10.1",
        "build": "(builder@host) #1 SMP 2021-01-01",
        "compression": "gzip",
    }
    assert [part.title for part in opened.parts][:3] == ["kernel header and setup", "decompressor", "compressed kernel"]
    kernel = opened.parts[2]
    assert data[kernel.start : kernel.end] == KERNEL
    assert opened.program is not None
    assert opened.program.arch == "x86_64"


def test_old_headers_do_not_say_where_the_kernel_is_and_it_is_found() -> None:
    data = _changed((0x206, "<H", 0x203), (0x1F6, "<H", 0xFFFF))
    opened = _open(data)
    kernel = opened.parts[2]
    assert (opened.size, data[kernel.start : kernel.end].rstrip(b"\0")) == (len(data), KERNEL.rstrip(b"\0"))
    assert opened.program is not None
    assert opened.program.arch == "x86"


@pytest.mark.parametrize("at", [0x7000_0000, 33])
def test_a_kernel_that_is_not_where_the_header_says_is_not_told(at: int) -> None:
    opened = _open(_changed((0x248, "<I", at)))
    assert [part.title for part in opened.parts] == ["kernel header and setup", "decompressor"]
    assert "compression" not in opened.facts


@pytest.mark.parametrize("version_at", [0, 0xFFFF])
def test_a_kernel_may_keep_its_version_to_itself(version_at: int) -> None:
    opened = _open(_changed((0x20E, "<H", version_at)))
    assert "version" not in opened.facts
    assert opened.title == "Linux kernel for PCs (bzImage)"


def test_a_version_without_end_is_not_told() -> None:
    data = bytearray(FORMAT.example())
    data[0x300:0x400] = b"5" * 256
    assert "version" not in _open(bytes(data)).facts


def test_a_kernel_without_a_number_of_setup_sectors_has_four() -> None:
    data = bytearray(_changed((0x1F1, "<B", 0)))
    data[1024:1024] = bytes(3 * 512)
    opened = _open(bytes(data))
    assert opened.parts[0].end == 5 * 512
    assert opened.facts["compression"] == "gzip"


def test_a_signature_for_efi_is_seen() -> None:
    size = len(FORMAT.example())
    coff = struct.pack("<4s2H12x2H", b"PE\0\0", 0x8664, 1, 160, 0)
    optional = bytearray(160)
    struct.pack_into("<H", optional, 0, 0x20B)
    struct.pack_into("<2I", optional, 144, size, 64)
    data = bytearray(_changed((0, ">H", 0x4D5A), (0x3C, "<I", 0x40), after=bytes(64)))
    head = coff + optional + struct.pack("<8s4I16x", b".text", 0, 0, size - 512, 512)
    data[0x40 : 0x40 + len(head)] = head
    opened = _open(bytes(data) + b"after")
    assert (opened.size, opened.facts["signed"], opened.parts[-1].title) == (size + 64, True, "rest")


def test_a_file_cut_short_is_told() -> None:
    assert _open(FORMAT.example()[:-9]).problems == ("the file is cut short: 9 bytes are missing",)


@pytest.mark.parametrize(
    "data",
    [
        bytes(2000),
        _changed((0x206, "<H", 0x100)),
        _changed((0x1F4, "<I", 0)),
        _changed((0x1F1, "<B", 200)),
        FORMAT.example()[:0x250],
    ],
)
def test_what_is_no_kernel_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
