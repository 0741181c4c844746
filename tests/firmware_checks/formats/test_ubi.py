import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.ubi import (
    DYNAMIC,
    EC_LAYOUT,
    FIRST_INTERNAL,
    FORMAT,
    RECORD_LAYOUT,
    STATIC,
    VID_LAYOUT,
    _with_crc,
    crc32,
)
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

BLOCK = 2048
DATA = BLOCK - 128
MIB = 1 << 20


def _counter(*, times: int = 1, sequence: int = 7, header_at: int = 64, data_at: int = 128, version: int = 1) -> bytes:
    return _with_crc(EC_LAYOUT.pack(b"UBI#", version, times, header_at, data_at, sequence, 0)[:-4])


def _block(
    volume: int,
    block: int,
    data: bytes = b"",
    *,
    kind: int = DYNAMIC,
    used: int = 0,
    sequence: int = 0,
    copied: bytes | None = None,
    unused: int = 0,
    counter: bytes = b"",
) -> bytes:
    """Return an erase block; ``copied`` is what a copy of its data was to be."""
    summed = copied if copied is not None else data if kind == STATIC else b""
    sums = (len(summed), used, unused, crc32(summed) if summed else 0)
    fields = (b"UBI!", 1, kind, copied is not None, 0, volume, block, *sums, sequence, 0)
    return ((counter or _counter()) + _with_crc(VID_LAYOUT.pack(*fields)[:-4]) + data).ljust(BLOCK, b"\xff")


def _row(name: bytes, *, kind: int = DYNAMIC, updating: int = 0, blocks: int = 9) -> bytes:
    return _with_crc(RECORD_LAYOUT.pack(blocks, 1, 0, kind, updating, len(name), name, 0, 0)[:-4])


EMPTY_ROW = _with_crc(bytes(RECORD_LAYOUT.size - 4))


def _table(*rows: bytes, copies: int = 2) -> bytes:
    table = b"".join(rows) + EMPTY_ROW * (DATA // RECORD_LAYOUT.size - len(rows))
    return b"".join(_block(FIRST_INTERNAL, copy, table) for copy in range(copies))


def _open(data: bytes) -> Opened:
    return FORMAT.open(Span("flash", Window.of(data)), Limits())


def _volumes(data: bytes) -> dict[str, bytes]:
    return {entry.name: entry.read(MIB) for entry in _open(data).entries}


def test_blocks_are_put_in_order_and_missing_ones_read_as_erased() -> None:
    data = _block(0, 2, b"C" * DATA) + _table(_row(b"rootfs")) + _block(0, 0, b"A" * DATA)
    opened = _open(data)
    (entry,) = opened.entries
    assert entry.read(MIB) == b"A" * DATA + b"\xff" * DATA + b"C" * DATA
    assert entry.offset == 3 * BLOCK + 128
    assert opened.size == len(data)
    assert opened.facts["volumes"] == (f"rootfs: dynamic, {3 * DATA} bytes",)
    assert opened.facts["erase_block_bytes"] == BLOCK


def test_a_static_volume_is_as_long_as_its_data_and_its_check_sums_are_told() -> None:
    parts = [b"1" * DATA, b"22"]
    data = _table(_row(b"kernel", kind=STATIC)) + b"".join(
        _block(0, n, part, kind=STATIC, used=2) for n, part in enumerate(parts)
    )
    opened = _open(data)
    assert [entry.read(MIB) for entry in opened.entries] == [b"".join(parts)]
    assert [verdict.valid for verdict in opened.integrity] == [True]
    damaged = bytearray(data)
    damaged[-BLOCK + 128] ^= 1
    assert [verdict.valid for verdict in _open(bytes(damaged)).integrity] == [False]


def test_a_static_volume_that_is_not_complete_is_told() -> None:
    opened = _open(_table(_row(b"kernel", kind=STATIC)) + _block(0, 1, b"22", kind=STATIC, used=2))
    assert [entry.read(MIB) for entry in opened.entries] == [b"\xff" * DATA + b"22"]
    assert opened.problems == ("a static volume is not complete and was filled up with 0xFF: 'kernel'",)
    no_end = _open(_table(_row(b"kernel", kind=STATIC)) + _block(0, 0, b"2" * DATA, kind=STATIC, used=2))
    assert [entry.read(MIB) for entry in no_end.entries] == [b"2" * DATA]


def test_the_later_of_two_states_counts_unless_it_is_an_unfinished_copy() -> None:
    table = _table(_row(b"a"))
    new, old = _block(0, 0, b"new", sequence=9), _block(0, 0, b"old", sequence=3)
    assert _volumes(table + new + old)["a"][:3] == b"new"
    finished = _block(0, 0, b"new", sequence=9, copied=b"new")
    assert _volumes(table + old + finished)["a"][:3] == b"new"
    unfinished = _block(0, 0, b"ne\xff", sequence=9, copied=b"new")
    opened = _open(table + unfinished + old)
    assert [entry.read(MIB)[:3] for entry in opened.entries] == [b"old"]
    assert opened.facts["outdated_blocks"] == 1


def test_a_damaged_row_is_taken_from_the_other_copy_of_the_table() -> None:
    data = bytearray(_table(_row(b"a"), _row(b"b")) + _block(0, 0, b"x"))
    data[128 + 20] ^= 1
    opened = _open(bytes(data))
    assert [entry.name for entry in opened.entries] == ["a", "b"]
    assert opened.problems == ()
    data[BLOCK + 128 + 20] ^= 1
    opened = _open(bytes(data))
    assert [entry.name for entry in opened.entries] == ["volume-0", "b"]
    assert opened.problems == (
        "row 0 of the volume table is damaged",
        "a volume is not in the volume table: 'volume-0'",
    )


def test_without_a_table_volumes_have_numbers() -> None:
    opened = _open(_block(0, 0, b"x", kind=STATIC, used=1) + _block(5, 0, b"y") + _block(FIRST_INTERNAL + 1, 0))
    assert [entry.name for entry in opened.entries] == ["volume-0", "volume-5"]
    assert [entry.read(MIB)[:2] for entry in opened.entries] == [b"x", b"y\xff"]
    assert opened.problems == ("the volume table is missing: volumes are named by their numbers",)


def test_odd_names_and_states_of_volumes_are_told() -> None:
    rows = (_row(b"../a", updating=1), _row(b"same"), _row(b"same"), _row(b""))
    opened = _open(_table(*rows) + _block(0, 0, b"x"))
    assert [entry.name for entry in opened.entries] == ["..\\x2fa", "same", "same (2)", "volume-3"]
    assert [entry.read(9999) for entry in opened.entries][1:] == [b"", b"", b""]
    assert "an update of a volume was not finished: '..\\x2fa'" in opened.problems


def test_bytes_left_unused_for_alignment_are_left_out() -> None:
    data = _table(_row(b"a")) + _block(0, 0, b"1" * DATA, unused=128) + _block(0, 1, b"2" * DATA, unused=128)
    assert _volumes(data)["a"] == b"1" * (DATA - 128) + b"2" * (DATA - 128)


def test_free_blocks_bad_blocks_and_damaged_headers_are_counted() -> None:
    damaged = bytearray(_block(0, 1, b"x"))
    damaged[70] ^= 1
    parts = [
        _table(_row(b"a")),
        _counter(times=99).ljust(BLOCK, b"\xff"),
        b"\xff" * BLOCK,
        b"bad block".ljust(BLOCK, b"\0"),
        bytes(damaged),
        _block(0, 2, b"x", unused=DATA),
        _block(200, 0, b"x"),
        _block(0, 0, b"x"),
    ]
    opened = _open(b"".join(parts) + b"\xff" * BLOCK)
    assert opened.size == sum(map(len, parts))
    facts = opened.facts
    assert (facts["free_blocks"], facts["without_header"], facts["most_erased_times"]) == (2, 1, 99)
    assert opened.problems == (
        "a volume header is damaged and its block was left out: erase block 5",
        "a volume header has impossible numbers: erase blocks 6, 7",
    )


def test_another_device_behind_it_is_left_for_itself() -> None:
    first = _table(_row(b"a")) + _block(0, 0, b"x")
    other = _block(0, 0, b"other", sequence=99, counter=_counter(sequence=8))
    assert _open(first + other + first).size == len(first)
    assert _open(first + b"something else..".ljust(BLOCK, b".") * 50 + first).size == len(first)


def test_a_sequence_of_zero_fits_every_device() -> None:
    zero = _block(0, 0, b"x", counter=_counter(sequence=0))
    assert _open(_table(_row(b"a")) + zero).size == 3 * BLOCK
    opened = _open(zero + zero + _table(_row(b"a")) + _block(0, 1, b"x", counter=_counter(sequence=8)))
    assert opened.size == 4 * BLOCK


def test_a_volume_larger_than_allowed_is_refused() -> None:
    (entry,) = _open(_table(_row(b"a")) + _block(0, 0xFFFF_FFFF, b"x")).entries
    with pytest.raises(LimitExceeded):
        entry.read(1 << 28)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"UBI#" * 99,
        _table(copies=1),
        _block(0, 0, counter=_counter(version=2)) * 2,
        _block(0, 0, counter=_counter(header_at=8)) * 2,
        _block(0, 0, counter=_counter(data_at=100)) * 2,
        _block(0, 0, counter=_counter(data_at=BLOCK)) * 2,
    ],
)
def test_other_bytes_are_no_ubi(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@settings(max_examples=150)
@given(seed=st.integers(0, 1 << 32))
def test_headers_with_right_sums_and_wild_fields_do_no_harm(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311  # filler, not a secret
    wild = [0, 1, 2, 3, 127, 128, DATA, 0xFFFF, FIRST_INTERNAL, 0x7FFF_FFFF, 0xFFFF_FFFF]
    blocks = [_table(_row(b"a"), _row(b"b", kind=STATIC))]
    for _ in range(noise.randrange(1, 6)):
        few = [noise.choice(wild) for _ in range(7)]
        fields = (b"UBI!", 1, few[0] & 3, few[1] & 1, 0, few[2] % 4, *few[3:7], few[1], few[0], 0)
        blocks.append((_counter() + _with_crc(VID_LAYOUT.pack(*fields)[:-4]) + b"data").ljust(BLOCK, b"\xff"))
    for entry in _open(b"".join(blocks)).entries:
        try:
            assert len(entry.read(MIB)) <= MIB
        except (FormatError, LimitExceeded):
            continue
