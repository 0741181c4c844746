"""Squashfs 4.0 as the reference program writes it, with every compressor."""

import contextlib
import os
import random
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.squashfs import FORMAT
from firmware_checks.readers.squashfs.building import Tree, build
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MKSQUASHFS = shutil.which("mksquashfs")
needs_mksquashfs = pytest.mark.skipif(MKSQUASHFS is None, reason="mksquashfs (squashfs-tools) is not installed")
COMPRESSORS = ("gzip", "lzma", "xz", "lzo", "lz4", "zstd")
MOST = 1 << 24
NOISE = random.Random(7).randbytes(20_000)  # noqa: S311  # filler, not a secret
PUMP: Tree = {
    "bin": {"pump": b"\x7fELF" * 3000 + bytes(8192) + b"end", "empty": b""},
    "etc": {"pump.ini": b"[pump]\nrate=5\n"},
    "pump.ini": "etc/pump.ini",
}

names = st.text("abcäß日.-_ +~\\\"'", min_size=1, max_size=60).filter(
    lambda name: name.strip(" .") != "" and len(name.encode()) < 200
)
contents = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.sampled_from([b"5 ml/h\n", b"\0", NOISE]), st.integers(1, 6000)).map(lambda p: (p[0] * p[1])[:50_000]),
)
trees = st.dictionaries(
    names, st.one_of(contents, st.dictionaries(names, contents, max_size=4)), min_size=1, max_size=5
)
options = st.sampled_from(
    [
        [], ["-noI"], ["-noD"], ["-noF"], ["-noI", "-noD", "-noF", "-noX"], ["-no-fragments"],
        ["-always-use-fragments"], ["-no-exports"], ["-nopad"],
    ]
)  # fmt: skip


def _open(data: bytes, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("root.squashfs", Window.of(data)), limits)


def _entries(data: bytes) -> dict[str, Entry]:
    opened = _open(data)
    assert opened.problems == ()
    assert opened.limits_hit == ()
    return {entry.name: entry for entry in opened.entries}


def _files(tree: Tree, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for name, thing in tree.items():
        if isinstance(thing, bytes):
            yield prefix + name, thing
        elif isinstance(thing, dict):
            yield from _files(thing, f"{prefix}{name}/")


def _write(tree: Tree, folder: Path) -> None:
    for name, thing in tree.items():
        if isinstance(thing, bytes):
            (folder / name).write_bytes(thing)
        elif isinstance(thing, dict):
            (folder / name).mkdir()
            _write(thing, folder / name)


def _pack(folder: Path, *more: str) -> bytes:
    assert MKSQUASHFS is not None
    image = folder.parent / "root.squashfs"
    command = [MKSQUASHFS, str(folder), str(image), "-noappend", "-quiet", "-no-progress", "-processors", "1", *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return image.read_bytes()


@needs_mksquashfs
@pytest.mark.parametrize("compressor", COMPRESSORS)
@settings(max_examples=8)
@given(tree=trees, block_bytes=st.sampled_from([4096, 131_072]), more=options)
def test_a_tree_packed_by_the_reference_program_is_read_back(
    compressor: str, tree: Tree, block_bytes: int, more: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tree"
        folder.mkdir()
        _write(tree, folder)
        image = _pack(folder, "-comp", compressor, "-b", str(block_bytes), *more)
    opened = _open(image + b"what follows")
    assert opened.size == len(image)
    assert opened.facts["compression"] == compressor
    assert {e.name: e.read(MOST) for e in opened.entries if e.kind is EntryKind.FILE} == dict(_files(tree))


@needs_mksquashfs
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_all_kinds_of_things_come_through(compressor: str, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "many").mkdir(parents=True)
    for number in range(600):  # more than one header, more than one block of the tables
        (folder / "many" / f"{'n' * 40}{number:04}").write_bytes(NOISE[: number % 50])
    (folder / "sparse").write_bytes(bytes(300_000) + b"end")
    (folder / "large").write_bytes(NOISE * 20)
    (folder / "large").chmod(0o4755)
    os.link(folder / "large", folder / "same")
    (folder / "link").symlink_to("many/../large")
    os.utime(folder / "large", (1_600_000_000, 1_600_000_000))
    image = _pack(
        folder, "-comp", compressor, "-force-uid", "1000", "-force-gid", "50",
        "-p", "console c 620 0 5 5 1", "-p", "disk b 660 0 6 259 70000",
        "-p", "queue i 600 0 0 f", "-p", "bus i 600 0 0 s",
    )  # fmt: skip
    entries = _entries(image)
    assert len(entries) == 609
    for path in folder.rglob("*"):
        entry = entries[path.relative_to(folder).as_posix()]
        if path.is_symlink():
            assert (entry.kind, entry.target) == (EntryKind.SYMBOLIC_LINK, "many/../large")
        elif path.is_dir():
            assert (entry.kind, entry.mode) == (EntryKind.FOLDER, stat.S_IMODE(path.stat().st_mode))
        elif path.name != "same":
            assert entry.read(MOST) == path.read_bytes()
            assert entry.mode == stat.S_IMODE(path.stat().st_mode)
            assert entry.modified_s == int(path.stat().st_mtime)
    assert (entries["large"].uid, entries["large"].gid) == (1000, 50)
    assert (entries["same"].kind, entries["same"].target) == (EntryKind.HARD_LINK, "large")
    assert (entries["console"].kind, entries["console"].device) == (EntryKind.CHARACTER_DEVICE, (5, 1))
    assert (entries["disk"].kind, entries["disk"].device) == (EntryKind.BLOCK_DEVICE, (259, 70_000))
    assert (entries["queue"].kind, entries["bus"].kind) == (EntryKind.PIPE, EntryKind.SOCKET)
    assert entries["sparse"].packed_bytes < 4096


@needs_mksquashfs
def test_extended_attributes_come_through(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    expected = {}
    for number in range(40):  # equal values are stored once and pointed to
        file = folder / f"file{number}"
        file.write_bytes(b"pump")
        expected[file.name] = {"user.note": b"v" * (200 + number % 2), f"user.number{number}": b"%d" % number}
        try:
            for key, value in expected[file.name].items():
                os.setxattr(file, key, value)
        except (AttributeError, OSError):
            pytest.skip("this file system keeps no extended attributes")
    assert {e.name: dict(e.extended) for e in _open(_pack(folder)).entries} == expected


@pytest.mark.parametrize("big_endian", [False, True])
def test_extended_attributes_are_read_in_both_byte_orders(big_endian: bool) -> None:
    attributes = {"security.capability": b"\1\0\0\2" * 5, "user.a": b"", "trusted.b": b"short"}
    data = build(PUMP, big_endian=big_endian, extended=True, attributes=attributes)
    assert all(entry.extended == attributes for entry in _entries(data).values())


@needs_mksquashfs
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_damaged_images_are_read_or_refused(compressor: str, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    _write({"bin": {"pump": b"\x7fELF" * 3000 + NOISE}, "etc": {"pump.ini": b"[pump]\n"}}, tmp_path / "tree")
    image = _pack(tmp_path / "tree", "-comp", compressor, "-b", "4096")
    chance = random.Random(compressor)  # noqa: S311  # the same damage in every run
    for _ in range(60):
        data = bytearray(image)
        for _ in range(chance.randint(1, 6)):
            data[chance.choice([chance.randrange(len(data)), chance.randrange(96)])] = chance.randrange(256)
        try:
            entries = _open(bytes(data)).entries
        except (FormatError, LimitExceeded):
            continue
        for entry in entries:
            with contextlib.suppress(FormatError, LimitExceeded):
                assert len(entry.read(MOST)) <= MOST
