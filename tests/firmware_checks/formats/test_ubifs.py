import random
import struct
import zlib

import lzallright
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.ubifs import (
    BLOCK_BYTES,
    COMMIT,
    DATA,
    DENT,
    ENCRYPTED,
    FORMAT,
    INDEX,
    INO,
    KEY_TYPE_SHIFT,
    LOG_START,
    MASTER,
    PADDING,
    REFERENCE,
    ROOT,
    SUPER,
    TRUNCATION,
    XENT,
    _super_body,
    build_node,
    build_volume,
    dent_body,
    inode_body,
    node_key,
)
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MIB = 1 << 20
FILE, FOLDER, LINK, CHARACTER = 0o100644, 0o040755, 0o120777, 0o020600


def _open(data: bytes, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("volume", Window.of(data)), limits)


def _entries(data: bytes) -> dict[str, Entry]:
    return {entry.name: entry for entry in _open(data).entries}


def _leaf(kind: int, body: bytes) -> tuple[bytes, bytes]:
    return body, build_node(kind, body)


def _inode(inode: int, mode: int = FILE, size: int = 0, data: bytes = b"", **more: int) -> tuple[bytes, bytes]:
    return _leaf(INO, inode_body(inode, mode, size, data, **more))


def _name(folder: int, name: bytes, inode: int, kind: int = DENT) -> tuple[bytes, bytes]:
    return _leaf(kind, dent_body(folder, name, inode, kind))


def _data_body(inode: int, data: bytes, *, block: int = 0, size: int | None = None, compression: int = 0) -> bytes:
    return (
        node_key(inode, DATA, block) + struct.pack("<IHH", len(data) if size is None else size, compression, 0) + data
    )


def _data(
    inode: int, data: bytes, *, block: int = 0, size: int | None = None, compression: int = 0
) -> tuple[bytes, bytes]:
    return _leaf(DATA, _data_body(inode, data, block=block, size=size, compression=compression))


TREE = [_inode(ROOT, FOLDER), _name(ROOT, b"a", 65), _inode(65, size=5), _data(65, b"first")]


def test_files_folders_links_and_devices_are_read() -> None:
    wide = struct.pack("<Q", 259 << 8 | 0x44 | 1 << 20)
    leaves = [
        _inode(ROOT, FOLDER),
        _name(ROOT, b"etc", 64),
        _inode(64, FOLDER),
        _name(64, b"rate", 65),
        _name(64, b"same", 65),
        _inode(65, 0o104755, 5),
        _data(65, b"5 ml\n"),
        _name(ROOT, b"link", 66),
        _inode(66, LINK, 8, b"etc/rate"),
        _name(ROOT, b"tty", 67),
        _inode(67, CHARACTER, 0, struct.pack("<I", 5 << 8 | 1)),
        _name(ROOT, b"disk", 68),
        _inode(68, 0o060600, 0, wide),
        _name(ROOT, b"odd", 69),
        _inode(69, CHARACTER),
    ]
    entries = _entries(build_volume(leaves))
    assert list(entries) == ["disk", "etc", "etc/rate", "etc/same", "link", "odd", "tty"]
    rate = entries["etc/rate"]
    assert (rate.read(9), rate.mode, rate.modified_s) == (b"5 ml\n", 0o4755, 1_600_000_000)
    assert (entries["etc/same"].kind, entries["etc/same"].target) == (EntryKind.HARD_LINK, "etc/rate")
    assert (entries["link"].kind, entries["link"].target) == (EntryKind.SYMBOLIC_LINK, "etc/rate")
    assert (entries["tty"].device, entries["disk"].device, entries["odd"].device) == ((5, 1), (259, 0x144), None)


PAGE = (b"pump rate 5 ml/h, alarm off\n" * 150)[:BLOCK_BYTES]


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("number", "packed"),
    [
        (0, b"pump" * 50),
        (1, bytes(lzallright.LZOCompressor().compress(PAGE))),
        (2, _deflate(PAGE)),
        (3, zstandard.compress(PAGE)),
    ],
)
def test_every_compression_is_read(number: int, packed: bytes) -> None:
    size = len(packed) if number == 0 else len(PAGE)
    leaves = [*TREE[:2], _inode(65, size=size), _data(65, packed, size=size, compression=number)]
    assert _entries(build_volume(leaves))["a"].read(MIB) == (packed if number == 0 else PAGE)


def test_pages_that_are_not_there_are_zeros_and_the_size_cuts() -> None:
    leaves = [*TREE[:2], _inode(65, size=BLOCK_BYTES + 3), _data(65, b"second", block=1), _data(65, b"x", block=2)]
    assert _entries(build_volume(leaves))["a"].read(MIB) == bytes(BLOCK_BYTES) + b"sec"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_data(65, b"12345", compression=4), "impossible size or compression"),
        (_data(65, b"12345", size=BLOCK_BYTES + 1), "impossible size or compression"),
        (_data(65, b"1234", size=5), "does not unpack to its size"),
        (_data(65, b"\xff\xff\xff", size=5, compression=2), "damaged"),
        ((_data(65, b"")[0], build_node(INO, b"")), "no node of type 1"),
        ((_data(65, b"")[0], b""), "no node of type 1"),
    ],
)
def test_damage_is_told_when_the_file_is_read(data: tuple[bytes, bytes], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        _entries(build_volume([*TREE[:3], data]))["a"].read(MIB)


def test_a_file_larger_than_allowed_and_one_without_its_object_are_refused() -> None:
    entries = _entries(build_volume([*TREE[:2], _inode(65, size=1 << 60), _name(ROOT, b"b", 66)]))
    with pytest.raises(LimitExceeded):
        entries["a"].read(MIB)
    with pytest.raises(FormatError, match="its content is not"):
        entries["b"].read(MIB)


def test_an_encrypted_file_is_listed_and_not_read() -> None:
    data = build_volume([*TREE[:2], _inode(65, size=5, flags=ENCRYPTED), TREE[3]], flags=0x30)
    opened = _open(data)
    assert (opened.facts["encrypted"], opened.facts["authenticated"]) == (True, True)
    with pytest.raises(FormatError, match="is encrypted"):
        next(iter(opened.entries)).read(MIB)


def test_extended_attributes_are_read() -> None:
    leaves = [
        *TREE,
        _name(65, b"user.site", 70, XENT),
        _inode(70, FILE, 6, b"ward 3"),
        _name(65, b"user.lost", 71, XENT),
        _name(65, b"user.damaged", 72, XENT),
        (_inode(72)[0], b"no node"),
    ]
    opened = _open(build_volume(leaves))
    assert [entry.extended for entry in opened.entries] == [{"user.site": b"ward 3"}]
    assert opened.problems == ("an extended attribute is damaged and was left out: 'user.damaged', 'user.lost'",)


def test_the_journal_is_applied_in_the_order_it_was_written() -> None:
    leaves = [*TREE, _name(ROOT, b"cut", 66), _inode(66, size=9000)]
    journal = [
        build_node(DATA, _data_body(67, b"newer"), 13),
        build_node(DENT, dent_body(ROOT, b"new", 67), 10),
        build_node(INO, inode_body(67, FILE, 5), 11),
        build_node(DATA, _data_body(67, b"older"), 12),
        build_node(PADDING, struct.pack("<I", 20)) + b"\xce" * 16 + b"\xce" * 8,
        build_node(DENT, dent_body(ROOT, b"a", 0), 14),
        build_node(DENT, dent_body(ROOT, b"renamed", 65), 15),
        build_node(DATA, _data_body(66, b"page 0"), 16),
        build_node(DATA, _data_body(66, b"page 1", block=1), 17),
        build_node(TRUNCATION, struct.pack("<I12xQQ", 66, 9000, 4096), 18),
        build_node(TRUNCATION, struct.pack("<I12xQQ", 99, 9000, 4096), 18),
        build_node(INO, inode_body(66, FILE, 8192), 19),
        build_node(DENT, dent_body(ROOT, b"gone", 68), 20),
        build_node(INO, inode_body(68, FILE, 5), 21),
        build_node(INO, inode_body(68, FILE, 5, links=0), 22),
        build_node(COMMIT, bytes(8), 23),
    ]
    opened = _open(build_volume(leaves, journal))
    entries = {entry.name: entry for entry in opened.entries}
    assert list(entries) == ["cut", "gone", "new", "renamed"]
    assert entries["new"].read(MIB) == b"newer"
    assert entries["renamed"].read(MIB) == b"first"
    assert entries["cut"].read(MIB) == b"page 0".ljust(8192, b"\0")
    with pytest.raises(FormatError, match="its content is not"):
        entries["gone"].read(MIB)
    assert opened.facts["journal_nodes"] == 14


def test_damaged_nodes_of_the_journal_are_told() -> None:
    cut_name = build_node(DENT, node_key(ROOT, DENT) + struct.pack("<QBBH4x", 65, 0, 0, 99), 10)
    opened = _open(
        build_volume(
            TREE, [cut_name, build_node(INO, bytes(20), 11), build_node(INO, inode_body(9, FILE, 0, b"")[:-20], 12)]
        )
    )
    assert [entry.name for entry in opened.entries] == ["a"]
    assert len(opened.problems) == 3
    assert all("a node of the journal is damaged" in problem for problem in opened.problems)


def _with_block(data: bytes, block: int, content: bytes) -> bytes:
    start = block * BLOCK_BYTES
    return data[:start] + content.ljust(BLOCK_BYTES, b"\xff") + data[start + BLOCK_BYTES :]


def test_a_log_that_is_old_or_not_a_log_is_not_followed() -> None:
    data = build_volume(TREE, [build_node(DENT, dent_body(ROOT, b"new", 65), 10)])
    assert set(_entries(data)) == {"a", "new"}
    reference = build_node(REFERENCE, struct.pack("<III28x", 5, 0, 1), 6)
    assert set(_entries(_with_block(data, LOG_START, reference))) == {"a"}
    assert set(_entries(_with_block(data, LOG_START, b""))) == {"a"}
    start = build_node(COMMIT, bytes(8), 5)
    outside = [
        build_node(REFERENCE, struct.pack("<III28x", *place, 1), 6) for place in ((5, 9999), (99, 0), (5, 0), (5, 8))
    ]
    assert set(_entries(_with_block(data, LOG_START, start + b"".join(outside)))) == {"a", "new"}
    assert set(_entries(_with_block(data, LOG_START, start + build_node(REFERENCE, b"", 6)))) == {"a"}


def test_a_log_of_two_blocks_ends_where_its_nodes_are_older() -> None:
    data = build_volume(TREE, [build_node(DENT, dent_body(ROOT, b"new", 65), 10)])
    head = bytearray(_super_body(6, BLOCK_BYTES))
    struct.pack_into("<I", head, 56 - 24, 2)
    data = _with_block(data, 0, build_node(SUPER, bytes(head)))
    assert set(_entries(data)) == {"a", "new"}
    later_nodes = build_node(INO, TREE[0][0], 9) + b"".join(node for _, node in TREE[1:])
    assert set(_entries(data.replace(b"".join(node for _, node in TREE), later_nodes))) == {"a", "new"}


def test_without_a_master_node_or_root_all_nodes_are_gathered() -> None:
    data = build_volume(TREE, [build_node(DENT, dent_body(ROOT, b"new", 65), 10)])
    opened = _open(_with_block(_with_block(data, 1, b""), 2, b""))
    assert [entry.name for entry in opened.entries] == ["a", "new"]
    assert opened.facts["gathered_nodes"] == 5
    assert "no master node is left" in opened.problems[0]
    places = struct.pack("<QQIIIII", 99, 3, 0, LOG_START, 4, 8, 48)
    master = build_node(MASTER, places.ljust(488, b"\0"), 9)
    assert "no node of type 9" in _open(_with_block(data, 2, master)).problems[0]


def test_the_newest_master_node_counts() -> None:
    data = build_volume(TREE)
    older = build_node(MASTER, bytes(488), 0)
    assert set(_entries(_with_block(data, 2, older))) == {"a"}


def _indexed(main: bytes, *rows: tuple[int, int, int, int], level: int = 0, count: int | None = None) -> bytes:
    """Return a volume whose root index node, at the start of block 4, has ``rows`` of place, size and key."""
    branches = b"".join(struct.pack("<IIIII", 4, *row) for row in rows)
    root = build_node(INDEX, struct.pack("<HH", len(rows) if count is None else count, level) + branches)
    places = struct.pack("<QQIIIII", 99, 3, 0, LOG_START, 4, 0, len(root))
    data = _with_block(build_volume(TREE), 1, build_node(MASTER, places.ljust(488, b"\0"), 9))
    return _with_block(data, 4, root + main)


def test_damaged_branches_and_names_of_the_index_are_told() -> None:
    opened = _open(_indexed(b"", (3000, 48, ROOT, 0), level=1))
    assert "a branch of the index is damaged" in opened.problems[0]
    opened = _open(_indexed(b"", count=9))
    assert "9 branches do not fit" in opened.problems[0]
    opened = _open(_indexed(b"", (3000, 48, ROOT, DENT << KEY_TYPE_SHIFT), (0, 0, 0, 7 << KEY_TYPE_SHIFT)))
    assert "a name is damaged" in opened.problems[0]


def test_an_index_that_contains_itself_ends() -> None:
    assert tuple(_open(_indexed(b"", (0, 48, ROOT, 0), (0, 48, ROOT, 0), level=1)).entries) == ()


def test_branches_that_carry_a_hash_are_read() -> None:
    name, file = _name(ROOT, b"a", 65)[1], _inode(65)[1]
    size = 32 + 2 * 52
    rows = ((size, ROOT, DENT << KEY_TYPE_SHIFT), (size + len(name), 65, 0))
    branches = b"".join(struct.pack("<IIIII", 4, place, 0, inode, key) + bytes(32) for place, inode, key in rows)
    root = build_node(INDEX, struct.pack("<HH", 2, 0) + branches)
    data = _indexed(b"")
    assert len(root) == size
    assert set(_entries(_with_block(data, 4, root + name + file))) == {"a"}


def test_places_without_end_are_left() -> None:
    leaves = [_inode(ROOT, FOLDER), *(_name(ROOT, b"%d" % n, n) for n in range(65, 85))]
    opened = _open(build_volume(leaves, [build_node(DENT, dent_body(ROOT, b"new", 65), 10)]), Limits(entries=1))
    assert "more than 10 nodes, the rest was not read" in opened.limits_hit


def test_folders_in_a_circle_are_listed_once() -> None:
    leaves = [
        _inode(ROOT, FOLDER),
        _name(ROOT, b"a", 64),
        _inode(64, FOLDER),
        _name(64, b"b", 64),
        _name(64, b"c", ROOT),
    ]
    assert set(_entries(build_volume(leaves))) == {"a"}


def test_folders_without_a_name_are_shown_as_lost() -> None:
    leaves = [*TREE, _name(80, b"b", 65), _name(81, b"c", 66), _inode(81, FOLDER)]
    opened = _open(build_volume(leaves))
    lost = [entry.name for entry in opened.entries if entry.kind is EntryKind.FOLDER]
    assert lost == ["(lost folder 80)", "(lost folder 81)"]
    assert "(lost folder 80)/b" in {entry.name for entry in opened.entries}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(9999),
        build_node(SUPER, _super_body(6, 100)),
        build_node(SUPER, _super_body(6, 5004)),
        build_node(SUPER, _super_body(0, BLOCK_BYTES)),
        build_node(INO, _super_body(6, BLOCK_BYTES)),
        build_node(SUPER, b"\0\0\0\1" + _super_body(6, BLOCK_BYTES)[4:]),
        build_volume(TREE)[:4000],
    ],
)
def test_other_bytes_are_no_ubifs(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@settings(max_examples=150)
@given(seed=st.integers(0, 1 << 32))
def test_nodes_with_right_sums_and_wild_fields_do_no_harm(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311  # filler, not a secret
    journal = []
    for sequence in range(noise.randrange(1, 9)):
        body = bytearray(node_key(noise.choice([0, 1, 65, 0xFFFF_FFFF]), noise.randrange(4), noise.choice([0, 1, 9])))
        body += noise.randbytes(noise.randrange(160))
        if noise.random() < 0.5 and len(body) > 84:
            struct.pack_into("<I", body, 80, noise.choice([FILE, FOLDER, LINK, CHARACTER, 0]))
        journal.append(build_node(noise.randrange(12), bytes(body), sequence))
    rows = [(noise.randrange(300), 99, noise.randrange(3), noise.getrandbits(32)) for _ in range(3)]
    main = b"".join(journal)
    for data in (build_volume(TREE, journal), _indexed(main, *rows, level=noise.randrange(2))):
        for entry in _open(data).entries:
            try:
                assert len(entry.read(MIB)) <= MIB
            except (FormatError, LimitExceeded):
                continue
