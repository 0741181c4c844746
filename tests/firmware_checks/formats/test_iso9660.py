import os
import random
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.iso9660 import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

SECTOR = 2048
ROOT, CATALOG, SPARE, FREE = 20, 21, 22, 23
"""Blocks of the discs built here; files and folders follow from ``FREE`` on."""
MOST = 1 << 24
FOLDER, ASSOCIATED, MORE = 2, 4, 0x80


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("disc.iso", Window.of(data)), limits)


def _read(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(MOST) for entry in opened.entries if entry.kind is EntryKind.FILE}


def _both(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "little") + value.to_bytes(size, "big")


def _record(name: bytes, block: int, size: int, flags: int = 0, extra: bytes = b"", unit: int = 0) -> bytes:
    time = bytes([125, 1, 1, 12, 0, 0, 4])
    body = bytes([0]) + _both(block) + _both(size) + time + bytes([flags, unit, 0]) + _both(1, 2) + bytes([len(name)])
    body += name + b"\0" * (1 - len(name) % 2) + extra
    body += b"\0" * (1 - len(body) % 2)
    return bytes([len(body) + 1]) + body


def _field(signature: bytes, data: bytes) -> bytes:
    return signature + bytes([len(data) + 4, 1]) + data


def _folder(block: int, parent: int, *records: bytes, extra: bytes = b"", size: int = SECTOR) -> bytes:
    return b"".join([_record(b"\0", block, size, FOLDER, extra), _record(b"\1", parent, SECTOR, FOLDER), *records])


def _descriptor(kind: int, root: int, blocks: int, escapes: bytes = b"", block_bytes: int = SECTOR) -> bytes:
    head = bytes([kind]) + b"CD001\x01\0" + b" " * 32 + b"DISC".ljust(32) + bytes(8) + _both(blocks)
    head += escapes.ljust(32, b"\0") + _both(1, 2) * 2 + _both(block_bytes, 2) + bytes(24)
    head += _record(b"\0", root, SECTOR, FOLDER) + b" " * (4 * 128 + 111)
    return head + b"2025010112000000\x04" + b"0" * 16 + b"\0"


def _disc(blocks: dict[int, bytes], *, joliet: int = 0, catalog: int = 0, total: int = 0) -> bytes:
    end = max(at + -(-len(data) // SECTOR) for at, data in blocks.items())
    total = total or end
    descriptors = [_descriptor(1, ROOT, total)]
    if catalog:
        descriptors.append(b"\0CD001\x01EL TORITO SPECIFICATION".ljust(71, b"\0") + struct.pack("<I", catalog))
    if joliet:
        descriptors.append(_descriptor(2, joliet, total, b"%/E"))
    placed = {16 + n: data for n, data in enumerate([*descriptors, b"\xffCD001\x01"])} | blocks
    image = bytearray(end * SECTOR)
    for at, data in placed.items():
        image[at * SECTOR : at * SECTOR + len(data)] = data
    return bytes(image)


def _of_root(*records: bytes, extra: bytes = b"", **more: bytes) -> bytes:
    blocks = {int(key[1:]): data for key, data in more.items()}
    return _disc({ROOT: _folder(ROOT, ROOT, *records, extra=extra), FREE: b"x" * 5000, **blocks})


SP = _field(b"SP", b"\xbe\xef\0")


def _rock(*fields: bytes, **more: bytes) -> Entry:
    """Return the one entry of a disc whose file has these Rock Ridge fields."""
    opened = _open(_of_root(_record(b"FILE.;1", FREE, 10, extra=b"".join(fields)), extra=SP, **more))
    (entry,) = opened.entries
    return entry


def test_the_example_has_a_file_with_its_time() -> None:
    opened = _open(FORMAT.example())
    (entry,) = opened.entries
    assert (entry.name, entry.modified_s) == ("SETTINGS.INI", 1_735_732_800 - 3600)
    assert entry.read(MOST) == b"[pump]\nrate=5\n" * 20
    assert opened.facts["label"] == "PUMP"
    assert opened.facts["application"] == "MEDHARDEN"
    assert opened.facts["created"] == "20250101120000"
    assert not opened.problems


def test_a_time_of_creation_that_is_none_is_left_out() -> None:
    data = FORMAT.example().replace(b"2025010112000000", b"0000000000000000")
    assert "created" not in _open(data).facts


@given(files=st.lists(st.binary(max_size=5000), max_size=12), inner=st.binary(max_size=3000))
def test_files_and_folders_are_read_back(files: list[bytes], inner: bytes) -> None:
    blocks: dict[int, bytes] = {}
    records, at = [], FREE + 1
    for number, content in enumerate([*files, inner]):
        records.append(_record(b"F%07d.TXT;1" % number, at, len(content)))
        blocks[at] = content or b"\0"
        at += -(-len(content) // SECTOR) or 1
    blocks[FREE] = _folder(FREE, ROOT, records.pop())
    blocks[ROOT] = _folder(ROOT, ROOT, *records, _record(b"SUB", FREE, SECTOR, FOLDER))
    opened = _open(_disc(blocks) + b"after")
    wanted = {f"F{n:07}.TXT": content for n, content in enumerate(files)}
    assert _read(opened) == {**wanted, f"SUB/F{len(files):07}.TXT": inner}
    assert opened.size == len(_disc(blocks))
    assert not opened.problems


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"NAME.;1", "NAME"),
        (b"NAME.TXT;12", "NAME.TXT"),
        (b"NAME", "NAME"),
        (b"NAME;X", "NAME;X"),
        (b".;1", "."),
        (b"N\xe4ME.;1", "N\\xe4ME"),
    ],
)
def test_version_and_empty_suffix_are_no_part_of_a_name(written: bytes, shown: str) -> None:
    assert list(_read(_open(_of_root(_record(written, FREE, 10))))) == [shown]


def test_a_file_in_several_pieces_is_put_together() -> None:
    disc = _of_root(_record(b"BIG.;1", FREE, SECTOR, MORE), _record(b"BIG.;1", FREE + 3, 10), c26=b"y" * 100)
    opened = _open(disc)
    assert _read(opened) == {"BIG": b"x" * SECTOR + b"y" * 10}
    assert [entry.unpacked_bytes for entry in opened.entries] == [SECTOR + 10]


def test_a_file_whose_last_piece_is_missing_is_told() -> None:
    opened = _open(_of_root(_record(b"BIG.;1", FREE, SECTOR, MORE)))
    assert _read(opened) == {"BIG": b"x" * SECTOR}
    assert any("last piece" in problem for problem in opened.problems)


def test_joliet_names_are_read_where_there_is_no_rock_ridge() -> None:
    joliet = _folder(FREE + 4, FREE + 4, _record("Größe.txt;1".encode("utf-16-be"), FREE, 10))
    blocks = {ROOT: _folder(ROOT, ROOT, _record(b"GROESSE.TXT;1", FREE, 10)), FREE: b"x" * 10, FREE + 4: joliet}
    opened = _open(_disc(blocks, joliet=FREE + 4))
    assert _read(opened) == {"Größe.txt": b"x" * 10}
    assert opened.facts["extensions"] == ("Joliet",)


def test_rock_ridge_tells_name_rights_owner_and_time() -> None:
    entry = _rock(
        _field(b"NM", b"\1a long "),
        _field(b"NM", b"\0name"),
        _field(b"PX", _both(stat.S_IFREG | 0o4755) + _both(1) + _both(1000) + _both(2000)),
        _field(b"TF", b"\x03" + bytes([100, 1, 1, 0, 0, 0, 0]) + bytes([125, 1, 1, 12, 0, 0, 0xFC])),
    )
    assert (entry.name, entry.mode, entry.uid, entry.gid) == ("a long name", 0o4755, 1000, 2000)
    assert entry.modified_s == 1_735_732_800 + 3600


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (b"\x82" + b"2025010112000000\0", 1_735_732_800),
        (b"\x82" + b"2025130112000000\0", 1_735_732_800 - 3600),
        (b"\x82" + b"20250101120000x0\0", 1_735_732_800),
        (b"\x82" + b"202501011200", 1_735_732_800 - 3600),
        (b"\x01" + bytes(7), 1_735_732_800 - 3600),
        (b"", 1_735_732_800 - 3600),
        (b"\x02" + bytes([125, 2, 31, 0, 0, 0, 0]), 1_735_732_800 - 3600),
    ],
)
def test_the_time_of_the_record_stands_in_where_rock_ridge_has_none(data: bytes, seconds: int) -> None:
    assert _rock(_field(b"TF", data)).modified_s == seconds


def _component(text: bytes, flags: int = 0) -> bytes:
    return bytes([flags, len(text)]) + text


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ([_component(b"..", 0)], ".."),
        ([_component(b"", 4) + _component(b"", 4) + _component(b"bin")], "../../bin"),
        ([_component(b"", 2) + _component(b"x")], "./x"),
        ([_component(b"", 8) + _component(b"etc") + _component(b"passwd")], "/etc/passwd"),
        ([_component(b"long", 1) + _component(b"er") + _component(b"x")], "longer/x"),
        ([_component(b"a") + _component(b"long", 1), _component(b"er")], "a/longer"),
    ],
)
def test_the_target_of_a_link_is_put_together(fields: list[bytes], target: str) -> None:
    mode = _field(b"PX", _both(stat.S_IFLNK | 0o777) + _both(1) + _both(0) * 2)
    entry = _rock(mode, *(_field(b"SL", b"\0" + field) for field in fields))
    assert (entry.kind, entry.target) == (EntryKind.SYMBOLIC_LINK, target)
    assert entry.read(MOST) == b""


@pytest.mark.parametrize(
    ("high", "low", "device"),
    [(8, 1, (8, 1)), (0, 0x103, (1, 3)), (0, 3, (0, 3)), (0, 0x1111_0370, (259, 70_000))],
)
def test_a_device_has_its_number(high: int, low: int, device: tuple[int, int]) -> None:
    mode = _field(b"PX", _both(stat.S_IFBLK | 0o600) + _both(1) + _both(0) * 2)
    entry = _rock(mode, _field(b"PN", _both(high) + _both(low)))
    assert (entry.kind, entry.device) == (EntryKind.BLOCK_DEVICE, device)


def test_fields_kept_elsewhere_are_found() -> None:
    elsewhere = _field(b"NM", b"\0elsewhere") + _field(b"ST", b"")
    entry = _rock(_field(b"CE", _both(SPARE) + _both(100) + _both(len(elsewhere))), c22=bytes(100) + elsewhere)
    assert entry.name == "elsewhere"


def test_fields_that_refer_to_themselves_end() -> None:
    circle = _field(b"CE", _both(SPARE) + _both(0) + _both(28))
    assert _rock(circle, c22=circle).name == "FILE"


@pytest.mark.parametrize("size", [1 << 20, 1 << 31])
def test_fields_that_claim_too_much_are_told_and_the_file_read(size: int) -> None:
    far = _field(b"CE", _both(SPARE) + _both(1 << 30) + _both(size))
    opened = _open(_of_root(_record(b"FILE.;1", FREE, 10, extra=far), extra=SP))
    assert _read(opened) == {"FILE": b"x" * 10}
    assert any("Rock Ridge fields" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    "fields",
    [
        [_field(b"NM", b""), _field(b"PX", b""), _field(b"PN", b""), _field(b"SL", b""), _field(b"CE", b"")],
        [_field(b"CL", b""), _field(b"QQ", b"x"), b"NM\x02\0"],
        [b"NM\xff\0x"],
        [_field(b"NM", b"\2")],
    ],
)
def test_fields_that_are_too_short_say_nothing(fields: list[bytes]) -> None:
    entry = _rock(*fields)
    assert (entry.name, entry.mode, entry.target, entry.kind) == ("FILE", None, "", EntryKind.FILE)


def test_attributes_of_cd_rom_xa_before_the_fields_are_passed_over() -> None:
    extra = bytes(14) + _field(b"SP", b"\xbe\xef\x0e")
    name = bytes(14) + _field(b"NM", b"\0name")
    assert list(_read(_open(_of_root(_record(b"FILE.;1", FREE, 10, extra=name), extra=extra)))) == ["name"]


def test_a_folder_that_was_moved_is_found_in_its_place_only() -> None:
    moved = _folder(FREE + 5, ROOT, _record(b"DEEP.;1", FREE, 10))
    store = _folder(FREE + 4, ROOT, _record(b"MOVED", FREE + 5, SECTOR, FOLDER, _field(b"RE", b"")))
    opened = _open(
        _of_root(
            _record(b"PLACE", FREE, 0, extra=_field(b"CL", _both(FREE + 5))),
            _record(b"RR_MOVED", FREE + 4, SECTOR, FOLDER),
            extra=SP,
            c27=store,
            c28=moved,
        )
    )
    assert [(entry.name, entry.kind.value) for entry in opened.entries] == [
        ("PLACE", "folder"),
        ("PLACE/DEEP", "file"),
        ("RR_MOVED", "folder"),
    ]


def test_compressed_and_interleaved_files_are_refused_with_the_reason() -> None:
    zisofs = _field(b"ZF", b"pz\x04\x0f" + _both(100))
    records = [_record(b"A.;1", FREE, 10, extra=zisofs), _record(b"B.;1", FREE, 10, unit=1)]
    for entry, reason in zip(_open(_of_root(*records, extra=SP)).entries, ("zisofs", "interleaved"), strict=True):
        with pytest.raises(FormatError, match=reason):
            entry.read(MOST)


def test_a_resource_fork_is_told_and_not_listed() -> None:
    opened = _open(_of_root(_record(b"A.;1", FREE, 10, ASSOCIATED), _record(b"A.;1", FREE, 5)))
    assert _read(opened) == {"A": b"x" * 5}
    assert any("resource fork" in problem for problem in opened.problems)


def test_a_folder_that_contains_itself_ends() -> None:
    inner = _folder(FREE + 4, ROOT, _record(b"AGAIN", FREE + 4, SECTOR, FOLDER), _record(b"ROOT", ROOT, SECTOR, FOLDER))
    opened = _open(_of_root(_record(b"SUB", FREE + 4, SECTOR, FOLDER), c27=inner))
    assert [entry.name for entry in opened.entries] == ["SUB"]
    assert any("contains itself" in problem for problem in opened.problems)


def test_a_folder_without_a_block_is_listed_as_what_it_cannot_be() -> None:
    assert [entry.kind for entry in _open(_of_root(_record(b"SUB", 0, 10, FOLDER))).entries] == [EntryKind.FILE]


def test_folders_that_claim_the_whole_disc_end() -> None:
    records = [_record(b"F%d" % n, 40 + n, 0xFFFF_FFFF, FOLDER) for n in range(40)]
    opened = _open(_of_root(*records, c140=bytes(SECTOR)))
    assert len(list(opened.entries)) == 40
    assert any("share blocks" in problem for problem in opened.problems)


@pytest.mark.parametrize("record", [b"\x05" + bytes(40), b"\x22" + bytes(31) + b"\x09" + bytes(9), b"\xff" * 300])
def test_a_record_with_an_impossible_size_is_told(record: bytes) -> None:
    opened = _open(_of_root(record))
    assert any("impossible size" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    ("name", "shown", "problem"),
    [
        (b"..", "..", "leads out"),
        (b"../x", "..\\x2fx", "leads out"),
        (b"a\0b", "a\\x00b", "hidden characters"),
        ("a\u202ecod.exe".encode(), "a\\u202ecod.exe", "hidden characters"),
    ],
)
def test_odd_names_are_shown_and_told(name: bytes, shown: str, problem: str) -> None:
    opened = _open(_of_root(_record(b"F.;1", FREE, 10, extra=_field(b"NM", b"\0" + name)), extra=SP))
    assert list(_read(opened)) == [shown]
    assert any(problem in told for told in opened.problems)


def _catalog(*rows: bytes) -> bytes:
    first = bytearray(b"\1\0\0\0" + b"MAKER".ljust(24, b"\0") + b"\0\0\x55\xaa")
    struct.pack_into("<H", first, 28, -sum(struct.unpack("<16H", first)) & 0xFFFF)
    return bytes(first) + b"".join(rows)


def test_boot_images_of_several_platforms_are_told() -> None:
    catalog = _catalog(
        struct.pack("<BBHBxHI", 0x88, 0, 0, 0, 4, FREE).ljust(32, b"\0"),
        struct.pack("<BBH", 0x91, 0xEF, 2).ljust(32, b"\0"),
        struct.pack("<BBHBxHI", 0x88, 9, 0, 0, 8, FREE).ljust(32, b"\0"),
        struct.pack("<BBH", 0x91, 0x77, 1).ljust(32, b"\0"),
        struct.pack("<BBHBxHI", 0x88, 2, 0, 0, 1, FREE).ljust(32, b"\0"),
    )
    blocks = {ROOT: _folder(ROOT, ROOT), CATALOG: catalog, FREE: b"x" * 5000}
    opened = _open(_disc(blocks, catalog=CATALOG))
    assert opened.facts["boot_images"] == (
        "x86 BIOS, no emulation, 4 sectors of 512 bytes at 0xb800",
        "EFI, medium 9, 8 sectors of 512 bytes at 0xb800",
        "platform 0x77, 1.44 MB floppy, 1 sectors of 512 bytes at 0xb800",
    )
    assert [verdict.valid for verdict in opened.integrity] == [True]
    blocks[CATALOG] = catalog.replace(b"MAKER", b"Maker")
    assert [verdict.valid for verdict in _open(_disc(blocks, catalog=CATALOG)).integrity] == [False]
    assert any("boot catalog" in problem for problem in _open(_disc(blocks, catalog=500)).problems)


def test_a_disc_cut_short_keeps_what_is_there() -> None:
    opened = _open(_disc({ROOT: _folder(ROOT, ROOT, _record(b"A.;1", 90, 10))}, total=100))
    (entry,) = opened.entries
    assert any("cut short" in problem for problem in opened.problems)
    with pytest.raises(FormatError):
        entry.read(MOST)
    no_root = _open(_disc({ROOT: _folder(ROOT, ROOT)})[: ROOT * SECTOR])
    assert any("not read to its end" in problem for problem in no_root.problems)


def test_more_than_may_be_read_or_listed_is_cut() -> None:
    (entry,) = _open(FORMAT.example()).entries
    with pytest.raises(LimitExceeded):
        entry.read(10)
    opened = _open(_of_root(*(_record(b"F%d" % n, FREE, 1) for n in range(20))), limits=Limits(entries=5))
    assert len(list(opened.entries)) == 6
    assert opened.limits_hit


@pytest.mark.parametrize(("at", "value"), [(0, b"\x02"), (80, bytes(4)), (128, b"\x07\0")])
def test_a_descriptor_with_impossible_values_is_refused(at: int, value: bytes) -> None:
    data = bytearray(FORMAT.example())
    data[16 * SECTOR + at : 16 * SECTOR + at + len(value)] = value
    with pytest.raises(FormatError):
        _open(bytes(data))


def test_descriptors_without_end_are_read_up_to_a_bound() -> None:
    example = FORMAT.example()
    descriptor = example[16 * SECTOR : 17 * SECTOR]
    opened = _open(example[: 16 * SECTOR] + descriptor * 2 + example[18 * SECTOR :] + descriptor * 100)
    assert len(list(opened.entries)) == 1
    endless = bytes(16 * SECTOR) + descriptor * 100
    assert not list(_open(endless).entries)


@given(seed=st.integers(0, 10_000))
def test_any_damage_is_read_around_or_refused(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311  # damage, not a secret
    link = _field(b"SL", b"\0" + _component(b"", 4) + _component(b"x")) + _field(b"NM", b"\0name")
    inner = _folder(FREE + 4, ROOT, _record(b"IN.;1", FREE, 10, extra=link))
    data = bytearray(_of_root(_record(b"SUB", FREE + 4, SECTOR, FOLDER, extra=link), extra=SP, c27=inner))
    for _ in range(6):
        block = noise.choice([ROOT, FREE + 4, 16])
        data[block * SECTOR + noise.randrange(250)] = noise.choice([0, 1, 0xFF, 0x7F, 0x80])
    try:
        opened = _open(bytes(data))
    except FormatError:
        return
    for entry in opened.entries:
        try:
            entry.read(MOST)
        except (FormatError, LimitExceeded):
            continue


def _source(folder: Path) -> dict[str, bytes]:
    (folder / "a" / "b" / "c" / "d" / "e" / "f" / "g" / "h" / "i").mkdir(parents=True)
    files = {
        "big.bin": random.Random(1).randbytes(200_000),  # noqa: S311  # filler
        "empty": b"",
        "a/A long name with spaces and é.text": b"a" * 3000,
        "a/b/c/d/e/f/g/h/i/deep.txt": b"deep",
        "n" * 200: b"long",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "empty").chmod(0o4711)
    return files


@pytest.mark.skipif(sys.platform == "win32", reason="links and rights of Unix")
@pytest.mark.parametrize("tool", ["genisoimage", "xorrisofs"])
def test_a_disc_written_by_the_reference_tools_is_read_back(tool: str, tmp_path: Path) -> None:
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"{tool} is not installed")
    source = tmp_path / "source"
    files = _source(source)
    (source / "a" / "link").symlink_to("../b/./x")
    (source / "a" / "absolute").symlink_to("/" + "y" * 200 + "/" + "z" * 100)
    for options, named in (("-R", files), ("-J", {k: v for k, v in files.items() if "deep" not in k and k[0] != "n"})):
        image = tmp_path / "disc.iso"
        arguments = ["-quiet", options, "-V", "PUMP", "-o", str(image), str(source)]
        subprocess.run([program, *arguments], check=True, capture_output=True)
        opened = _open(image.read_bytes())
        found = _read(opened)
        assert {name: found.get(name) for name in named} == named
        assert (opened.size, opened.facts["label"], opened.problems) == (image.stat().st_size, "PUMP", ())
        if options == "-R":
            _compare_with(source, opened)


def _compare_with(source: Path, opened: Opened) -> None:
    """Hold rights, times and links of every entry against those of the folder it was made from."""
    for entry in opened.entries:
        path = source / entry.name
        if not path.exists() and not path.is_symlink():
            assert entry.name == "rr_moved"
            continue
        status = path.lstat()
        assert entry.mode == stat.S_IMODE(status.st_mode)
        assert entry.modified_s == int(status.st_mtime)
        assert entry.target == (os.readlink(path) if path.is_symlink() else "")  # noqa: PTH115  # as it is written
