"""A packed archive that is read as a stream tells what the same one tells when it is held."""

import bz2
import gzip
import hashlib
import io
import lzma
import random
import tarfile
from collections.abc import Callable, Iterator

import lz4.frame  # type: ignore[import-untyped]  # has no type stubs
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import ImageFormat
from firmware_checks.formats import tar
from firmware_checks.listing import Listing
from firmware_checks.opener import Opener
from firmware_checks.readers.packed_tar import files_of, open_packed_tar
from firmware_checks.readers.stored import Stored
from firmware_checks.readers.stream_archive import Feed, ForwardReader, feed_of
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget, Limits
from toolkit.core.registry import discover
from toolkit.core.window import Window

FORMATS = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
NOISE = random.Random(5)  # noqa: S311  # filler, not a secret
HELD = Limits()
STREAMED = Limits(held_archive_bytes=2000)
LONG_NAME = "long/" * 40 + "name"

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "gzip, several members": lambda data: b"".join(
        gzip.compress(data[at : at + 7000], mtime=0) for at in range(0, len(data), 7000)
    ),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "xz, two streams": lambda data: lzma.compress(data[:9000]) + lzma.compress(data[9000:]),
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    "lz4": lz4.frame.compress,
}


def _tar(form: int = tarfile.GNU_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        inner = io.BytesIO()
        with tarfile.open(fileobj=inner, mode="w") as deeper:
            _add(deeper, "etc/passwd", b"root:x:0:0\n")
        for name, data in (
            ("bin/sh", b"\x7fELF" + NOISE.randbytes(4000)),
            (LONG_NAME, b"at the end of a long name"),
            ("empty", b""),
            ("../out", b"traversal"),
            ("page.gz", gzip.compress(b"a page\n" * 9, mtime=0)),
            ("inner.tar", inner.getvalue()),
            ("same.tar", inner.getvalue()),
            ("noise", NOISE.randbytes(30_000)),
        ):
            _add(archive, name, data)
        for kind, target in ((tarfile.SYMTYPE, "sh"), (tarfile.LNKTYPE, "bin/sh"), (tarfile.DIRTYPE, "")):
            info = tarfile.TarInfo(f"special-{kind.decode()}")
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return packed.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


TAR = _tar()


def _listed(data: bytes, limits: Limits, *, jobs: int = 1, with_digests: bool = True) -> list[object]:
    listing = Listing(FORMATS, Budget(limits, len(data)), jobs=jobs, with_digests=with_digests)
    rows = [
        (r.path, r.kind, r.size, r.sha256, r.same_as, r.entry and (r.entry.mode, r.entry.target, r.entry.offset))
        for r in listing.rows(Span("dump.bin", Window.of(data)))
    ]
    return [rows, listing.unread.rows(), listing.budget.hits.sentences(), listing.budget.unpacked_bytes]


def _scanned(data: bytes, limits: Limits) -> list[object]:
    opener = Opener(FORMATS, (), Budget(limits, len(data)), lambda _size: None)
    roots = opener.explore(Span("dump.bin", Window.of(data)))
    rows = [region.record(0) for root in roots for region in root.walk()]
    return [rows, opener.unread.rows(), opener.budget.hits.sentences(), opener.budget.unpacked_bytes]


def _is_streamed(packed: bytes, limits: Limits) -> bool:
    opened = [f.open(Span("x", Window.of(packed)), limits) for name, f in FORMATS.items() if name in _named(packed)]
    return any(entry.archive is not None for one in opened for entry in one.entries)


def _named(packed: bytes) -> set[str]:
    starts = {
        b"\x1f\x8b": "gzip",
        b"BZ": "bzip2",
        b"\xfd7": "xz",
        b"\x28\xb5": "zstd",
        b"\x04\x22": "lz4",
        b"]\0": "lzma",
    }
    return {starts[packed[:2]]}


@pytest.mark.parametrize("packer", PACKERS)
def test_a_stream_is_listed_and_scanned_as_what_is_held(packer: str) -> None:
    packed = PACKERS[packer](TAR)
    assert (_is_streamed(packed, STREAMED), _is_streamed(packed, HELD)) == (True, False)
    for jobs in (1, 2):
        assert _listed(packed, STREAMED, jobs=jobs) == _listed(packed, HELD)
    assert _listed(packed, STREAMED, with_digests=False) == _listed(packed, HELD, with_digests=False)
    assert _scanned(packed, STREAMED) == _scanned(packed, HELD)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_that_need_a_header_of_their_own_are_read_from_a_stream(form: int) -> None:
    packed = gzip.compress(_tar(form), mtime=0)
    assert _is_streamed(packed, STREAMED)
    assert LONG_NAME in str(_listed(packed, STREAMED))
    assert _listed(packed, STREAMED) == _listed(packed, HELD)


def _changed(at: int, data: bytes) -> bytes:
    return TAR[:at] + data + TAR[at + len(data) :]


@pytest.mark.parametrize(
    "odd",
    [
        TAR[:20_000],
        TAR[:20_100],
        TAR[:-10_000] + b"not nothing",
        TAR + bytes(700),
        TAR + b"something else",
        TAR + gzip.compress(b"another file"),
        _changed(4608, b"x"),
        b"no tar at all " * 900,
    ],
    ids=["cut", "cut in a block", "no end", "zeros after", "text after", "a file after", "damaged header", "other"],
)
def test_what_is_not_one_whole_archive_is_held_as_before(odd: bytes) -> None:
    packed = gzip.compress(odd, mtime=0)
    assert not _is_streamed(packed, STREAMED)
    assert _listed(packed, STREAMED) == _listed(packed, HELD)
    assert _scanned(packed, STREAMED) == _scanned(packed, HELD)


@pytest.mark.parametrize("cut", [300, 3000])
def test_a_cut_or_damaged_stream_gives_what_can_be_unpacked(cut: int) -> None:
    packed = gzip.compress(TAR, mtime=0)
    for damaged in (packed[:-cut], packed[:-cut] + b"\xff" * 50 + packed[-cut + 50 :], packed[:-6] + b"wrong!"):
        assert _listed(damaged, STREAMED) == _listed(damaged, HELD)
        assert _scanned(damaged, STREAMED) == _scanned(damaged, HELD)


@pytest.mark.parametrize(
    "more",
    [{"entries": 5}, {"entry_bytes": 20_000}, {"unpacked_bytes": 60_000}, {"depth": 1}, {"depth": 0}, {"regions": 3}],
    ids=str,
)
def test_limits_end_a_stream_as_they_end_what_is_held(more: dict[str, int]) -> None:
    packed = gzip.compress(TAR, mtime=0)
    streamed, held = Limits(held_archive_bytes=2000, **more), Limits(**more)
    assert _listed(packed, streamed) == _listed(packed, held)
    assert _scanned(packed, streamed) == _scanned(packed, held)


def test_the_same_archive_twice_is_looked_into_once() -> None:
    outer = io.BytesIO()
    with tarfile.open(fileobj=outer, mode="w") as archive:
        for name in ("one.tar.gz", "two.tar.xz"):
            _add(archive, name, (gzip.compress if name.endswith("gz") else lzma.compress)(TAR))
    assert _listed(outer.getvalue(), STREAMED) == _listed(outer.getvalue(), HELD)
    assert _scanned(outer.getvalue(), STREAMED) == _scanned(outer.getvalue(), HELD)


def test_the_archive_itself_can_be_asked_for() -> None:
    packed = gzip.compress(TAR, mtime=0)
    listing = Listing(
        FORMATS, Budget(STREAMED, len(packed)), is_wanted=lambda path: path.endswith((".tar", "bin/sh")), jobs=1
    )
    found = {row.name: row.content for row in listing.rows(Span("dump.tar.gz", Window.of(packed)))}
    assert found["dump.tar"] == TAR
    assert found["bin/sh"] is not None
    assert found["noise"] is None


def test_a_package_is_opened_without_holding_it() -> None:
    packed = gzip.compress(TAR, mtime=0)
    held = dict(files_of(open_packed_tar("x", Window.of(packed), HELD)))
    streamed = dict(files_of(open_packed_tar("x", Window.of(packed), STREAMED)))
    assert {n: e.read(1 << 20) for n, e in streamed.items()} == {n: e.read(1 << 20) for n, e in held.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=30))
def test_it_does_not_matter_in_which_pieces_an_archive_comes(sizes: list[int]) -> None:
    feed = feed_of(TAR[:1024], HELD, lambda start, size: Stored(Window.of(TAR), start, size).read)
    assert feed is not None
    at = 0
    while at < len(TAR):
        for size in sizes:
            feed.add(TAR[at : at + size])
            at = min(len(TAR), at + size)
    opened = feed.opened()
    whole = tar.FORMAT.open(Span("x", Window.of(TAR)), HELD)
    assert opened is not None
    assert [(e.name, e.kind, e.offset, e.read(1 << 20)) for e in opened.entries] == [
        (e.name, e.kind, e.offset, e.read(1 << 20)) for e in whole.entries
    ]
    assert (opened.size, opened.facts, opened.problems) == (whole.size, whole.facts, whole.problems)


def test_a_feed_that_is_not_one_archive_tells_nothing() -> None:
    assert feed_of(b"no archive" * 90, HELD, lambda _start, _size: bytes) is None
    feed = feed_of(TAR[:1024], HELD, lambda _start, _size: bytes)
    assert isinstance(feed, Feed)
    assert feed.opened() is None
    feed.add(TAR[:512])
    feed.add(b"\xff" * 2000)
    assert feed.opened() is None


def _pieces() -> Iterator[bytes]:
    for at in range(0, len(TAR), 1000):
        yield TAR[at : at + 1000]


@given(st.lists(st.tuples(st.integers(0, len(TAR) - 1), st.integers(0, 3000)), max_size=9))
def test_a_forward_reader_reads_anything_in_any_order(asked: list[tuple[int, int]]) -> None:
    reader = ForwardReader(_pieces)
    for start, most in asked:
        size = min(most, len(TAR) - start)
        assert reader.content_at(start, size)(size) == TAR[start : start + size]


def test_a_forward_reader_keeps_to_limits_and_tells_what_is_not_there() -> None:
    reader = ForwardReader(_pieces)
    with pytest.raises(LimitExceeded):
        reader.content_at(0, 11)(10)
    with pytest.raises(FormatError):
        reader.content_at(len(TAR) - 5, 10)(10)
    assert hashlib.sha256(reader.content_at(0, len(TAR))(len(TAR))).digest() == hashlib.sha256(TAR).digest()
