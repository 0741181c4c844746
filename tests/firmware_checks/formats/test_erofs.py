import lzma
import os
import random
import shutil
import stat
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lz4.block  # type: ignore[import-untyped]  # has no type stubs
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.erofs import FORMAT
from firmware_checks.readers.erofs_map import lz4_start
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

BLOCK = 4096
SLOT = 32
MOST = 1 << 24
DATA = 16
"""First block of file contents in the images built here; inodes are in the blocks from 1 on."""
FLAT, FULL, INLINE, COMPACT, CHUNKS = range(5)
PLAIN, HEAD_1, NOT_HEAD, HEAD_2 = range(4)
COMPACT_2B, BIG_1, BIG_2, INLINE_TAIL, INTERLACED, FRAGMENT_TAIL = (1 << bit for bit in range(6))
COUNT = 1 << 11
REGULAR, FOLDER, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("system.img", Window.of(data)), limits)


def _read(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(MOST) for entry in opened.entries if entry.kind is EntryKind.FILE}


class _Image:
    """Builds an EROFS image."""

    def __init__(self) -> None:
        self.inodes = bytearray()
        self.blocks: list[bytes] = []
        self.packed_inode = 0
        self.features = 1
        self.attribute_block = 0

    def store(self, data: bytes) -> int:
        """Put ``data`` into blocks of their own; return the first."""
        first = DATA + len(self.blocks)
        self.blocks += [data[at : at + BLOCK].ljust(BLOCK, b"\0") for at in range(0, len(data), BLOCK)]
        return first

    def next_end(self) -> int:
        """Return the place where the next compact inode without attributes will end."""
        return BLOCK + -(-len(self.inodes) // SLOT) * SLOT + 32

    def inode(
        self,
        mode: int,
        layout: int,
        size: int,
        data: int,
        after: bytes = b"",
        *,
        attributes: bytes = b"",
        wide: int = 0,
    ) -> int:
        """Add an inode; return its number. ``wide`` is the time of a large one."""
        self.inodes += bytes(-len(self.inodes) % SLOT)
        number = len(self.inodes) // SLOT
        words = (len(attributes) - 12) // 4 + 1 if attributes else 0
        if wide:
            head = struct.pack("<HHHHQIIIIQII16x", layout << 1 | 1, words, mode, 0, size, data, 0, 7, 8, wide, 0, 1)
        else:
            head = struct.pack("<HHHHIIIIHHI", layout << 1, words, mode, 1, size, 0, data, 0, 7, 8, 0)
        self.inodes += head + attributes + after
        return number

    def file(self, content: bytes) -> int:
        """Add a file whose end stands behind its inode."""
        rest = len(content) % BLOCK
        first = self.store(content[: len(content) - rest])
        return self.inode(REGULAR, INLINE, len(content), first, content[len(content) - rest :])

    def folder(self, names: dict[bytes, int]) -> int:
        """Add a folder."""
        listed = [b".", b"..", *names] if names else [b"."]
        rows, texts = b"", b""
        for name in listed:
            rows += struct.pack("<QHBx", names.get(name, 0), 12 * len(listed) + len(texts), 0)
            texts += name
        return self.inode(FOLDER, INLINE, len(rows + texts), 0, rows + texts)

    def image(self, root: int) -> bytes:
        """Return the image."""
        count = DATA + len(self.blocks)
        head = struct.pack(
            "<IIIBBHQQIIII16s16sIHHHBBIQ24x", 0xE0F5E1E2, 0, 0, 12, 0, root, 9, 1_735_732_800, 0, count, 1,
            self.attribute_block, bytes(16), b"", self.features, 0xF, 0, 0, 0, 0, 0, self.packed_inode,
        )  # fmt: skip
        block = (bytes(1024) + head).ljust(BLOCK, b"\0")
        assert len(self.inodes) <= (DATA - 1) * BLOCK
        return block + bytes(self.inodes).ljust((DATA - 1) * BLOCK, b"\0") + b"".join(self.blocks)


def _of(image: _Image, **files: int) -> Opened:
    """Open ``image`` with these files in its root folder."""
    return _open(image.image(image.folder({name.encode(): number for name, number in files.items()})))


def _one(image: _Image, number: int) -> Entry:
    (entry,) = _of(image, file=number).entries
    return entry


def _lzma(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 1 << 16}]
    return bytes([~93 & 0xFF]) + lzma.compress(data, lzma.FORMAT_RAW, filters=filters)[1:]


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _lz4(data: bytes) -> bytes:
    return bytes(lz4.block.compress(data, store_size=False))


PACKERS = [_lz4, _lzma, _deflate, zstandard.compress]


@dataclass
class _Piece:
    start: int
    kind: int
    block: int
    blocks: int


def _index(pieces: Sequence[_Piece], size: int, *, big: int) -> list[tuple[int, int, int, int]]:
    """Return for each cluster its kind, where the piece starts in it, its block, and blocks of the piece before it."""
    rows: list[tuple[int, int, int, int]] = []
    by_cluster = {piece.start // BLOCK: piece for piece in pieces}
    last = pieces[0]
    for number in range(-(-size // BLOCK)):
        if number in by_cluster:
            last = by_cluster[number]
            rows.append((last.kind, last.start % BLOCK, last.block, 0))
        else:
            is_first = number == last.start // BLOCK + 1
            counted = big & (BIG_2 if last.kind == HEAD_2 else BIG_1) and is_first
            rows.append((NOT_HEAD, 0, number - last.start // BLOCK, COUNT | last.blocks if counted else 0))
    return rows


def _full(rows: Sequence[tuple[int, int, int, int]], partial: int = 0) -> bytes:
    packed = b"".join(
        struct.pack("<HHI", kind | partial * (kind != NOT_HEAD), offset, count or block)
        for kind, offset, block, count in rows
    )
    return bytes(8) + packed


def _compact(rows: Sequence[tuple[int, int, int, int]], start: int, *, big: int, two: bool) -> bytes:
    """Pack the index as ``mkfs.erofs`` does: pairs, then sixteens where they stand aligned, then pairs."""
    first = min(-start % 32 // 4, len(rows))
    large = (len(rows) - first) // 16 * 16 if two else 0
    packed = b""
    for begin, end, in_pack in ((0, first, 2), (first, first + large, 16), (first + large, len(rows), 2)):
        for at in range(begin, end, in_pack):
            packed += _pack(rows[at : min(at + in_pack, end)], in_pack, big=big)
    return packed


def _pack(rows: Sequence[tuple[int, int, int, int]], count: int, *, big: int) -> bytes:
    width = 16 if count == 2 else 14
    bits, base = 0, 0
    heads = [row for row in rows if row[0] != NOT_HEAD]
    if heads:
        before = rows[0][3] & ~COUNT if rows[0][0] == NOT_HEAD else 0
        base = heads[0][2] - (0 if big else 1) - before
    for index, (kind, offset, block, blocks) in enumerate(rows):
        low = offset if kind != NOT_HEAD else blocks or block
        bits |= (kind << 12 | low) << width * index
    return bits.to_bytes(count * (4 if count == 2 else 2) - 4, "little") + struct.pack("<I", base & 0xFFFF_FFFF)


def _header(advice: int, algorithms: int = 0, low: int = 0, high: int = 0, cluster_bits: int = 0) -> bytes:
    return struct.pack("<HHHBB", low, high, advice, algorithms, cluster_bits)


def _content(noise: random.Random, size: int) -> bytes:
    """Return bytes that compress well, but not to nothing."""
    words = [noise.randbytes(6) for _ in range(12)]
    return b"".join(noise.choice(words) for _ in range(size // 6 + 1))[:size]


@given(
    algorithm=st.integers(0, 3),
    lengths=st.lists(st.integers(BLOCK + 1, 5 * BLOCK), min_size=1, max_size=9),
    layout=st.sampled_from(["full", "compact", "compact 2B"]),
    second=st.booleans(),
    gap=st.integers(0, 3),
    seed=st.integers(0, 9999),
)
def test_what_is_packed_is_read_back(
    algorithm: int, lengths: list[int], layout: str, second: bool, gap: int, seed: int
) -> None:
    noise = random.Random(seed)  # noqa: S311  # content, not a secret
    content = _content(noise, sum(lengths))
    image, pieces, start = _Image(), [], 0
    for length in lengths:
        packed = PACKERS[algorithm](content[start : start + length])
        blocks = -(-len(packed) // BLOCK)
        block = image.store(packed.rjust(blocks * BLOCK, b"\0"))
        kind = HEAD_2 if second and layout == "full" and noise.random() < 0.5 else HEAD_1
        pieces.append(_Piece(start, kind, block, blocks))
        start += length
    big = BIG_1 | BIG_2
    rows = _index(pieces, start, big=big)
    for _ in range(gap):
        image.inode(REGULAR, FLAT, 0, 0)
    two = layout == "compact 2B"
    header = _header(big | COMPACT_2B * two, algorithm << 4 | algorithm)
    index = _full(rows) if layout == "full" else _compact(rows, image.next_end() + 8, big=big, two=two)
    number = image.inode(REGULAR, FULL if layout == "full" else COMPACT, start, len(pieces), header + index)
    assert _one(image, number).read(MOST) == content


@pytest.mark.parametrize("two", [False, True])
def test_an_index_of_pieces_of_one_block_counts_the_heads(two: bool) -> None:
    noise = random.Random(1)  # noqa: S311  # content, not a secret
    image, pieces, content = _Image(), [], _content(noise, 50 * 5000)
    for start in range(0, len(content), 5000):
        packed = _lz4(content[start : start + 5000])
        pieces.append(_Piece(start, HEAD_1, image.store(packed.rjust(BLOCK, b"\0")), 1))
    rows = _index(pieces, len(content), big=0)
    index = _compact(rows, image.next_end() + 8, big=0, two=two)
    number = image.inode(REGULAR, COMPACT, len(content), 50, _header(COMPACT_2B * two) + index)
    assert _one(image, number).read(MOST) == content


def _packed_file(
    image: _Image, pieces: Sequence[_Piece], size: int, advice: int, *, tail: bytes = b"", **more: int
) -> int:
    partial = more.pop("partial", 0)
    index = _full(_index(pieces, size, big=advice), partial)
    return image.inode(REGULAR, FULL, size, 1, _header(advice, **more) + index + tail)


@pytest.mark.parametrize("advice", [0, INTERLACED])
def test_pieces_that_are_not_compressed_are_read(advice: int) -> None:
    content = random.Random(2).randbytes(BLOCK + 3000)  # noqa: S311  # content, not a secret
    image = _Image()
    pieces = [_Piece(0, PLAIN, image.store(content[:BLOCK]), 1), _Piece(BLOCK, PLAIN, image.store(content[BLOCK:]), 1)]
    assert _one(image, _packed_file(image, pieces, len(content), advice)).read(MOST) == content


def test_an_interlaced_piece_that_starts_within_a_block_is_turned() -> None:
    content = _content(random.Random(3), 5000) + random.Random(3).randbytes(3000)  # noqa: S311  # content
    image = _Image()
    first = image.store(_lz4(content[:5000]).rjust(BLOCK, b"\0"))
    plain = content[5000:]
    block = bytearray(BLOCK)
    head = 2 * BLOCK - 5000
    block[5000 - BLOCK : 5000 - BLOCK + min(len(plain), head)] = plain[:head]
    pieces = [_Piece(0, HEAD_1, first, 1), _Piece(5000, PLAIN, image.store(bytes(block)), 1)]
    assert _one(image, _packed_file(image, pieces, len(content), INTERLACED)).read(MOST) == content


def test_an_end_that_stands_behind_the_index_is_read() -> None:
    content = _content(random.Random(4), 9000)  # noqa: S311  # content, not a secret
    image = _Image()
    first = image.store(_lz4(content[:6000]).rjust(BLOCK, b"\0"))
    tail = _lz4(content[6000:])
    pieces = [_Piece(0, HEAD_1, first, 1), _Piece(6000, HEAD_1, 0, 1)]
    number = _packed_file(image, pieces, len(content), INLINE_TAIL, tail=tail, high=len(tail))
    assert _one(image, number).read(MOST) == content


@pytest.mark.parametrize("packed", [False, True])
def test_ends_and_whole_files_in_the_packed_inode_are_read(packed: bool) -> None:
    content = _content(random.Random(5), 30_000)  # noqa: S311  # content, not a secret
    image = _Image()
    if packed:
        pieces = [
            _Piece(start, HEAD_1, image.store(_lz4(content[start : start + 5000]).rjust(BLOCK, b"\0")), 1)
            for start in range(0, 30_000, 5000)
        ]
        image.packed_inode = _packed_file(image, pieces, len(content), 0)
    else:
        image.packed_inode = image.file(content)
    whole = image.inode(REGULAR, COMPACT, 12_000, 0, struct.pack("<Q", 1 << 63 | 8000))
    own = _lz4(content[:6000]).rjust(BLOCK, b"\0")
    pieces = [_Piece(0, HEAD_1, image.store(own), 1), _Piece(6000, HEAD_1, 0, 1)]
    end = _packed_file(image, pieces, 9000, FRAGMENT_TAIL, low=7000)
    far = image.inode(REGULAR, COMPACT, 12_000, 0, struct.pack("<Q", 1 << 63 | 28_000))
    every = image.inode(REGULAR, COMPACT, 30_000, 0, struct.pack("<Q", 1 << 63))
    opened = _of(image, whole=whole, end=end, far=far, every=every)
    found = {entry.name: entry for entry in opened.entries}
    assert found["every"].read(MOST) == content
    assert found["whole"].read(MOST) == content[8000:20_000]
    assert found["end"].read(MOST) == content[:6000] + content[7000:10_000]
    with pytest.raises(FormatError, match="past the end of the packed inode"):
        found["far"].read(MOST)


def test_a_packed_inode_that_is_packed_into_itself_is_refused() -> None:
    image = _Image()
    image.packed_inode = image.inode(REGULAR, COMPACT, 12_000, 0, struct.pack("<Q", 1 << 63))
    file = image.inode(REGULAR, COMPACT, 100, 0, struct.pack("<Q", 1 << 63))
    with pytest.raises(FormatError, match="packed into itself"):
        _one(image, file).read(MOST)


def test_only_the_start_of_a_piece_may_be_wanted() -> None:
    content = _content(random.Random(6), 5000)  # noqa: S311  # content, not a secret
    for algorithm, packer in enumerate(PACKERS):
        image = _Image()
        block = image.store(packer(content).rjust(BLOCK, b"\0"))
        number = _packed_file(image, [_Piece(0, HEAD_1, block, 1)], 3000, 0, partial=0x8000, algorithms=algorithm)
        assert _one(image, number).read(MOST) == content[:3000]


def test_images_without_zero_padding_have_their_packed_data_first() -> None:
    content = _content(random.Random(7), 5000)  # noqa: S311  # content, not a secret
    image = _Image()
    image.features = 0
    number = _packed_file(image, [_Piece(0, HEAD_1, image.store(_lz4(content)), 1)], 5000, 0)
    assert _one(image, number).read(MOST) == content


@given(data=st.binary(max_size=3000), repeats=st.integers(1, 20), size=st.integers(0, 60_000))
def test_the_start_of_an_lz4_block_is_unpacked(data: bytes, repeats: int, size: int) -> None:
    content = data * repeats
    assert lz4_start(_lz4(content) + b"\0\0\0", min(size, len(content))) == content[:size]


@pytest.mark.parametrize(
    ("packed", "reason"),
    [(b"", "ends early"), (b"\xf0\xff", "ends early"), (b"\x14A\x05\x00", "before its start"), (b"\x14A\0\0", "start")],
)
def test_damaged_lz4_data_is_refused(packed: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        lz4_start(packed, 100)


@pytest.mark.parametrize("algorithm", [0, 1, 2, 3, 4, 15])
@pytest.mark.parametrize("packed", [b"\xff" * 40, b"", b"\x1f" * BLOCK])
def test_damaged_pieces_are_refused(algorithm: int, packed: bytes) -> None:
    image = _Image()
    block = image.store(packed.rjust(BLOCK, b"\0"))
    number = _packed_file(image, [_Piece(0, HEAD_1, block, 1)], 9000, 0, algorithms=algorithm)
    with pytest.raises(FormatError):
        _one(image, number).read(MOST)


@pytest.mark.parametrize(
    ("layout", "size", "after"),
    [
        (FULL, 100, _header(0) + _full([(NOT_HEAD, 0, 1, 0)])),
        (FULL, 100, _header(0) + _full([(HEAD_1, 5, DATA, 0)])),
        (FULL, 5000, _header(0) + _full([(HEAD_1, 0, DATA, 0), (HEAD_1, 5000, DATA, 0)])),
        (FULL, 0xFFFF_FFFF, _header(0)),
        (COMPACT, 100, _header(0, cluster_bits=7)),
        (COMPACT, 0xFFFF_FFFF, _header(COMPACT_2B)),
        (FULL, 8192, _header(0) + _full([(PLAIN, 0, DATA, 0), (NOT_HEAD, 0, 1, 0)])),
        (FULL, 0x0100_0000, _header(0) + _full([(HEAD_1, 0, DATA, 0), *[(NOT_HEAD, 0, 1, 0)] * 4095])),
        (FULL, 100, _header(0) + _full([(HEAD_1, 0, 0x7FFF_FFFF, 0)])),
        (5, 100, b""),
        (7, 100, b""),
        (FLAT, 0xFFFF_FFFF, b""),
        (INLINE, 0xFFFF_FFFF, b""),
    ],
)
def test_a_damaged_map_is_refused(layout: int, size: int, after: bytes) -> None:
    image = _Image()
    image.store(b"x" * 100)
    with pytest.raises(FormatError):
        _one(image, image.inode(REGULAR, layout, size, DATA, after)).read(1 << 40)


def test_flat_files_are_read_back_whatever_their_size() -> None:
    image, contents = _Image(), {}
    for size in (0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 77):
        contents[f"inline{size}"] = b"i" * size
        contents[f"flat{size}"] = b"f" * size
    numbers = {
        name: image.file(data) if name[0] == "i" else image.inode(REGULAR, FLAT, len(data), image.store(data))
        for name, data in contents.items()
    }
    assert _read(_of(image, **numbers)) == contents


@pytest.mark.parametrize("indexed", [False, True])
def test_chunks_anywhere_and_holes_are_read(indexed: bool) -> None:
    image = _Image()
    second, first = image.store(b"b" * 2 * BLOCK), image.store(b"a" * 2 * BLOCK)
    blocks = [first, 0xFFFF_FFFF, second]
    table = b"".join(struct.pack("<HHI", 0, 0, b) if indexed else struct.pack("<I", b) for b in blocks)
    number = image.inode(REGULAR, CHUNKS, 5 * BLOCK, 1 | 0x20 * indexed, table)
    assert _one(image, number).read(MOST) == b"a" * 2 * BLOCK + bytes(2 * BLOCK) + b"b" * BLOCK


def test_chunks_on_another_device_are_refused_with_the_reason() -> None:
    image = _Image()
    number = image.inode(REGULAR, CHUNKS, 10, 0x20, struct.pack("<HHI", 0, 3, DATA))
    with pytest.raises(FormatError, match="another device, number 3"):
        _one(image, number).read(MOST)


def _attribute(index: int, name: bytes, value: bytes) -> bytes:
    packed = struct.pack("<BBH", len(name), index, len(value)) + name + value
    return packed + bytes(-len(packed) % 4)


def test_rights_owner_time_links_devices_and_attributes_are_told() -> None:
    image = _Image()
    shared = _attribute(6, b"selinux", b"label")
    image.attribute_block = image.store(shared)
    body = struct.pack("<IB7xI", 0, 1, 0) + _attribute(1, b"x", b"1") + _attribute(0x81, b"long", b"")
    file = image.inode(stat.S_IFREG | 0o4755, INLINE, 3, 0, b"abc", attributes=body, wide=1_000_000)
    link = image.inode(LINK, INLINE, 6, 0, b"../a\xffb")
    long_link = image.inode(LINK, FLAT, 0xFFFF, DATA)
    lost_link = image.inode(LINK, FLAT, 100, 0xFFFF_FFFF)
    device = image.inode(stat.S_IFBLK | 0o600, FLAT, 0, 0x1111_0370)
    pipe = image.inode(stat.S_IFIFO | 0o600, FLAT, 0, 0)
    odd = image.inode(0, INLINE, 1, 0, b"x")
    opened = _of(image, a=file, b=link, c=device, d=pipe, e=file, f=long_link, g=odd, h=lost_link)
    found = {entry.name: entry for entry in opened.entries}
    assert found["a"].extended == {"security.selinux": b"label", "user.x": b"1", "prefix 129: long": b""}
    assert (found["a"].mode, found["a"].uid, found["a"].gid, found["a"].modified_s) == (0o4755, 7, 8, 1_000_000)
    assert (found["b"].target, found["b"].modified_s) == ("../a\\xffb", 1_735_732_800)
    assert found["c"].device == (259, 70_000)
    assert [found[name].kind.value for name in "cdeg"] == ["block-device", "pipe", "hard-link", "file"]
    assert found["e"].target == "a"
    assert found["f"].target == found["h"].target == ""
    assert any("no known kind" in problem for problem in opened.problems)
    assert any("target of a link" in problem for problem in opened.problems)


def test_damaged_or_endless_attributes_are_told() -> None:
    image = _Image()
    cut = image.inode(REGULAR, INLINE, 0, 0, attributes=struct.pack("<IB7x", 0, 0) + b"\xff\1\xff\xff")
    far = image.inode(REGULAR, INLINE, 0, 0, attributes=struct.pack("<IB7xI", 0, 1, 0xFFFF_FFFF))
    many = image.inode(REGULAR, INLINE, 0, 0, attributes=struct.pack("<IB7x", 0, 0) + _attribute(1, b"a", b"") * 300)
    opened = _of(image, cut=cut, far=far, many=many)
    assert any("extended attributes" in problem for problem in opened.problems)
    hungry = _Image()
    files = {}
    for number in range(60):
        node = hungry.inode(REGULAR, INLINE, 0, 0)
        struct.pack_into("<H", hungry.inodes, node * SLOT + 2, 0x4000)
        files[f"f{number:02}"] = node
    hungry.inodes += bytes(9000)
    assert any("more than the image" in problem for problem in _of(hungry, **files).problems)


@pytest.mark.parametrize(
    ("name", "shown", "problem"),
    [
        (b"../x", "..\\x2fx", "leads out"),
        (b"a\0b", "a\\x00b", "hidden characters"),
        ("a\u202ecod.exe".encode(), "a\\u202ecod.exe", "hidden characters"),
        (b"a\xff", "a\\xff", "hidden characters"),
    ],
)
def test_odd_names_are_shown_and_told(name: bytes, shown: str, problem: str) -> None:
    image = _Image()
    opened = _open(image.image(image.folder({name: image.file(b"")})))
    assert list(_read(opened)) == [shown]
    assert any(problem in told for told in opened.problems)


def test_a_folder_that_contains_itself_ends() -> None:
    image = _Image()
    inner = image.folder({b"again": 0, b"file": 1})
    assert inner == 0
    image.file(b"x")
    opened = _open(image.image(image.folder({b"sub": inner})))
    assert [entry.name for entry in opened.entries] == ["sub", "sub/file"]
    assert any("contains itself" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    "rows",
    [
        struct.pack("<QHBx", 0, 0, 0),
        struct.pack("<QHBx", 0, 0xFFFF, 0),
        struct.pack("<QHBxQHBx", 0, 24, 0, 0, 20, 0) + b"ab",
        struct.pack("<QHBxQHBx", 0, 24, 0, 0, 99, 0) + b"ab",
    ],
)
def test_a_damaged_folder_is_told(rows: bytes) -> None:
    image = _Image()
    opened = _open(image.image(image.inode(FOLDER, INLINE, len(rows), 0, rows)))
    assert any("not read to its end" in problem for problem in opened.problems)


def test_folders_that_claim_more_than_the_image_end() -> None:
    image = _Image()
    opened = _open(image.image(image.inode(FOLDER, FLAT, 0xFFFF_FFFF, 0)))
    assert any("claim more than the image has" in problem for problem in opened.problems)


def test_an_inode_outside_of_the_image_is_refused_when_it_is_read() -> None:
    image = _Image()
    (entry,) = _open(image.image(image.folder({b"lost": 0xFFFF_FFFF}))).entries
    with pytest.raises(FormatError, match="its inode cannot be read"):
        entry.read(MOST)


def test_an_image_with_unknown_features_tells_that_it_was_not_read() -> None:
    image = _Image()
    image.features = 0x81
    opened = _open(image.image(image.folder({})))
    (entry,) = opened.entries
    with pytest.raises(FormatError, match="0x80"):
        entry.read(MOST)
    assert any("0x80" in problem for problem in opened.problems)


def test_the_check_sum_of_the_super_block_is_verified() -> None:
    example = bytearray(FORMAT.example())
    assert [verdict.valid for verdict in _open(bytes(example)).integrity] == [True]
    example[1024 + 64] ^= 1
    opened = _open(bytes(example))
    assert [verdict.valid for verdict in opened.integrity] == [False]
    assert opened.facts["label"] == "qump"


def test_an_image_cut_short_keeps_what_is_there() -> None:
    opened = _open(FORMAT.example()[:5000])
    (entry,) = opened.entries
    assert any("cut short" in problem for problem in opened.problems)
    with pytest.raises(FormatError):
        entry.read(MOST)


def test_more_than_may_be_read_or_listed_is_cut() -> None:
    (entry,) = _open(FORMAT.example()).entries
    assert entry.read(MOST) == b"[pump]\nrate=5\n" * 300
    with pytest.raises(LimitExceeded):
        entry.read(10)
    image = _Image()
    folder = image.folder({b"f%d" % n: image.inode(REGULAR, FLAT, 0, 0) for n in range(20)})
    opened = _open(image.image(folder), limits=Limits(entries=5))
    assert len(list(opened.entries)) == 6
    assert opened.limits_hit


@pytest.mark.parametrize(("at", "value"), [(12, b"\x08"), (12, b"\x11"), (36, bytes(4)), (90, b"\x20")])
def test_a_super_block_with_impossible_values_is_refused(at: int, value: bytes) -> None:
    data = bytearray(FORMAT.example())
    data[1024 + at : 1024 + at + len(value)] = value
    with pytest.raises(FormatError):
        _open(bytes(data))


@given(seed=st.integers(0, 10_000))
def test_any_damage_is_read_around_or_refused(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311  # damage, not a secret
    image, content = _Image(), _content(random.Random(8), 20_000)  # noqa: S311  # content
    pieces = [
        _Piece(start, HEAD_1, image.store(_lz4(content[start : start + 5000]).rjust(BLOCK, b"\0")), 1)
        for start in range(0, 20_000, 5000)
    ]
    full = _packed_file(image, pieces, len(content), 0)
    rows = _compact(_index(pieces, 20_000, big=0), image.next_end() + 8, big=0, two=False)
    packed = image.inode(REGULAR, COMPACT, 20_000, 4, _header(0) + rows)
    chunks = image.inode(REGULAR, CHUNKS, 5000, 0x20, bytes(16))
    link = image.inode(LINK, INLINE, 4, 0, b"a/bc")
    data = bytearray(image.image(image.folder({b"a": full, b"b": packed, b"c": chunks, b"d": link})))
    for _ in range(6):
        at = noise.choice([BLOCK + noise.randrange(len(image.inodes)), noise.randrange(1024, 1152)])
        data[at] = noise.choice([0, 1, 2, 0xFF, 0x7F, 0x80])
    try:
        opened = _open(bytes(data))
    except FormatError:
        return
    for entry in opened.entries:
        try:
            entry.read(MOST)
        except (FormatError, LimitExceeded):
            continue


@pytest.mark.skipif(shutil.which("mkfs.erofs") is None, reason="mkfs.erofs (erofs-utils) is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="links and rights of Unix")
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-zlz4"],
        ["-zlz4hc", "-C65536"],
        ["-zlz4", "-Elegacy-compress"],
        ["-zlz4", "-Eztailpacking,force-inode-extended"],
        ["--chunksize=4096"],
        ["-Enoinline_data"],
    ],
)
def test_an_image_made_by_mkfs_is_read_back(options: list[str], tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    noise = random.Random(9)  # noqa: S311  # content, not a secret
    files = {
        "random": noise.randbytes(50_000),
        "words": _content(noise, 400_000),
        "mixed": _content(noise, 9000) + noise.randbytes(9000) + bytes(100_000) + _content(noise, 5001),
        "empty": b"",
        "a/long name é": b"x" * 5000,
        **{f"a/b/file {n:03}": b"%d" % n for n in range(150)},
    }
    for name, content in files.items():
        (source / name).write_bytes(content)
    (source / "empty").chmod(0o4711)
    (source / "a" / "link").symlink_to("../random")
    os.link(source / "words", source / "a" / "hard")
    image = tmp_path / "image"
    program = str(shutil.which("mkfs.erofs"))
    subprocess.run([program, "--quiet", *options, str(image), str(source)], check=True, capture_output=True)
    opened = _open(image.read_bytes())
    found = {entry.name: entry for entry in opened.entries}
    hard = next(name for name, entry in found.items() if entry.kind is EntryKind.HARD_LINK)
    assert {hard, found[hard].target} == {"a/hard", "words"}
    files["a/hard"] = files["words"]
    del files[hard]
    assert _read(opened) == files
    assert (found["a/link"].target, found["empty"].mode, opened.problems) == ("../random", 0o4711, ())
    assert [verdict.valid for verdict in opened.integrity] == [True]
