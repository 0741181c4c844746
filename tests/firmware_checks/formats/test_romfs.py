"""romfs: the built example, changed by hand, and images that genromfs makes."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.romfs import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

GENROMFS = shutil.which("genromfs") or ""
needs_genromfs = pytest.mark.skipif(not GENROMFS, reason="genromfs is not installed (Debian package genromfs)")

ROOT, FILE = 32, 96
LINK = FILE + 32 + 192
HARD, DEVICE = LINK + 48, LINK + 80
CONTENT = b"rate = 5\n" * 20


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("root.romfs", Window.of(data)), Limits())


def _entries(data: bytes) -> dict[str, Entry]:
    return {entry.name: entry for entry in _open(data).entries}


def _changed(at: int, data: bytes) -> bytes:
    image = bytearray(FORMAT.example())
    image[at : at + len(data)] = data
    return bytes(image)


def _word(at: int, value: int) -> bytes:
    return _changed(at, struct.pack(">I", value))


def test_files_links_and_devices_are_listed() -> None:
    opened = _open(FORMAT.example())
    entries = {entry.name: entry for entry in opened.entries}
    assert list(entries) == ["pump.conf", "conf", "same.conf", "ttyS0"]
    assert entries["pump.conf"].read(1000) == CONTENT
    assert (entries["pump.conf"].mode, entries["pump.conf"].offset) == (0o644, FILE + 32)
    assert entries["conf"].target == "pump.conf"
    assert (entries["same.conf"].kind, entries["same.conf"].target) == (EntryKind.HARD_LINK, "pump.conf")
    assert (entries["ttyS0"].kind, entries["ttyS0"].device) == (EntryKind.CHARACTER_DEVICE, (4, 64))
    assert opened.facts["label"] == "pump"
    assert [verdict.valid for verdict in opened.integrity] == [True]
    assert opened.problems == ()


def test_a_file_larger_than_allowed_is_not_read() -> None:
    with pytest.raises(LimitExceeded):
        _entries(FORMAT.example())["pump.conf"].read(len(CONTENT) - 1)


def test_zeros_that_fill_the_image_up_belong_to_it_and_other_bytes_do_not() -> None:
    example = FORMAT.example()
    size = int.from_bytes(example[8:12], "big")
    assert _open(example + bytes(50)).size == len(example)
    assert _open(example[:-1] + b"x").size == size
    assert _open(example[:size]).size == size


def test_an_image_that_is_cut_is_told() -> None:
    assert "are there" in _open(FORMAT.example()[: DEVICE + 10]).problems[0]


def test_a_wrong_check_sum_of_the_volume_and_of_a_header_is_told() -> None:
    opened = _open(_changed(FILE + 16, b"P"))
    assert [verdict.valid for verdict in opened.integrity] == [False]
    assert opened.problems == ("check sum of a header is wrong: 'Pump.conf'",)


def test_a_list_that_comes_back_to_itself_is_cut_and_told() -> None:
    opened = _open(_word(HARD, FILE))
    assert [entry.name for entry in opened.entries] == ["pump.conf", "conf", "same.conf"]
    assert any("comes back" in problem for problem in opened.problems)


@pytest.mark.parametrize("target", [HARD, 0xFFFF_FFF0])
def test_a_hard_link_that_leads_nowhere_is_refused_when_read(target: int) -> None:
    with pytest.raises(FormatError):
        _entries(_word(HARD + 4, target))["same.conf"].read(1000)


def test_a_folder_that_contains_itself_is_walked_once() -> None:
    opened = _open(_word(HARD + 4, ROOT))
    assert [entry.name for entry in opened.entries] == ["pump.conf", "conf", "ttyS0"]
    assert any("contains itself" in problem for problem in opened.problems)


@pytest.mark.parametrize("size", [5000, 2000])
def test_a_link_target_that_cannot_be_read_is_told(size: int) -> None:
    opened = _open(_word(LINK + 8, size))
    assert {entry.name: entry.target for entry in opened.entries}["conf"] == ""
    assert any("target of a link" in problem for problem in opened.problems)


def test_a_name_without_an_end_ends_the_list() -> None:
    opened = _open(_changed(DEVICE + 16, b"x" * 2000)[: DEVICE + 32])
    assert any("has no end" in problem for problem in opened.problems)


def test_names_that_could_lead_astray_are_told() -> None:
    image = _changed(FILE + 16, b"../../etc")
    assert "..\\x2f..\\x2fetc" in _entries(image)
    assert any("slashes" in problem for problem in _open(image).problems)


def test_a_volume_without_a_name_is_opened() -> None:
    assert "label" not in _open(_changed(16, bytes(4))).facts


@pytest.mark.parametrize("data", [b"-rom1fs-", _changed(0, b"x"), _word(ROOT, 2), _word(ROOT, 0), _word(8, 20)])
def test_what_cannot_be_true_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(8, 500), st.binary(min_size=1, max_size=4)), max_size=5))
def test_a_damaged_image_is_read_or_refused_quickly(changes: list[tuple[int, bytes]]) -> None:
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


@needs_genromfs
def test_what_genromfs_packs_is_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    files = {
        "empty": b"",
        "run": b"#!",
        "a/b/blocks": bytes(range(251)) * 40,
        "a/\u00fc": b"odd",
        "a name of more than sixteen letters": b"x",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("a/b/blocks")
    (folder / "a/hard").hardlink_to(folder / "a/b/blocks")
    image = tmp_path / "image"
    subprocess.run([GENROMFS, "-d", str(folder), "-f", str(image), "-V", "pump"], check=True)
    opened = _open(image.read_bytes())
    entries = {entry.name: entry for entry in opened.entries}
    hard = next(entry for entry in entries.values() if entry.kind is EntryKind.HARD_LINK)
    assert {hard.name, hard.target} == {"a/hard", "a/b/blocks"}
    kept = {name: entry.read(1 << 20) for name, entry in entries.items() if entry.kind is EntryKind.FILE}
    kept |= {"a/b/blocks": kept.pop(hard.target)}
    assert kept == files
    assert (entries["run"].mode, entries["empty"].mode, entries["a"].mode) == (0o755, 0o644, 0o755)
    assert entries["link"].target == "a/b/blocks"
    assert opened.size == image.stat().st_size
    assert [verdict.valid for verdict in opened.integrity] == [True]
    assert opened.problems == ()
