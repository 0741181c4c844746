import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import EntryKind, Opened
from firmware_checks.formats.exfat import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

SECTOR = 512
MOST = 1 << 24
HEAP_SECTOR = 32
CONTIGUOUS, CHAINED = 3, 1


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("card.img", Window.of(data)), limits)


def _read(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(MOST) for entry in opened.entries if entry.kind is EntryKind.FILE}


def _rotated(data: bytes, bits: int) -> int:
    value = 0
    for byte in data:
        value = ((value & 1) << (bits - 1) | value >> 1) + byte & (1 << bits) - 1
    return value


def _rows(
    name: str,
    first: int,
    size: int,
    *,
    flags: int = CONTIGUOUS,
    attributes: int = 0,
    valid: int | None = None,
    zone: int = 0x80,
    check: int | None = None,
) -> bytes:
    units = name.encode("utf-16-le", "surrogatepass")
    pieces = [units[at : at + 30].ljust(30, b"\0") for at in range(0, len(units), 30)]
    valid = size if valid is None else valid
    name_hash = _rotated(name.upper().encode("utf-16-le", "surrogatepass"), 16)
    stream = struct.pack("<BBxBH2xQ4xIQ", 0xC0, flags, len(units) // 2, name_hash, valid, first, size)
    more = stream + b"".join(b"\xc1\0" + piece for piece in pieces)
    time = 0x5A21_6000
    head = struct.pack("<BB", 0x85, 1 + len(pieces))
    rest = struct.pack("<HHIIIBBBBB7x", attributes, 0, time, time, time, 0, 100, zone, zone, zone)
    check = _rotated(head + rest + more, 16) if check is None else check
    return head + struct.pack("<H", check) + rest + more


class _Card:
    """Builds an exFAT volume with clusters of one sector; cluster 2 is the map, 3 the capital letters, 4 the root."""

    def __init__(self, clusters: int = 100) -> None:
        self.clusters = clusters
        self.next = {0: 0xFFFF_FFF8, 1: 0xFFFF_FFFF, 2: 0xFFFF_FFFF, 3: 0xFFFF_FFFF}
        self.data: dict[int, bytes] = {3: b"".join(struct.pack("<H", ord(chr(n).upper())) for n in range(128))}
        self.root = b""
        self.free = list(range(5, clusters + 2))
        self.sectors = 2048 + HEAP_SECTOR

    def store(self, content: bytes, order: random.Random | None = None) -> int:
        """Put ``content`` into clusters: in a row, or in a random order of them when asked; return the first."""
        pieces = [content[at : at + SECTOR] for at in range(0, len(content), SECTOR)]
        if order:
            order.shuffle(self.free)
        taken, self.free = self.free[: len(pieces)], self.free[len(pieces) :]
        for cluster, following, piece in zip(taken, [*taken[1:], 0xFFFF_FFFF], pieces, strict=False):
            if order:
                self.next[cluster] = following
            self.data[cluster] = piece
        return taken[0] if taken else 0

    def image(self) -> bytes:
        """Return the volume."""
        self._store_root()
        used = sum(1 << cluster - 2 for cluster in {2, *self.data})
        self.data[2] = used.to_bytes(-(-self.clusters // 8), "little")
        region = self._boot_region()
        table = struct.pack(f"<{self.clusters + 2}I", *(self.next.get(n, 0) for n in range(self.clusters + 2)))
        image = bytearray((region + region + table).ljust(self.sectors * SECTOR, b"\0"))
        for cluster, piece in self.data.items():
            at = (HEAP_SECTOR + cluster - 2) * SECTOR
            image[at : at + len(piece)] = piece
        return bytes(image)

    def _store_root(self) -> None:
        label = b"\x83\x04" + "CARD".encode("utf-16-le").ljust(30, b"\0")
        used = struct.pack("<B19xIQ", 0x81, 2, -(-self.clusters // 8))
        capitals = struct.pack("<B3xI12xIQ", 0x82, _rotated(self.data[3], 32), 3, len(self.data[3]))
        root = label + used + capitals + self.root
        self.data[4] = root[:SECTOR]
        last = 4
        for at in range(SECTOR, len(root), SECTOR):
            self.next[last] = last = self.free.pop(0)
            self.data[last] = root[at : at + SECTOR]
        self.next[last] = 0xFFFF_FFFF

    def _boot_region(self) -> bytes:
        boot = struct.pack(
            "<3s8s53xQQIIIIIIHHBBBBB7x390sH", b"\xeb\x76\x90", b"EXFAT   ", 0, self.sectors, 24, 8, HEAP_SECTOR,
            self.clusters, 4, 7, 0x100, 0, 9, 0, 1, 0x80, 0xFF, b"", 0xAA55,
        )  # fmt: skip
        checked = (boot + (bytes(510) + b"\x55\xaa") * 8).ljust(11 * SECTOR, b"\0")
        check = _rotated(checked[:106] + checked[108:112] + checked[113:], 32)
        return checked + struct.pack("<I", check) * 128


def _volume_of(files: dict[str, bytes], inner: dict[str, bytes], seed: int) -> _Card:
    card, order = _Card(), random.Random(seed)  # noqa: S311  # an order, not a secret

    def rows(folder: dict[str, bytes]) -> bytes:
        packed = b""
        for number, (name, content) in enumerate(folder.items()):
            chained = number % 2 and content
            first = card.store(content, order if chained else None)
            packed += _rows(name, first, len(content), flags=CHAINED if chained else CONTIGUOUS, attributes=0x20)
        return packed

    card.root = rows({})
    contiguous = {name: content for name, content in files.items() if name}
    card.root = rows(contiguous)
    card.free.sort()
    folder = rows(inner).ljust(2 * SECTOR, b"\0")
    card.free.sort()
    folder_bytes = folder.ljust(-(-len(folder) // SECTOR) * SECTOR, b"\0")
    first = card.store(folder_bytes, order)
    card.root += _rows("inner", first, len(folder_bytes), flags=CHAINED, attributes=0x10)
    card.free.sort()
    return card


long_names = st.text("abcdefgh -_äß日é", min_size=1, max_size=40).filter(lambda n: n.strip(" ."))


@given(
    file=st.binary(max_size=1600),
    inner=st.dictionaries(long_names, st.binary(max_size=600), max_size=3),
    chained=st.binary(min_size=1, max_size=3000),
    seed=st.integers(0, 99),
)
def test_what_is_stored_in_a_row_or_scattered_is_read_back(
    file: bytes, inner: dict[str, bytes], chained: bytes, seed: int
) -> None:
    inner = {name: content[:SECTOR] for name, content in inner.items()}
    card = _volume_of({"in a row.bin": file, "scattered.bin": chained}, inner, seed)
    opened = _open(card.image() + b"after")
    assert _read(opened) == {
        "in a row.bin": file,
        "scattered.bin": chained,
        **{f"inner/{name}": content for name, content in inner.items()},
    }
    assert opened.size == len(card.image())
    assert [verdict.valid for verdict in opened.integrity] == [True, True]
    assert opened.facts["label"] == "CARD"
    assert all("capital letters" in problem for problem in opened.problems)


def test_the_example_has_a_read_only_file_and_a_time_with_its_zone() -> None:
    opened = _open(FORMAT.example())
    (entry,) = opened.entries
    assert (entry.name, entry.mode, entry.modified_s) == ("settings.ini", 0o444, 1_735_732_800 - 3600)
    assert entry.read(MOST) == b"[pump]\nrate=5\n" * 60
    assert FORMAT.example()[entry.offset or 0 :].startswith(b"[pump]")
    assert (opened.facts["label"], opened.facts["serial"], opened.facts["revision"]) == ("PUMP", "1234abcd", "1.00")
    assert opened.facts["entries_without_time_zone"] == 0
    assert not opened.problems


@pytest.mark.parametrize(("zone", "hours"), [(0x80, 0), (0x84, 1), (0xFC, -1), (0x00, 0), (0x04, 0)])
def test_the_time_zone_is_taken_into_account_where_it_is_written(zone: int, hours: int) -> None:
    card = _Card()
    card.root = _rows("file", 0, 0, zone=zone)
    (entry,) = _open(card.image()).entries
    assert entry.modified_s == 1_735_732_801 - hours * 3600


def test_a_time_that_is_none_is_left_out() -> None:
    card = _Card()
    rows = bytearray(_rows("file", 0, 0))
    rows[12:16] = bytes(4)
    card.root = bytes(rows)
    (entry,) = _open(card.image()).entries
    assert entry.modified_s is None


def test_what_was_never_written_of_a_file_is_zeros() -> None:
    card = _Card()
    card.root = _rows("file", card.store(b"x" * 100), 2000, valid=100)
    assert _read(_open(card.image())) == {"file": b"x" * 100 + bytes(1900)}


def test_a_folder_in_a_row_of_clusters_is_read() -> None:
    card = _Card()
    vendor_row = b"\xe0" + bytes(31)
    rows = vendor_row + b"".join(_rows(f"file {n:02}", 0, 0) for n in range(12)).ljust(3 * SECTOR, b"\0")
    card.root = _rows("folder", card.store(rows), len(rows), attributes=0x10)
    opened = _open(card.image())
    assert len(list(opened.entries)) == 13
    assert not opened.problems


def test_deleted_and_hidden_files_are_counted() -> None:
    card = _Card()
    gone = bytearray(_rows("gone", 0, 0))
    for at in range(0, len(gone), 32):
        gone[at] &= 0x7F
    card.root = bytes(gone) + _rows("here", 0, 0, attributes=0x02)
    opened = _open(card.image())
    assert list(_read(opened)) == ["here"]
    assert (opened.facts["deleted_entries"], opened.facts["hidden_or_system_entries"]) == (1, 1)


def test_a_wrong_check_sum_of_rows_is_told_and_the_file_read() -> None:
    card = _Card()
    card.root = _rows("file", card.store(b"x" * 10), 10, check=0)
    opened = _open(card.image())
    assert _read(opened) == {"file": b"x" * 10}
    assert any("check sum of a file's rows is wrong: 'file'" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    "rows", [b"\x85\0" + bytes(30), _rows("file", 0, 0)[:32], b"\x85\x01" + bytes(30) + b"\xc1" * 32]
)
def test_rows_that_do_not_fit_together_are_told(rows: bytes) -> None:
    card = _Card()
    card.root = rows
    opened = _open(card.image())
    assert not list(opened.entries)
    assert any("do not fit together" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    ("name", "shown", "problem"),
    [
        ("..", "..", "leads out"),
        ("../x", "..\\x2fx", "leads out"),
        ("a\0b", "a\\x00b", "hidden characters"),
        ("a\u202ecod.exe", "a\\u202ecod.exe", "hidden characters"),
        ("a\ud800", "a\\ud800", "backslashes"),
        ("", "", "name is empty"),
    ],
)
def test_odd_names_are_shown_and_told(name: str, shown: str, problem: str) -> None:
    card = _Card()
    card.root = _rows(name, 0, 0)
    opened = _open(card.image())
    assert list(_read(opened)) == [shown]
    assert any(problem in told for told in opened.problems)


def test_names_that_differ_in_capital_letters_only_are_told() -> None:
    card = _Card()
    card.root = _rows("Pump", 0, 0) + _rows("pUMP", 0, 0)
    assert any("capital letters" in problem for problem in _open(card.image()).problems)


@pytest.mark.parametrize("flags", [CONTIGUOUS, CHAINED])
def test_a_folder_that_contains_itself_ends(flags: int) -> None:
    card = _Card()
    first = card.store(bytes(SECTOR))
    card.next[first] = 0xFFFF_FFFF
    card.data[first] = _rows("again", first, SECTOR, flags=flags, attributes=0x10) + _rows("file", 0, 0)
    card.root = _rows("folder", first, SECTOR, flags=flags, attributes=0x10)
    opened = _open(card.image())
    assert [entry.name for entry in opened.entries] == ["folder", "folder/file"]
    assert any("contains itself" in problem for problem in opened.problems)


@pytest.mark.parametrize("first", [0, 1, 102, 0xFFFF_FFFF])
def test_a_folder_outside_of_the_volume_is_told(first: int) -> None:
    card = _Card()
    card.root = _rows("folder", first, 1 << 60, attributes=0x10)
    assert any("no cluster" in problem for problem in _open(card.image()).problems)


def test_folders_that_claim_the_whole_volume_end() -> None:
    card = _Card(clusters=900)
    filler = (b"\x05" + bytes(31)) * 16
    for cluster in range(60, 900):
        card.data[cluster] = filler
    card.root = b"".join(_rows(f"f{n}", 60 + n, 1 << 62, attributes=0x10) for n in range(50))
    assert any("share clusters" in problem for problem in _open(card.image()).problems)


@pytest.mark.parametrize(
    ("flags", "first", "size", "reason"),
    [
        (CHAINED, 60, 3 * SECTOR, "breaks off"),
        (CHAINED, 61, 3 * SECTOR, "in a circle"),
        (CONTIGUOUS, 100, 5 * SECTOR, "out of the volume"),
        (CONTIGUOUS, 1, 5, "out of the volume"),
        (CONTIGUOUS, 10, 1 << 62, "more than the volume has"),
    ],
)
def test_a_file_whose_clusters_are_damaged_is_refused(flags: int, first: int, size: int, reason: str) -> None:
    card = _Card()
    card.next.update({60: 0xFFFF_FFFF, 61: 61})
    card.root = _rows("file", first, size, flags=flags)
    (entry,) = _open(card.image()).entries
    with pytest.raises(FormatError, match=reason):
        entry.read(1 << 63)


def test_more_than_may_be_read_is_not_read() -> None:
    (entry,) = _open(FORMAT.example()).entries
    with pytest.raises(LimitExceeded):
        entry.read(10)


def test_more_entries_than_allowed_are_cut() -> None:
    card = _Card()
    card.root = b"".join(_rows(f"f{n}", 0, 0) for n in range(20))
    opened = _open(card.image(), limits=Limits(entries=5))
    assert len(list(opened.entries)) == 6
    assert opened.limits_hit


def test_damage_in_the_boot_region_its_backup_and_the_capital_letters_is_told() -> None:
    data = bytearray(_Card().image())
    data[200] = 1
    data[(HEAP_SECTOR + 1) * SECTOR] = 1
    opened = _open(bytes(data))
    assert [(v.algorithm, v.valid) for v in opened.integrity] == [("exfat-boot", False), ("exfat-upcase", False)]
    assert any("backup of the boot region" in problem for problem in opened.problems)


def test_what_changes_in_use_is_left_out_of_the_check_sum() -> None:
    data = bytearray(_Card().image())
    data[106], data[112] = 6, 50
    opened = _open(bytes(data))
    assert all(verdict.valid for verdict in opened.integrity)
    assert not opened.problems
    assert (opened.facts["removed_cleanly"], opened.facts["media_failures"]) == (False, True)


def test_a_second_table_is_used_when_it_is_the_active_one() -> None:
    data = bytearray(_Card().image())
    data[106], data[110], data[84] = 1, 2, 1
    data[24 * SECTOR : 26 * SECTOR] = bytes(SECTOR) + data[24 * SECTOR : 25 * SECTOR]
    assert _open(bytes(data)).title == "exFAT file system"


def test_a_volume_cut_short_keeps_what_is_there() -> None:
    opened = _open(FORMAT.example()[: 29 * SECTOR])
    (entry,) = opened.entries
    assert any("cut short" in problem for problem in opened.problems)
    with pytest.raises(FormatError):
        entry.read(MOST)
    without_root = _open(FORMAT.example()[: 27 * SECTOR])
    assert any("not read to its end" in problem for problem in without_root.problems)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, b"\xeb\x00"),
        (20, b"\x01"),
        (72, struct.pack("<Q", 29)),
        (80, struct.pack("<I", 20)),
        (80, struct.pack("<I", 26)),
        (92, struct.pack("<I", 0)),
        (92, struct.pack("<I", 0xFFFF_FFFF)),
        (108, b"\x08"),
        (109, b"\x20"),
        (110, b"\x00"),
        (24 * SECTOR, b"\0"),
        (510, b"\0"),
    ],
)
def test_a_boot_sector_with_impossible_values_is_refused(at: int, value: bytes) -> None:
    data = bytearray(FORMAT.example())
    data[at : at + len(value)] = value
    with pytest.raises(FormatError):
        _open(bytes(data))


@given(seed=st.integers(0, 10_000))
def test_any_damage_is_read_around_or_refused(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311  # damage, not a secret
    data = bytearray(FORMAT.example())
    for _ in range(6):
        at = noise.choice([noise.randrange(64, 120), noise.randrange(24 * SECTOR, 30 * SECTOR)])
        data[at] = noise.choice([0, 1, 0xFF, 0x7F, 0x80])
    try:
        opened = _open(bytes(data))
    except FormatError:
        return
    for entry in opened.entries:
        try:
            entry.read(MOST)
        except (FormatError, LimitExceeded):
            continue


@pytest.mark.skipif(shutil.which("fsck.exfat") is None, reason="fsck.exfat (exfatprogs) is not installed")
def test_the_reference_checker_finds_nothing_wrong_with_what_these_tests_build(tmp_path: Path) -> None:
    card = _volume_of({"in a row.bin": b"x" * 1500, "scattered.bin": b"y" * 1500}, {"deep.txt": b"z"}, 1)
    image = tmp_path / "card.img"
    image.write_bytes(card.image())
    fsck = subprocess.run(
        [str(shutil.which("fsck.exfat")), "-n", str(image)], capture_output=True, text=True, check=False
    )
    assert fsck.returncode == 0, fsck.stdout + fsck.stderr


@pytest.mark.skipif(shutil.which("mkfs.exfat") is None, reason="mkfs.exfat (exfatprogs) is not installed")
def test_an_empty_volume_made_by_mkfs_is_read(tmp_path: Path) -> None:
    image = tmp_path / "card.img"
    image.write_bytes(bytes(4 << 20))
    mkfs = str(shutil.which("mkfs.exfat"))
    subprocess.run([mkfs, "-L", "PUMP", "-c", "4096", str(image)], check=True, capture_output=True)
    opened = _open(image.read_bytes())
    assert (opened.size, opened.facts["label"], opened.problems) == (4 << 20, "PUMP", ())
    assert [verdict.valid for verdict in opened.integrity] == [True, True]
