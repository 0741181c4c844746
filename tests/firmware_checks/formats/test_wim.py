import hashlib
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.wim import DENTRY, FORMAT, HEADER, HEADER_BYTES, METADATA, VERDICTS, WimHeader
from firmware_checks.readers import wim_resource
from firmware_checks.readers.wim_resource import COMPRESSED, LZMS, LZX, SOLID, XPRESS, Resource, ResourceReader
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

WIMLIB = shutil.which("wimlib-imagex") or ""
NOISE = random.Random(3).randbytes(70_000)  # noqa: S311  # filler, not a secret
FOLDER, REPARSE = 0x10, 0x400
EXAMPLE = FORMAT.example()


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("boot.wim", Window.of(data)), limits)


def _by_name(opened: Opened) -> dict[str, Entry]:
    return {entry.name: entry for entry in opened.entries}


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _dentry(
    name: str, *, attributes: int = 0, child: int = 0, digest: bytes = bytes(20), tag: int = 0,
    streams: tuple[tuple[str, bytes], ...] = (), length: int | None = None,
) -> bytes:  # fmt: skip
    text = name.encode("utf-16-le")
    size = -(-(DENTRY.size + len(text)) // 8) * 8
    row = DENTRY.pack(
        size if length is None else length, attributes, 0, child, 0, 0, 0, digest, tag, len(streams), 0, len(text)
    )
    others = b""
    for stream, stream_digest in streams:
        stream_text = stream.encode("utf-16-le")
        stream_size = -(-(38 + len(stream_text)) // 8) * 8
        others += (struct.pack("<QQ20sH", stream_size, 0, stream_digest, len(stream_text)) + stream_text).ljust(
            stream_size, b"\0"
        )
    return (row + text).ljust(size, b"\0") + others


def _image(
    *dentries: bytes, contents: tuple[bytes, ...] = (), flags: int = 0, metadata_flags: int = METADATA,
    metadata: bytes | None = None, piece_bytes: int = 0, xml: str = "",
) -> bytes:  # fmt: skip
    """Build an image whose root holds ``dentries``; the first of them stands at 128 in the list of files."""
    root = bytes(8) + _dentry("", attributes=FOLDER, child=128) + bytes(16)
    listed = root + b"".join(dentries) + bytes(8) if metadata is None else metadata
    body, table = b"", b""
    for data, resource_flags in (*((content, 0) for content in contents), (listed, metadata_flags)):
        resource = Resource(len(data), resource_flags, HEADER_BYTES + len(body), len(data))
        table += resource.build() + struct.pack("<HI", 1, 1) + _sha1(data)
        body += data
    at = HEADER_BYTES + len(body)
    text = xml.encode("utf-16")
    covered = body + table
    pieces = [covered[i : i + piece_bytes] for i in range(0, len(covered), piece_bytes)] if piece_bytes else []
    check = struct.pack("<3I", 12 + 20 * len(pieces), len(pieces), piece_bytes) + b"".join(map(_sha1, pieces))
    header = WimHeader(
        magic=b"MSWIM\0\0\0", header_bytes=HEADER_BYTES, version=0x1_0D00, flags=flags, chunk_bytes=32_768,
        identifier=bytes(16), part=1, parts=1, images=1, blobs=Resource(len(table), 0, at, len(table)).build(),
        xml=Resource(len(text), 0, at + len(table), len(text)).build(), boot=bytes(24), boot_image=0,
        integrity=Resource(len(check), 0, at + len(table) + len(text), len(check)).build() if pieces else bytes(24),
        reserved=bytes(60),
    )  # fmt: skip
    return HEADER.build(header) + covered + text + (check if pieces else b"")


def test_the_example_is_read() -> None:
    opened = _open(EXAMPLE + b"after")
    assert opened.size == len(EXAMPLE)
    folder, file = opened.entries
    assert (folder.name, folder.kind) == ("image 1/Windows", EntryKind.FOLDER)
    assert (file.name, file.read(100)) == ("image 1/Windows/pump.ini", b"[pump]\r\nrate=5\r\n")
    assert (file.modified_s, file.extended) == (1_577_836_800, {"dos.attributes": b"a"})
    assert opened.facts["names"] == ("Pump",)
    assert opened.problems == ()


def test_names_editions_and_version_are_told() -> None:
    xml = (
        "<WIM><IMAGE><NAME>Pump</NAME><WINDOWS><EDITIONID>IoTEnterprise</EDITIONID><VERSION><MAJOR>10</MAJOR>"
        "<MINOR>0</MINOR><BUILD>19044</BUILD></VERSION></WINDOWS></IMAGE></WIM>"
    )
    facts = _open(_image(xml=xml)).facts
    assert (facts["names"], facts["editions"], facts["version"]) == (("Pump",), ("IoTEnterprise",), "10.0.19044")


def test_other_streams_and_links_are_told() -> None:
    target = "\\??\\C:\\pump".encode("utf-16-le")
    link = struct.pack("<4HI", 0, len(target), 0, 0, 0) + target
    junction = struct.pack("<4H", 0, len(target), 0, 0) + target
    entries = _by_name(
        _open(
            _image(
                _dentry("file", streams=(("", _sha1(NOISE)), ("Zone.Identifier", _sha1(b"3")))),
                _dentry("link", attributes=REPARSE, digest=_sha1(link), tag=0xA000_000C),
                _dentry("junction", attributes=REPARSE | FOLDER, digest=_sha1(junction), tag=0xA000_0003),
                _dentry("other", attributes=REPARSE, digest=_sha1(b"x"), tag=0x8000_0013),
                _dentry("broken", attributes=REPARSE, digest=_sha1(b"y"), tag=0xA000_000C),
                contents=(NOISE, b"3", link, junction),
            )
        )
    )
    assert entries["image 1/file"].read(1 << 20) == NOISE
    assert entries["image 1/file:Zone.Identifier"].read(10) == b"3"
    kinds = {name: (entry.kind, entry.target) for name, entry in entries.items() if ":" not in name}
    link_kind = EntryKind.SYMBOLIC_LINK
    assert kinds == {
        "image 1/file": (EntryKind.FILE, ""),
        "image 1/link": (link_kind, "\\??\\C:\\pump"),
        "image 1/junction": (link_kind, "\\??\\C:\\pump"),
        "image 1/other": (link_kind, ""),
        "image 1/broken": (link_kind, ""),
    }


def test_content_that_is_missing_or_does_not_fit_its_sha1_is_refused() -> None:
    data = _image(_dentry("a", digest=_sha1(b"1234")), _dentry("b", digest=_sha1(b"?")), contents=(b"1234",))
    first, second = _open(data.replace(b"1234", b"1235")).entries
    with pytest.raises(FormatError, match="does not fit its SHA-1"):
        first.read(100)
    with pytest.raises(FormatError, match="not in this file"):
        second.read(100)
    with pytest.raises(LimitExceeded):
        first.read(3)


def test_a_list_of_files_that_is_damaged_is_told_and_read_as_far_as_it_goes() -> None:
    data = _image(_dentry("pump"), _dentry("gone", length=50))
    opened = _open(data)
    assert [entry.name for entry in opened.entries] == ["image 1/pump"]
    assert opened.problems == ("a folder of image 1 ends early: an entry is shorter than its name",)
    name = "pump".encode("utf-16-le")
    assert "the list of files of image 1 does not fit its SHA-1" in _open(data.replace(name, name[::-1])).problems
    assert "the folders of image 1 cannot be read" in _open(_image(metadata=b"\xff" * 40)).problems[0]


def test_a_stream_that_is_shorter_than_its_name_ends_the_folder() -> None:
    dentry = bytearray(_dentry("a", streams=(("s", bytes(20)),)))
    dentry[104:112] = (10).to_bytes(8, "little")
    assert "a stream is shorter than its name" in _open(_image(bytes(dentry))).problems[0]


def test_folders_that_contain_themselves_end() -> None:
    opened = _open(_image(_dentry("loop", attributes=FOLDER, child=128)))
    assert [entry.name for entry in opened.entries] == ["image 1/loop"]
    assert opened.problems == ("a folder of image 1 contains itself",)


def test_more_files_than_allowed_are_not_listed() -> None:
    opened = _open(_image(*[_dentry("a")] * 9), limits=Limits(entries=3))
    assert len(list(opened.entries)) == 3
    assert opened.limits_hit == ("more than 3 files, the rest is not listed",)


def test_names_are_judged() -> None:
    assert _open(_image(_dentry(".."))).problems == ("name leads out of the folder it is unpacked to: '..'",)


def test_an_image_whose_list_of_files_cannot_be_read_shows_its_content_by_sha1() -> None:
    data = _image(contents=(b"1234",), flags=0x8_0002, metadata_flags=METADATA | COMPRESSED)
    opened = _open(data)
    assert opened.facts["compression"] == LZMS
    assert "the list of files of image 1 cannot be read: is compressed with LZMS" in opened.problems[0]
    (entry,) = opened.entries
    assert (entry.name, entry.read(10)) == (f"content/{_sha1(b'1234').hex()}", b"1234")


def test_a_table_of_content_beyond_the_limit_is_not_read() -> None:
    opened = _open(_image(contents=(b"1234",)), limits=Limits(entries=1))
    assert opened.limits_hit == ("the table of content was not read: unpacks to more than 50 bytes",)
    assert tuple(opened.entries) == ()


def test_the_table_of_check_values_is_judged() -> None:
    data = _image(contents=(NOISE,), piece_bytes=10_000)
    assert [verdict.valid for verdict in _open(data).integrity] == [True]
    wrong = _open(data[:30_000] + b"!" + data[30_001:]).integrity
    assert [verdict.valid for verdict in wrong] == [True, False]
    many = _image(contents=(NOISE,), piece_bytes=100)
    assert len(_open(many[:208] + bytes(60_000) + many[60_208:]).integrity) == VERDICTS


def test_a_table_of_check_values_that_does_not_fit_is_left() -> None:
    data = _image(piece_bytes=10_000)
    assert _open(data[:-4]).integrity == ()
    assert _open(data[:-24] + bytes(24)).integrity == ()
    assert _open(data[:-28] + b"\x09" + data[-27:]).integrity == ()


def test_a_cut_image_says_so() -> None:
    opened = _open(EXAMPLE[:-10])
    assert opened.size == len(EXAMPLE) - 10
    assert opened.problems[0] == "the file is cut short: 10 bytes are missing"


@pytest.mark.parametrize("data", [b"", EXAMPLE[:100], EXAMPLE[:40] + bytes(300), b"MSWIM\0\0\0" + bytes(300)])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def _resource(data: bytes, *, unpacked_bytes: int, flags: int = COMPRESSED, how: str = XPRESS) -> bytes:
    reader = ResourceReader(Window.of(data), how, 32_768)
    return reader.read(Resource(len(data), flags, 0, unpacked_bytes), 1 << 40)


def test_resources_that_cannot_be_are_refused() -> None:
    for arguments, match in (
        ((b"abc", 4, 0, XPRESS), "two sizes"),
        ((b"abc", 3, SOLID, XPRESS), "solid"),
        ((b"abc", 9, COMPRESSED, LZMS), "not read"),
        ((b"abc", 70_000, COMPRESSED, LZX), "longer than the resource"),
        ((struct.pack("<I", 900) + b"abc", 40_000, COMPRESSED, XPRESS), "backwards or out"),
    ):
        data, size, flags, how = arguments
        with pytest.raises(FormatError, match=match):
            _resource(data, unpacked_bytes=size, flags=flags, how=how)
    with pytest.raises(FormatError, match="chunks of 0 bytes: not read"):
        ResourceReader(Window.of(b""), XPRESS, 0).read(Resource(0, COMPRESSED, 0, 9), 100)
    with pytest.raises(LimitExceeded):
        _resource(b"abc", unpacked_bytes=wim_resource.COMPRESSED_BYTES + 1)
    assert _resource(b"", unpacked_bytes=0) == b""
    assert _resource(struct.pack("<I", 32_768) + NOISE[:40_000], unpacked_bytes=40_000) == NOISE[:40_000]


@pytest.mark.skipif(not WIMLIB, reason="wimlib-imagex is not installed")
@pytest.mark.parametrize("compression", ["none", "XPRESS", "LZX"])
def test_an_image_of_wimlib_is_read(compression: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    contents = {
        "a.txt": b" ".join(b"%d" % number for number in range(20_000)), "deep/er/noise.bin": NOISE, "empty": b"",
        "calls.bin": b"\xe8\x00\x10\x00\x00pump" * 9000, "zeros": bytes(300_000), "unicode-\u00b5.txt": b"x",
    }  # fmt: skip
    for name, content in contents.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "link").symlink_to("a.txt")
    options = [f"--compress={compression}", "--check", "--quiet"]
    subprocess.run([WIMLIB, "capture", tree, tmp_path / "x.wim", "Pump", *options], check=True, capture_output=True)
    opened = _open((tmp_path / "x.wim").read_bytes())
    assert opened.problems == ()
    assert all(verdict.valid for verdict in opened.integrity)
    assert opened.integrity
    entries = _by_name(opened)
    assert {name: entries[f"image 1/{name}"].read(1 << 20) for name in contents} == contents
    assert entries["image 1/link"].target.endswith("a.txt")
    assert entries["image 1/deep/er"].kind is EntryKind.FOLDER
