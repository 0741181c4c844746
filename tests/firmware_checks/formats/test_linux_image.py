import struct

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.linux_image import FORMAT, HEADER
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

BANNER = b"Linux version 6.1.0 (builder@host) (gcc (GCC) 12.2.0) #1 SMP 2023-01-01\n"


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("Image", Window.of(data)), Limits())


def _image(body: bytes, *, magic: bytes = b"ARM\x64", size: int | None = None, flags: int = 0xA) -> bytes:
    memory = HEADER.size + len(body) if size is None else size
    jump = b"\0\0\0\x14"
    return struct.pack("<8s3QI12s8s4sI", jump, 0x8_0000, memory, flags, 2, b"", b"", magic, 0) + body


def pe_header(size: int, *, certificate: tuple[int, int] = (0, 0), magic: int = 0x20B, sections: int = 1) -> bytes:
    """A PE header of one section that ends at ``size``."""
    optional = bytearray(160)
    struct.pack_into("<H", optional, 0, magic)
    struct.pack_into("<2I", optional, (112 if magic == 0x20B else 96) + 32, *certificate)
    coff = struct.pack("<4s2H12x2H", b"PE\0\0", 0xAA64, sections, len(optional), 0)
    return coff + optional + struct.pack("<8s4I16x", b".text", 0, 0, size - 1024, 1024)


def _with_stub(pe: bytes, size: int) -> bytes:
    head = bytearray(_image(pe, size=1 << 20))
    head[:2] = b"MZ"
    struct.pack_into("<I", head, 60, 64)
    return bytes(head).ljust(size, b"\x11")


def test_a_kernel_is_as_long_as_it_says_and_tells_its_version() -> None:
    data = _image(b"code" * 9 + BANNER + b"data")
    opened = _open(data + b"after")
    assert (opened.size, opened.title) == (len(data), "Linux kernel 6.1.0 for 64-bit ARM")
    assert (opened.facts["page_kib"], opened.facts["big_endian"]) == (4, False)
    assert [part.title for part in opened.parts] == ["kernel header", "kernel", "banner", "kernel"]
    assert opened.parts[1].program is not None
    assert opened.parts[1].program.arch == "aarch64"


def test_a_kernel_may_begin_with_its_version() -> None:
    assert [part.title for part in _open(_image(BANNER)).parts] == ["kernel header", "banner"]


def test_a_kernel_for_risc_v_is_told_apart() -> None:
    opened = _open(_image(b"code", magic=b"RSC\x05"))
    assert opened.title == "Linux kernel for RISC-V"
    assert opened.program is not None
    assert opened.program.arch == "riscv64"
    assert "page_kib" not in opened.facts


@pytest.mark.parametrize("size", [0, 1 << 20])
def test_a_kernel_that_does_not_say_how_long_its_file_is_goes_on_to_the_end(size: int) -> None:
    assert _open(_image(b"code" * 100, size=size)).size == HEADER.size + 400


@pytest.mark.parametrize("magic", [0x20B, 0x10B])
def test_the_header_for_efi_says_how_long_the_file_is_and_whether_it_is_signed(magic: int) -> None:
    plain = _open(_with_stub(pe_header(4096, magic=magic), 8000))
    assert (plain.size, plain.facts["signed"]) == (4096, False)
    signed = _open(_with_stub(pe_header(4096, magic=magic, certificate=(4096, 512)), 8000))
    assert (signed.size, signed.facts["signed"]) == (4608, True)
    inside = _open(_with_stub(pe_header(4096, magic=magic, certificate=(100, 8)), 8000))
    assert (inside.size, inside.facts["signed"]) == (4096, True)


def test_a_broken_header_for_efi_is_none() -> None:
    assert "signed" not in _open(_with_stub(b"PX\0\0" + bytes(99), 8000)).facts
    assert "signed" not in _open(_with_stub(pe_header(4096, sections=0), 8000)).facts
    cut = _with_stub(pe_header(4096, magic=0x999), 8000)[:200]
    assert "signed" not in _open(cut).facts


@pytest.mark.parametrize(
    "data",
    [
        bytes(100),
        _image(b"code", size=1 << 30),
        _image(b"", size=64),
        _image(b"code")[:50],
        _image(b""),
        b"MZ" + bytes(6) + _image(b"code")[8:],
    ],
)
def test_what_is_no_kernel_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
