"""Squashfs images that are cut, damaged or made to do harm; they are built here, so that each byte's place is known."""

import random
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.squashfs import FORMAT
from firmware_checks.opener import Opener
from firmware_checks.readers.squashfs.building import Device, Tree, build
from firmware_checks.readers.squashfs.super_block import read_super_block
from firmware_checks.readers.squashfs.volume import open_volume
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window

MOST = 1 << 24
SMALL = Limits(entries=1000, entry_bytes=1 << 20, unpacked_bytes=4 << 20)
NOISE = random.Random(7).randbytes(20_000)  # noqa: S311  # filler, not a secret
PUMP: Tree = {
    "bin": {"pump": b"\x7fELF" * 3000 + bytes(8192) + b"end", "empty": b""},
    "etc": {"pump.ini": b"[pump]\nrate=5\n"},
    "pump.ini": "etc/pump.ini",
}


def _open(data: bytes, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("root.squashfs", Window.of(data)), limits)


def _entries(data: bytes) -> dict[str, Entry]:
    opened = _open(data)
    assert opened.problems == ()
    return {entry.name: entry for entry in opened.entries}


def test_files_that_share_blocks_are_read_by_many_threads() -> None:
    tree: Tree = {f"{number:03}": NOISE[number : number + 700] for number in range(200)}
    entries = _entries(build(tree))
    with ThreadPoolExecutor(8) as pool:
        read = dict(pool.map(lambda entry: (entry.name, entry.read(MOST)), list(entries.values()) * 3))
    assert read == tree


def test_more_shared_blocks_than_are_kept_are_read_again() -> None:
    tree: Tree = {f"{number}": bytes([number]) * (1 << 19) + NOISE for number in range(1, 21)}
    entries = _entries(build(tree, pack=None, block_bytes=1 << 20))
    for _ in range(2):
        assert {name: entry.read(MOST) for name, entry in entries.items()} == tree


def test_tables_larger_than_what_is_kept_are_read() -> None:
    tree: Tree = {f"{number}": "target" * 10_000 for number in range(80)}
    assert {name: entry.target for name, entry in _entries(build(tree, pack=None)).items()} == tree


def test_the_example_is_a_small_root_file_system() -> None:
    entries = _entries(FORMAT.example())
    assert entries["etc/pump.ini"].read(MOST) == b"[pump]\nrate=5\n"
    assert entries["pump.ini"].target == "etc/pump.ini"


def test_an_object_is_known_by_its_number_alone() -> None:
    window = Window.of(build(PUMP))
    super_block = read_super_block(window)
    assert open_volume(window, super_block, SMALL).inode(super_block.root).kind is EntryKind.FOLDER


def test_a_folder_that_is_wrong_about_what_it_holds_is_read_around() -> None:
    image = build({"pump": b"5 ml/h"}, pack=None)
    opened = _open(_patched(image, _name(image, b"pump") + 4, b"\3\0"))
    assert [(e.kind, e.read(MOST)) for e in opened.entries] == [(EntryKind.FILE, b"5 ml/h")]


def test_a_link_to_an_absurdly_long_path_is_not_read() -> None:
    image = build({"link": "target"}, pack=None)
    opened = _open(_patched(image, _inode(image, 1) + 20, b"\xff\xff\xff\0"))
    assert "16777215 bytes" in opened.problems[0]


def test_an_empty_block_of_a_table_does_not_hold_up_the_reader() -> None:
    image = build(PUMP, pack=None)
    empty = zlib.compress(b"")
    opened = _open(_patched(image, _place(image, 64), struct.pack("<H", len(empty)) + empty))
    assert opened.entries == ()
    assert "empty squashfs table block" in opened.problems[0]


def test_zeros_after_the_image_that_fill_it_up_belong_to_it() -> None:
    image = build(PUMP)
    padding = bytes(-len(image) % 4096)
    assert _open(image + padding + b"\xff").size == len(image) + len(padding)
    assert _open(image + padding[1:] + b"\xff").size == len(image)


def test_an_image_that_is_cut_short_is_still_named() -> None:
    image = build(PUMP)
    opened = _open(image[:200])
    assert opened.size == 200
    assert opened.entries == ()
    assert opened.title == "Squashfs 4.0 file system"
    assert opened.problems[0] == f"it is cut short: 200 of {len(image)} bytes are there"
    assert "could not be read" in opened.problems[1]


def test_what_was_written_over_the_rest_of_an_image_is_found() -> None:
    written = build({"new": b"5 ml/h"})
    data = build(PUMP)[:96] + written
    opener = Opener({"squashfs": FORMAT}, [], Budget(SMALL), lambda _size: None)
    (old,) = opener.explore(Span("dump", Window.of(data)))
    (rest,) = old.children
    assert [region.span.size for region in rest.children] == [len(written)]


def test_a_super_block_alone_is_named() -> None:
    opened = _open(build(PUMP)[:96])
    assert (opened.size, opened.parts) == (96, ())


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, b"hsqx"),
        (28, b"\5\0"),
        (28, b"\0\0"),
        (12, b"\1\0\0\0"),
        (22, b"\x30\0"),
        (40, b"\1\0\0\0"),
        (64, b"\xff" * 8),
        (32, b"\xff" * 8),
    ],
)
def test_what_only_looks_like_a_super_block_is_refused(at: int, value: bytes) -> None:
    image = _patched(build(PUMP), at, value)
    with pytest.raises(FormatError):
        _open(image)


def _patched(image: bytes, at: int, value: bytes) -> bytes:
    return image[:at] + value + image[at + len(value) :]


def _place(image: bytes, field: int) -> int:
    """Return a place from the super block: 32 root, 64 inodes, 72 folders, 80 fragments."""
    return int(struct.unpack_from("<Q", image, field)[0])


def _inode(image: bytes, number: int) -> int:
    """Return where inode ``number`` of an image without compression stands: they are in order, files first."""
    start = _place(image, 64)
    return image.index(struct.pack("<II", 1_577_836_800, number), start) - 8


def _name(image: bytes, name: bytes) -> int:
    """Return where the entry for ``name`` in its folder starts."""
    return image.index(name, _place(image, 72)) - 8


def test_a_folder_that_contains_itself_is_walked_once() -> None:
    image = build({"sub": {"inner": {}}, "pump": b"x"}, pack=None)
    root = _place(image, 32)
    for name in (b"sub", b"inner"):
        image = _patched(image, _name(image, name), struct.pack("<H", root & 0xFFFF))
    opened = _open(image)
    assert [entry.name for entry in opened.entries] == ["pump"]
    assert opened.problems == ("a folder is named by more than one folder, or contains itself: 'sub'",)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (20, 999, "only 1 fragment"),
        (24, 1 << 30, "outside fragment block"),
        (28, 4000, "outside fragment block"),
    ],
)
def test_a_file_whose_fragment_lies_outside_is_listed_and_refused(field: int, value: int, reason: str) -> None:
    image = build({"pump": b"5 ml/h", "other": b"other"}, pack=None)
    image = _patched(image, _inode(image, 1) + field, struct.pack("<I", value))
    entries = {entry.name: entry for entry in _open(image).entries}
    with pytest.raises(FormatError, match=reason):
        entries["pump"].read(MOST)
    assert entries["other"].read(MOST) == b"other"


@pytest.mark.parametrize("start", [1 << 60, 1, 90])
def test_a_fragment_block_at_an_absurd_place_is_refused_every_time(start: int) -> None:
    image = build({"pump": b"5 ml/h" * 90, "other": b"other" * 90})
    at = _place(image, _place(image, 80)) + 2
    packed = image[at:]
    table = bytearray(zlib.decompress(packed)) if packed[:1] == b"x" else bytearray(packed[:16])
    table[:8] = struct.pack("<Q", start)
    image = _patched(image, at, bytes(table))
    for entry in list(_open(image).entries) * 2:
        with pytest.raises(FormatError, match=r"fragment block 0|bytes wanted"):
            entry.read(MOST)


def test_a_file_of_absurd_size_is_listed_and_refused_at_once() -> None:
    image = build({"pump": b"5 ml/h", "other": b"other"}, pack=None)
    image = _patched(image, _inode(image, 1) + 28, b"\xff\xff\xff\xff")
    entries = {entry.name: entry for entry in _open(image).entries}
    assert entries["pump"].unpacked_bytes == 0xFFFF_FFFF
    with pytest.raises(LimitExceeded):
        entries["pump"].read(MOST)
    with pytest.raises(LimitExceeded):
        entries["pump"].read(1 << 40)


def test_a_block_that_unpacks_to_less_is_refused() -> None:
    image = build({"pump": b"a" * 4096 + b"b" * 4096})
    packed = zlib.compress(b"short")
    entry = next(iter(_open(_patched(image, 96, packed)).entries))
    with pytest.raises(FormatError, match=r"unpacks to 5 bytes|damaged"):
        entry.read(MOST)


def test_a_block_that_takes_more_than_it_holds_is_refused() -> None:
    image = build({"pump": NOISE[:4096] * 2}, pack=None)
    at = _inode(image, 1) + 32
    entry = next(iter(_open(_patched(image, at, struct.pack("<I", 1 << 24 | 8192))).entries))
    with pytest.raises(FormatError, match="it can hold 4096"):
        entry.read(MOST)


@pytest.mark.parametrize(
    ("back", "value", "problem"),
    [(12, b"\xff\xff\xff\xff", "names under one header"), (-6, b"\0\x10", "a name of"), (-6, b"\xf0\0", "reaches out")],
)
def test_absurd_counts_in_a_folder_end_its_list(back: int, value: bytes, problem: str) -> None:
    image = build({"pump": b"5 ml/h"}, pack=None)
    image = _patched(image, _name(image, b"pump") - back, value)
    opened = _open(image)
    assert opened.entries == ()
    assert problem in opened.problems[0]


def test_an_inode_that_cannot_be_read_is_listed_as_what_its_folder_calls_it() -> None:
    image = build({"pump": b"5 ml/h", "zone": {}}, pack=None)
    for name in (b"pump", b"zone"):
        image = _patched(image, _name(image, name), b"\xff\x1f")
    opened = _open(image)
    assert [(e.name, e.kind) for e in opened.entries] == [("pump", EntryKind.FILE), ("zone", EntryKind.FOLDER)]
    assert "inode could not be read" in opened.problems[0]
    with pytest.raises(FormatError, match="inode could not be read"):
        next(iter(opened.entries)).read(MOST)


def test_an_owner_that_is_not_in_the_table_is_told() -> None:
    image = build({"pump": b"5 ml/h"}, pack=None)
    opened = _open(_patched(image, _inode(image, 1) + 4, b"\7\0"))
    assert [(e.uid, e.gid) for e in opened.entries] == [(None, None)]
    assert opened.problems == ("an owner could not be read: owner 7 is not in the table, which has 1",)


@pytest.mark.parametrize("value", [b"\xff", b"\0", b"\xff" * 4])
def test_damaged_attributes_are_told_and_the_files_are_read(value: bytes) -> None:
    image = build({"pump": b"5 ml/h"}, pack=None, extended=True, attributes={"user.note": b"n" * 20})
    (first,) = struct.unpack_from("<Q", image, _place(image, 56))
    told = set()
    for at in range(first, len(image) - len(value) + 1):
        opened = _open(_patched(image, at, value))
        assert [e.read(MOST) for e in opened.entries] == [b"5 ml/h"]
        told.update(opened.problems)
    assert len(told) > 3
    assert all(problem.startswith("extended attributes could not be read: ") for problem in told)


def test_attributes_without_a_table_are_told() -> None:
    image = build({"pump": b"5 ml/h"}, pack=None, extended=True, attributes={"user.note": b"n"})
    opened = _open(_patched(image, 56, b"\xff" * 8))
    assert "no table" in opened.problems[0]


def test_attributes_of_an_unknown_family_are_left_out() -> None:
    image = build({"pump": b"5 ml/h"}, pack=None, extended=True, attributes={"user.note": b"n"})
    at = image.index(b"note") - 4
    assert [dict(e.extended) for e in _open(_patched(image, at, b"\7\0")).entries] == [{}]


def test_more_names_than_allowed_are_cut_and_that_is_told() -> None:
    opened = _open(build({f"{number}": b"" for number in range(30)}), Limits(entries=20))
    assert len(tuple(opened.entries)) == 21
    assert opened.limits_hit == ("more than 20 entries; the rest was not listed",)


def test_paths_that_no_device_could_use_are_not_followed() -> None:
    tree: Tree = {"pump": b"5 ml/h"}
    for _ in range(40):
        tree = {"f" * 200: tree}
    opened = _open(build(tree))
    assert len(tuple(opened.entries)) == 20
    assert "longer than 4096 characters" in opened.problems[0]


def test_names_that_could_do_harm_are_made_visible_and_told() -> None:
    opened = _open(
        build(
            {
                "..": b"1",
                "a/b": b"2",
                "x\0y": b"3",
                "\u202egpj.exe": b"4",
            }
        )
    )
    assert {"..", "a\\x2fb", "x\\x00y", "\\u202egpj.exe"} == {entry.name for entry in opened.entries}
    told = " ".join(opened.problems)
    assert all(word in told for word in ("leads out", "slashes", "hidden characters"))


def test_a_name_that_is_not_utf8_is_spelled_out() -> None:
    image = build({"pump": b"5 ml/h"}, pack=None)
    at = _name(image, b"pump") + 8
    assert [entry.name for entry in _open(_patched(image, at, b"p\xff\xfep")).entries] == ["p\\xff\\xfep"]


def test_an_image_that_expands_a_thousand_times_is_stopped() -> None:
    limits = Limits(unpacked_bytes=8 << 20)
    bomb = build({f"{n}": bytes([n]) * (4 << 20) for n in range(1, 7)}, block_bytes=1 << 20)
    assert len(bomb) < 30_000
    budget = Budget(limits, input_bytes=len(bomb))
    opener = Opener({"squashfs": FORMAT}, [], budget, lambda _size: None)
    opener.explore(Span("bomb", Window.of(bomb)))
    assert budget.unpacked_bytes <= limits.unpacked_bytes
    assert budget.hits.sentences()


def test_a_file_is_not_unpacked_when_it_is_larger_than_wanted() -> None:
    entries = _entries(build(PUMP))
    with pytest.raises(LimitExceeded):
        entries["bin/pump"].read(20_000)


IMAGES = [
    build(PUMP | {"dev": {"null": Device(EntryKind.CHARACTER_DEVICE, 1, 3), "log": EntryKind.SOCKET}}, **how)
    for version in (2, 3, 4)
    for how in (
        {"version": version},
        {"version": version, "big_endian": True, "pack": None},
        {"version": version, "extended": True, "pack": None, "attributes": {"user.note": b"n" * 20}},
    )
]


@pytest.mark.parametrize("image", IMAGES)
def test_damaged_images_are_read_or_refused_quickly(image: bytes) -> None:
    chance = random.Random(len(image))  # noqa: S311  # the same damage in every run
    started = time.monotonic()
    for _ in range(60):
        _read_all(_damaged(image, chance))
    assert time.monotonic() - started < 30


def _read_all(data: bytes) -> None:
    try:
        opened = _open(data, SMALL)
    except (FormatError, LimitExceeded):
        return
    assert 0 < opened.size <= len(data)
    for entry in opened.entries:
        try:
            assert len(entry.read(1 << 20)) <= 1 << 20
        except (FormatError, LimitExceeded):
            continue


def _damaged(image: bytes, chance: random.Random) -> bytes:
    data = bytearray(image)
    for _ in range(chance.randint(1, 6)):
        value = chance.choice([b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\x80", chance.randbytes(2)])
        at = chance.choice([chance.randrange(len(data)), chance.randrange(96)])
        data[at : at + len(value)] = value
    return bytes(data)
