from __future__ import annotations

import shutil
import subprocess
import tarfile
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.package.archive import LARGEST_MEMBER_BYTES, MARKER, MARKER_NAME, Archive, Source, safe_path, write_archive
from signing.package.parts import PartsWriter, open_package
from signing.refusal import Refusal
from toolkit.core.errors import InputError

NAMES = st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,20}(/[a-z0-9][a-z0-9_+-]{0,20}){0,2}", fullmatch=True)


def source(name: str, data: bytes) -> Source:
    return Source(name, len(data), lambda: BytesIO(data))


def built(*files: tuple[str, bytes]) -> bytes:
    output = BytesIO()
    write_archive(output, [source(name, data) for name, data in files])
    return output.getvalue()


def refused(data: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        Archive(BytesIO(data))
    return caught.value.rule


@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5))
def test_what_was_packed_is_found_again(files: dict[str, bytes]) -> None:
    try:
        names = [safe_path(name) for name in files]
    except Refusal:
        return
    if MARKER_NAME in names:
        return
    data = built(*files.items())
    assert data == built(*files.items())
    archive = Archive(BytesIO(data))
    assert {name: archive.read(name, 2000) for name in names} == files
    assert len(data) % 512 == 0


def test_other_programs_can_read_a_package(tmp_path: Path) -> None:
    data = built(("vendor/1.root.json", b"{}"), ("files/a/1/main.bin", bytes(1000)))
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        assert archive.getnames() == [MARKER_NAME, "vendor/1.root.json", "files/a/1/main.bin"]
        member = archive.extractfile("files/a/1/main.bin")
        assert member is not None
        assert member.read() == bytes(1000)
    program = shutil.which("tar")
    if program is not None:
        (tmp_path / "p.mdpkg").write_bytes(data)
        listed = subprocess.run([program, "-tf", tmp_path / "p.mdpkg"], check=True, capture_output=True).stdout
        assert listed.split() == [b"mdpkg", b"vendor/1.root.json", b"files/a/1/main.bin"]


def test_an_archive_by_another_program_is_refused() -> None:
    output = BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(MARKER_NAME)
        info.size = len(MARKER)
        archive.addfile(info, BytesIO(MARKER))
    assert refused(output.getvalue()) in {"package.form", "package.trailing"}


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "package.truncated"),
        (bytes(1024), "package.form"),
        (bytes(1536), "package.trailing"),
        (b"PK\x03\x04" + bytes(2000), "package.name"),
        (built()[:-1], "package.trailing"),
        (built()[:-1] + b"x", "package.trailing"),
        (built().replace(MARKER, MARKER.upper()), "package.form"),
        (built(("a", b"1")).replace(b"1" + bytes(511), b"1" + bytes(510) + b"1"), "package.form"),
    ],
)
def test_what_is_no_package_is_refused(data: bytes, rule: str) -> None:
    assert refused(data) == rule


def test_a_name_stands_once() -> None:
    with pytest.raises(Refusal, match="twice"):
        built(("a", b""), ("a", b""))
    one = built(("a", b"1"))
    member = one[1024:2048]
    assert refused(one[:2048] + member + bytes(1024)) == "package.name"


@pytest.mark.parametrize(
    "name", ["", "A", "a/", "/a", "a//b", "../a", "a/..", "aux", "com1.txt", "a.", "a b", "ü", "a\0", "x" * 101, "a\\b"]
)
def test_a_name_that_some_system_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        safe_path(name)
    assert caught.value.rule == "package.name"


@pytest.mark.parametrize("said", [2, 4])
def test_a_file_that_changes_while_it_is_packed_is_noticed(said: int) -> None:
    with pytest.raises(Refusal) as caught:
        write_archive(BytesIO(), [Source("a", said, lambda: BytesIO(b"123"))])
    assert caught.value.rule == "package.changed"


def test_a_file_that_is_too_large_for_the_form_is_refused() -> None:
    with pytest.raises(Refusal, match="larger"):
        write_archive(BytesIO(), [Source("a", LARGEST_MEMBER_BYTES + 1, BytesIO)])


def test_only_so_much_is_read() -> None:
    archive = Archive(BytesIO(built(("a", bytes(100)))))
    with pytest.raises(Refusal, match="at most 99"):
        archive.read("a", 99)
    with pytest.raises(Refusal, match="not in the package"):
        archive.read("b", 99)


class Huge(RawIOBase):
    """A package of more than 4 GiB that nobody has to store: its payload is zeros."""

    def __init__(self, front: bytes, zeros: int) -> None:
        self._front, self._size, self._at = front, len(front) + zeros, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset if whence == 0 else self._size
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = min(len(buffer), self._size - self._at)
        front = self._front[self._at : self._at + size]
        buffer[: len(front)] = front
        if front:
            buffer[len(front) : size] = bytes(size - len(front))
        self._at += size
        return size


def test_a_payload_of_more_than_four_gibibytes_is_read_to_its_end() -> None:
    size = (4 << 30) + 512

    class Nothing(BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return b""

    front = BytesIO()
    with pytest.raises(Refusal, match="changed"):  # only its header is wanted
        write_archive(front, [Source("big", size, Nothing)])
    huge = Huge(front.getvalue(), size + 1024)
    archive = Archive(cast("BinaryIO", huge))
    assert archive.members["big"].size == size
    assert sum(len(chunk) for chunk in archive.chunks(archive.members["big"])) == size


def test_a_stream_without_readinto_will_do() -> None:
    class Plain:
        def __init__(self, data: bytes) -> None:
            self._file = BytesIO(data)
            self.seek, self.read = self._file.seek, self._file.read

    archive = Archive(cast("BinaryIO", Plain(built(("a", b"12")))))
    assert archive.read("a", 2) == b"12"


def test_a_package_is_written_in_parts_that_fit_a_stick(tmp_path: Path) -> None:
    path = tmp_path / "big.mdpkg"
    data = built(("a", bytes(range(250)) * 20), ("b", b"end"))
    writer = PartsWriter(path, part_bytes=1000)
    writer.write(data)
    files = writer.commit()
    writer.close()
    assert [file.name for file in files[:2]] == ["big.mdpkg.001", "big.mdpkg.002"]
    assert all(file.stat().st_size <= 1000 for file in files)
    with open_package(path) as stream:
        archive = Archive(stream)
        assert archive.read("a", 5000) == bytes(range(250)) * 20
        assert archive.read("b", 3) == b"end"
    single = PartsWriter(path)
    assert single.writable()
    single.write(data)
    assert single.commit() == [path]
    single.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["big.mdpkg"]


def test_what_was_not_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    writer = PartsWriter(tmp_path / "a.mdpkg")
    writer.write(b"half")
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such package"), open_package(tmp_path / "none.mdpkg"):
        pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        PartsWriter(tmp_path / "file" / "a.mdpkg").write(b"x")
