import itertools
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import EntryKind, Opened
from firmware_checks.formats.fat import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

SECTOR = 512
MOST = 1 << 24
TOOLS_MISSING = shutil.which("mkfs.fat") is None or shutil.which("mcopy") is None


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("card.img", Window.of(data)), limits)


def _read(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(MOST) for entry in opened.entries if entry.kind is EntryKind.FILE}


def _short_check(short: bytes) -> int:
    value = 0
    for byte in short:
        value = (((value & 1) << 7 | value >> 1) + byte) & 0xFF
    return value


def _row(short: bytes, first: int = 0, size: int = 0, attributes: int = 0, letters: int = 0) -> bytes:
    high, low = first >> 16, first & 0xFFFF
    return struct.pack("<11sBB7xHHHHI", short, attributes, letters, high, 0x6000, 0x5A21, low, size)


def _long_rows(name: str, short: bytes) -> bytes:
    units = name.encode("utf-16-le", "surrogatepass")
    if len(units) % 26:
        units = (units + b"\0\0").ljust(-(-(len(units) + 2) // 26) * 26, b"\xff")
    count = len(units) // 26
    rows = []
    for number in range(count, 0, -1):
        piece = units[(number - 1) * 26 : number * 26]
        mark = number | (0x40 if number == count else 0)
        head = bytes([mark]) + piece[:10] + bytes([0x0F, 0, _short_check(short)])
        rows.append(head + piece[10:22] + bytes(2) + piece[22:])
    return b"".join(rows)


class _Card:
    """Builds a FAT12, FAT16 or FAT32 volume with clusters of one sector."""

    def __init__(self, bits: int = 12, clusters: int = 60) -> None:
        self.bits = bits
        self.clusters = clusters
        self.reserved = 8 if bits == 32 else 1
        self.table_sectors = -(-(clusters + 2) * bits // 8 // SECTOR) or 1
        self.root_sectors = 0 if bits == 32 else 4
        self.next = {0: 0xFFFFFF8, 1: 0xFFFFFFF}
        self.data: dict[int, bytes] = {}
        self.root = b""
        self.free = list(range(3 if bits == 32 else 2, clusters + 2))

    def store(self, content: bytes, order: random.Random | None = None) -> int:
        """Put ``content`` into clusters, in a random order of them when asked; return the first."""
        pieces = [content[at : at + SECTOR] for at in range(0, len(content), SECTOR)]
        if order:
            order.shuffle(self.free)
        taken, self.free = self.free[: len(pieces)], self.free[len(pieces) :]
        for cluster, following, piece in zip(taken, [*taken[1:], 0xFFFFFFF], pieces, strict=False):
            self.next[cluster] = following
            self.data[cluster] = piece
        return taken[0] if taken else 0

    def image(self) -> bytes:
        """Return the volume."""
        if self.bits == 32:
            self.next.setdefault(2, 0xFFFFFFF)
            self.data[2] = self.root
        heap = self.reserved + 2 * self.table_sectors + self.root_sectors
        total = heap + self.clusters
        image = bytearray(total * SECTOR)
        boot = self._boot(total)
        image[: len(boot)] = boot
        if self.bits == 32:
            image[6 * SECTOR : 6 * SECTOR + len(boot)] = boot
        table = self._table()
        for copy in range(2):
            at = (self.reserved + copy * self.table_sectors) * SECTOR
            image[at : at + len(table)] = table
        if self.bits != 32:
            at = (heap - self.root_sectors) * SECTOR
            image[at : at + len(self.root)] = self.root
        for cluster, piece in self.data.items():
            at = (heap + cluster - 2) * SECTOR
            image[at : at + len(piece)] = piece
        return bytes(image)

    def _boot(self, total: int) -> bytes:
        small = self.bits != 32
        common = struct.pack(
            "<3s8sHBHBHHBHHHII", b"\xeb\x3c\x90", b"TEST    ", SECTOR, 1, self.reserved, 2, self.root_sectors * 16,
            0, 0xF8, self.table_sectors if small else 0, 1, 1, 0, total,
        )  # fmt: skip
        wide = b"" if small else struct.pack("<IHHIHH12x", self.table_sectors, 0, 0, 2, 1, 6)
        identity = struct.pack("<BBBI11s8s", 0x80, 0, 0x29, 7, b"NO NAME    ", f"FAT{self.bits}   ".encode())
        return (common + wide + identity).ljust(510, b"\0") + b"\x55\xaa"

    def _table(self) -> bytes:
        entries = [self.next.get(n, 0) & ((1 << min(self.bits, 28)) - 1) for n in range(self.clusters + 2)]
        if self.bits == 12:
            packed = sum(entry << 12 * n for n, entry in enumerate(entries))
            return packed.to_bytes((len(entries) * 12 + 7) // 8, "little")
        return struct.pack(f"<{len(entries)}{'H' if self.bits == 16 else 'I'}", *entries)


SIZES = {12: 60, 16: 4200, 32: 70}
long_names = st.text("abcdefgh -_äß日é", min_size=1, max_size=60).filter(lambda n: n.strip(" ."))


@pytest.mark.parametrize("bits", [12, 16, 32])
@given(
    files=st.dictionaries(long_names, st.binary(max_size=1600), max_size=4),
    inner=st.dictionaries(long_names, st.binary(max_size=600), max_size=3),
    seed=st.integers(0, 99),
)
def test_what_is_stored_in_scattered_clusters_is_read_back(
    bits: int, files: dict[str, bytes], inner: dict[str, bytes], seed: int
) -> None:
    card, order = _Card(bits, SIZES[bits]), random.Random(seed)  # noqa: S311  # an order, not a secret

    def rows(folder: dict[str, bytes]) -> bytes:
        packed = b""
        for number, (name, content) in enumerate(folder.items()):
            short = b"FILE%04d   " % number
            packed += _long_rows(name, short) + _row(short, card.store(content, order), len(content))
        return packed

    folder = _row(b".          ", 0, 0, 0x10) + _row(b"..         ", 0, 0, 0x10) + rows(inner)
    card.root = rows(files) + _row(b"INNER      ", card.store(folder.ljust(2 * SECTOR, b"\0")), 0, 0x10)
    opened = _open(card.image() + b"after")
    assert _read(opened) == {**files, **{f"INNER/{name}": content for name, content in inner.items()}}
    assert opened.title == f"FAT{bits} file system"
    assert opened.size == len(card.image())
    assert all("capital letters" in problem for problem in opened.problems)


def test_the_example_has_a_read_only_file_a_label_and_a_time() -> None:
    opened = _open(FORMAT.example())
    (entry,) = opened.entries
    assert (entry.name, entry.mode, entry.modified_s) == ("settings.ini", 0o444, 1_735_732_800)
    assert entry.read(MOST) == b"[pump]\nrate=5\n" * 50
    assert FORMAT.example()[entry.offset or 0 :].startswith(b"[pump]")
    assert opened.facts["label"] == "PUMP"
    assert opened.facts["serial"] == "1234abcd"
    assert not opened.problems


def test_short_names_keep_the_letters_that_were_asked_for() -> None:
    card = _Card()
    card.root = b"".join(
        [
            _row(b"PUMP    BIN"),
            _row(b"PUMP1   BIN", letters=0x18),
            _row(b"PUMP2   BIN", letters=0x08),
            _row(b"\x05BC        "),
            _row(b"NOSUFFIX   ", attributes=0x06),
        ]
    )
    opened = _open(card.image())
    assert list(_read(opened)) == ["PUMP.BIN", "pump1.bin", "pump2.BIN", "\u03c3BC", "NOSUFFIX"]
    assert opened.facts["hidden_or_system_entries"] == 1


def test_deleted_files_are_counted_and_not_listed() -> None:
    card = _Card()
    deleted = b"\xe5" + _long_rows("gone", b"GONE       ")[1:]
    card.root = deleted + _row(b"\xe5ONE       ") + _row(b"HERE       ") + _row(b"CARD       ", attributes=0x08)
    opened = _open(card.image())
    assert list(_read(opened)) == ["HERE"]
    assert opened.facts["deleted_entries"] == 1
    assert opened.facts["label"] == "CARD"


@pytest.mark.parametrize(
    "rows",
    [
        _long_rows("name", b"OTHER      "),
        _long_rows("a name of more than thirteen letters", b"FILE       ")[32:],
        _long_rows("a name of more than thirteen letters", b"FILE       ")[:-32],
        b"\x40" + _long_rows("name", b"FILE       ")[1:],
        _long_rows("name", b"FILE       ")[:13] + b"\x77" + _long_rows("name", b"FILE       ")[14:],
    ],
)
def test_a_long_name_that_does_not_belong_to_the_file_is_passed_over(rows: bytes) -> None:
    card = _Card()
    card.root = rows + _row(b"FILE       ")
    opened = _open(card.image())
    assert list(_read(opened)) == ["FILE"]
    assert any("long name" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    ("name", "shown", "problem"),
    [
        ("..", "..", "leads out"),
        ("../x", "..\\x2fx", "leads out"),
        ("a\0b", "a\\x00b", "hidden characters"),
        ("a\u202ecod.exe", "a\\u202ecod.exe", "hidden characters"),
        ("a\ud800", "a\\ud800", "backslashes"),
        ("a/b", "a\\x2fb", "slashes"),
    ],
)
def test_odd_names_are_shown_and_told(name: str, shown: str, problem: str) -> None:
    card = _Card()
    card.root = _long_rows(name, b"FILE       ") + _row(b"FILE       ")
    opened = _open(card.image())
    assert list(_read(opened)) == [shown]
    assert any(problem in told for told in opened.problems)


def test_names_that_differ_in_capital_letters_only_are_told() -> None:
    card = _Card()
    card.root = _row(b"PUMP    BIN") + _row(b"PUMP    BIN", letters=0x18)
    opened = _open(card.image())
    assert any("capital letters" in problem for problem in opened.problems)


def test_a_folder_that_contains_itself_ends() -> None:
    card = _Card()
    first = card.store(bytes(SECTOR))
    card.data[first] = _row(b"AGAIN      ", first, 0, 0x10) + _row(b"FILE       ")
    card.root = _row(b"FOLDER     ", first, 0, 0x10)
    opened = _open(card.image())
    assert [entry.name for entry in opened.entries] == ["FOLDER", "FOLDER/FILE"]
    assert any("contains itself" in problem for problem in opened.problems)


def test_a_folder_outside_of_the_volume_is_told() -> None:
    card = _Card()
    card.root = _row(b"FOLDER     ", 5000, 0, 0x10)
    assert any("no cluster" in problem for problem in _open(card.image()).problems)


def test_a_folder_whose_chain_runs_in_a_circle_ends() -> None:
    card = _Card()
    first = card.store(_row(b"\xe5          ") * 16)
    card.next[first] = first
    card.root = _row(b"FOLDER     ", first, 0, 0x10)
    assert any("in a circle" in problem for problem in _open(card.image()).problems)


def test_folders_that_share_clusters_end() -> None:
    card = _Card(clusters=200)
    chain = [card.store(_row(b"\xe5          ") * 16) for _ in range(100)]
    for cluster, following in itertools.pairwise(chain):
        card.next[cluster] = following
    card.root = b"".join(_row(b"F%07d   " % n, cluster, 0, 0x10) for n, cluster in enumerate(chain[:60]))
    assert any("share clusters" in problem for problem in _open(card.image()).problems)


@pytest.mark.parametrize(
    ("following", "size", "reason"),
    [
        ({}, 5 * SECTOR, "breaks off"),
        ({2: 2}, 3 * SECTOR, "in a circle"),
        ({2: 4, 4: 2}, 6 * SECTOR, "in a circle"),
        ({}, 0xFFFF_FFFF, "more than the volume has"),
    ],
)
def test_a_file_whose_chain_is_damaged_is_refused(following: dict[int, int], size: int, reason: str) -> None:
    card = _Card()
    first = card.store(b"x" * 3 * SECTOR)
    card.next.update(following)
    card.root = _row(b"FILE       ", first, size)
    (entry,) = _open(card.image()).entries
    with pytest.raises(FormatError, match=reason):
        entry.read(1 << 33)


def test_a_file_without_a_cluster_is_refused_when_it_claims_content() -> None:
    card = _Card()
    card.root = _row(b"FILE       ", 0, 10)
    (entry,) = _open(card.image()).entries
    with pytest.raises(FormatError, match="breaks off"):
        entry.read(MOST)


def test_more_than_may_be_read_is_not_read() -> None:
    (entry,) = _open(FORMAT.example()).entries
    with pytest.raises(LimitExceeded):
        entry.read(10)


def test_more_entries_than_allowed_are_cut() -> None:
    card = _Card()
    card.root = b"".join(_row(b"F%07d   " % n) for n in range(20))
    opened = _open(card.image(), limits=Limits(entries=5))
    assert len(list(opened.entries)) == 6
    assert opened.limits_hit


def test_copies_of_the_table_that_differ_are_told() -> None:
    data = bytearray(_Card().image())
    data[2 * SECTOR + 20] ^= 1
    assert any("copies of the table differ" in problem for problem in _open(bytes(data)).problems)


def test_the_second_copy_of_the_table_is_used_when_the_first_is_erased() -> None:
    example = FORMAT.example()
    data = example[:SECTOR] + bytes(SECTOR) + example[2 * SECTOR :]
    assert _read(_open(data)) == _read(_open(example))
    with pytest.raises(FormatError):
        _open(example[:SECTOR] + bytes(2 * SECTOR) + example[3 * SECTOR :])


def test_a_volume_that_names_its_active_table_is_read_with_that_one() -> None:
    card = _Card(32)
    card.root = _row(b"FILE       ", card.store(b"x" * 700), 700)
    data = bytearray(card.image())
    data[8 * SECTOR : 9 * SECTOR] = bytes(SECTOR)
    data[40] = data[6 * SECTOR + 40] = 0x81
    opened = _open(bytes(data))
    assert _read(opened) == {"FILE": b"x" * 700}
    assert not opened.problems


def test_a_backup_of_the_boot_sector_that_differs_is_told() -> None:
    data = bytearray(_Card(32).image())
    data[6 * SECTOR + 3] ^= 1
    assert any("backup of the boot sector" in problem for problem in _open(bytes(data)).problems)
    data[50:52] = bytes(2)
    assert not _open(bytes(data)).problems


def test_a_volume_that_was_not_removed_cleanly_says_so() -> None:
    card = _Card(32)
    assert _open(card.image()).facts["removed_cleanly"] is True
    card.next[1] = 0x7FFFFFF
    assert _open(card.image()).facts["removed_cleanly"] is False


def test_a_volume_cut_short_keeps_what_is_there() -> None:
    example = FORMAT.example()
    opened = _open(example[: 4 * SECTOR])
    assert [entry.name for entry in opened.entries] == ["settings.ini"]
    assert any("cut short" in problem for problem in opened.problems)
    without_root = _open(example[: 3 * SECTOR])
    assert any("not read to its end" in problem for problem in without_root.problems)


def test_a_volume_without_an_identity_is_recognised_at_the_start_of_a_content() -> None:
    example = bytearray(FORMAT.example())
    example[36:62] = bytes(26)
    opened = _open(bytes(example))
    assert "serial" not in opened.facts
    assert opened.facts["label"] == "PUMP"


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, b"\x00"),
        (2, b"\x00"),
        (11, b"\x01\x02"),
        (13, b"\x00"),
        (13, b"\x03"),
        (14, b"\0\0"),
        (16, b"\0"),
        (16, b"\x09"),
        (17, b"\0\0"),
        (19, b"\1\0"),
        (21, b"\x12"),
        (22, b"\0\0"),
        (510, b"\0\0"),
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
    card = _Card(noise.choice([12, 32]))
    inner = card.store(_row(b"FILE2      ", 9, 700) + bytes(SECTOR - 32))
    card.root = _row(b"FILE       ", card.store(b"x" * 1700), 1700) + _row(b"FOLDER     ", inner, 0, 0x10)
    data = bytearray(card.image())
    for _ in range(6):
        at = noise.choice([noise.randrange(80), noise.randrange(len(data))])
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


@pytest.mark.skipif(TOOLS_MISSING, reason="mkfs.fat (dosfstools) or mcopy (mtools) is not installed")
@pytest.mark.parametrize(("bits", "kib"), [(12, 2048), (16, 16_384), (32, 36_000)])
def test_a_volume_written_by_mtools_is_read_back(bits: int, kib: int, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    files = {
        "big.bin": random.Random(1).randbytes(200_000),  # noqa: S311  # filler
        "empty": b"",
        "sub/A long name with spaces.text": b"a",
        "sub/été 日本.txt": b"b" * 5000,
        "sub/deep/lower.txt": b"c",
    }
    for name, content in files.items():
        (source / name).write_bytes(content)
    image = tmp_path / "card.img"
    for command in (
        ["mkfs.fat", "-F", str(bits), "-n", "PUMP", "-C", str(image), str(kib)],
        ["mcopy", "-i", str(image), "-s", *(str(p) for p in sorted(source.iterdir())), "::/"],
        ["mattrib", "-i", str(image), "+r", "::/empty"],
    ):
        subprocess.run([str(shutil.which(command[0])), *command[1:]], check=True, env={"LC_ALL": "C.UTF-8"})
    opened = _open(image.read_bytes())
    assert _read(opened) == files
    assert (opened.title, opened.facts["label"], opened.problems) == (f"FAT{bits} file system", "PUMP", ())
    assert {entry.name for entry in opened.entries if entry.kind is EntryKind.FOLDER} == {"sub", "sub/deep"}
    assert next(entry.mode for entry in opened.entries if entry.name == "empty") == 0o444
