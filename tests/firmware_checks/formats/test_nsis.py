import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.nsis import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MAKENSIS = shutil.which("makensis") or ""
EXAMPLE = FORMAT.example()


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("setup.exe", Window.of(data)), Limits())


def _installer(content: bytes, flags: int = 0) -> bytes:
    head = struct.pack("<2I12s2I", flags, 0xDEAD_BEEF, b"NullsoftInst", 100, 28 + len(content))
    return head + content


def test_an_installer_is_measured_and_its_content_stays_closed() -> None:
    opened = _open(EXAMPLE + b"after")
    assert (opened.size, opened.title) == (len(EXAMPLE), "NSIS installer")
    assert opened.facts["compression"] == "deflate"
    assert opened.problems == ()
    (entry,) = opened.entries
    assert entry.packed_bytes == len(EXAMPLE) - 28
    with pytest.raises(FormatError, match="not unpacked"):
        entry.read(100)


@pytest.mark.parametrize(
    ("content", "compression"),
    [
        (b"\x5d\0\0\x80\0" + bytes(20), "LZMA, solid"),
        (b"\x20\0\0\x80\x5d\0\0\x80\0" + bytes(20), "LZMA"),
        (b"\x20\0\0\x80\x01\x5d\0\0\x80\0" + bytes(20), "LZMA"),
        (b"\x20\0\0\x80" + b"1\x07" + bytes(20), "bzip2"),
        (b"1\x07" + bytes(20), "bzip2, solid"),
        (b"\x20\0\0\0" + bytes(20), "none, or deflate, solid"),
        (b"", "none, or deflate, solid"),
    ],
)
def test_the_compression_is_told_by_how_the_content_starts(content: bytes, compression: str) -> None:
    assert _open(_installer(content)).facts["compression"] == compression


def test_flags_are_told() -> None:
    opened = _open(_installer(b"", flags=1 | 2 | 4))
    assert opened.title == "NSIS uninstaller"
    assert (opened.facts["silent"], opened.facts["has_check_sum"]) == (True, False)
    assert _open(_installer(b"", flags=4 | 8)).facts["has_check_sum"] is True


def test_a_cut_installer_says_so() -> None:
    assert _open(EXAMPLE[:-3]).problems == ("the file is cut short: 3 bytes are missing",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        EXAMPLE[:27],
        _installer(b"", flags=0x100),
        EXAMPLE[:24] + bytes(4),
        bytes(4) + b"\xef\xbe\xad\xdfNullsoftInst",
    ],
)
def test_what_is_no_installer_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.skipif(not MAKENSIS, reason="makensis is not installed")
@pytest.mark.parametrize(
    ("option", "compression"),
    [
        ("zlib", "deflate"),
        ("lzma", "LZMA"),
        ("/SOLID lzma", "LZMA, solid"),
        ("bzip2", "bzip2"),
        ("/SOLID bzip2", "bzip2, solid"),
    ],
)
def test_an_installer_of_makensis_is_found_behind_its_program(option: str, compression: str, tmp_path: Path) -> None:
    (tmp_path / "pump.bin").write_bytes(bytes(range(256)) * 200)
    script = f'SetCompressor {option}\nName "Pump"\nOutFile "x.exe"\nSection\nFile "pump.bin"\nSectionEnd\n'
    (tmp_path / "x.nsi").write_text(script, encoding="utf-8")
    subprocess.run([MAKENSIS, "-V1", "x.nsi"], cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "x.exe").read_bytes()
    start = data.index(b"\xef\xbe\xad\xdeNullsoftInst") - 4
    opened = _open(data[start:])
    assert opened.size == len(data) - start
    assert opened.facts["compression"] == compression
    assert opened.problems == ()
