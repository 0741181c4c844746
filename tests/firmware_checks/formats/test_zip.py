import io
import lzma
import random
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import EntryKind, Opened
from firmware_checks.formats.zip import FORMAT
from firmware_checks.readers.unpack import PIECE_BYTES
from firmware_checks.readers.zip_archive import FORWARD_REACH_BYTES, read_archive
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
NOISE = random.Random(2).randbytes(5000)  # noqa: S311  # filler, not a secret
PUMP = {"pump.bin": b"pump 1.2", "read-me.txt": b"read me " * 50}

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda name: not name.endswith("/") and "\\" not in name
)


def _open(data: bytes, *, start: int = 0, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("update.zip", Window.of(data).sub(start)), limits)


def _read(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(1 << 20) for entry in opened.entries}


def _zip(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
        archive.comment = comment
    return file.getvalue()


def _streamed_zip(files: Mapping[str, bytes]) -> bytes:
    """Write to a file that cannot seek: the sizes stand behind the data."""

    class Pipe(io.RawIOBase):
        data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, piece: object) -> int:
            self.data += bytes(piece)  # type: ignore[call-overload]
            return len(bytes(piece))  # type: ignore[call-overload]

    pipe = Pipe()
    pipe.data = bytearray()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=zipfile.ZIP_DEFLATED)
    return bytes(pipe.data)


@pytest.mark.parametrize("method", METHODS)
@given(
    files=st.dictionaries(names, st.binary(max_size=300), min_size=1, max_size=5),
    comment=st.binary(max_size=30),
    before=st.binary(max_size=40),
    after=st.sampled_from([b"", b"\xff" * 70_000, b"after"]),
)
def test_what_is_packed_is_read_back_wherever_it_stands(
    method: int, files: dict[str, bytes], comment: bytes, before: bytes, after: bytes
) -> None:
    data = _zip(files, method=method, comment=comment)
    opened = _open(before + data + after, start=len(before))
    assert opened.size == len(data)
    contents = [entry.read(1 << 20) for entry in opened.entries]
    assert contents == list(files.values())
    assert not any("header" in problem or "directory" in problem for problem in opened.problems)


def test_a_zip_written_to_a_pipe_is_read_inside_other_bytes() -> None:
    data = _streamed_zip(PUMP)
    opened = _open(NOISE + data + NOISE, start=len(NOISE))
    assert opened.size == len(data)
    assert _read(opened) == PUMP
    assert opened.problems == ()


def test_a_zip_without_sizes_is_not_searched_for_without_end() -> None:
    data = _streamed_zip(PUMP)
    gap = bytes(FORWARD_REACH_BYTES)
    with pytest.raises(FormatError, match="does not say how long it is"):
        _open(data[:-200] + gap + data[-200:] + bytes(70_000))


def test_folders_are_counted_and_not_read() -> None:
    opened = _open(_zip({"folder/": b"", "folder/pump.bin": b"pump"}))
    assert [(entry.name, entry.kind, entry.read(9)) for entry in opened.entries] == [
        ("folder", EntryKind.FOLDER, b""),
        ("folder/pump.bin", EntryKind.FILE, b"pump"),
    ]
    assert opened.facts["folders"] == 1
    assert opened.facts["files"] == 1


def _with_mode(mode: int, content: bytes, *, made_on: int = 3, extra: bytes = b"", when: int = 2020) -> bytes:
    info = zipfile.ZipInfo("bin/sh", date_time=(when, 1, 2, 3, 4, 6))
    info.create_system, info.external_attr, info.extra = made_on, mode << 16, extra
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(info, content)
    return file.getvalue()


def test_rights_and_time_are_read_where_a_unix_system_packed_the_file() -> None:
    (entry,) = _open(_with_mode(0o104755, b"#!")).entries
    assert (entry.kind, entry.mode, entry.modified_s, entry.uid) == (EntryKind.FILE, 0o4755, 1_577_934_246, None)
    (entry,) = _open(_with_mode(0o104755, b"#!", made_on=0)).entries
    assert entry.mode is None


def test_time_and_owner_in_extra_fields_come_first() -> None:
    extra = struct.pack("<2HBi", 0x5455, 5, 1, -5) + struct.pack("<2H2BHBI", 0x7875, 9, 1, 2, 1000, 4, 70_000)
    (entry,) = _open(_with_mode(0o100644, b"x", extra=extra)).entries
    assert (entry.modified_s, entry.uid, entry.gid) == (-5, 1000, 70_000)


@pytest.mark.parametrize("field", [b"", b"\1", b"\2\1\7\1\7", b"\1\4\7", b"\1\1\7\2\7", b"\1\0\0"])
def test_an_owner_that_is_not_all_there_is_not_known(field: bytes) -> None:
    (entry,) = _open(_with_mode(0o100644, b"x", extra=struct.pack("<2H", 0x7875, len(field)) + field)).entries
    assert (entry.uid, entry.gid) == (None, None)


def test_a_date_that_does_not_exist_is_not_known() -> None:
    data = bytearray(_zip(PUMP))
    struct.pack_into("<H", data, data.index(b"PK\1\2") + 14, 0)
    first, _ = _open(bytes(data)).entries
    assert first.modified_s is None


def test_a_symbolic_link_is_told_and_never_followed() -> None:
    (entry,) = _open(_with_mode(0o120777, b"../../etc/passwd")).entries
    assert (entry.kind, entry.target, entry.read(9)) == (EntryKind.SYMBOLIC_LINK, "../../etc/passwd", b"")


@pytest.mark.parametrize("content", [b"", b"x" * 5000])
def test_a_file_that_only_claims_to_be_a_link_or_a_device_is_read_as_a_file(content: bytes) -> None:
    for mode in (0o120777, 0o020600, 0o040755):
        (entry,) = _open(_with_mode(mode, content)).entries
        assert entry.kind is EntryKind.FILE
        assert entry.read(9999) == content


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("META-INF/MANIFEST.MF", "ZIP archive (Java archive)"),
        ("[Content_Types].xml", "ZIP archive (Microsoft Office document)"),
        ("pump.bin", "ZIP archive"),
    ],
)
def test_the_title_says_what_a_zip_is_used_for(name: str, title: str) -> None:
    assert _open(_zip({name: b"x"})).title == title


def test_a_comment_is_told_with_its_hidden_characters_spelled_out() -> None:
    assert _open(_zip(PUMP, comment=b"order 47\x1b")).facts["comment"] == "order 47\\x1b"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../../pump.bin", "leads out of the folder"),
        ("/etc/passwd", "absolute path"),
        ("C:/pump.bin", "absolute path"),
        ("pump\x01.bin", "hidden characters"),
        ("\u202enib.pmup", "hidden characters"),
    ],
)
def test_names_made_to_fool_are_told_and_shown_as_they_are(name: str, problem: str) -> None:
    opened = _open(_zip({name: b"x"}))
    assert any(problem in told for told in opened.problems)
    (entry,) = opened.entries
    assert not any(ord(c) < 32 or c == "\u202e" for c in entry.name)


def test_two_entries_with_one_name_are_told() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(zipfile.ZipInfo("pump.bin"), b"1")
            archive.writestr(zipfile.ZipInfo("pump.bin"), b"2")
    opened = _open(file.getvalue())
    assert opened.problems == ("name is there more than once: 'pump.bin'",)
    assert [entry.read(10) for entry in opened.entries] == [b"1", b"2"]


def test_a_bomb_is_stopped_at_the_limit() -> None:
    packed = _zip({"zeros": bytes(10 << 20)})
    assert len(packed) < 20_000
    (entry,) = _open(packed).entries
    with pytest.raises(LimitExceeded, match="more than 1048576 bytes"):
        entry.read(1 << 20)


def test_a_bomb_that_lies_about_its_size_is_stopped_at_the_limit() -> None:
    packed = bytearray(_zip({"zeros": bytes(4 * PIECE_BYTES)}))
    struct.pack_into("<I", packed, 22, 100)
    struct.pack_into("<I", packed, packed.rindex(b"PK\1\2") + 24, 100)
    (entry,) = _open(bytes(packed)).entries
    with pytest.raises(LimitExceeded):
        entry.read(1000)
    with pytest.raises(FormatError, match="the directory says 100"):
        entry.read(8 * PIECE_BYTES)


def test_a_zip_in_a_zip_in_a_zip_is_one_entry_each() -> None:
    data = _zip({"zeros": bytes(1 << 20)})
    for level in range(5):
        data = _zip({f"{level}.zip": data})
    for _ in range(5):
        (entry,) = _open(data).entries
        data = entry.read(1 << 20)
    assert _read(_open(data)) == {"zeros": bytes(1 << 20)}


def test_a_stored_entry_larger_than_allowed_is_refused() -> None:
    (entry,) = _open(_zip({"pump.bin": bytes(100)}, method=zipfile.ZIP_STORED)).entries
    with pytest.raises(LimitExceeded):
        entry.read(99)
    assert entry.read(100) == bytes(100)


def test_entries_that_share_their_bytes_are_told() -> None:
    data = bytearray(_zip({"a.bin": bytes(1000), "b.bin": bytes(1000)}))
    second = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, second + 42, 0)
    problems = _open(bytes(data)).problems
    assert any("share their bytes" in problem for problem in problems)
    assert any("another name in its own header" in problem for problem in problems)


def test_of_more_entries_than_allowed_one_is_listed_too_many_so_that_the_opener_can_tell() -> None:
    data = _zip({f"{index}.txt": b"x" for index in range(50)})
    opened = _open(data, limits=Limits(entries=10))
    assert len(list(opened.entries)) == 11
    assert opened.problems == ("the directory lists 50 entries, the first 11 were read",)


def test_an_absurd_count_in_the_end_record_costs_nothing() -> None:
    data = bytearray(_zip(PUMP))
    end = data.rindex(b"PK\5\6")
    struct.pack_into("<2H", data, end + 8, 65_000, 65_000)
    opened = _open(bytes(data))
    assert _read(opened) == PUMP
    assert "the end record counts 65000 entries, the directory holds 2" in opened.problems


@pytest.mark.parametrize(
    ("offset", "field", "problem"),
    [
        (30, b"evil.bin", "another name in its own header"),
        (8, b"\x0c\x00", "packed in another way"),
        (6, b"\x01\x00", "packed in another way"),
        (14, b"\0\0\0\0", "another size or check sum"),
        (22, b"\1\0\0\0", "another size or check sum"),
    ],
)
def test_each_disagreement_of_the_two_descriptions_is_told(offset: int, field: bytes, problem: str) -> None:
    data = bytearray(_zip(PUMP))
    data[offset : offset + len(field)] = field
    opened = _open(bytes(data))
    assert [problem in told for told in opened.problems] == [True]
    assert _read(opened) == PUMP


def test_an_entry_without_a_header_of_its_own_is_told_and_not_read() -> None:
    data = bytearray(_zip(PUMP))
    data[data.index(b"PK\3\4", 4)] = 0
    opened = _open(bytes(data))
    assert any("no header where the directory points to: 'read-me.txt'" in told for told in opened.problems)
    with pytest.raises(FormatError, match="no header"):
        list(opened.entries)[1].read(100)


def test_an_entry_hidden_from_the_directory_is_told() -> None:
    hidden, shown = _zip({"hidden.bin": b"x"}), _zip(PUMP)
    prefix = hidden[: hidden.rindex(b"PK\1\2")]
    moved = bytearray(shown)
    end = moved.rindex(b"PK\5\6")
    place = struct.unpack_from("<I", moved, end + 16)[0]
    struct.pack_into("<I", moved, end + 16, place + len(prefix))
    for _ in range(2):
        offset = struct.unpack_from("<I", moved, place + 42)[0]
        struct.pack_into("<I", moved, place + 42, offset + len(prefix))
        place = moved.index(b"PK\1\2", place + 1) if b"PK\1\2" in moved[place + 1 :] else place
    opened = _open(prefix + bytes(moved))
    assert _read(opened) == PUMP
    assert any("hidden from the directory" in problem for problem in opened.problems)
    assert f"{len(prefix)} bytes between the entries belong to none of them" in opened.problems


def test_bytes_between_the_last_entry_and_the_directory_are_told() -> None:
    data = bytearray(_zip(PUMP))
    place = data.index(b"PK\1\2")
    data[place:place] = bytes(500)
    end = data.rindex(b"PK\5\6")
    struct.pack_into("<I", data, end + 16, place + 500)
    opened = _open(bytes(data))
    assert opened.problems == ("500 bytes between the entries belong to none of them",)


def test_offsets_counted_from_a_stub_that_stands_before_are_understood() -> None:
    data = bytearray(_zip(PUMP))
    end = data.rindex(b"PK\5\6")
    place = struct.unpack_from("<I", data, end + 16)[0]
    struct.pack_into("<I", data, end + 16, place + 1000)
    while place < end:
        offset = struct.unpack_from("<I", data, place + 42)[0]
        struct.pack_into("<I", data, place + 42, offset + 1000)
        place += 46 + sum(struct.unpack_from("<3H", data, place + 28))
    opened = _open(bytes(1000) + bytes(data), start=1000)
    assert _read(opened) == PUMP
    assert opened.facts["stub_bytes"] == 1000


def test_of_two_archives_in_a_row_the_first_is_opened_and_the_second_told() -> None:
    first, second = _zip({"seen by one.bin": b"1"}), _zip({"seen by the other.bin": b"2"})
    opened = _open(first + second)
    assert opened.size == len(first)
    assert any("another archive follows" in problem for problem in opened.problems)


def test_two_directories_in_one_file_are_told() -> None:
    data = bytearray(_zip(PUMP))
    end = data.rindex(b"PK\5\6")
    place = struct.unpack_from("<I", data, end + 16)[0]
    second_end = bytearray(data[end:])
    struct.pack_into("<I", second_end, 16, len(data))
    opened = _open(bytes(data) + data[place:end] + second_end)
    assert _read(opened) == PUMP
    assert any("more than one directory" in problem for problem in opened.problems)


def test_a_directory_with_a_wrong_size_field_is_found_by_its_offset_and_told() -> None:
    data = bytearray(_zip(PUMP))
    end = data.rindex(b"PK\5\6")
    struct.pack_into("<I", data, end + 12, 7)
    opened = _open(bytes(data))
    assert _read(opened) == PUMP
    assert any("another size than the end record says" in problem for problem in opened.problems)


def test_a_directory_that_breaks_off_is_told() -> None:
    data = bytearray(_zip(PUMP))
    data[data.rindex(b"PK\1\2")] = 0
    opened = _open(bytes(data))
    assert _read(opened) == {"pump.bin": b"pump 1.2"}
    assert "the end record counts 2 entries, the directory holds 1" in opened.problems


def test_a_directory_entry_longer_than_the_file_is_told() -> None:
    data = bytearray(_zip(PUMP))
    struct.pack_into("<H", data, data.rindex(b"PK\1\2") + 28, 0xFFFF)
    assert "the end record counts 2 entries, the directory holds 1" in _open(bytes(data)).problems


def test_part_of_a_split_archive_is_told() -> None:
    data = bytearray(_zip(PUMP))
    struct.pack_into("<H", data, data.rindex(b"PK\5\6") + 4, 2)
    assert "this is part 3 of a split archive; the other parts are needed too" in _open(bytes(data)).problems


def test_a_zip_cut_short_gives_the_entries_that_are_there() -> None:
    data = _zip(PUMP)
    opened = _open(data[: data.rindex(b"PK\1\2") - 60])
    assert any("the directory is missing" in problem for problem in opened.problems)
    first, second = opened.entries
    assert first.read(100) == b"pump 1.2"
    with pytest.raises(FormatError):
        second.read(1000)


def test_a_cut_zip_tells_of_bad_names_too() -> None:
    data = _zip({"../pump.bin": b"x" * 50}, method=zipfile.ZIP_STORED)
    opened = _open(data[:80])
    assert opened.size == 80
    assert any("leads out of the folder" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    "start", [b"PK\x03\x04" + bytes(26), b"PK\x03\x04" + b"\xaa" * 100, b"PK\x05\x06" + b"\1" * 18]
)
def test_the_magic_in_a_program_that_reads_zip_files_is_no_zip(start: bytes) -> None:
    with pytest.raises(FormatError):
        _open(start + NOISE)


@pytest.mark.parametrize("method", [0, 8])
def test_a_header_without_a_directory_must_fit_its_data(method: int) -> None:
    header = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, method, 0, 0, 0, 3000, 9, 1, 0) + b"x"
    with pytest.raises(FormatError):
        _open(header + b"\xff" * 5000)


@pytest.mark.parametrize("name", [b"\x00\x01\x02", b"pump\x7f.bin", b"a\nb"])
def test_a_header_in_a_program_is_no_archive_when_its_name_is_no_text(name: bytes) -> None:
    start = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 1, 0, 0, 0, 0, 521 << 20, 521 << 20, len(name), 0)
    with pytest.raises(FormatError):
        _open(start + name + bytes(64))
    assert _open(start + b"x" * len(name) + bytes(64)).problems


def test_other_methods_are_believed_without_a_directory() -> None:
    header = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 12, 0, 0, 0, 30, 9, 1, 0) + b"x"
    assert _open(header + bytes(30)).size == 61


def test_an_empty_zip_is_an_archive_without_files() -> None:
    opened = _open(_zip({}) + b"\xff" * 10)
    assert (opened.size, list(opened.entries), opened.facts["files"]) == (22, [], 0)


def test_damage_is_told_when_an_entry_is_read() -> None:
    data = bytearray(_zip({"pump.bin": NOISE}, method=zipfile.ZIP_STORED))
    data[1000] ^= 1
    (entry,) = _open(bytes(data)).entries
    with pytest.raises(FormatError, match="its crc32 is"):
        entry.read(1 << 20)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_compressed_data_is_told(method: int) -> None:
    data = bytearray(_zip({"pump.bin": bytes(range(256)) * 20}, method=method))
    data[60:90] = b"\xff" * 30
    (entry,) = _open(bytes(data)).entries
    with pytest.raises(FormatError):
        entry.read(1 << 20)


def test_data_that_ends_before_its_end_mark_is_told() -> None:
    data = bytearray(_zip({"pump.bin": NOISE}))
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 20, 4000)
    (entry,) = _open(bytes(data)).entries
    with pytest.raises(FormatError, match="its data ends early"):
        entry.read(1 << 20)


def _with_method(method: int, flags: int = 0) -> bytes:
    data = bytearray(_zip({"pump.bin": b"pump"}, method=zipfile.ZIP_STORED))
    struct.pack_into("<2H", data, 6, flags, method)
    struct.pack_into("<2H", data, data.rindex(b"PK\1\2") + 8, flags, method)
    return bytes(data)


@pytest.mark.parametrize(("method", "name"), [(9, "deflate64"), (93, "zstd"), (98, "PPMd"), (777, "unknown")])
def test_methods_that_are_not_supported_are_named(method: int, name: str) -> None:
    (entry,) = _open(_with_method(method)).entries
    with pytest.raises(FormatError, match=rf"method {method} \({name}\), which is not supported"):
        entry.read(100)


@pytest.mark.parametrize(("method", "flags"), [(0, 1), (8, 1), (99, 0)])
def test_entries_with_a_password_are_told_and_not_read(method: int, flags: int) -> None:
    opened = _open(_with_method(method, flags))
    assert opened.problems == ("1 files are password protected and were not read",)
    (entry,) = opened.entries
    with pytest.raises(FormatError, match="is password protected"):
        entry.read(100)


@pytest.mark.parametrize("properties", [b"\x09\x14\x05\x00\xff\xff\xff\xff\xff", b"\x09\x14\x06\x00......", b"\x09"])
def test_lzma_properties_that_cannot_be_are_refused(properties: bytes) -> None:
    data = bytearray(_zip({"pump.bin": properties}, method=zipfile.ZIP_STORED))
    struct.pack_into("<H", data, 8, 14)
    struct.pack_into("<H", data, data.rindex(b"PK\1\2") + 10, 14)
    (entry,) = _open(bytes(data)).entries
    with pytest.raises(FormatError):
        entry.read(100)


def test_xz_inside_a_zip_is_unpacked() -> None:
    content = b"pump 1.2"
    packed = lzma.compress(content)
    data = bytearray(_zip({"pump.bin": packed}, method=zipfile.ZIP_STORED))
    for place, at in ((0, 8), (data.rindex(b"PK\1\2"), 10)):
        struct.pack_into("<H", data, place + at, 95)
        struct.pack_into("<I", data, place + at + 6, zlib.crc32(content))
        struct.pack_into("<I", data, place + at + 14, len(content))
    assert _read(_open(bytes(data))) == {"pump.bin": content}


def _zip64() -> bytes:
    """Build by APPNOTE 4.3: sizes and offset of the entry and of the directory in zip64 fields."""
    content = b"pump 1.2"
    none = 0xFFFF_FFFF
    crc = zlib.crc32(content)
    local_extra = struct.pack("<2H2Q", 1, 16, len(content), len(content))
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0x21, crc, none, none, 8, len(local_extra))
    local += b"pump.bin" + local_extra + content
    extra = struct.pack("<2H3Q", 1, 24, len(content), len(content), 0)
    fields = (b"PK\1\2", 45, 45, 0, 0, 0, 0x21, crc, none, none, 8, len(extra), 0, 0, 0, 0, none)
    directory = struct.pack("<4s6H3I5H2I", *fields) + b"pump.bin" + extra
    end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(directory), len(local))
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(local) + len(directory), 1)
    return local + directory + end + locator + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, none, none, 0)


def test_zip64_fields_are_read() -> None:
    opened = _open(_zip64() + b"\xff" * 9)
    assert _read(opened) == {"pump.bin": b"pump 1.2"}
    assert opened.problems == ()
    assert opened.size == len(_zip64())


def test_zip64_marks_without_zip64_fields_lead_nowhere() -> None:
    data = _zip64().replace(struct.pack("<2H", 1, 24), struct.pack("<2H", 2, 24))
    opened = _open(data)
    assert opened.problems
    with pytest.raises((FormatError, LimitExceeded)):
        next(iter(opened.entries)).read(1000)


def _with_unicode_path(name: bytes, second: str, *, checked: bytes) -> bytes:
    field = b"\1" + struct.pack("<I", zlib.crc32(checked)) + second.encode()
    extra = struct.pack("<2H", 0x7075, len(field)) + field
    info = zipfile.ZipInfo("x" * len(name))
    info.extra = extra
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, b"pump")
    return file.getvalue().replace(b"x" * len(name), name)


def test_a_second_name_for_other_programs_is_told() -> None:
    opened = _open(_with_unicode_path(b"good.bin", "evil.bin", checked=b"good.bin"))
    assert opened.problems == ("has a second, different name that some programs use: 'good.bin' / 'evil.bin'",)


def test_a_second_name_that_spells_the_first_one_out_is_used() -> None:
    opened = _open(_with_unicode_path(b"Ger\xe4t.bin", "Gerät.bin", checked=b"Ger\xe4t.bin"))
    assert [entry.name for entry in opened.entries] == ["Gerät.bin"]
    assert opened.problems == ()


def test_a_second_name_for_an_older_first_name_is_ignored() -> None:
    assert _open(_with_unicode_path(b"good.bin", "evil.bin", checked=b"else.bin")).problems == ()


def test_names_are_read_in_the_character_set_they_say() -> None:
    assert [e.name for e in _open(_zip({"Gerät.bin": b"x"})).entries] == ["Gerät.bin"]
    data = _zip({"Gerat.bin": b"x"}).replace(b"Gerat", b"Ger\x84t")
    assert [e.name for e in _open(data).entries] == ["Gerät.bin"]


def test_an_entry_says_how_large_it_is_and_where_it_stands() -> None:
    first, second = _open(_zip(PUMP)).entries
    assert (first.offset, first.unpacked_bytes) == (0, 8)
    assert (second.packed_bytes, second.unpacked_bytes) < (100, 401)


def test_a_second_end_record_right_behind_is_told() -> None:
    data = _zip(PUMP)
    end = data[data.rindex(b"PK\5\6") :]
    archive = read_archive(Window.of(data + end), Limits())
    assert archive.size == len(data)
    assert any("another archive follows" in problem for problem in archive.problems)


def test_a_stored_entry_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(_zip({"pump.bin": bytes(100)}, method=zipfile.ZIP_STORED))
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 24, 10)
    (entry,) = _open(bytes(data)).entries
    with pytest.raises(LimitExceeded):
        entry.read(99)
    with pytest.raises(FormatError, match="unpacks to 100 bytes, the directory says 10"):
        entry.read(100)


def test_an_end_record_that_fits_nowhere_is_not_believed() -> None:
    data = _zip(PUMP)
    end = data.rindex(b"PK\5\6")
    for damaged in (
        data[: end + 10],
        data[: end + 20] + b"\x09\x00",
        data[: end + 12] + struct.pack("<2IH", 10, 1 << 30, 0),
        data[: end + 12] + struct.pack("<2IH", 1 << 30, 1 << 30, 0),
    ):
        assert any("the directory is missing" in problem for problem in _open(damaged).problems)


def test_other_bytes_are_no_zip() -> None:
    with pytest.raises(FormatError, match="no zip archive at 0x0"):
        _open(NOISE)


def test_a_large_lzma_entry_is_unpacked_in_pieces() -> None:
    assert _read(_open(_zip({"zeros": bytes(1 << 20)}, method=zipfile.ZIP_LZMA))) == {"zeros": bytes(1 << 20)}


ZIP = shutil.which("zip") or ""


@pytest.mark.skipif(not ZIP, reason="zip is not installed (Debian package zip)")
def test_what_zip_packed_is_read_back_with_rights_and_owners(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "pump.ini").write_bytes(b"rate = 5\n" * 99)
    (folder / "etc" / "pump.ini").chmod(0o640)
    (folder / "link").symlink_to("etc/pump.ini")
    subprocess.run([ZIP, "-q", "-r", "-y", "../out.zip", "."], cwd=folder, check=True)
    entries = {entry.name: entry for entry in _open((tmp_path / "out.zip").read_bytes()).entries}
    file, info = entries["etc/pump.ini"], (folder / "etc" / "pump.ini").stat()
    assert file.read(9999) == b"rate = 5\n" * 99
    assert (file.mode, file.uid, file.gid, file.modified_s) == (0o640, info.st_uid, info.st_gid, int(info.st_mtime))
    assert (entries["link"].kind, entries["link"].target) == (EntryKind.SYMBOLIC_LINK, "etc/pump.ini")
    assert entries["etc"].kind is EntryKind.FOLDER
