import lzma
import random
import struct
import zlib

import lzallright
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats import jffs2
from firmware_checks.formats.jffs2 import BIG, DIRENT, FORMAT, INODE, LITTLE, XATTR, XREF, _Order, build_node, crc
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

both_orders = pytest.mark.parametrize("order", [LITTLE, BIG], ids=["little", "big"])
MIB = 1 << 20


def _open(data: bytes, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("flash", Window.of(data)), limits)


def _entries(data: bytes) -> dict[str, Entry]:
    return {entry.name: entry for entry in _open(data).entries}


def _header(kind: int, total: int, order: _Order = LITTLE) -> bytes:
    head = struct.pack(f"{order.sign}HHI", 0x1985, kind, total)
    return head + struct.pack(f"{order.sign}I", crc(head))


def _marker(order: _Order = LITTLE) -> bytes:
    return _header(0x2003, 12, order)


def _name(parent: int, name: bytes, inode: int, *, version: int = 1, kind: int = 8, order: _Order = LITTLE) -> bytes:
    return build_node(order, DIRENT, order.dirent, (parent, version, inode, 0, len(name), kind), name)


def _inode(
    inode: int,
    data: bytes = b"",
    *,
    version: int = 1,
    mode: int = 0o100644,
    size: int | None = None,
    at: int = 0,
    unpacked: int | None = None,
    compression: int = 0,
    order: _Order = LITTLE,
) -> bytes:
    unpacked = len(data) if unpacked is None else unpacked
    size = at + unpacked if size is None else size
    fields = (inode, version, mode, 3, 4, size, 0, 1_600_000_000, 0, at, len(data), unpacked, compression, 0, 0)
    return build_node(order, INODE, order.inode, fields, data)


@both_orders
def test_a_file_a_folder_links_and_devices_are_read_in_both_byte_orders(order: _Order) -> None:
    data = b"".join(
        [
            _marker(order),
            _name(1, b"etc", 2, kind=4, order=order),
            _inode(2, mode=0o040755, order=order),
            _name(2, b"rate", 3, order=order),
            _inode(3, b"5 ml/h", mode=0o104755, order=order),
            _name(2, b"again", 3, version=2, order=order),
            _name(1, b"link", 4, version=2, kind=10, order=order),
            _inode(4, b"etc/rate", mode=0o120777, order=order),
            _name(1, b"tty", 5, version=3, kind=2, order=order),
            _inode(5, struct.pack(f"{order.sign}H", 5 << 8 | 1), mode=0o020600, order=order),
            _name(1, b"disk", 6, version=4, kind=6, order=order),
            _inode(6, struct.pack(f"{order.sign}I", 259 << 8 | 0x44 | 1 << 20), mode=0o060600, order=order),
            _name(1, b"odd", 7, version=5, kind=6, order=order),
            _inode(7, b"123", mode=0o060600, order=order),
        ]
    )
    opened = _open(data)
    entries = {entry.name: entry for entry in opened.entries}
    assert opened.size == len(data)
    assert opened.facts["byte_order"] == order.name
    assert list(entries) == ["disk", "etc", "etc/again", "etc/rate", "link", "odd", "tty"]
    assert entries["etc"].kind is EntryKind.FOLDER
    assert entries["etc/again"].read(10) == b"5 ml/h"
    assert (entries["etc/again"].mode, entries["etc/again"].uid, entries["etc/again"].gid) == (0o4755, 3, 4)
    assert entries["etc/again"].modified_s == 1_600_000_000
    assert (entries["etc/rate"].kind, entries["etc/rate"].target) == (EntryKind.HARD_LINK, "etc/again")
    assert (entries["link"].kind, entries["link"].target) == (EntryKind.SYMBOLIC_LINK, "etc/rate")
    assert entries["tty"].device == (5, 1)
    assert entries["disk"].device == (259, 0x144)
    assert entries["odd"].device is None


def test_the_newest_piece_lies_on_top_and_the_newest_size_cuts() -> None:
    data = b"".join(
        [
            _name(1, b"log", 2),
            _inode(2, b"CCCC", version=3, at=4, size=8),
            _inode(2, b"aaaaaaaaaa", version=1),
            _inode(2, b"bb", version=2, at=2, size=10),
            _inode(2, version=4, size=6),
        ]
    )
    entry = _entries(data)["log"]
    assert entry.read(100) == b"aabbCC"
    assert entry.unpacked_bytes == 6


def test_holes_read_as_zeros_and_cost_nothing() -> None:
    hole = _inode(2, version=2, at=1, unpacked=3, compression=1, size=20)
    data = _name(1, b"log", 2) + _inode(2, b"abcdef") + hole
    assert _entries(data)["log"].read(100) == b"a\0\0\0ef" + bytes(14)


def test_a_deleted_name_is_gone_and_counted_whatever_the_order_on_flash() -> None:
    data = _name(1, b"a", 0, version=2) + _name(1, b"a", 2, version=1) + _name(1, b"b", 2, version=3) + _inode(2, b"x")
    opened = _open(data)
    assert [entry.name for entry in opened.entries] == ["b"]
    assert opened.facts["deleted_names"] == 1


def test_an_obsolete_node_is_left_out() -> None:
    stale = bytearray(_inode(2, b"new", version=9))
    struct.pack_into("<H", stale, 2, INODE & ~0x2000)
    opened = _open(_name(1, b"a", 2) + _inode(2, b"old") + bytes(stale))
    assert [entry.read(10) for entry in opened.entries] == [b"old"]
    assert opened.facts["obsolete_nodes"] == 1


PAGE = b"pump rate 5 ml/h, alarm off\n" * 60


def _rtime(data: bytes) -> bytes:
    out, after, place = bytearray(), [0] * 256, 0
    while place < len(data):
        value = data[place]
        place += 1
        back, after[value], run = after[value], place, 0
        while back < place < len(data) and data[place] == data[back] and run < 255:
            place, back, run = place + 1, back + 1, run + 1
        out += bytes([value, run])
    return bytes(out)


def _lzma(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 0x2000, "lc": 0, "lp": 0, "pb": 0}]
    return lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


@pytest.mark.parametrize(
    ("number", "packed"),
    [
        (0, PAGE),
        (2, _rtime(PAGE)),
        (6, zlib.compress(PAGE)),
        (6, zlib.compress(PAGE)[:-4] + b"\0\0\0\0"),  # the check sum at the end is not looked at, as in Linux
        (7, bytes(lzallright.LZOCompressor().compress(PAGE))),
        (8, _lzma(PAGE)),
    ],
)
def test_every_compression_in_use_is_read(number: int, packed: bytes) -> None:
    node = _inode(2, packed, unpacked=len(PAGE), compression=number)
    assert _entries(_name(1, b"a", 2) + node)["a"].read(MIB) == PAGE


@given(st.binary(max_size=300), st.integers(0, 300))
def test_rtime_of_any_bytes_ends(packed: bytes, size: int) -> None:
    assert len(jffs2._unpack_rtime(memoryview(packed), size)) <= size


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (_inode(2, b"x", unpacked=5, compression=3), "not read: rubin"),
        (_inode(2, b"x", unpacked=5, compression=77), "not read: 77"),
        (_inode(2, b"xy\xffzxyz", unpacked=5, compression=6), "damaged"),
        (_inode(2, b"xyzxyz", unpacked=5, compression=7), "damaged"),
        (_inode(2, b"\xffyzxyz", unpacked=5, compression=8), "does not unpack"),
        (_inode(2, b"x" * 99, unpacked=5, compression=7), "more than"),
        (_inode(2, b"x", unpacked=5), "does not unpack to its size"),
        (_inode(2, zlib.compress(bytes(MIB)), unpacked=MIB, compression=6), "claims to unpack"),
        (_inode(2, b"damaged")[:-2] + b"!" + _inode(2, b"damaged")[-1:], "check sum of the data"),
        (b"", "its content is not"),
    ],
)
def test_damage_is_told_when_the_file_is_read(node: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        _entries(_name(1, b"a", 2) + node)["a"].read(4 * MIB)


def test_a_file_larger_than_allowed_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        _entries(_name(1, b"a", 2) + _inode(2, size=0xFFFF_FFFF))["a"].read(MIB)


def test_a_file_of_outdated_pieces_without_end_is_refused() -> None:
    page = zlib.compress(bytes(128 << 10))
    nodes = [_inode(2, page, version=n, unpacked=128 << 10, compression=6) for n in range(170)]
    with pytest.raises(LimitExceeded, match="outdated"):
        _entries(_name(1, b"a", 2) + b"".join(nodes))["a"].read(128 << 10)


def test_damaged_names_objects_and_attributes_are_left_out_and_told() -> None:
    wrong_name = bytearray(_name(1, b"lost", 2, version=2))
    wrong_name[40] ^= 1
    wrong_inode = bytearray(_inode(2, b"x"))
    wrong_inode[20] ^= 1
    short = _header(DIRENT, 12)
    cut_data = build_node(LITTLE, INODE, LITTLE.inode, (2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0))
    opened = _open(_name(1, b"a", 2) + bytes(wrong_name) + bytes(wrong_inode) + short + cut_data + _header(0xE00F, 12))
    assert [entry.name for entry in opened.entries] == ["a"]
    assert opened.problems == ("a node is damaged and was left out: offsets 44, 88, 160, 172",)


def test_a_link_or_device_that_is_damaged_is_told() -> None:
    opened = _open(_name(1, b"a", 2, kind=10) + _inode(2, b"x", mode=0o120777, unpacked=9))
    assert [entry.target for entry in opened.entries] == [""]
    assert "a link or device could not be read" in opened.problems[0]


def _xattr(number: int, name: bytes, value: bytes, *, prefix: int = 1, version: int = 1) -> bytes:
    data = name + b"\0" + value
    fields = (number, version, prefix, len(name), len(value))
    return _with_own_sum(LITTLE.xattr.pack(*fields, crc(data), 0), XATTR, data)


def _xref(inode: int, number: int, sequence: int = 0) -> bytes:
    return _with_own_sum(LITTLE.xref.pack(inode, number, sequence, 0), XREF)


def _with_own_sum(layout: bytes, kind: int, data: bytes = b"") -> bytes:
    body = _header(kind, len(layout) + len(data)) + layout[12:-4]
    return body + struct.pack("<I", crc(body)) + data + b"\xff" * (-len(data) % 4)


def test_extended_attributes_are_read_and_those_taken_away_are_not() -> None:
    damaged = bytearray(_xattr(8, b"x", b"y"))
    damaged[33] ^= 1
    damaged_fields = bytearray(_xattr(8, b"x", b"y"))
    damaged_fields[13] ^= 1
    damaged_xref = bytearray(_xref(2, 8))
    damaged_xref[13] ^= 1
    data = b"".join(
        [
            _name(1, b"a", 2),
            _inode(2, b"x"),
            _xattr(1, b"old", b"1"),
            _xattr(1, b"site", b"ward 3", version=2),
            _xattr(1, b"older", b"1", version=0),
            _xattr(2, b"capability", b"\1\0", prefix=2),
            _xattr(3, b"gone", b"", version=0xFFFF_FFFF),
            _xref(2, 1),
            _xref(2, 2, 2),
            _xref(2, 2, 0),
            _xref(2, 3),
            _xref(2, 4),
            _xattr(5, b"loose", b""),
            _xref(2, 5, 3),
            bytes(damaged),
            bytes(damaged_fields),
            bytes(damaged_xref),
        ]
    )
    opened = _open(data)
    (entry,) = opened.entries
    assert entry.extended == {"user.site": b"ward 3", "security.capability": b"\1\0"}
    assert "a node is damaged and was left out: offsets" in opened.problems[0]


def test_folders_in_a_circle_or_without_a_name_are_shown_once() -> None:
    data = b"".join(
        [
            _name(1, b"a", 2, kind=4),
            _name(2, b"b", 3, kind=4),
            _name(3, b"back", 2, kind=4, version=2),
            _name(3, b"root", 1, kind=4),
            _name(8, b"x", 9, kind=4),
            _name(9, b"y", 8, kind=4),
            _name(9, b"file", 10, version=2),
        ]
    )
    opened = _open(data)
    assert [entry.name for entry in opened.entries] == [
        "a",
        "a/b",
        "(lost folder 8)",
        "(lost folder 8)/x",
        "(lost folder 8)/x/file",
    ]
    assert {problem.partition(":")[0] for problem in opened.problems} == {
        "a folder is named by more than one folder, or contains itself",
        "a folder has lost its name and is shown as (lost folder)",
    }


def test_names_made_to_fool_are_shown_and_told() -> None:
    names = [b"..", b"a/b", b"c\0d", b"\xff", b""]
    opened = _open(b"".join(_name(1, name, 2, version=n) for n, name in enumerate(names)))
    assert [entry.name for entry in opened.entries] == ["", "..", "a\\x2fb", "c\\x00d", "\\xff"]
    assert {problem.partition(":")[0] for problem in opened.problems} >= {
        "name leads out of the folder it is unpacked to",
        "name has slashes, which no folder can hold",
        "name has hidden characters",
        "name is empty",
    }


def test_a_path_without_end_is_cut() -> None:
    data = b"".join(_name(n, b"d" * 250, n + 1, kind=4) for n in range(1, 40))
    opened = _open(data)
    assert len(tuple(opened.entries)) < 40
    assert any("longer than 4096" in problem for problem in opened.problems)


def test_of_more_entries_than_allowed_one_too_many_is_listed() -> None:
    data = b"".join(_name(1, b"%d" % n, n, version=n, kind=4) for n in range(2, 20))
    opened = _open(data, Limits(entries=5))
    assert len(tuple(opened.entries)) == 6
    assert opened.limits_hit == ("more than 5 files and folders, the rest was not listed",)


def test_nodes_without_end_are_left() -> None:
    assert _open(_marker() * 10, Limits(entries=1)).limits_hit == ("more than 5 nodes, the rest was not read",)


def test_erased_rest_of_an_erase_block_belongs_to_it_other_bytes_do_not() -> None:
    block = (_marker() + _name(1, b"a", 2)).ljust(8192, b"\xff")
    second = _marker() + _inode(2, b"x")
    opened = _open(block + second + b"\xff" * 30_000)
    assert (opened.size, opened.facts["erase_block_bytes"]) == (16_384, 8192)
    assert _open(block + second + b"\xff" * 100).size == 8192 + len(second) + 100
    assert _open(block + second + b"other").size == 8192 + len(second)


def test_a_summary_ends_an_erase_block() -> None:
    block = (_marker() + _name(1, b"a", 2)).ljust(8192 - 16, b"\xff") + _header(0x2006, 16) + b"sums"
    assert _open(block).facts["erase_block_bytes"] == 8192


def test_nodes_behind_damaged_bytes_are_found_if_near() -> None:
    start, end = _name(1, b"a", 2), _inode(2, b"x")
    opened = _open(start + b"\0" * 400 + b"\x85\x19\x01\xe0" * 3 + b"?\x85\x19\x01\xe0..." + end)
    assert [entry.read(9) for entry in opened.entries] == [b"x"]
    assert opened.problems == ("damaged bytes between nodes were passed over: offset 44",)
    assert _open(start + b"\0" * 70_000 + end).size == len(start)
    assert _open(start + b"\xff" * 5000 + b"other" + end).size == len(start)


def test_a_second_file_system_behind_the_first_is_left_for_itself() -> None:
    first = (_marker() + _name(1, b"a", 2) + _inode(2, b"1")).ljust(8192, b"\xff")
    second = _marker() + _name(1, b"b", 2) + _inode(2, b"2")
    opened = _open(first + second)
    assert [(entry.name, entry.read(9)) for entry in opened.entries] == [("a", b"1")]
    assert opened.size == len(first[: first.rindex(b"1")]) + 4
    of_one_object = _marker() + _inode(2, b"2")
    assert [entry.read(9) for entry in _open(first + of_one_object).entries] == [b"1"]
    behind_erased = first.ljust(65_536, b"\xff") + second[12:]
    assert [entry.name for entry in _open(behind_erased).entries] == ["a"]


def test_two_versions_in_one_erase_block_are_both_kept() -> None:
    opened = _open(_name(1, b"a", 2) + _name(1, b"b", 2))
    assert [entry.name for entry in opened.entries] == ["a", "b"]


@pytest.mark.parametrize("data", [b"", b"\x85\x19\x01\xe0", _name(1, b"a", 2)[:-8], bytes(99), b"\xff" * 99])
def test_other_bytes_are_no_jffs2(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@settings(max_examples=150)
@given(seed=st.integers(0, 1 << 32))
def test_nodes_with_right_sums_and_wild_fields_do_no_harm(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311  # filler, not a secret
    wild = [0, 1, 2, 3, 7, 8, 0o40755, 0o120777, 0o20600, 255, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF]
    nodes = [_name(1, b"a", 2), _inode(2, b"x")]
    for _ in range(noise.randrange(1, 12)):
        data = noise.randbytes(noise.randrange(30))
        few = [noise.choice(wild) for _ in range(13)]
        if noise.random() < 0.5:
            fields = (few[0] % 6, few[1], few[2] % 6, few[3], len(data), few[4] % 16)
            nodes.append(build_node(LITTLE, DIRENT, LITTLE.dirent, fields, data))
        else:
            short = (few[3] & 0xFFFF, few[4] & 0xFFFF)
            last = (noise.choice([len(data), few[9]]), few[10], few[11] % 10, few[12] & 0xFF, 0)
            fields = (few[0] % 6, few[1], few[2], *short, *few[4:9], *last)
            nodes.append(build_node(LITTLE, INODE, LITTLE.inode, fields, data))
    for entry in _open(b"".join(nodes)).entries:
        try:
            assert len(entry.read(MIB)) <= MIB
        except (FormatError, LimitExceeded):
            continue
