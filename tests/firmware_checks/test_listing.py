"""What a listing promises: every entry of every container, once, with its true digest, within the budget."""

import bz2
import gzip
import hashlib
import io
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, ImageFormat, Magic, Opened, Part
from firmware_checks.listing import Listing, Row
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget, Limits
from toolkit.core.registry import discover
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

FORMATS = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
DEFAULTS = Limits()


def _list(
    data: bytes,
    limits: Limits = DEFAULTS,
    formats: dict[str, ImageFormat] = FORMATS,
    *,
    jobs: int = 2,
    with_digests: bool = True,
    is_entered: Callable[[str], bool] = lambda _path: True,
) -> tuple[list[Row], Listing]:
    listing = Listing(formats, Budget(limits, len(data)), jobs=jobs, with_digests=with_digests, is_entered=is_entered)
    return list(listing.rows(Span("dump.bin", Window.of(data)))), listing


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def _zip(files: Iterable[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


NAMES = st.lists(st.text("abcXYZ-_", min_size=1, max_size=12), min_size=1, max_size=4).map("/".join)


@settings(max_examples=25)
@given(st.dictionaries(NAMES, st.binary(max_size=3000), max_size=12), st.sampled_from([_tar, _zip]), st.integers(1, 3))
def test_what_is_listed_is_what_was_packed(
    files: dict[str, bytes], pack: Callable[[Iterable[tuple[str, bytes]]], bytes], jobs: int
) -> None:
    rows, listing = _list(pack(files.items()), jobs=jobs)
    top = {row.name: (row.size, row.sha256) for row in rows if not row.inside and row.entry is not None}
    assert top == {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    assert not listing.unread.named
    assert listing.budget.hits.sentences() == ()


def test_containers_in_containers_are_listed_and_walked_into_in_reading_order() -> None:
    deepest = _tar([("etc/passwd", b"root:x:0:0\n")])
    inner = _zip([("rootfs.tar.gz", gzip.compress(deepest, mtime=0)), ("notes.txt", b"text\n")])
    rows, _ = _list(_tar([("first", b"1"), ("update.zip", inner), ("last", b"2")]))
    assert [row.path for row in rows] == [
        "dump.bin!first",
        "dump.bin!update.zip",
        "dump.bin!update.zip!rootfs.tar.gz",
        "dump.bin!update.zip!rootfs.tar.gz!rootfs.tar",
        "dump.bin!update.zip!rootfs.tar.gz!rootfs.tar!etc/passwd",
        "dump.bin!update.zip!notes.txt",
        "dump.bin!last",
    ]
    assert rows[4].container == "dump.bin!update.zip!rootfs.tar.gz!rootfs.tar"
    assert rows[4].inside == ("update.zip", "rootfs.tar.gz", "rootfs.tar")


@settings(max_examples=10)
@given(st.integers(1, 3000), st.integers(0, 99))
def test_a_container_inside_other_bytes_is_named_after_format_and_offset(before: int, seed: int) -> None:
    noise = random.Random(seed).randbytes(before)  # noqa: S311  # filler
    packed = _zip([("a.txt", b"hello, hello, hello\n")])
    rows, _ = _list(noise + packed)
    label = f"zip@{before:#x}"
    found = {row.path: row for row in rows}
    container = found[f"dump.bin!{label}"]
    assert (container.kind, container.sha256) == ("container", hashlib.sha256(packed).hexdigest())
    assert found[f"dump.bin!{label}!a.txt"].sha256 == hashlib.sha256(b"hello, hello, hello\n").hexdigest()


def test_identical_content_is_looked_into_once_and_the_copy_says_where() -> None:
    inner = _zip([("a.txt", b"hello\n")])
    for with_digests in (True, False):
        rows, _ = _list(_tar([("one.zip", inner), ("two.zip", inner)]), with_digests=with_digests)
        assert [(row.path, row.same_as) for row in rows] == [
            ("dump.bin!one.zip", ""),
            ("dump.bin!one.zip!a.txt", ""),
            ("dump.bin!two.zip", "dump.bin!one.zip"),
        ]
        assert bool(rows[0].sha256) == with_digests


def test_links_folders_and_devices_are_listed_with_their_rights() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind, target in (
            ("bin", tarfile.DIRTYPE, ""),
            ("bin/sh", tarfile.SYMTYPE, "busybox"),
            ("bin/ash", tarfile.LNKTYPE, "bin/busybox"),
            ("dev/console", tarfile.CHRTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.uid = kind, target, 0o4755, 7
            info.devmajor, info.devminor = (5, 1) if kind == tarfile.CHRTYPE else (0, 0)
            archive.addfile(info)
    rows, _ = _list(packed.getvalue())
    assert [row.kind for row in rows] == ["folder", "symbolic-link", "hard-link", "character-device"]
    entries = [row.entry for row in rows if row.entry is not None]
    assert {(entry.mode, entry.uid) for entry in entries} == {(0o4755, 7)}
    assert [entry.target for entry in entries] == ["", "busybox", "bin/busybox", ""]
    assert entries[3].device == (5, 1)
    assert {(row.size, row.content, row.sha256) for row in rows} == {(0, None, "")}


def test_a_hard_link_has_the_digest_of_the_file_it_stands_for() -> None:
    packed = io.BytesIO(_tar([("bin/busybox", b"program")]))
    with tarfile.open(fileobj=packed, mode="a") as archive:
        for target in ("bin/busybox", "nowhere"):
            info = tarfile.TarInfo(f"link-to-{target}")
            info.type, info.linkname = tarfile.LNKTYPE, target
            archive.addfile(info)
    rows, _ = _list(packed.getvalue())
    digest = hashlib.sha256(b"program").hexdigest()
    assert [(row.size, row.sha256) for row in rows] == [(7, digest), (7, digest), (0, "")]


def test_the_number_of_threads_changes_nothing() -> None:
    noise = random.Random(1)  # noqa: S311  # filler
    files = [(f"f{i}", noise.randbytes(noise.choice([0, 10, 5_000, 300_000]))) for i in range(150)]
    data = _zip([*files, ("inner.zip", _zip(files[:20])), ("bomb", bytes(3 << 20))])
    for limits in (Limits(unpacked_bytes=6 << 20), Limits(ratio=100, entries=160)):
        results = []
        for jobs in (1, 2, 5):
            rows, listing = _list(data, limits, jobs=jobs)
            found = [(row.path, row.size, row.sha256, row.same_as) for row in rows]
            hits = listing.budget.hits.sentences()
            results.append((found, listing.unread.rows(), hits, listing.budget.unpacked_bytes))
        assert results[0] == results[1] == results[2]
        assert results[0][1]
        assert results[0][2]


def test_large_files_do_not_all_wait_in_memory() -> None:
    sizes = [9 << 20] * 6
    data = _zip([(f"f{i}", bytes([i]) * size) for i, size in enumerate(sizes)])
    rows, _ = _list(data, Limits(ratio=100_000, total_ratio=100_000))
    assert [row.size for row in rows] == sizes


def test_a_bomb_is_listed_as_unread_and_the_rest_is_read() -> None:
    rows, listing = _list(_zip([("bomb", bytes(50 << 20)), ("note", b"a note\n")]), Limits(ratio=100))
    assert [(row.name, bool(row.sha256)) for row in rows] == [("bomb", False), ("note", True)]
    assert [unread.path for unread in listing.unread.rows()] == ["dump.bin!bomb"]
    assert listing.budget.hits.sentences()


def test_when_all_may_be_unpacked_was_names_are_still_listed() -> None:
    data = _zip([(f"f{i}", bytes([i]) * (1 << 20)) for i in range(9)])
    rows, listing = _list(data, Limits(unpacked_bytes=4 << 20))
    assert [row.size for row in rows] == [1 << 20] * 9
    assert [bool(row.sha256) for row in rows] == [True] * 4 + [False] * 5
    assert listing.unread.total_bytes == 5 << 20


def test_nests_end_at_the_depth_limit_with_a_line() -> None:
    data = b"\xff\0 the bottom"
    for _ in range(6):
        data = bz2.compress(data)
    rows, listing = _list(data, Limits(depth=3))
    assert len(rows) == 4
    assert [unread.reason for unread in listing.unread.rows()] == ["nested deeper than 3 levels"]


def test_what_is_not_entered_is_not_even_read() -> None:
    inner = _zip([("a.txt", b"hello\n")])
    data = _tar([("one.zip", inner)])
    rows, _ = _list(data, with_digests=False, is_entered=lambda _path: False)
    assert [(row.path, row.content) for row in rows] == [("dump.bin!one.zip", None)]
    rows, _ = _list(b"\x7f" * 9 + inner, is_entered=lambda _path: False)
    assert [row.kind for row in rows] == ["container"]


def _made_up(entries: Callable[[Span], Iterable[Entry]]) -> dict[str, ImageFormat]:
    """A format that starts with MADEUP and has the entries that a test wants."""

    def opens(span: Span, _limits: Limits) -> Opened:
        if not span.window.starts_with(b"MADEUP"):
            raise FormatError("not here")
        return Opened(
            size=span.size, kind=RegionKind.CONTAINER, title="Made up", entries=entries(span), limits_hit=("too many",)
        )

    made_up = ImageFormat(
        name="made-up",
        title="Made up",
        source="this test",
        limits="all",
        open=opens,
        magics=(Magic(rb"MADEUP"),),
        example=bytes,
    )
    return {"made-up": made_up}


def _entry(name: str, data: bytes, claimed: int | None = None) -> Entry:
    def read(most: int) -> bytes:
        if len(data) > most:
            raise LimitExceeded("entry_bytes", f"unpacks to more than {most} bytes")
        return data

    return Entry(name=name, packed_bytes=1, unpacked_bytes=claimed, read=read)


def test_an_entry_that_does_not_say_its_size_is_listed_with_it() -> None:
    rows, _ = _list(b"MADEUP", formats=_made_up(lambda _span: [_entry("x", b"12345")]))
    assert [row.size for row in rows] == [5]
    rows, _ = _list(
        b"MADEUP",
        formats=_made_up(lambda _span: [_entry("x", b"12345")]),
        with_digests=False,
        is_entered=lambda _p: False,
    )
    assert [row.size for row in rows] == [None]


def test_an_entry_that_lies_about_its_size_is_stopped() -> None:
    rows, listing = _list(b"MADEUP", formats=_made_up(lambda _span: [_entry("x", bytes(2 << 20), claimed=10)]))
    assert [row.size for row in rows] == [10]
    assert [unread.reason for unread in listing.unread.rows()] == [f"unpacks to more than {1 << 20} bytes"]
    assert listing.budget.unpacked_bytes == 1 << 20


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FormatError("its directory is damaged"), "its directory is damaged"),
        (LimitExceeded("depth", "its folders are too deep"), "its folders are too deep"),
        (ZeroDivisionError("oh"), "this is a defect, please report it"),
    ],
)
def test_a_directory_that_cannot_be_read_to_its_end_says_so(error: Exception, told: str) -> None:
    def entries(_span: Span) -> Iterator[Entry]:
        yield _entry("first", b"1")
        raise error

    rows, listing = _list(b"MADEUP", formats=_made_up(entries))
    assert [row.name for row in rows] == ["first"]
    assert [told in unread.reason for unread in listing.unread.rows()] == [True]
    assert "too many: 'dump.bin'" in listing.budget.hits.sentences()


@pytest.mark.parametrize("error", [FormatError("is damaged"), ZeroDivisionError("oh")])
def test_an_entry_that_cannot_be_read_is_told_and_the_next_one_is_read(error: Exception) -> None:
    def fail(_most: int) -> bytes:
        raise error

    bad = Entry(name="bad", packed_bytes=1, unpacked_bytes=100, read=fail)
    rows, listing = _list(b"MADEUP", formats=_made_up(lambda _span: [bad, _entry("good", b"12")]))
    assert [(row.name, bool(row.sha256)) for row in rows] == [("bad", False), ("good", True)]
    assert len(listing.unread.named) == 1
    assert listing.budget.unpacked_bytes == 2


def _with_parts(*, settled: bool) -> dict[str, ImageFormat]:
    """A format that starts with PARTED, leaves 6 bytes and a memory as they are, and looks inside."""

    def opens(span: Span, _limits: Limits) -> Opened:
        if not span.window.starts_with(b"PARTED"):
            raise FormatError("not here")
        parts = (
            Part(start=0, end=6, title="head", kind=RegionKind.METADATA),
            Part(start=6, end=span.size, title="rest", kind=RegionKind.DATA, look_inside=True, settled=settled),
        )
        return Opened(size=span.size, kind=RegionKind.CONTAINER, title="Parted", parts=parts)

    parted = ImageFormat(
        name="parted", title="Parted", source="this test", limits="all", open=opens, whole_file_only=True, example=bytes
    )
    return {**FORMATS, "parted": parted}


@pytest.mark.parametrize("settled", [True, False])
def test_containers_in_the_parts_of_others_are_found(settled: bool) -> None:
    packed = _zip([("a.txt", b"hello\n")])
    rows, _ = _list(b"PARTED" + packed, formats=_with_parts(settled=settled))
    assert [row.path for row in rows] == ["dump.bin!zip@0x6", "dump.bin!zip@0x6!a.txt"]
    _, listing = _list(b"PARTED" + packed, Limits(depth=0), _with_parts(settled=settled))
    assert [unread.reason for unread in listing.unread.rows()] == ["nested deeper than 0 levels"]


def test_containers_in_the_memory_of_a_device_are_found() -> None:
    packed = _zip([("a.txt", b"hello\n")])
    lines = []
    for at in range(0, len(packed), 16):
        record = bytes([len(packed[at : at + 16]), at >> 8, at & 0xFF, 0]) + packed[at : at + 16]
        lines.append(f":{record.hex().upper()}{-sum(record) & 0xFF:02X}\n")
    rows, _ = _list(("".join(lines) + ":00000001FF\n").encode())
    assert [row.path for row in rows] == ["dump.bin!zip@0x9", "dump.bin!zip@0x9!a.txt"]


def test_texts_are_not_searched_however_long() -> None:
    text = b"a line of text\n" * 100
    rows, _ = _list(_tar([("text", text), ("long", text + b"\0 and more"), ("huge", b"text " * (4 << 20))]))
    assert [row.path.count("!") for row in rows] == [1, 1, 1]


def _elf(segment: int, kind: int = 3, *, bits: int = 64, row_bytes: int | None = None, content: bytes = b"") -> bytes:
    """An ELF file of the type ``kind`` whose second segment has the type ``segment``, without sections."""
    head, row = ("<HHIQQQIHHHHHH", "<IIQQQQQQ") if bits == 64 else ("<HHIIIIIHHHHHH", "<8I")
    size, each = 16 + struct.calcsize(head), struct.calcsize(row)
    end = size + 2 * each + len(content)
    header = struct.pack(head, kind, 62, 1, 0, size, end, 0, size, row_bytes or each, 2, 64, 0, 0)
    start = size + 2 * each
    if bits == 64:
        rows = struct.pack(row, 1, 5, start, 0x1000, 0x1000, len(content), len(content), 16)
        rows += struct.pack(row, segment, 4, start, 0x1000, 0x1000, 0, 0, 8)
    else:
        rows = struct.pack(row, 1, start, 0x1000, 0x1000, len(content), len(content), 5, 16)
        rows += struct.pack(row, segment, start, 0x1000, 0x1000, 0, 0, 4, 8)
    return b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9) + header + rows + content


NOTE, DYNAMIC, INTERPRETER, RELOCATABLE = 4, 2, 3, 1
PACKED = _zip([("a.txt", b"hello\n")])


@pytest.mark.parametrize(
    ("data", "is_searched"),
    [
        (_elf(DYNAMIC, content=PACKED), False),
        (_elf(INTERPRETER, bits=32, content=PACKED), False),
        (_elf(NOTE, RELOCATABLE, content=PACKED), False),
        (_elf(NOTE, content=PACKED), True),  # a kernel
        (_elf(DYNAMIC, content=b"code") + bytes(5000) + PACKED, True),  # appended to a program
        (_elf(DYNAMIC, row_bytes=9) + bytes(64) + PACKED, True),
        (b"\x7fELF\x02\x01\x01" + bytes(9) + PACKED, True),
        (_elf(DYNAMIC)[:100], False),
    ],
)
def test_programs_of_an_operating_system_are_passed_over_kernels_are_not(
    data: bytes,
    is_searched: bool,
) -> None:
    rows, _ = _list(_tar([("file", data)]))
    assert any(row.name == "a.txt" for row in rows) == is_searched


def test_reading_stops_when_nobody_wants_more_rows() -> None:
    listing = Listing(FORMATS, Budget(DEFAULTS, 0), with_digests=True)
    rows = listing.rows(Span("dump.bin", Window.of(_zip([(f"f{i}", b"text\n") for i in range(200)]))))
    assert next(rows).name == "f0"
    rows.close()


def test_a_memory_without_containers_lists_nothing() -> None:
    rows, listing = _list(FORMATS["intel-hex"].example())
    assert (rows, listing.unread.rows()) == ([], ())
