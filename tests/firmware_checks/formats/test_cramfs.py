"""cramfs: images built here in both byte orders, and images that mkfs.cramfs makes."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.cramfs import FORMAT
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MKFS = shutil.which("mkfs.cramfs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""
needs_mkfs = pytest.mark.skipif(not MKFS, reason="mkfs.cramfs is not installed (Debian package util-linux)")

STORED, DIRECT = 1 << 31, 1 << 30
FILE_AT = 92
"""Where the one file of an image built here has its block pointers."""


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("root.cramfs", Window.of(data)), limits)


def _entries(data: bytes) -> dict[str, Entry]:
    return {entry.name: entry for entry in _open(data).entries}


def _record(sign: str, mode: int, size: int, name: bytes, place: int, uid: int = 0, gid: int = 0) -> bytes:
    padded = name + bytes(-len(name) % 4)
    words, place_words = len(padded) // 4, place // 4
    if sign == "<":
        numbers = mode | uid << 16, size | gid << 24, words | place_words << 6
    else:
        numbers = mode << 16 | uid, size << 8 | gid, words << 26 | place_words
    return struct.pack(f"{sign}3I", *numbers) + padded


def _image(
    body: bytes,
    size: int,
    *,
    sign: str = "<",
    flags: int = 1,
    mode: int = 0o100644,
    name: bytes = b"file",
    place: int = FILE_AT,
    root_mode: int = 0o40755,
    root_place: int = 76,
) -> bytes:
    """Return a cramfs with one file; ``body`` starts with its block pointers, at ``FILE_AT``."""
    record = _record(sign, mode, size, name, place, 1000, 100)
    root = _record(sign, root_mode, len(record), b"", root_place)
    rest = root + record + body
    head = [0x28CD3D45, 64 + len(rest), flags, 0, b"Compressed ROMFS", 0, 0, 0, 0, b"volume"]
    head[5] = zlib.crc32(struct.pack(f"{sign}4I16s4I16s", *head) + rest)
    return struct.pack(f"{sign}4I16s4I16s", *head) + rest


def _packed(data: bytes, sign: str = "<", page: int = 4096) -> bytes:
    """Return block pointers and blocks of ``data``; pages of zeros become holes."""
    pages = [data[at : at + page] for at in range(0, len(data), page)]
    blocks = [zlib.compress(part) if any(part) else b"" for part in pages]
    ends = [FILE_AT + 4 * len(pages) + sum(map(len, blocks[: n + 1])) for n in range(len(pages))]
    return struct.pack(f"{sign}{len(ends)}I", *ends) + b"".join(blocks)


@pytest.mark.parametrize(("sign", "name"), [("<", "little"), (">", "big")])
@given(
    st.lists(st.sampled_from([b"a" * 4096, bytes(4096), bytes(range(256)) * 16]), max_size=4), st.binary(max_size=99)
)
def test_what_is_packed_is_read_back_in_both_byte_orders(sign: str, name: str, pages: list[bytes], end: bytes) -> None:
    data = b"".join(pages) + end
    opened = _open(_image(_packed(data, sign), len(data), sign=sign))
    (entry,) = opened.entries
    assert entry.read(1 << 20) == data
    assert (entry.name, entry.mode, entry.uid, entry.gid) == ("file", 0o644, 1000, 100)
    assert opened.facts["byte_order"] == name
    assert opened.facts["label"] == "volume"
    assert [verdict.valid for verdict in opened.integrity] == [True]


@pytest.mark.parametrize("page", [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])
def test_the_size_of_a_page_is_found_from_the_first_file_that_takes_two(page: int) -> None:
    data = random.Random(page).randbytes(2 * page + 5)  # noqa: S311  # filler, not a secret
    opened = _open(_image(_packed(data, page=page), len(data)))
    assert next(iter(opened.entries)).read(1 << 20) == data
    assert opened.facts["block_bytes"] == page


def test_a_file_of_one_block_is_read_whatever_the_page_is() -> None:
    data = bytes(range(256)) * 100
    opened = _open(_image(_packed(data, page=65536), len(data)))
    assert next(iter(opened.entries)).read(1 << 20) == data
    assert "block_bytes" not in opened.facts


def test_a_file_larger_than_allowed_is_not_read() -> None:
    with pytest.raises(LimitExceeded):
        _entries(_image(_packed(b"x" * 100), 100))["file"].read(99)


@pytest.mark.parametrize("sign", ["<", ">"])
def test_blocks_with_extended_pointers_are_read(sign: str) -> None:
    pages = [bytes([65 + n]) * 4096 for n in range(6)]
    data = b"".join(pages) + b"tail"
    stored_at, packed_at = 1024, 1024 + 4096
    packed = [zlib.compress(page) for page in pages]
    image = bytearray(16384)
    image[stored_at : stored_at + 4096] = pages[1]
    image[packed_at : packed_at + 2] = struct.pack(f"{sign}H", len(packed[2]))
    after_2 = packed_at + 2
    image[after_2 : after_2 + len(packed[2])] = packed[2]
    place_3 = after_2 + len(packed[2])
    image[place_3 : place_3 + len(packed[3])] = packed[3]
    first_at = FILE_AT + 28
    image[first_at : first_at + len(packed[0])] = packed[0]
    direct_4, tail_at = 12288, 8192
    image[direct_4 : direct_4 + 4096 - 8] = pages[4][8:]
    end_3 = place_3 + len(packed[3])
    image[end_3 : end_3 + 4096] = pages[4]
    image[end_3 + 4096 : end_3 + 4096 + len(packed[5])] = packed[5]
    image[tail_at + 3072 : tail_at + 3076] = b"tail"
    pointers = [
        first_at + len(packed[0]),
        STORED | DIRECT | stored_at >> 2,
        DIRECT | packed_at >> 2,
        end_3,
        STORED | (end_3 + 4096),
        end_3 + 4096 + len(packed[5]),
        STORED | DIRECT | (tail_at + 3072) >> 2,
    ]
    image[FILE_AT : FILE_AT + 28] = struct.pack(f"{sign}7I", *pointers)
    opened = _open(_image(bytes(image[FILE_AT:]), len(data), sign=sign, flags=0x801))
    assert next(iter(opened.entries)).read(1 << 20) == data
    assert opened.facts["extended_block_pointers"] is True


def test_a_stored_block_with_a_direct_pointer_ends_a_page_after_its_start() -> None:
    pages = [b"a" * 4096, b"b" * 4096]
    packed = zlib.compress(pages[1])
    start = 1024
    pointers = struct.pack("<2I", STORED | DIRECT | start >> 2, start + 4096 + len(packed))
    body = (pointers + bytes(start - FILE_AT - 8)) + pages[0] + packed
    assert _entries(_image(body, 8192))["file"].read(1 << 20) == b"".join(pages)


@pytest.mark.parametrize(
    ("body", "size", "words"),
    [
        (struct.pack("<I", FILE_AT + 4 + 9) + b"no stream", 50, "damaged"),
        (struct.pack("<I", FILE_AT + 4 + 99) + bytes(10), 50, "wanted"),
        (struct.pack("<I", 50) + bytes(10), 50, "takes -46 bytes"),
        (struct.pack("<I", 1 << 20) + bytes(10), 50, "takes"),
        (_packed(b"x" * 40), 50, "unpacks to 40 bytes instead of 50"),
        (struct.pack("<I", DIRECT | 1 << 20), 50, "wanted"),
        (b"", 50, "wanted"),
    ],
)
def test_a_damaged_block_is_refused_when_read(body: bytes, size: int, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        _entries(_image(body, size))["file"].read(1 << 20)


def test_a_link_whose_target_cannot_be_read_is_told() -> None:
    opened = _open(_image(b"", 50, mode=0o120777))
    (entry,) = opened.entries
    assert (entry.kind, entry.target) == (EntryKind.SYMBOLIC_LINK, "")
    assert any("target of a link" in problem for problem in opened.problems)


def test_files_links_and_devices_of_the_example_are_listed() -> None:
    entries = _entries(FORMAT.example())
    assert entries["pump.conf"].read(1 << 20) == b"rate = 5\n" * 600
    assert entries["conf"].target == "pump.conf"
    assert (entries["ttyS0"].kind, entries["ttyS0"].device) == (EntryKind.CHARACTER_DEVICE, (4, 64))


def test_a_changed_byte_is_seen_in_the_check_sum() -> None:
    image = bytearray(FORMAT.example())
    image[-1] ^= 1
    assert [verdict.valid for verdict in _open(bytes(image)).integrity] == [False]


def test_an_image_that_is_cut_is_read_as_far_as_it_is_there() -> None:
    example = FORMAT.example()
    opened = _open(example[:-100])
    assert opened.integrity == ()
    assert opened.problems == (f"only {len(example) - 100} of its {len(example)} bytes are there",)


def test_the_first_version_does_not_say_its_size_which_is_taken_from_its_files() -> None:
    data = b"x" * 5000
    image = bytearray(_image(_packed(data), len(data), flags=0))
    image[48:64] = bytes(16)
    opened = _open(bytes(image) + bytes(500))
    assert "label" not in opened.facts
    assert opened.size == len(image)
    assert opened.integrity == ()
    assert next(iter(opened.entries)).read(1 << 20) == data


def test_features_that_are_not_known_are_told() -> None:
    assert "0x1000" in " ".join(_open(_image(_packed(b"x"), 1, flags=0x1001)).problems)


def test_a_folder_that_contains_itself_is_walked_once() -> None:
    opened = _open(_image(b"", 16, mode=0o40755, place=76))
    assert [entry.name for entry in opened.entries] == ["file"]
    assert any("contains itself" in problem for problem in opened.problems)


def test_a_folder_larger_than_the_image_is_told() -> None:
    opened = _open(_image(b"", 0xFFFFFF, mode=0o40755, place=76))
    assert any("more bytes than the image" in problem for problem in opened.problems)


def test_a_folder_with_a_name_of_no_length_is_told() -> None:
    body = _record("<", 0o100644, 0, b"", 0)
    opened = _open(_image(body, 12, mode=0o40755))
    assert any("has no length" in problem for problem in opened.problems)


def test_names_that_could_lead_astray_are_told() -> None:
    (entry,) = _entries(_image(b"", 0, name=b"../x")).values()
    assert entry.name == "..\\x2fx"
    assert "slashes" in " ".join(_open(_image(b"", 0, name=b"../x")).problems)


def test_an_image_with_nothing_in_it_is_opened() -> None:
    image = bytearray(_image(b"", 0))
    struct.pack_into("<I", image, 68, 0)
    assert _open(bytes(image)).entries == ()


@pytest.mark.parametrize(
    "image",
    [
        b"no cramfs" * 100,
        _image(b"", 0, root_mode=0o100644),
        _image(b"", 0, mode=0),
        _image(bytes(512 + 76 - FILE_AT) + _record("<", 0o100644, 0, b"file", 0), 0, root_place=512 + 76),
        _image(b"", 0)[:4] + struct.pack("<I", 70) + _image(b"", 0)[8:],
        b"",
    ],
)
def test_what_cannot_be_true_is_refused(image: bytes) -> None:
    with pytest.raises(FormatError):
        _open(image)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=4)), max_size=5), st.booleans())
def test_a_damaged_image_is_read_or_refused_quickly(changes: list[tuple[int, bytes]], big: bool) -> None:
    sign = ">" if big else "<"
    image = bytearray(_image(_packed(b"pump" * 3000, sign), 12000, sign=sign))
    for at, data in changes:
        image[at : at + len(data)] = data
    try:
        opened = _open(bytes(image))
    except FormatError:
        return
    for entry in opened.entries:
        try:
            assert len(entry.read(1 << 20)) <= 1 << 20
        except (FormatError, LimitExceeded):
            continue


@needs_mkfs
@pytest.mark.parametrize("options", ["", "-N big", "-p", "-p -N big", "-z", "-b 16384"])
def test_what_mkfs_cramfs_packs_is_read_back(options: str, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    noise = random.Random(1).randbytes(50_000)  # noqa: S311  # filler, not a secret
    files = {"empty": b"", "short": b"x", "a/b/blocks": noise, "a/zeros": bytes(20_000) + b"end", "a/\u00fc": b"odd"}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "short").chmod(0o4755)
    (folder / "link").symlink_to("a/b/blocks")
    image = tmp_path / "image"
    subprocess.run([MKFS, *options.split(), "-n", "pump", str(folder), str(image)], check=True, capture_output=True)
    opened = _open(image.read_bytes())
    entries = {entry.name: entry for entry in opened.entries}
    assert {n: e.read(1 << 20) for n, e in entries.items() if e.kind is EntryKind.FILE} == files
    assert entries["link"].target == "a/b/blocks"
    assert entries["short"].mode == 0o4755
    assert opened.size == image.stat().st_size
    assert [verdict.valid for verdict in opened.integrity] == [True]
    assert opened.problems == ()
