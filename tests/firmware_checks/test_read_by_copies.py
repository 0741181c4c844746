"""Copies of the process that read a large container change nothing but the time it takes."""

import gzip
import hashlib
import io
import os
import random
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from firmware_checks.format import Entry, EntryKind, ImageFormat
from firmware_checks.listing import Listing
from firmware_checks.outline import Batch, Member, Members, Outline, pack_batch, pack_outlines, unpack_batch
from firmware_checks.outline import unpack_outlines as unpacked
from firmware_checks.read_ahead import LEAST_COPIED_BYTES, LEAST_COPIED_ENTRIES
from firmware_checks.span import Span
from toolkit.core.limits import Budget, Limits
from toolkit.core.registry import discover
from toolkit.core.window import Window

FORMATS = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
NOISE = random.Random(11)  # noqa: S311  # filler, not a secret
FILLER = [(f"filler/{i}", bytes([i]) * (LEAST_COPIED_BYTES // LEAST_COPIED_ENTRIES)) for i in range(70)]


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "filler/1"
        archive.addfile(link)
    return packed.getvalue()


def _zip(files: Iterable[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _nested() -> list[tuple[str, bytes]]:
    """Contents with all that can be inside: one file, several, none, containers, damage, bombs, and copies of these."""
    page = gzip.compress(b"a manual page\n" * 40, mtime=0)
    several = _zip([(f"f{i}", NOISE.randbytes(100)) for i in range(5)])
    return [
        ("man/page.gz", page),
        ("man/same.gz", page),
        ("several.zip", several),
        ("deep.zip", _zip([("inner.zip", several), ("note", b"a note\n")])),
        ("packed.tar.gz", gzip.compress(_tar([("etc/passwd", b"root:x:0:0\n"), ("page.gz", page)]), mtime=0)),
        ("with tail.gz", page + b"\0\1 and more"),
        ("in noise", b"\0" + NOISE.randbytes(300) + several),
        ("like gzip", b"\0\x1f\x8b\x08\x00" + NOISE.randbytes(500)),
        ("damaged.gz", page[:-30] + bytes(8)),
        ("damaged.zip", several[:60] + b"\xff" * 9 + several[69:]),
        ("bomb.gz", gzip.compress(bytes(40 << 20), mtime=0)),
        ("bomb.zip", _zip([("zeros", bytes(20 << 20))])),
        ("empty", b""),
        ("large.gz", gzip.compress(NOISE.randbytes(60_000), mtime=0)),
        ("program", FORMATS["elf"].example()),
    ]


NESTED = _nested()
IMAGE = _tar([*FILLER[:30], *NESTED, *FILLER[30:]])


def _told(data: bytes, limits: Limits, jobs: int, *, with_digests: bool = True) -> list[object]:
    listing = Listing(FORMATS, Budget(limits, len(data)), jobs=jobs, with_digests=with_digests)
    rows = [
        (row.path, row.kind, row.size, row.sha256, row.same_as, row.entry and (row.entry.mode, row.entry.offset))
        for row in listing.rows(Span("dump.bin", Window.of(data)))
    ]
    budget = listing.budget
    return [
        rows,
        listing.unread.rows(),
        budget.hits.sentences(),
        budget.entries,
        budget.unpacked_bytes,
        budget.attempts,
    ]


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(entry_bytes=1 << 20, ratio=50),
        Limits(unpacked_bytes=40 << 20, entry_bytes=1 << 20),
        Limits(unpacked_bytes=60 << 20),
        Limits(entries=75),
        Limits(entries=88),
        Limits(attempts=2),
        Limits(depth=1),
        Limits(depth=0),
        Limits(unread=1),
    ],
    ids=lambda limits: str(
        {f: getattr(limits, f) for f in limits.__slots__ if getattr(limits, f) != getattr(Limits(), f)}
    ),
)
def test_copies_tell_what_one_reader_tells(limits: Limits) -> None:
    alone = _told(IMAGE, limits, 1)
    assert _told(IMAGE, limits, 2) == alone
    assert _told(IMAGE, limits, 3) == alone


def test_without_digests_copies_tell_the_same_too() -> None:
    assert _told(IMAGE, Limits(), 2, with_digests=False) == _told(IMAGE, Limits(), 1, with_digests=False)


def test_one_large_container_inside_another_is_read_by_threads() -> None:
    outer = _tar([*FILLER, ("inner.tar", _tar(FILLER))])
    limits = Limits(total_ratio=1000)
    assert _told(outer, limits, 2) == _told(outer, limits, 1)


def test_where_other_threads_are_at_work_threads_read() -> None:
    goes_on = threading.Event()
    thread = threading.Thread(target=goes_on.wait)
    thread.start()
    try:
        assert _told(IMAGE, Limits(), 2) == _told(IMAGE, Limits(), 1)
    finally:
        goes_on.set()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has copies of a process")
def test_listing_that_is_given_up_leaves_no_process() -> None:
    before = _children()
    listing = Listing(FORMATS, Budget(Limits(), len(IMAGE)), with_digests=True)
    rows = listing.rows(Span("dump.bin", Window.of(IMAGE)))
    assert next(rows).name == "filler/0"
    assert _children() > before
    rows.close()
    assert _children() == before


def _children() -> set[str]:
    me = os.getpid()
    return set(Path(f"/proc/{me}/task/{me}/children").read_text().split())


def test_what_copies_tell_arrives_as_it_was_sent() -> None:
    entry = Entry(
        name="ä/\\x00", packed_bytes=3, unpacked_bytes=None, kind=EntryKind.BLOCK_DEVICE, mode=0o4755, device=(8, 1),
        extended={"security.capability": b"\x01\0"},
    )  # fmt: skip
    member = Member.of(entry, 7, hashlib.sha256(b"x").hexdigest(), "program")
    sent = [None, Outline(1, "", "n", Members("aa", 2, [member]), None), Outline(3, "bb", "", None, b"abc")]
    assert unpacked(pack_outlines(sent)) == sent
    again = member.entry
    assert {n: getattr(again, n) for n in Member._fields[3:]} == {n: getattr(entry, n) for n in Member._fields[3:]}
    assert unpack_batch(pack_batch(Batch(5, [1, None]))) == Batch(5, [1, None])
    assert Members("aa", 0, [member, member._replace(kind=EntryKind.FILE)]).unpacked_bytes == 7
