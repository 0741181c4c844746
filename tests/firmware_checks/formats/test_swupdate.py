import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.swupdate import FORMAT, LISTED, _record
from firmware_checks.readers.sw_description import MOST_DEPTH, read_description
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

CPIO, OPENSSL = shutil.which("cpio") or "", shutil.which("openssl") or ""
ROOTFS, KERNEL = b"root file system" * 50, b"kernel" * 20
TRAILER = b"070702" + b"0" * 88 + b"0000000B" + b"0" * 8 + b"TRAILER!!!\0"

TEXT = f"""
software =
{{
    /* made by hand */
    version = "2.4.1";  # of the whole
    description = "Pump update";
    pump: {{
        hardware-compatibility: [ "1.0", "#RE:^1[.]2" ];
        stable: {{
            images: (
                {{ filename = "rootfs.ext4"; sha256 = "{hashlib.sha256(ROOTFS).hexdigest()}"; version = "9.9"; }},
                {{ filename = "kernel"; encrypted = true; sha256 = "{hashlib.sha256(KERNEL).hexdigest().upper()}"; }}
            );
            uboot: ( {{ name = "part"; value = "2"; }} ); // not a file
        }};
    }};
}}
"""


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.swu", Window.of(data)), Limits())


def _image(text: str | bytes, files: dict[str, bytes]) -> bytes:
    description = text if isinstance(text, bytes) else text.encode()
    records = [_record(name, data) for name, data in {"sw-description": description, **files}.items()]
    whole = b"".join(records) + TRAILER
    return whole + bytes(-len(whole) % 512)


def test_what_the_description_says_is_told_and_hashes_are_computed_again() -> None:
    data = _image(TEXT, {"sw-description.sig": b"signature", "rootfs.ext4": ROOTFS, "kernel": KERNEL})
    opened = _open(data + b"after")
    assert opened.size == len(data)
    assert opened.facts == {
        "version": "2.4.1",
        "description": "Pump update",
        "hardware_compatibility": ("1.0", "#RE:^1[.]2"),
        "installs": ("rootfs.ext4", "kernel"),
        "encrypted_files": 1,
        "files": 4,
        "signed": True,
    }
    hashes = [v for v in opened.integrity if v.algorithm == "sha256"]
    assert [v.valid for v in hashes] == [True, True]
    assert opened.problems == ()
    assert {entry.name: entry.read(1 << 20) for entry in opened.entries}["rootfs.ext4"] == ROOTFS


def test_the_same_in_json_is_read() -> None:
    text = """{ "software": { "version": "1.2", "hardware-compatibility": ["1.0"],
        "files": [ { "filename": "rootfs.ext4", "sha256": "00", "encrypted": false } ] } }"""
    opened = _open(_image(text, {"rootfs.ext4": ROOTFS}))
    assert opened.facts["version"] == "1.2"
    assert opened.facts["hardware_compatibility"] == ("1.0",)
    assert opened.facts["signed"] is False
    assert not next(v for v in opened.integrity if v.algorithm == "sha256").valid


def test_files_without_hash_and_files_that_are_missing_are_told() -> None:
    text = 'software = { images: ( { filename = "a"; }, { filename = "b\\u001b"; sha256 = "00"; } ); }'
    opened = _open(_image(text, {"a": b""}))
    assert opened.problems == (
        "the description has no sha256 of a file: nothing protects it: 'a'",
        "the description names a file that is not in the archive: 'b\\u001b'",
    )


def test_a_file_named_twice_is_judged_once_and_many_are_told_in_short() -> None:
    row = '{ filename = "a"; sha256 = "00"; }'
    rows = ",".join([row, row, *(f'{{ filename = "{number}"; sha256 = "0"; }}' for number in range(30))])
    opened = _open(_image(f"software = {{ images: ( {rows} ); }}", {"a": b""}))
    assert len([v for v in opened.integrity if v.algorithm == "sha256"]) == 1
    installs = opened.facts["installs"]
    assert isinstance(installs, tuple)
    assert (len(installs), installs[-1]) == (LISTED + 1, "and 11 more")


def test_a_description_that_cannot_be_read_is_told() -> None:
    assert _open(_image(b"\xff\xfe\x00", {})).problems == ("the description is no text: it may be encrypted",)
    assert "cannot be read" in _open(_image("software = { } }", {})).problems[0]
    assert "cannot be read" in _open(_image(bytes(5 << 20), {})).problems[0]


@pytest.mark.parametrize("data", [_record("rootfs", b"") + TRAILER, TRAILER, b"PK" + bytes(300)])
def test_what_is_no_swupdate_image_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.parametrize("text", ["}", "{" * (MOST_DEPTH + 2), 'a = "open', '"'])
def test_a_text_that_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        read_description(text)


@given(st.text(alphabet='{}()[]=:;,"#/* ab\n\\', max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_description(text)
    except FormatError:
        return


def test_countless_files_and_revisions_are_cut_short() -> None:
    rows = '{ filename = "a"; },' * 5000
    many = ", ".join(f'"{number}"' for number in range(5000))
    found = read_description(f"s = {{ hardware-compatibility = [ {many} ]; images: ( {rows} ); }}")
    assert (len(found.artifacts), len(found.hardware)) == (1000, 1000)


def test_comments_without_end_are_read_quickly() -> None:
    with pytest.raises(FormatError):
        read_description("/* x" * 20_000 + "\\" + '"')


@pytest.mark.skipif(not CPIO or not OPENSSL, reason="cpio or openssl is not installed (Debian packages cpio, openssl)")
def test_an_image_packed_as_the_documentation_says_is_read(tmp_path: Path) -> None:
    files = {"sw-description": TEXT.encode(), "rootfs.ext4": ROOTFS, "kernel": KERNEL}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    subprocess.run([OPENSSL, "genrsa", "-out", "key.pem", "2048"], cwd=tmp_path, check=True, capture_output=True)
    sign = [OPENSSL, "dgst", "-sha256", "-sign", "key.pem", "-out", "sw-description.sig", "sw-description"]
    subprocess.run(sign, cwd=tmp_path, check=True)
    order = b"sw-description\nsw-description.sig\nrootfs.ext4\nkernel\n"
    packed = subprocess.run([CPIO, "-ov", "-H", "crc"], input=order, cwd=tmp_path, check=True, capture_output=True)
    opened = _open(packed.stdout)
    assert opened.size == len(packed.stdout)
    assert (opened.facts["version"], opened.facts["signed"]) == ("2.4.1", True)
    assert all(verdict.valid for verdict in opened.integrity)
    assert len([v for v in opened.integrity if v.algorithm == "sha256"]) == 2
    assert opened.problems == ()
