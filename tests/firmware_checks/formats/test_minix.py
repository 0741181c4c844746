"""Minix file systems: built here in all versions and both byte orders, and on what mkfs.minix makes."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.minix import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MKFS, FSCK = shutil.which("mkfs.minix", path=SBIN) or "", shutil.which("fsck.minix", path=SBIN) or ""
needs_mkfs = pytest.mark.skipif(not MKFS, reason="mkfs.minix is not installed (Debian package util-linux)")

FILE, LINK, DEVICE, FOLDER = 2, 3, 4, 5
MADE_S = 1_577_836_800


@dataclass
class Image:
    """A Minix file system in the making: zones are given out one after the other."""

    magic: int
    sign: str = "<"
    block: int = 1024
    blocks: int = 100
    inodes: int = 64
    log_zone: int = 0
    state: int = 1
    data: bytearray = field(init=False)
    next: int = field(init=False)

    def __post_init__(self) -> None:
        self.data = bytearray(self.blocks * self.block)
        self.next = self.first = 4 + -(-self.inodes * self.inode_bytes // self.block)
        head = (1, 1, self.first, self.log_zone)
        if self.version == 3:
            values = (self.inodes, 0, *head, 0, 0x7FFFFFFF, self.blocks, self.magic, 0, self.block)
            packed = struct.pack(f"{self.sign}I6H2I3H", *values)
        else:
            few, many = (self.blocks, 0) if self.version == 1 else (0, self.blocks)
            most = 0x10081C00 if self.version == 1 else 0x7FFFFFFF
            packed = struct.pack(f"{self.sign}6HI2HI", self.inodes, few, *head, most, self.magic, self.state, many)
        self.data[1024 : 1024 + len(packed)] = packed

    @property
    def version(self) -> int:
        return {0x137F: 1, 0x138F: 1, 0x2468: 2, 0x2478: 2, 0x4D5A: 3}[self.magic]

    @property
    def name_bytes(self) -> int:
        return {0x137F: 14, 0x138F: 30, 0x2468: 14, 0x2478: 30, 0x4D5A: 60}[self.magic]

    @property
    def inode_bytes(self) -> int:
        return 32 if self.version == 1 else 64

    def put(self, content: bytes) -> int:
        """Store one block and return its number."""
        number = self.next
        self.next += 1
        self.data[number * self.block : number * self.block + len(content)] = content
        return number

    def table(self, *pointers: int) -> bytes:
        return struct.pack(f"{self.sign}{len(pointers)}{'H' if self.version == 1 else 'I'}", *pointers)

    def inode(self, number: int, mode: int, size: int, *pointers: int) -> None:
        """Write an inode that belongs to user 100, group 10."""
        if self.version == 1:
            packed = struct.pack(f"{self.sign}2H2I2B", mode, 100, size, MADE_S, 10, 1)
        else:
            packed = struct.pack(f"{self.sign}4H4I", mode, 1, 100, 10, size, 0, MADE_S, 0)
        packed += self.table(*pointers)
        at = 4 * self.block + (number - 1) * self.inode_bytes
        self.data[at : at + self.inode_bytes] = packed.ljust(self.inode_bytes, b"\0")

    def records(self, *rows: tuple[int, bytes]) -> bytes:
        form = f"{self.sign}{'I' if self.version == 3 else 'H'}{self.name_bytes}s"
        return b"".join(struct.pack(form, number, name) for number, name in rows)

    def folder(self, number: int, *rows: tuple[int, bytes]) -> None:
        packed = self.records(*rows)
        self.inode(number, 0o40755, len(packed), self.put(packed))

    def root(self, *rows: tuple[int, bytes]) -> bytes:
        """Write the root folder and return the image."""
        self.folder(1, (1, b"."), (1, b".."), *rows)
        return bytes(self.data)


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("disk.img", Window.of(data)), Limits())


def _entries(data: bytes) -> dict[str, Entry]:
    return {entry.name: entry for entry in _open(data).entries}


every_kind = pytest.mark.parametrize("magic", [0x137F, 0x138F, 0x2468, 0x2478, 0x4D5A])
both_orders = pytest.mark.parametrize("sign", ["<", ">"])


@every_kind
@both_orders
def test_files_folders_links_and_devices_are_read(magic: int, sign: str) -> None:
    image = Image(magic, sign)
    image.inode(FILE, 0o104750, 1500, image.put(b"a" * 1024), image.put(b"b" * 1024))
    image.inode(LINK, 0o120777, 6, image.put(b"a/file"))
    image.inode(DEVICE, 0o60660, 0, 3 << 8 | 1)
    image.folder(FOLDER, (FOLDER, b"."), (1, b".."), (FILE, b"file"), (FILE, b"same"), (0, b"gone"))
    opened = _open(image.root((FOLDER, b"a"), (LINK, b"link"), (DEVICE, b"disk")))
    entries = {entry.name: entry for entry in opened.entries}
    assert list(entries) == ["a", "a/file", "a/same", "link", "disk"]
    file = entries["a/file"]
    assert file.read(2000) == b"a" * 1024 + b"b" * 476
    assert (file.mode, file.uid, file.gid, file.modified_s) == (0o4750, 100, 10, MADE_S)
    assert (entries["a/same"].kind, entries["a/same"].target) == (EntryKind.HARD_LINK, "a/file")
    assert entries["link"].target == "a/file"
    assert (entries["disk"].kind, entries["disk"].device) == (EntryKind.BLOCK_DEVICE, (3, 1))
    assert opened.size == len(image.data)
    assert opened.facts["byte_order"] == ("little" if sign == "<" else "big")
    assert opened.problems == ()


@every_kind
@both_orders
def test_large_files_are_read_through_tables_and_holes_are_zeros(magic: int, sign: str) -> None:
    image = Image(magic, sign)
    last, middle = image.put(b"last"), image.put(b"middle")
    fan = 512 if image.version == 1 else 256
    indirect = image.put(image.table(0, middle))
    outer = image.put(image.table(image.put(image.table(last))))
    size = (7 + fan) * 1024 + 4
    image.inode(FILE, 0o100644, size, *[0] * 7, indirect, outer)
    data = _entries(image.root((FILE, b"file")))["file"].read(1 << 20)
    expected = bytearray(size)
    expected[8 * 1024 : 8 * 1024 + 6] = b"middle"
    expected[-4:] = b"last"
    assert data == bytes(expected)


def test_the_third_version_may_have_larger_blocks() -> None:
    image = Image(0x4D5A, block=4096, blocks=20)
    image.inode(FILE, 0o100644, 5000, image.put(b"a" * 4096), image.put(b"b" * 4096))
    opened = _open(image.root((FILE, b"file")))
    assert next(iter(opened.entries)).read(5000) == b"a" * 4096 + b"b" * 904
    assert opened.size == 20 * 4096


def test_a_file_larger_than_allowed_is_not_read() -> None:
    image = Image(0x138F)
    image.inode(FILE, 0o100644, 100, image.put(b"x"))
    with pytest.raises(LimitExceeded):
        _entries(image.root((FILE, b"file")))["file"].read(99)


def test_a_table_within_itself_is_refused_when_read() -> None:
    image = Image(0x138F)
    loop = image.next
    image.put(image.table(loop))
    image.inode(FILE, 0o100644, 1 << 20, *[0] * 8, loop)
    with pytest.raises(FormatError, match="within itself"):
        _entries(image.root((FILE, b"file")))["file"].read(1 << 20)


def test_a_folder_that_contains_itself_and_odd_names_are_told() -> None:
    image = Image(0x138F)
    image.inode(FILE, 0o100644, 0)
    image.folder(FOLDER, (FOLDER, b"again"), (FILE, b"../x"), (FILE, b".."))
    opened = _open(image.root((FOLDER, b"a")))
    assert [entry.name for entry in opened.entries] == ["a", "a/..\\x2fx", "a/.."]
    told = " ".join(opened.problems)
    for words in ("contains itself", "slashes", "leads out of"):
        assert words in told


@pytest.mark.parametrize("number", [20, 65000])
def test_a_file_whose_inode_is_not_there_is_refused_when_read(number: int) -> None:
    with pytest.raises(FormatError):
        _entries(Image(0x138F).root((number, b"file")))["file"].read(10)


@pytest.mark.parametrize(("size", "pointer"), [(5000, 9), (5, 9999)])
def test_a_link_whose_target_cannot_be_read_is_told(size: int, pointer: int) -> None:
    image = Image(0x138F)
    image.inode(LINK, 0o120777, size, pointer)
    opened = _open(image.root((LINK, b"link")))
    assert next(iter(opened.entries)).target == ""
    assert any("target of a link" in problem for problem in opened.problems)


def test_a_folder_larger_than_the_image_is_cut() -> None:
    image = Image(0x2478)
    block = image.put(image.records((FILE, b"x")))
    table = image.put(image.table(*[block] * 256))
    image.inode(FOLDER, 0o40755, 0xFFFFFFFF, *[block] * 7, table)
    image.inode(FILE, 0o100644, 0)
    assert any("more bytes than the image" in problem for problem in _open(image.root((FOLDER, b"a"))).problems)


def test_a_root_that_is_no_folder_is_told() -> None:
    image = Image(0x138F)
    image.inode(1, 0o100644, 0)
    assert any("is no folder" in problem for problem in _open(bytes(image.data)).problems)


@pytest.mark.parametrize(("state", "words"), [(0, "not unmounted"), (3, "having errors")])
def test_what_the_super_block_says_is_wrong_is_told(state: int, words: str) -> None:
    assert words in " ".join(_open(Image(0x138F, state=state).root()).problems)


def test_an_image_that_is_cut_is_told() -> None:
    assert "of its 102400 bytes" in _open(Image(0x138F).root()[:50_000]).problems[0]


def _changed(magic: int, at: int, value: int) -> bytes:
    image = Image(magic)
    struct.pack_into("<H", image.data, 1024 + at, value)
    return image.root()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(4096),
        _changed(0x138F, 0, 0),
        _changed(0x138F, 4, 0),
        _changed(0x138F, 6, 0),
        _changed(0x138F, 8, 3),
        _changed(0x138F, 8, 200),
        _changed(0x138F, 10, 1),
        _changed(0x138F, 16, 0x4D5A),
        _changed(0x4D5A, 28, 512),
        _changed(0x4D5A, 28, 5000),
        _changed(0x4D5A, 24, 0x138F),
    ],
)
def test_what_cannot_be_true_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(1024, 10239), st.binary(min_size=1, max_size=4)), max_size=6))
def test_a_damaged_file_system_is_read_or_refused_quickly(changes: list[tuple[int, bytes]]) -> None:
    image = bytearray(FORMAT.example())
    for at, data in changes:
        image[at : at + len(data)] = data
    try:
        opened = _open(bytes(image))
    except FormatError:
        return
    for entry in opened.entries:
        try:
            assert len(entry.read(1 << 20)) <= 1 << 20
        except (FormatError, LimitExceeded):
            continue


@needs_mkfs
@pytest.mark.parametrize("options", ["-1 -n 14", "-1 -n 30", "-2 -n 14", "-2 -n 30", "-3"])
def test_what_mkfs_minix_makes_is_read_and_is_made_as_it_is_made_here(options: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(bytes(300 << 10))
    subprocess.run([MKFS, *options.split(), str(path)], check=True, capture_output=True)
    made = path.read_bytes()
    opened = _open(made)
    assert opened.entries == ()
    assert opened.size == len(made)
    assert opened.problems == ()
    magic = struct.unpack_from("<H", made, 1024 + (24 if options == "-3" else 16))[0]
    inodes = struct.unpack_from("<H", made, 1024)[0]
    ours = Image(magic, blocks=300, inodes=inodes)
    assert bytes(ours.data[1024:1056]) == made[1024:1056]


@pytest.mark.skipif(not FSCK, reason="fsck.minix is not installed (Debian package util-linux)")
def test_fsck_minix_finds_nothing_wrong_with_the_example(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(FORMAT.example())
    result = subprocess.run([FSCK, "-f", str(path)], check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
