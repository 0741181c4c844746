import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.android_boot import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MKBOOTIMG = shutil.which("mkbootimg") or ""
PIECES = {"kernel": b"kernel" * 700, "ramdisk": b"ramdisk" * 3, "second stage": b"second"}


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("boot.img", Window.of(data)), Limits())


def _contents(data: bytes) -> dict[str, bytes]:
    return {part.title: data[part.start : part.end] for part in _open(data).parts[1:]}


def _changed(*fields: tuple[int, int]) -> bytes:
    data = bytearray(FORMAT.example())
    for at, value in fields:
        struct.pack_into("<I", data, at, value)
    return bytes(data)


def test_kernel_and_ram_disk_are_parts_and_the_identifier_is_computed_again() -> None:
    data = FORMAT.example()
    opened = _open(data + b"after")
    assert opened.size == len(data)
    assert _contents(data) == {"kernel": b"kernel of a pump", "ramdisk": b"files of a pump"}
    assert [v.valid for v in opened.integrity] == [True]
    assert opened.facts == {"page_bytes": 2048, "bootargs": "console=ttyS0", "name": "pump"}
    changed = bytearray(data)
    changed[2048] ^= 1
    assert [v.valid for v in _open(bytes(changed)).integrity] == [False]


def test_an_image_without_identifier_has_no_verdict() -> None:
    data = bytearray(FORMAT.example())
    data[576:608] = bytes(32)
    assert _open(bytes(data)).integrity == ()


def test_an_image_without_options_for_its_kernel_has_no_such_fact() -> None:
    data = bytearray(FORMAT.example())
    data[64:576] = bytes(512)
    assert "bootargs" not in _open(bytes(data)).facts


def test_a_device_tree_whose_size_stands_where_the_version_does_is_found() -> None:
    opened = _open(_changed((40, 1000)) + bytes(2048))
    assert opened.title == "Android boot image, version 0"
    assert (opened.parts[-1].title, opened.parts[-1].end - opened.parts[-1].start) == ("device tree", 1000)
    assert opened.integrity == ()


def test_a_file_cut_short_is_told_and_padding_may_be_missing() -> None:
    data = FORMAT.example()
    assert _open(data[:-2000]).problems == ()
    assert _open(data[:-2040]).problems == ("the file is cut short: 7 bytes are missing",)
    assert list(_contents(data[:3000])) == ["kernel"]


@pytest.mark.parametrize(
    "data", [bytes(5000), _changed((36, 1000)), _changed((8, 0), (16, 0)), FORMAT.example()[:1700], b"ANDROID!"]
)
def test_what_is_no_boot_image_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def _new(version: int, signature: bytes) -> bytes:
    """Built by bootimg.h: page of 4096 bytes, Android 13.0.0 with the patches of 2023-05."""
    android = 13 << 25 | 23 << 4 | 5
    head = struct.pack("<8s4I16xI1536sI", b"ANDROID!", 6, 7, android, 1580, version, b"quiet", len(signature))
    return b"".join(piece.ljust(4096, b"\0") for piece in (head, b"kernel", b"ramdisk", signature) if piece)


def test_a_new_image_tells_version_patches_and_signature() -> None:
    signed = _new(4, b"signature")
    assert _contents(signed) == {"kernel": b"kernel", "ramdisk": b"ramdisk", "signature": b"signature"}
    assert _open(signed).facts == {
        "page_bytes": 4096,
        "bootargs": "quiet",
        "android_version": "13.0.0",
        "security_patch": "2023-05",
        "signed": True,
    }
    assert _open(_new(4, b"")).facts["signed"] is False
    assert "signed" not in _open(_new(3, b"")).facts


@pytest.mark.skipif(not MKBOOTIMG, reason="mkbootimg is not installed (Debian package mkbootimg)")
@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_mkbootimg_and_we_agree(version: int, tmp_path: Path) -> None:
    pieces = dict(PIECES) if version < 3 else {name: PIECES[name] for name in ("kernel", "ramdisk")}
    options = {"kernel": "--kernel", "ramdisk": "--ramdisk", "second stage": "--second", "device tree": "--dtb"}
    if version == 2:
        pieces["device tree"] = b"tree" * 9
    command = [MKBOOTIMG, "--header_version", str(version), "--cmdline", "quiet", "--os_version", "9.0.0"]
    for name, content in pieces.items():
        (tmp_path / name).write_bytes(content)
        command += [options[name], str(tmp_path / name)]
    subprocess.run([*command, "-o", str(tmp_path / "out")], check=True, capture_output=True)
    data = (tmp_path / "out").read_bytes()
    opened = _open(data)
    assert _contents(data) == pieces
    assert opened.size == len(data)
    assert [v.valid for v in opened.integrity] == [True] * (version < 3)
    assert (opened.facts["bootargs"], opened.facts["android_version"]) == ("quiet", "9.0.0")
