import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.yaffs2 import DELETED, FORMAT, UNLINKED, _header, _page
from firmware_checks.opener import Opener
from firmware_checks.readers.yaffs2_pages import (
    CHECKPOINT_SEQUENCE,
    ERASED,
    FILE,
    FOLDER,
    HARD_LINK,
    HEADER_FLAG,
    PAGES,
    ROOT,
    SHRINK_FLAG,
    SPECIAL,
    SYMBOLIC_LINK,
    Geometry,
    Tags,
)
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window

MIB = 1 << 20
USUAL = Geometry(2048, 64, 0, "<")
SMALL = Geometry(512, 16, 0, "<")


class Image:
    """Writes pages one after the other, as a chip does."""

    def __init__(self, geometry: Geometry = SMALL) -> None:
        self.geometry = geometry
        self.sequence = 0x1000
        self.pages: list[bytes] = []

    def header(
        self, number: int, kind: int, parent: int, name: bytes, *, flags: int = 0, alias: bytes = b"", **more: int
    ) -> None:
        data = bytearray(_header(self.geometry.order, kind, parent, name, **more))
        data[300 : 300 + len(alias)] = alias
        self.page(number | (kind << 28 if flags else 0), flags, 0xFFFF, bytes(data))

    def page(self, number: int, chunk: int, data_bytes: int, data: bytes) -> None:
        self.pages.append(_page(self.geometry, Tags(self.sequence, number, chunk, data_bytes), data))

    def content(self, number: int, data: bytes, *, first: int = 1) -> None:
        size = self.geometry.page_bytes
        for chunk, start in enumerate(range(0, len(data), size), start=first):
            piece = data[start : start + size]
            self.page(number, chunk, len(piece), piece)

    def file(self, number: int, parent: int, name: bytes, data: bytes, **more: int) -> None:
        self.header(number, FILE, parent, name, mode=0o100644, size_low=len(data), **more)
        self.content(number, data)

    def bytes(self) -> bytes:
        return b"".join(self.pages)


def _open(data: bytes, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("nand", Window.of(data)), limits)


def _entries(image: Image) -> dict[str, Entry]:
    return {entry.name: entry for entry in _open(image.bytes()).entries}


def _tree(geometry: Geometry) -> Image:
    image = Image(geometry)
    image.header(257, FOLDER, ROOT, b"etc", mode=0o040755)
    image.file(258, 257, b"rate", b"5 ml/h " * 1000, uid=3, gid=4)
    image.header(259, HARD_LINK, 257, b"same", equivalent=258)
    image.header(260, SYMBOLIC_LINK, ROOT, b"link", mode=0o120777, alias=b"etc/rate\0")
    image.header(261, SPECIAL, ROOT, b"tty", mode=0o020600, device=5 << 8 | 1)
    image.header(262, SPECIAL, ROOT, b"pipe", mode=0o010600)
    image.file(263, ROOT, b"none", b"")
    image.file(264, ROOT, b"page", b"p" * geometry.page_bytes)
    return image


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("sizes", PAGES, ids=str)
def test_every_page_size_is_found_out_in_both_byte_orders(sizes: tuple[int, int], order: str) -> None:
    for tags_at in {0, min(2, sizes[1] - 16), min(30, sizes[1] - 16)}:
        image = _tree(Geometry(*sizes, tags_at, order))
        opened = _open(image.bytes())
        facts = opened.facts
        assert (facts["page_bytes"], facts["spare_bytes"], facts["tags_at"]) == (*sizes, tags_at)
        assert facts["byte_order"] == {"<": "little", ">": "big"}[order]
        entries = {entry.name: entry for entry in opened.entries}
        assert list(entries) == ["etc", "etc/rate", "etc/same", "link", "none", "page", "pipe", "tty"]
        rate = entries["etc/rate"]
        assert (rate.read(MIB), rate.mode, rate.uid, rate.gid) == (b"5 ml/h " * 1000, 0o644, 3, 4)
        assert rate.modified_s == 1_600_000_000
        assert (entries["etc/same"].kind, entries["etc/same"].target) == (EntryKind.HARD_LINK, "etc/rate")
        assert (entries["link"].kind, entries["link"].target) == (EntryKind.SYMBOLIC_LINK, "etc/rate")
        assert (entries["tty"].device, entries["pipe"].kind) == ((5, 1), EntryKind.PIPE)
        assert entries["page"].read(MIB) == b"p" * sizes[0]
        assert opened.size == len(image.bytes())


def test_the_highest_sequence_counts_wherever_it_stands() -> None:
    image = Image()
    image.sequence = 0x1005
    image.file(257, ROOT, b"new name", b"new content")
    image.sequence = 0x1001
    image.file(257, ROOT, b"old name", b"old content, longer")
    entries = _entries(image)
    assert list(entries) == ["new name"]
    assert entries["new name"].read(MIB) == b"new content"


def test_content_written_after_the_last_header_makes_the_file_longer() -> None:
    image = Image()
    image.file(257, ROOT, b"log", b"short")
    image.content(257, b"a" * 512 + b"b")
    assert _entries(image)["log"].read(MIB) == b"a" * 512 + b"b"


@pytest.mark.parametrize("by_flag", [True, False])
def test_a_file_cut_and_made_longer_again_has_zeros_between(*, by_flag: bool) -> None:
    image = Image()
    image.file(257, ROOT, b"log", b"x" * 2000)
    how = {"flags": HEADER_FLAG | SHRINK_FLAG | ROOT} if by_flag else {"is_shrink": 1}
    image.header(257, FILE, ROOT, b"log", mode=0o100644, size_low=512, **how)
    image.header(257, FILE, ROOT, b"log", mode=0o100644, size_low=2000, size_high=0)
    assert _entries(image)["log"].read(MIB) == b"x" * 512 + bytes(1488)


def test_deleted_and_shadowed_objects_are_not_listed() -> None:
    image = Image()
    image.file(257, ROOT, b"a", b"1")
    image.file(258, ROOT, b"b", b"2")
    image.file(259, ROOT, b"c", b"3")
    image.header(257, FILE, UNLINKED, b"unlinked", size_low=0)
    image.header(258, FILE, DELETED, b"deleted", size_low=0)
    image.header(260, FILE, ROOT, b"c", mode=0o100644, size_low=0, shadowed=259)
    image.header(ROOT, FOLDER, ROOT, b"", mode=0o040755)
    opened = _open(image.bytes())
    assert [entry.name for entry in opened.entries] == ["c"]
    assert [entry.read(MIB) for entry in opened.entries] == [b""]
    assert opened.facts["deleted_objects"] == 2


def test_extended_attributes_behind_the_header_are_read() -> None:
    image = Image(USUAL)
    values = struct.pack("<i", 18) + b"user.id\0ward 3" + struct.pack("<i", 8) + b"none" + struct.pack("<i", 9999)
    header = _header("<", FILE, ROOT, b"a", mode=0o100644, size_low=0)
    image.page(257, 0, 0xFFFF, header + values)
    image.page(258, 0, 0xFFFF, _header("<", FILE, ROOT, b"b", mode=0o100644, size_low=0) + values.ljust(1536, b"\0"))
    image.page(
        259,
        0,
        0xFFFF,
        _header("<", FILE, ROOT, b"c", mode=0, size_low=0) + struct.pack("<i", 1534) + b"n\0" + b"v" * 1530,
    )
    entries = _entries(image)
    assert entries["a"].extended == entries["b"].extended == {"user.id": b"ward 3"}
    assert entries["c"].extended == {"n": b"v" * 1528}


def test_erased_and_checkpoint_pages_are_passed_over_and_broken_blocks_too() -> None:
    image = Image()
    image.file(257, ROOT, b"a", b"x" * 4000)
    image.pages.append(b"\xff" * SMALL.stride)
    image.sequence = CHECKPOINT_SEQUENCE
    image.page(1, 1, 10, b"checkpoint")
    image.pages.append(b"broken".ljust(SMALL.stride, b"\0"))
    image.sequence = 0x1001
    image.file(258, ROOT, b"b", b"y")
    opened = _open(image.bytes())
    assert [entry.name for entry in opened.entries] == ["a", "b"]
    assert (opened.facts["pages"], opened.facts["checkpoint_pages"]) == (11, 1)


def test_what_follows_and_is_something_else_is_left_outside() -> None:
    image = _tree(SMALL)
    data = image.bytes()
    assert _open(data + b"other" * 99).size == len(data)
    far = data + bytes(SMALL.stride * 300) + data
    assert _open(far).size == len(data)
    rest_of_block = b"\xff" * (SMALL.stride * (64 - len(image.pages)))
    assert _open(data + rest_of_block + b"\xff" * 999).size == 64 * SMALL.stride


def test_a_dump_that_begins_with_content_is_opened() -> None:
    image = Image(USUAL)
    image.content(300, b"c" * 2048 * 8, first=40)
    image.file(257, ROOT, b"a", b"x")
    opener = Opener({"yaffs2": FORMAT}, [], Budget(Limits()), lambda _size: None)
    (region,) = opener.explore(Span("nand", Window.of(image.bytes())))
    assert region.format == "yaffs2"
    few = Image(USUAL)
    few.content(300, b"c" * 2048 * 4, first=40)
    with pytest.raises(FormatError):
        _open(few.bytes())


def test_folders_without_a_header_and_links_to_nothing_are_told() -> None:
    image = Image()
    image.file(257, 400, b"lost", b"x")
    image.header(258, HARD_LINK, ROOT, b"link", equivalent=999)
    image.header(259, HARD_LINK, ROOT, b"chain", equivalent=258)
    image.header(260, SPECIAL, ROOT, b"odd", mode=0)
    image.header(261, FOLDER, 262, b"circle", mode=0o040755)
    image.header(262, FOLDER, 261, b"circle", mode=0o040755)
    image.file(263, 261, b"a", b"")
    opened = _open(image.bytes())
    assert [entry.name for entry in opened.entries] == [
        "chain",
        "link",
        "odd",
        "(lost folder 261)",
        "(lost folder 261)/a",
        "(lost folder 261)/circle",
        "(lost folder 400)",
        "(lost folder 400)/lost",
    ]
    for entry in opened.entries:
        if entry.name in ("chain", "link", "odd"):
            with pytest.raises(FormatError):
                entry.read(MIB)


def test_a_file_larger_than_allowed_is_refused() -> None:
    image = Image()
    image.header(257, FILE, ROOT, b"a", mode=0o100644, size_low=ERASED - 1, size_high=5)
    with pytest.raises(LimitExceeded):
        _entries(image)["a"].read(MIB)


def test_pages_without_end_are_left() -> None:
    image = Image()
    image.file(257, ROOT, b"a", b"x" * 512 * 20)
    assert _open(image.bytes(), Limits(entries=1)).limits_hit == ("more than 10 pages, the rest was not read",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 9999,
        bytes(9999),
        _page(SMALL, Tags(0x1000, 0, 0, 0xFFFF), _header("<", FILE, ROOT, b"a")),
        _page(SMALL, Tags(0x1000, 257, 0, 0xFFFF), _header("<", 9, ROOT, b"a")),
        _page(SMALL, Tags(0x1000, 257, 1, 513), _header("<", FILE, ROOT, b"a")),
        _page(SMALL, Tags(0x1000, 257, 0, 0xFFFF), _header("<", FILE, ROOT, b"a")) + bytes(SMALL.stride),
    ],
)
def test_other_bytes_are_no_yaffs2(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@settings(max_examples=100)
@given(seed=st.integers(0, 1 << 32))
def test_pages_with_wild_tags_and_headers_do_no_harm(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311  # filler, not a secret
    wild = [0, 1, 2, 3, 257, 258, 0xFFFF, 0x0FFF_FFFF, 0x8000_0001, 0xC000_0001, 0x7FFF_FFFF, 0xFFFF_FFFF]
    image = _tree(SMALL)
    for _ in range(noise.randrange(1, 20)):
        image.sequence = noise.choice([0x1000, 0x1001, 0xEFFF_0000, 1])
        few = [noise.choice(wild) for _ in range(6)]
        more = {"mode": noise.randrange(1 << 16), "size_low": few[0], "size_high": few[1], "equivalent": few[2]}
        header = _header("<", noise.randrange(1, 6), few[3], b"w", shadowed=few[4], is_shrink=few[5] & 1, **more)
        image.page(noise.choice(wild), noise.choice(wild), noise.choice([0, 5, 512, 0xFFFF]), header)
    try:
        opened = _open(image.bytes())
    except FormatError:
        return
    for entry in opened.entries:
        try:
            assert len(entry.read(MIB)) <= MIB
        except (FormatError, LimitExceeded):
            continue


def test_another_reader_finds_the_same_files(tmp_path: Path) -> None:
    program = shutil.which("unyaffs")
    if program is None:
        pytest.skip("unyaffs (Debian package unyaffs) is not installed")
    image = Image(USUAL)
    image.header(257, FOLDER, ROOT, b"etc", mode=0o040755)
    image.file(258, 257, b"rate", b"5 ml/h " * 1000)
    image.header(260, SYMBOLIC_LINK, ROOT, b"link", mode=0o120777, alias=b"etc/rate\0")
    (tmp_path / "image").write_bytes(image.bytes())
    subprocess.run([program, tmp_path / "image", tmp_path / "out"], check=True, capture_output=True, timeout=30)
    assert (tmp_path / "out" / "etc" / "rate").read_bytes() == _entries(image)["etc/rate"].read(MIB)
    assert str((tmp_path / "out" / "link").readlink()) == _entries(image)["link"].target
