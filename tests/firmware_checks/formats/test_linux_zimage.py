import bz2
import gzip
import lzma
import struct

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.linux_zimage import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

KERNEL = bytes(range(256)) * 20
LZMA = lzma.compress(KERNEL, format=lzma.FORMAT_ALONE)
STREAMS = {
    "gzip": gzip.compress(KERNEL, mtime=0),
    "xz": lzma.compress(KERNEL, check=lzma.CHECK_CRC32),
    "lzma": LZMA,
    "bzip2": bz2.compress(KERNEL),
    "lz4": b"\x02\x21\x4c\x18\x10\x00\x00\x00" + bytes(16),
    "lzo": b"\x89LZO\x00\r\n\x1a\n\x10\x40" + bytes(16),
    "zstd": b"\x28\xb5\x2f\xfd\x24" + bytes(16),
}
CONSTANTS = b"\x1f\x8b\x08\0 BZh9 \xfd7zXZ\x00\x00\x00XZ decompressor \x89LZO\x00\r\n\x1a\n\0"
"""What decompressors hold of these formats."""


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("zImage", Window.of(data)), Limits())


def _zimage(body: bytes, *, start: int = 0, order: str = "<", size: int | None = None) -> bytes:
    end = start + 0x34 + len(body) if size is None else size
    words = struct.pack(order + "4I", 0x016F2818, start, end, 0x0403_0201)
    return b"\x00\x00\xa0\xe1" * 8 + b"\x03\x00\x00\xea" + words + body


@pytest.mark.parametrize("compression", STREAMS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_compressed_kernel_is_found_behind_the_decompressor(compression: str, order: str) -> None:
    data = _zimage(CONSTANTS + STREAMS[compression], order=order, start=0x8000)
    opened = _open(data + b"after")
    assert opened.size == len(data)
    header, program, kernel = opened.parts
    assert (header.look_inside, program.look_inside, kernel.look_inside) == (False, True, True)
    assert data[kernel.start : kernel.end] == STREAMS[compression]
    assert opened.facts["compression"] == compression
    assert program.program is not None
    assert program.program.arch == "arm"


def test_a_kernel_right_behind_the_header_leaves_no_room_for_a_decompressor() -> None:
    assert [part.title for part in _open(FORMAT.example()).parts] == ["kernel header", "compressed kernel"]


def test_where_no_compressed_kernel_is_found_all_is_looked_into() -> None:
    opened = _open(_zimage(CONSTANTS))
    assert [part.title for part in opened.parts] == ["kernel header", "decompressor"]
    assert "compression" not in opened.facts


def test_a_file_cut_short_is_told() -> None:
    opened = _open(_zimage(bytes(100))[:-10])
    assert opened.problems == ("the file is cut short: 10 bytes are missing",)


def test_a_kernel_for_efi_says_whether_it_is_signed() -> None:
    data = bytearray(_zimage(bytes(400)))
    data[:2] = b"MZ"
    struct.pack_into("<I", data, 0x3C, 0x40)
    coff = struct.pack("<4s2H12x2H", b"PE\0\0", 0x1C2, 1, 0, 0)
    data[0x40 : 0x40 + 64] = coff + struct.pack("<8s4I16x", b".text", 0, 0, 400, 100)
    opened = _open(bytes(data) + bytes(500))
    assert (opened.size, opened.facts["signed"]) == (500, False)


@pytest.mark.parametrize(
    "data", [bytes(100), _zimage(b"", size=0x34), _zimage(b"code", size=1 << 30), _zimage(b"")[:0x33]]
)
def test_what_is_no_kernel_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
