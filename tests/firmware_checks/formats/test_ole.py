import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import EntryKind, Opened
from firmware_checks.formats.cab import build_cabinet
from firmware_checks.formats.ole import FORMAT
from firmware_checks.readers.compound_file import DIRECTORY_ROW, HEADER, MAGIC, CompoundHeader
from firmware_checks.readers.msi_database import ALPHABET, decoded_name, properties
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MSIBUILD, WIXL = shutil.which("msibuild") or "", shutil.which("wixl") or ""
DOCUMENT = FORMAT.example()
DIRECTORY = 1024
FREE, END, FAT_MARK = 0xFFFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFD
MSI_CLASS = bytes.fromhex("84100c0000000000c000000000000046")
NOISE = random.Random(7).randbytes(9000)  # noqa: S311  # filler, not a secret


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("manual.doc", Window.of(data)), limits)


def _changed(at: int, field: bytes) -> bytes:
    return DOCUMENT[:at] + field + DOCUMENT[at + len(field) :]


def _named(name: str) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    return _changed(DIRECTORY + 128, text.ljust(64, b"\0") + struct.pack("<H", len(text)))


def _contents(opened: Opened) -> dict[str, bytes]:
    return {entry.name: entry.read(1 << 28) for entry in opened.entries if entry.kind is EntryKind.FILE}


def _built(streams: dict[str, bytes], *, version: int = 3, root_class: bytes = bytes(16), storage: str = "") -> bytes:
    """Build a compound file; with ``storage`` the streams lie in a storage of that name. Siblings hang to the right."""
    sector = 512 if version == 3 else 4096
    body: list[bytes] = []
    fat: list[int] = []

    def place(data: bytes) -> int:
        first = len(fat)
        count = -(-len(data) // sector)
        fat.extend([*range(first + 1, first + count), END] if count else [])
        body.append(data.ljust(count * sector, b"\0"))
        return first if count else END

    small, mini_fat, rows = b"", [], []
    for name, data in streams.items():
        if len(data) >= 4096:
            first = place(data)
        else:
            first, count = len(mini_fat), -(-len(data) // 64)
            mini_fat += [*range(first + 1, first + count), END] if count else []
            small += data.ljust(count * 64, b"\0")
        rows.append((name, 2, first, len(data)))
    root = ("Root Entry", 5, place(small), len(small))
    first_mini_fat = place(struct.pack(f"<{len(mini_fat)}I", *mini_fat))
    table = [root, *([(storage, 1, 0, 0)] if storage else []), *rows]
    first_row = len(table) - len(rows)
    directory = b""
    for number, (name, kind, first, size) in enumerate(table):
        text = (name + "\0").encode("utf-16-le")
        right = number + 1 if kind == 2 and number + 1 < len(table) else FREE
        child = {5: 1, 1: first_row}.get(kind, FREE)
        class_id, modified = (root_class, 0) if kind == 5 else (bytes(16), 132_223_104_000_000_000)
        directory += DIRECTORY_ROW.pack(
            text, len(text), kind, 1, FREE, right, child, class_id, 0, 0, modified if kind == 1 else 0, first, size
        )
    first_directory = place(directory)
    fat_sectors = -(-len(fat) // (sector // 4 - 1))
    fat_at = len(fat)
    fat += [FAT_MARK] * fat_sectors
    packed = struct.pack(f"<{len(fat)}I", *fat).ljust(fat_sectors * sector, b"\xff")
    header = CompoundHeader(
        magic=MAGIC, class_id=bytes(16), minor_version=0x3E, major_version=version, byte_order=0xFFFE,
        sector_shift=9 if version == 3 else 12, mini_sector_shift=6, reserved=bytes(6), directory_sectors=0,
        fat_sectors=fat_sectors, first_directory_sector=first_directory, transaction=0, mini_stream_cutoff=4096,
        first_mini_fat_sector=first_mini_fat, mini_fat_sectors=1, first_difat_sector=END, difat_sectors=0,
        difat=[*range(fat_at, fat_at + fat_sectors), *[FREE] * (109 - fat_sectors)],
    )  # fmt: skip
    return HEADER.build(header).ljust(sector, b"\0") + b"".join(body) + packed


def _encoded(name: str) -> str:
    """Return the name of a table or stream as an installer writes it."""
    out = ""
    if name.startswith("!"):
        out, name = chr(0x4840), name[1:]
    for pair in (name[i : i + 2] for i in range(0, len(name), 2)):
        numbers = [ALPHABET.index(character) for character in pair]
        out += chr(0x3800 + numbers[0] + (numbers[1] << 6)) if len(pair) == 2 else chr(0x4800 + numbers[0])
    return out


def _installer(known: dict[str, str], **more: bytes) -> bytes:
    texts = [text for pair in known.items() for text in pair]
    pool = struct.pack("<I", 1252) + b"".join(struct.pack("<2H", len(text), 1) for text in texts)
    table = struct.pack(f"<{len(texts)}H", *range(1, len(texts) + 1, 2), *range(2, len(texts) + 2, 2))
    streams = {"!_StringPool": pool, "!_StringData": "".join(texts).encode(), "!Property": table}
    return _built({**{_encoded(name): data for name, data in streams.items()}, **more}, root_class=MSI_CLASS)


@settings(max_examples=40)
@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,12}", fullmatch=True), st.binary(max_size=300), min_size=1, max_size=5),
    st.integers(1, 40),
    st.sampled_from((3, 4)),
    st.sampled_from(("", "Pump")),
)
def test_streams_small_and_large_are_read_back(
    streams: dict[str, bytes], repeats: int, version: int, storage: str
) -> None:
    streams = {name: data * repeats for name, data in streams.items()}
    data = _built(streams, version=version, storage=storage)
    opened = _open(data + bytes(9000))
    assert opened.size == len(data)
    assert _contents(opened) == {f"{storage}/{name}" if storage else name: data for name, data in streams.items()}
    assert opened.problems == ()
    assert opened.facts["format_version"] == version


def test_a_storage_is_a_folder_with_its_time() -> None:
    folder, stream = _open(_built({"a": b"1"}, storage="Pump")).entries
    assert (folder.name, folder.kind, folder.modified_s) == ("Pump", EntryKind.FOLDER, 1_577_836_800)
    assert (stream.name, stream.kind) == ("Pump/a", EntryKind.FILE)


def test_a_document_ends_at_its_last_sector_in_use() -> None:
    opened = _open(DOCUMENT + bytes(3000))
    assert opened.size == len(DOCUMENT)
    assert opened.title == "Microsoft Word document"
    assert opened.facts["stream_names"] == ("WordDocument",)
    assert _contents(opened) == {"WordDocument": b"Instructions for use"}
    assert opened.problems == ()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Workbook", "Microsoft Excel workbook"),
        ("PowerPoint Document", "Microsoft PowerPoint presentation"),
        ("something", "Microsoft compound file"),
    ],
)
def test_the_names_of_streams_tell_what_it_is(name: str, title: str) -> None:
    assert _open(_named(name)).title == title


def test_macros_are_told() -> None:
    assert _open(_named("Macros")).facts["macros"] is True


def test_an_installer_tells_its_product() -> None:
    opened = _open(_installer({"ProductName": "Pump Tool", "ProductVersion": "1.2", "Manufacturer": "Pumps", "x": "y"}))
    assert opened.title == "Windows Installer package (MSI)"
    facts = {name: opened.facts[name] for name in ("product", "version", "company", "signed")}
    assert facts == {"product": "Pump Tool", "version": "1.2", "company": "Pumps", "signed": False}


def test_a_signed_installer_says_so() -> None:
    assert _open(_installer({}, **{"\x05DigitalSignature": b"0"})).facts["signed"] is True


def test_an_installer_is_told_by_its_class_or_by_its_tables() -> None:
    opened = _open(_changed(DIRECTORY + 80, MSI_CLASS))
    assert opened.title == "Windows Installer package (MSI)"
    assert "product" not in opened.facts
    assert _open(_changed(DIRECTORY + 80, b"\x86" + MSI_CLASS[1:])).title == "Windows Installer patch (MSP)"
    assert _open(_named(_encoded("!Property"))).title == "Windows Installer package (MSI)"


def test_an_installer_whose_properties_do_not_fit_is_still_opened() -> None:
    opened = _open(_installer({"ProductName": "Pump"}).replace(struct.pack("<2H", 1, 2), b"\xff\xff\xff\xff"))
    assert "the properties of the installer cannot be read: " in opened.problems[0]
    assert "product" not in opened.facts


def test_long_strings_and_long_references_of_an_installer_are_read() -> None:
    pool = struct.pack("<I", 0x8000_0000 | 65001) + struct.pack("<6H", 1, 1, 0, 1, 0x1170, 1)
    data = b"n" + b"v" * 0x11170
    table = bytes([1, 0, 0, 2, 0, 0])
    assert properties(pool, data, table) == {"n": "v" * 0x11170}
    assert properties(pool[:-4], b"n", table) == {"n": ""}


def test_properties_beyond_reason_are_refused() -> None:
    with pytest.raises(FormatError, match="too many"):
        properties(bytes(4), b"", bytes(40_000))
    with pytest.raises(FormatError, match="no pool"):
        properties(b"", b"", b"")


@given(st.text(ALPHABET, min_size=1, max_size=20), st.sampled_from(("", "!")))
def test_names_of_an_installer_are_decoded(name: str, mark: str) -> None:
    assert decoded_name(_encoded(mark + name)) == mark + name


def test_a_stream_larger_than_allowed_is_refused() -> None:
    (entry,) = _open(_built({"a": NOISE})).entries
    with pytest.raises(LimitExceeded):
        entry.read(100)


def test_a_cut_document_says_how_much_is_missing() -> None:
    opened = _open(_built({"a": NOISE, "b": b"small"})[:-100])
    assert opened.problems[0].startswith("the list of allocation tables leaves the file")
    opened = _open(DOCUMENT[:1700])
    assert opened.size == 1700
    assert opened.problems[0] == "the file is cut short: 860 bytes are missing"
    (entry,) = opened.entries
    with pytest.raises(FormatError, match=r"ends after|behind the end"):
        entry.read(100)


def test_a_stream_whose_sectors_are_missing_is_refused() -> None:
    last = bytearray(_changed(56, struct.pack("<2I", 0, END)))
    struct.pack_into("<I", last, DIRECTORY + 128 + 116, 3)
    (entry,) = _open(bytes(last[:2048])).entries
    with pytest.raises(FormatError, match="behind the end"):
        entry.read(100)
    moved = bytearray(_built({"a": NOISE}))
    fat_at = 512 + 512 * struct.unpack_from("<I", moved, 76)[0]
    struct.pack_into("<I", moved, fat_at + 4, 120)
    (entry,) = _open(bytes(moved)).entries
    with pytest.raises(FormatError, match="ends after 3 of 18"):
        entry.read(1 << 20)


def test_chains_that_turn_back_or_meet_are_refused_quickly() -> None:
    data = bytearray(_built({"a": NOISE, "b": NOISE}))
    fat_at = 512 + 512 * struct.unpack_from("<I", data, 76)[0]
    struct.pack_into("<I", data, fat_at + 4 * 5, 2)
    first, second = _open(bytes(data)).entries
    with pytest.raises(FormatError, match="ends after 6 of 18 or meets another chain"):
        first.read(1 << 20)
    assert second.read(1 << 20) == NOISE


def test_a_directory_that_contains_itself_ends() -> None:
    data = bytearray(_built({"a": b"1", "b": b"2"}, storage="S"))
    directory = 512 + 512 * struct.unpack_from("<I", data, 48)[0]
    struct.pack_into("<I", data, directory + 2 * 128 + 68, 1)
    struct.pack_into("<I", data, directory + 3 * 128 + 72, 9999)
    opened = _open(bytes(data))
    assert [entry.name for entry in opened.entries] == ["S", "S/a", "S/b"]
    assert opened.problems == ("the directory refers to itself or beyond its end",)


def test_an_allocation_table_that_names_itself_twice_or_leaves_the_file_ends() -> None:
    assert _open(_changed(76, struct.pack("<3I", 0, 0, 7))).size == len(DOCUMENT)
    assert _open(_changed(76, struct.pack("<2I", 0, 9000))).size == len(DOCUMENT)
    assert _open(_changed(76, struct.pack("<I", 9000))).size == 1024


def test_more_of_the_allocation_table_is_named_in_a_chain_of_sectors() -> None:
    chain = bytearray(512)
    struct.pack_into("<128I", chain, 0, 5, *[FREE] * 126, 4)
    table = struct.pack("<2I", FAT_MARK, END).ljust(512, b"\xff")
    data = _changed(68, struct.pack("<2I", 4, 1)) + bytes(chain) + table
    assert _open(data + bytes(65_000)).size == (128 + 1 + 2) * 512
    assert _open(data[:2800]).size == 2560


def test_a_stream_of_small_streams_that_is_damaged_is_told() -> None:
    opened = _open(_changed(DIRECTORY + 116, struct.pack("<I", 9000)))
    assert opened.problems == (
        "the stream of small streams: its chain of sectors ends after 0 of 1 or meets another chain",
    )
    (entry,) = opened.entries
    with pytest.raises(FormatError, match="behind the end"):
        entry.read(100)


def test_a_missing_directory_leaves_the_header() -> None:
    opened = _open(_changed(48, struct.pack("<I", 9000)))
    assert opened.facts["stream_names"] == ()
    assert opened.problems == ("the directory is missing",)


def test_absurd_counts_and_sizes_are_harmless() -> None:
    data = _changed(DIRECTORY + 128 + 120, struct.pack("<Q", 1 << 60))
    (entry,) = _open(data).entries
    assert entry.unpacked_bytes == 0
    large = _open(_built({"a": b"1"}, version=4).replace(struct.pack("<IQ", 0, 1), struct.pack("<IQ", 0, 1 << 60)))
    with pytest.raises(LimitExceeded):
        next(iter(large.entries)).read(1 << 28)
    assert len(list(_open(_built(dict.fromkeys("abcdef", b"1")), limits=Limits(entries=3)).entries)) == 3


@pytest.mark.parametrize("data", [b"", DOCUMENT[:100], _changed(26, b"\x05"), _changed(28, b"\0\0"), bytes(600)])
def test_what_is_no_compound_file_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@settings(max_examples=60)
@given(st.data())
def test_damaged_installers_are_read_or_refused(data: st.DataObject) -> None:
    image = bytearray(_installer({"ProductName": "Pump"}, a=NOISE))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(image) - 4))
        image[at : at + 4] = data.draw(st.sampled_from([bytes(4), b"\xff" * 4, b"\x01\0\0\0", b"\xfe\xff\xff\xff"]))
    try:
        opened = _open(bytes(image))
    except FormatError:
        return
    for entry in opened.entries:
        try:
            entry.read(1 << 20)
        except (FormatError, LimitExceeded):
            continue


WXS = """<?xml version="1.0"?><Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><Product Name="Pump Tool" Id="*"
 UpgradeCode="11111111-2222-3333-4444-555555555555" Language="1033" Codepage="1252" Version="1.2.3" Manufacturer="P">
<Package InstallerVersion="200" Compressed="yes"/><Media Id="1" Cabinet="pump.cab" EmbedCab="yes"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Component Id="C1" Guid="*">
<File Id="F1" Name="pump.bin" Source="pump.bin" KeyPath="yes"/></Component></Directory>
<Feature Id="Main" Level="1"><ComponentRef Id="C1"/></Feature></Product></Wix>"""


@pytest.mark.skipif(not WIXL, reason="wixl is not installed")
def test_an_installer_of_wixl_is_read(tmp_path: Path) -> None:
    (tmp_path / "pump.bin").write_bytes(NOISE)
    (tmp_path / "pump.wxs").write_text(WXS, encoding="utf-8")
    subprocess.run([WIXL, "-o", "pump.msi", "pump.wxs"], cwd=tmp_path, check=True)
    opened = _open((tmp_path / "pump.msi").read_bytes())
    assert opened.problems == ()
    assert (opened.facts["product"], opened.facts["version"]) == ("Pump Tool", "1.2.3")
    assert _contents(opened)["pump.cab"].startswith(b"MSCF")


@pytest.mark.skipif(not MSIBUILD, reason="msibuild is not installed")
def test_a_cabinet_added_by_msibuild_is_read(tmp_path: Path) -> None:
    cabinet = build_cabinet({"pump.bin": NOISE})
    (tmp_path / "x.cab").write_bytes(cabinet)
    subprocess.run([MSIBUILD, "x.msi", "-s", "Pump", "Pumps"], cwd=tmp_path, check=True)
    subprocess.run([MSIBUILD, "x.msi", "-a", "x.cab", "x.cab"], cwd=tmp_path, check=True)
    opened = _open((tmp_path / "x.msi").read_bytes())
    assert opened.title == "Windows Installer package (MSI)"
    assert _contents(opened)["x.cab"] == cabinet
