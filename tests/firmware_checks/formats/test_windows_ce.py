import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import EntryKind, Opened
from firmware_checks.formats.windows_ce import FORMAT, MOST_SECTIONS, VERDICTS
from firmware_checks.opener import Opener
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window

SREC_CAT = shutil.which("srec_cat") or ""
NK = FORMAT.example()
START = 0x8010_0000
HEADER, MODULE, FILE, SECTION = 0x100, 0x154, 0x174, 0x240


def _open(data: bytes, *, limits: Limits = Limits(), address: int | None = None, origin: int = 0) -> Opened:  # noqa: B008
    return FORMAT.open(Span("NK.bin", Window.of(data, origin=origin), address=address), limits)


def _rom_of(nk: bytes) -> bytes:
    (memory,) = _open(nk).memories
    (span,) = memory.map.spans()
    return bytes(span.window.view)


ROM = _rom_of(NK)


def _changed(data: bytes, at: int, field: bytes) -> bytes:
    return data[:at] + field + data[at + len(field) :]


def _image(records: list[tuple[int, bytes]], *, start: int = START, size: int = 0x10_0000, wrong: int = 0) -> bytes:
    body = b"".join(struct.pack("<3I", at, len(data), sum(data) + wrong) + data for at, data in records)
    return b"B000FF\n" + struct.pack("<2I", start, size) + body + struct.pack("<3I", 0, start + 4, 0)


@given(st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=5), st.integers(0, 3000))
def test_records_are_placed_at_their_addresses(pieces: list[bytes], gap: int) -> None:
    records, address = [], START
    for piece in pieces:
        records.append((address, piece))
        address += len(piece) + gap
    data = _image(records)
    opened = _open(data + b"after")
    assert opened.size == len(data)
    (memory,) = opened.memories
    for at, piece in records:
        segment, index = memory.map.find(at) or pytest.fail("an address is not there")
        assert segment.data[index : index + len(piece)] == piece
        assert data[segment.provenance.offset_at(index)] == piece[0]
    assert [verdict.valid for verdict in opened.integrity] == [True]
    assert opened.problems == ()
    assert opened.facts["entry_address"] == START + 4


def test_a_wrong_check_sum_is_a_verdict_and_not_all_are_told() -> None:
    opened = _open(_image([(START + 2 * i, b"\x01") for i in range(40)], wrong=1))
    assert [verdict.valid for verdict in opened.integrity] == [False] * VERDICTS
    assert opened.problems == ("check sum is wrong: records 0, 1, 2, 3, 4 and 35 more",)


def test_a_cut_file_gives_the_records_that_are_there() -> None:
    opened = _open(NK[:-20])
    assert opened.size == 15 + 12 + 0x200
    assert "the end mark is missing" in opened.problems[0]
    assert "entry_address" not in opened.facts


def test_records_that_cannot_belong_to_the_image_end_it() -> None:
    opened = _open(_image([(START, b"a"), (0x1000, b"b")]))
    assert "a record for address 0x00001000 cannot belong to the image" in opened.problems[0]
    with pytest.raises(FormatError):
        _open(_image([(0x1000, b"b")]))


def test_more_content_than_allowed_is_not_loaded() -> None:
    opened = _open(_image([(START, bytes(100)), (START + 100, bytes(100))]), limits=Limits(entry_bytes=150))
    assert opened.limits_hit == ("more than 150 bytes of content, the rest was not loaded",)


def test_a_rom_lists_its_programs_and_files() -> None:
    opened = _open(ROM + b"after")
    assert opened.size == len(ROM)
    folder, section, file = opened.entries
    assert (folder.name, folder.kind, folder.modified_s) == ("nk.exe", EntryKind.FOLDER, 1_577_836_800)
    assert (section.name, section.address) == ("nk.exe/S000", START + 0x300)
    assert section.read(100) == b"\x1e\xff\x2f\xe1" * 8
    assert (file.name, file.read(100), file.extended) == ("pump.ini", b"rate=5\n", {"dos.attributes": b"rhs"})
    facts = {name: opened.facts[name] for name in ("machine", "subsystem_version", "module_names", "file_names")}
    assert facts == {
        "machine": "ARM", "subsystem_version": "5.0", "module_names": ("nk.exe",), "file_names": ("pump.ini",)
    }  # fmt: skip
    assert opened.problems == ()
    with pytest.raises(LimitExceeded):
        file.read(3)


def test_the_rom_inside_an_nk_bin_is_found() -> None:
    opener = Opener({"windows-ce-image": FORMAT}, [], Budget(Limits()), lambda _size: None)
    regions = [region for root in opener.explore(Span("NK.bin", Window.of(NK))) for region in root.walk()]
    assert [r.title for r in regions][:2] == ["Windows CE image (NK.bin records)", "Windows CE ROM"]
    assert {"nk.exe/S000", "pump.ini"} <= {r.span.path.rpartition("!")[2] for r in regions}


def test_a_rom_of_an_old_version_is_found_by_its_address_or_by_looking_at_all_pages() -> None:
    old = _changed(ROM, 0x48, bytes(4))
    assert len(list(_open(old, address=START).entries)) == 3
    assert len(list(_open(old).entries)) == 3
    with pytest.raises(FormatError, match="no table of contents"):
        _open(old, origin=0x1000)
    with pytest.raises(FormatError, match="no table of contents"):
        _open(_changed(old, 0x44, b"\x99"))


def test_what_is_compressed_is_listed_and_not_read() -> None:
    data = _changed(ROM, SECTION + 20, struct.pack("<I", 0x6000_2020))
    data = _changed(data, FILE + 12, struct.pack("<I", 900))
    _, section, file = _open(data).entries
    assert (section.unpacked_bytes, file.unpacked_bytes, file.packed_bytes) == (0x20, 900, 7)
    for entry in (section, file):
        with pytest.raises(FormatError, match="compressed the way of Windows CE"):
            entry.read(1000)


def test_sections_and_files_without_content_are_harmless() -> None:
    data = _changed(ROM, SECTION + 8, bytes(4))
    data = _changed(data, FILE + 12, bytes(8))
    folder, file = _open(data).entries
    assert (folder.name, file.name, file.read(10)) == ("nk.exe", "pump.ini", b"")


@pytest.mark.parametrize(
    ("at", "field", "problem"),
    [
        (MODULE + 16, b"\0\0\0\0", "a program cannot be read: address 0x00000000 lies outside the ROM"),
        (0x220, struct.pack("<H", MOST_SECTIONS + 1), "a program cannot be read: 'nk.exe' claims 97 sections"),
        (FILE + 20, struct.pack("<I", START + 0x3F0), "a file cannot be read: the name at 0x801003f0 has no end"),
        (0x210, b"..", "name leads out of the folder it is unpacked to: '../p.ini'"),
    ],
)
def test_what_is_damaged_is_told_and_the_rest_is_read(at: int, field: bytes, problem: str) -> None:
    data = _changed(_changed(ROM, 0x3F0, b"x" * 16), 0x212, b"/")
    opened = _open(_changed(data, at, field))
    assert problem in opened.problems
    assert tuple(opened.entries)


def test_absurd_counts_end_quickly() -> None:
    data = bytearray(ROM + bytes(32 * 5000))
    struct.pack_into("<I", data, HEADER + 12, START + len(data))
    struct.pack_into("<I", data, HEADER + 16, 5000)
    opened = _open(bytes(data), limits=Limits(entries=1))
    assert opened.limits_hit == ("more than 1 files, the rest is not listed",)
    assert any("lies outside the ROM" in problem for problem in _open(bytes(data)).problems)
    struct.pack_into("<I", data, HEADER + 16, 0xFFFF_FFFF)
    with pytest.raises(FormatError, match="no table of contents"):
        _open(bytes(data))


def test_a_cut_rom_says_how_much_is_missing() -> None:
    opened = _open(ROM[:0x320])
    assert opened.problems[0] == "the ROM is cut short: 224 bytes are missing"
    _, section, file = opened.entries
    assert len(section.read(100)) == 32
    with pytest.raises(FormatError, match="outside the ROM"):
        file.read(100)


@pytest.mark.parametrize(
    "data", [b"", NK[:10], NK[:30], _changed(NK, 11, bytes(4)), _changed(NK, 11, b"\xff" * 4), bytes(200), ROM[:0x48]]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.skipif(not SREC_CAT, reason="srec_cat is not installed")
def test_an_image_of_srec_cat_is_read(tmp_path: Path) -> None:
    content = bytes(range(256)) * 40
    (tmp_path / "x").write_bytes(content)
    command = [SREC_CAT, "x", "-binary", "-offset", "0x80001000", "-execution-start-address", "0x80001004"]
    subprocess.run([*command, "-o", "nk.bin", "-msbin"], cwd=tmp_path, check=True)
    opened = _open((tmp_path / "nk.bin").read_bytes())
    (memory,) = opened.memories
    (segment,) = memory.map.segments
    assert (segment.address, bytes(segment.data)) == (0x8000_1000, content)
    assert all(verdict.valid for verdict in opened.integrity)
    assert (opened.facts["entry_address"], opened.problems) == (0x8000_1004, ())
