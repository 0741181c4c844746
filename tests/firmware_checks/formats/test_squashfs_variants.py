"""Squashfs 2 and 3, both byte orders, and images that router makers packed with LZMA: no program writes them now."""

import lzma
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.squashfs import FORMAT
from firmware_checks.readers.squashfs.building import CREATED_S, Device, Tree, build
from firmware_checks.span import Span
from toolkit.core.limits import Limits
from toolkit.core.window import Window

UNSQUASHFS = shutil.which("unsquashfs")
needs_unsquashfs = pytest.mark.skipif(UNSQUASHFS is None, reason="unsquashfs (squashfs-tools) is not installed")
MOST = 1 << 24
PUMP: Tree = {
    "bin": {"pump": b"\x7fELF" * 3000 + bytes(8192) + b"end", "empty": b""},
    "dev": {"console": Device(EntryKind.CHARACTER_DEVICE, 5, 1), "flash": Device(EntryKind.BLOCK_DEVICE, 31, 2)},
    "etc": {f"rate{number:03}": b"5 ml/h " * (number % 90) for number in range(400)},
    "run": {"queue": EntryKind.PIPE, "bus": EntryKind.SOCKET},
    "link": "bin/pump",
    "void": {},
}
names = st.text("abcäß日.-_ ", min_size=1, max_size=40).filter(lambda name: name.strip(".") != "")
contents = st.one_of(st.binary(max_size=300), st.integers(0, 9000).map(lambda size: b"5 ml/h\n" * size))
things = st.one_of(contents, st.text("abc/.", min_size=1), st.sampled_from([EntryKind.PIPE, EntryKind.SOCKET]))
trees = st.dictionaries(names, st.one_of(things, st.dictionaries(names, things, max_size=4)), max_size=5)
every_form = pytest.mark.parametrize("extended", [False, True], ids=["plain", "extended"])
both_orders = pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
every_version = pytest.mark.parametrize("version", [2, 3, 4])


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("root.squashfs", Window.of(data)), Limits())


def _described(entry: Entry) -> object:
    kind = entry.kind
    return entry.read(MOST) if kind is EntryKind.FILE else entry.target or entry.device or kind


def _expected(tree: Tree, prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, thing in tree.items():
        path = prefix + name
        if isinstance(thing, dict):
            flat |= {path: EntryKind.FOLDER} | _expected(thing, f"{path}/")
        else:
            flat[path] = (thing.major, thing.minor) if isinstance(thing, Device) else thing
    return flat


@every_version
@both_orders
@every_form
@settings(max_examples=15)
@given(tree=trees)
def test_what_is_built_is_read_back(version: int, big_endian: bool, extended: bool, tree: Tree) -> None:
    data = build(tree, version=version, big_endian=big_endian, extended=extended)
    opened = _open(data)
    assert {entry.name: _described(entry) for entry in opened.entries} == _expected(tree)
    assert opened.size == len(data)
    assert opened.problems == ()
    assert opened.facts["byte_order"] == ("big-endian" if big_endian else "little-endian")
    assert {entry.modified_s for entry in opened.entries} <= {CREATED_S}
    assert {entry.mode for entry in opened.entries} <= {0o644, 0o755}
    assert {(entry.uid, entry.gid) for entry in opened.entries} <= {(0, 0)}


@needs_unsquashfs
@pytest.mark.parametrize(("version", "big_endian"), [(2, False), (2, True), (3, False), (3, True), (4, False)])
@every_form
def test_the_reference_program_reads_the_same(version: int, big_endian: bool, extended: bool, tmp_path: Path) -> None:
    assert UNSQUASHFS is not None
    image, folder = tmp_path / "root.squashfs", tmp_path / "out"
    tree = {name: thing for name, thing in PUMP.items() if name not in ("dev", "run")}  # devices need a privileged user
    image.write_bytes(build(tree, version=version, big_endian=big_endian, extended=extended))
    command = [UNSQUASHFS, "-no-progress", "-d", str(folder), str(image)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    entries = {entry.name: entry for entry in _open(image.read_bytes()).entries}
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    assert found.keys() == entries.keys()
    for name, path in found.items():
        if path.is_symlink():
            assert entries[name].target == str(path.readlink())
        elif path.is_file():
            assert entries[name].read(MOST) == path.read_bytes()


@both_orders
def test_the_group_may_be_that_of_the_user(big_endian: bool) -> None:
    data = bytearray(build({"pump": b"x"}, version=3, big_endian=big_endian, pack=None))
    number = b"\0\0\0\1" if big_endian else b"\1\0\0\0"
    node = data.index(CREATED_S.to_bytes(4, "big" if big_endian else "little") + number, 119) - 4
    data[node + 3] = 0xFF
    data[-8:] = (7).to_bytes(4, "big" if big_endian else "little") + bytes(4)
    assert [(entry.uid, entry.gid) for entry in _open(bytes(data)).entries] == [(7, 7)]


def test_blocks_of_tables_may_start_with_a_check_byte() -> None:
    data = bytearray(build({}, version=3, pack=None))
    inodes = int.from_bytes(data[87:95], "little")
    with_byte = bytes(data[: inodes + 2]) + b"\xff" + bytes(data[inodes + 2 :])
    moved = bytearray(with_byte)
    for place in (63, 71, 79, 95, 103):  # size, owners, groups, folders, fragments
        moved[place : place + 8] = (int.from_bytes(moved[place : place + 8], "little") + 1).to_bytes(8, "little")
    moved[36] |= 1 << 2
    opened = _open(bytes(moved))
    assert opened.facts["compression"] == "gzip"
    assert opened.problems == ()


def _raw(lc: int, lp: int, pb: int) -> Callable[[bytes], bytes]:
    options = {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": 1 << 16}
    return lambda data: lzma.compress(data, format=lzma.FORMAT_RAW, filters=[options])


def _alone(data: bytes) -> bytes:
    packed = lzma.compress(data, format=lzma.FORMAT_ALONE)
    return packed[:5] + len(data).to_bytes(8, "little") + packed[13:]


VENDORS = {
    "raw lzma (lc 3, lp 0, pb 2, from byte 0)": _raw(3, 0, 2),
    "raw lzma (lc 0, lp 2, pb 0, from byte 0)": _raw(0, 2, 0),
    "raw lzma (lc 3, lp 0, pb 2, from byte 4)": lambda data: b"7zip" + _raw(3, 0, 2)(data),
    "raw lzma (lc 1, lp 1, pb 1, from byte 9)": lambda data: b"]\0\0\x80\0ZZZZ" + _raw(1, 1, 1)(data),
    "lzma without size": lambda data: b"\x5d\0\0\x80\0" + _raw(3, 0, 2)(data),
    "lzma": _alone,
    "xz": lzma.compress,
}
vendors = pytest.mark.parametrize(("name", "pack"), VENDORS.items(), ids=VENDORS.keys())


@every_version
@both_orders
@vendors
def test_how_a_maker_packed_it_is_found_out(
    version: int,
    big_endian: bool,
    name: str,
    pack: Callable[[bytes], bytes],
) -> None:
    data = build(PUMP, version=version, big_endian=big_endian, pack=pack)
    opened = _open((b"qshs" if big_endian else b"shsq") + data[4:])
    assert opened.facts["compression"] == name
    assert opened.problems == ()
    assert {entry.name: _described(entry) for entry in opened.entries} == _expected(PUMP)


def test_an_image_packed_in_an_unknown_way_is_named_and_not_read() -> None:
    data = build(PUMP, pack=lambda block: b"\x80" + zlib.compress(block)[::-1], version=3)
    opened = _open(data)
    assert opened.size == len(data)
    assert opened.entries == ()
    assert "its folders could not be read" in opened.problems[0]
