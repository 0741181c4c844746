import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.uimage import FORMAT, MOST_PARTS, build_image
from firmware_checks.readers.u_boot_names import ARCHITECTURES, COMPRESSIONS, SYSTEMS, TYPES
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

MKIMAGE = shutil.which("mkimage") or ""
needs_mkimage = pytest.mark.skipif(not MKIMAGE, reason="mkimage is not installed (Debian package u-boot-tools)")


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("uImage", Window.of(data)), Limits())


def _parts(data: bytes) -> dict[str, bytes]:
    return {part.title: data[part.start : part.end] for part in _open(data).parts}


def _multi(*files: bytes) -> bytes:
    sizes = b"".join(struct.pack(">I", len(file)) for file in files) + bytes(4)
    return sizes + b"".join(file + bytes(-len(file) % 4) for file in files)


@given(
    st.binary(min_size=1, max_size=200),
    st.binary(max_size=20),
    st.sampled_from(TYPES[1:4]),
    st.sampled_from(ARCHITECTURES),
    st.sampled_from(SYSTEMS),
    st.sampled_from(COMPRESSIONS),
)
def test_what_is_built_is_read_back_and_what_follows_is_left_outside(
    payload: bytes, after: bytes, kind: str, arch: str, system: str, compression: str
) -> None:
    data = build_image(payload, kind=kind, arch=arch, system=system, compression=compression)
    opened = _open(data + after)
    assert opened.size == len(data)
    assert [verdict.valid for verdict in opened.integrity] == [True, True]
    assert [data[part.start : part.end] for part in opened.parts] == [data[:64], payload]
    facts = {key: opened.facts[key] for key in ("image_type", "processor", "operating_system", "compression")}
    assert list(facts.values()) == [kind, arch, system, compression]
    assert opened.problems == ()


def test_an_uncompressed_kernel_is_a_program_with_its_load_address() -> None:
    opened = _open(build_image(b"code", arch="arm64", load_address=0x8008_0000))
    payload = opened.parts[1]
    assert payload.program is not None
    assert (payload.program.arch, payload.program.load_address) == ("aarch64", 0x8008_0000)
    assert (payload.kind, payload.address, payload.look_inside) == (RegionKind.PROGRAM, 0x8008_0000, True)


def test_a_boot_loader_is_told_by_its_system() -> None:
    payload = _open(build_image(b"code", kind="firmware", system="u-boot")).parts[1]
    assert payload.program is not None
    assert payload.program.role == "bootloader"


@pytest.mark.parametrize(
    ("kind", "arch", "compression"),
    [("kernel", "arm", "gzip"), ("ramdisk", "arm", "none"), ("kernel", "riscv", "none")],
)
def test_what_is_compressed_or_no_code_or_of_a_processor_we_do_not_know_is_no_program(
    kind: str, arch: str, compression: str
) -> None:
    payload = _open(build_image(b"code", kind=kind, arch=arch, compression=compression)).parts[1]
    assert payload.program is None
    assert payload.look_inside


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=5))
def test_each_file_of_a_multi_file_image_is_a_part(files: list[bytes]) -> None:
    data = build_image(_multi(*files), kind="multi")
    parts = _parts(data)
    assert [parts[f"file {number}"] for number in range(len(files))] == files
    assert _open(data).problems == ()


def test_a_script_is_a_part() -> None:
    assert _parts(build_image(_multi(b"bootm 0x8000"), kind="script"))["script"] == b"bootm 0x8000"


def test_a_file_that_reaches_past_the_end_is_told() -> None:
    data = build_image(struct.pack(">3I", 4, 4000, 0) + b"pumpmore", kind="multi")
    assert _parts(data)["file 1"] == b"more"
    assert _open(data).problems == ("file 1 is said to have 4000 bytes, 4 are there",)


def test_a_file_that_starts_past_the_end_is_told() -> None:
    data = build_image(struct.pack(">3I", 4000, 5, 0) + b"pump", kind="multi")
    assert list(_parts(data)) == ["uImage header", "list of files", "file 0"]
    assert "file 1 is said to have 5 bytes, 0 are there" in _open(data).problems


@pytest.mark.parametrize("words", [3, MOST_PARTS + 50])
def test_a_list_of_files_without_end_is_told(words: int) -> None:
    opened = _open(build_image(b"\0\0\0\1" * words, kind="multi"))
    assert opened.problems == ("the list of the files inside has no end: they were not told apart",)
    assert opened.parts[1].look_inside


def test_damaged_data_is_a_verdict() -> None:
    data = bytearray(build_image(b"pump"))
    data[-1] ^= 1
    assert [verdict.valid for verdict in _open(bytes(data)).integrity] == [True, False]


def test_a_changed_header_is_a_verdict() -> None:
    data = bytearray(build_image(b"pump"))
    data[40] ^= 1
    opened = _open(bytes(data))
    assert [verdict.valid for verdict in opened.integrity] == [False, True]
    assert opened.parts[1].end == len(data)


def test_a_header_for_a_system_we_do_not_know_is_read_when_its_check_sum_is_right() -> None:
    data = bytearray(build_image(b"pump"))
    header = bytearray(data[:64])
    header[28:32] = b"\xc8\xc9\xca\xcb"
    header[4:8] = bytes(4)
    header[4:8] = struct.pack(">I", zlib.crc32(header))
    opened = _open(bytes(header) + b"pump")
    assert opened.title == "U-Boot image (number 202)"
    assert opened.facts["operating_system"] == "number 200"


def test_a_file_cut_short_is_told() -> None:
    data = build_image(b"pump 1.2")
    opened = _open(data[:-3])
    assert opened.problems == ("the file is cut short: 3 bytes are missing",)
    assert (opened.size, len(opened.integrity)) == (len(data) - 3, 1)


def test_a_header_without_a_name_or_a_date_has_no_such_facts() -> None:
    header = bytearray(build_image(b"pump", name=""))
    header[8:12] = bytes(4)
    assert not {"name", "created"} & set(_open(bytes(header)).facts)


@pytest.mark.parametrize(
    "data", [b"\x27\x05\x19\x56" + b"\xe5" * 100, b"\x27\x05\x19\x56" + bytes(100), build_image(b""), b"\x27\x05"]
)
def test_the_magic_in_a_boot_loader_is_no_image(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@needs_mkimage
@pytest.mark.parametrize(
    "options",
    [
        ["-A", "arm", "-O", "linux", "-T", "kernel", "-C", "none", "-a", "0x8000", "-e", "0x8040", "-n", "pump"],
        ["-A", "mips", "-O", "u-boot", "-T", "firmware", "-C", "lzma", "-a", "0x80000000", "-n", ""],
        ["-A", "riscv", "-O", "opensbi", "-T", "ramdisk", "-C", "zstd", "-n", "x" * 32],
    ],
)
def test_mkimage_and_we_agree(options: list[str], tmp_path: Path) -> None:
    content = bytes(range(251)) * 7
    (tmp_path / "in").write_bytes(content)
    subprocess.run([MKIMAGE, *options, "-d", tmp_path / "in", tmp_path / "out"], check=True, capture_output=True)
    data = (tmp_path / "out").read_bytes()
    opened = _open(data)
    assert [verdict.valid for verdict in opened.integrity] == [True, True]
    facts = [opened.facts[key] for key in ("processor", "operating_system", "image_type", "compression")]
    assert facts == options[1:8:2]
    assert data[opened.parts[1].start : opened.parts[1].end] == content


@needs_mkimage
def test_the_files_of_a_multi_file_image_of_mkimage_are_read_back(tmp_path: Path) -> None:
    files = [b"kernel", b"ramdisk 1", b"device tree!"]
    for number, content in enumerate(files):
        (tmp_path / str(number)).write_bytes(content)
    names = ":".join(str(tmp_path / str(number)) for number in range(len(files)))
    options = ["-A", "arm", "-O", "linux", "-T", "multi", "-C", "none", "-d", names]
    subprocess.run([MKIMAGE, *options, tmp_path / "out"], check=True, capture_output=True)
    data = (tmp_path / "out").read_bytes()
    parts = _parts(data)
    assert [parts[f"file {number}"] for number in range(3)] == files
    assert _open(data).problems == ()
