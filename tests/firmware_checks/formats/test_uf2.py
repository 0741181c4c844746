"""UF2: each family's memory is put together from its blocks, and everything odd is told."""

import hashlib
import importlib.resources
import random
import struct
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.uf2 import FORMAT
from firmware_checks.span import Linear, Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window

RP2040, SAMD21 = 0xE48BFF56, 0x68ED2B88
ASIDE, CONTAINER, FAMILY, MD5, TAGS = 0x1, 0x1000, 0x2000, 0x4000, 0x8000
VERSION_TAG = bytes.fromhex("09bcc79f302e312e32000000")
DEVICE_TAG = bytes.fromhex("149d0d6541434d4520546f6173746572206d6b33")
"""Both from the specification: firmware 0.1.2 for an ACME Toaster mk3."""


def _block(
    address: int,
    payload: bytes,
    number: tuple[int, int] = (0, 1),
    *,
    family: int = RP2040,
    flags: int = FAMILY,
    tail: bytes = b"",
    last: int = 0x0AB16F30,
) -> bytes:
    start = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, address, len(payload), *number, family)
    return start + (payload + tail).ljust(476, b"\xff") + struct.pack("<I", last)


def _program(address: int, data: bytes, each: int = 256, family: int = RP2040) -> bytes:
    total = -(-len(data) // each)
    return b"".join(
        _block(address + k * each, data[k * each : (k + 1) * each], (k, total), family=family) for k in range(total)
    )


def _open(data: bytes, *, base: int = 0, limits: Limits | None = None) -> Opened:
    return FORMAT.open(Span("pump.uf2", Window.of(data), Linear(base)), limits or Limits())


def _content(opened: Opened, title: str = "RP2040") -> dict[int, bytes]:
    return {s.address: bytes(s.data) for m in opened.memories if m.title == title for s in m.map.segments}


@given(st.binary(min_size=1, max_size=3000), st.integers(1, 119), st.integers(0, 99), st.randoms(use_true_random=False))
def test_blocks_in_any_order_make_one_program_with_every_place_in_the_file(
    data: bytes, words: int, base: int, order: random.Random
) -> None:
    text = _program(0x1000_0000, data, 4 * words)
    blocks = [text[k : k + 512] for k in range(0, len(text), 512)]
    order.shuffle(blocks)
    text = b"".join(blocks)
    opened = _open(text, base=base)
    assert _content(opened) == {0x1000_0000: data}
    assert (opened.size, opened.problems) == (len(text), ())
    (segment,) = opened.memories[0].map.segments
    for index, byte in enumerate(data):
        assert text[segment.provenance.offset_at(index) - base] == byte


def test_the_example_leaves_out_the_block_its_boot_loader_ignores() -> None:
    opened = _open(FORMAT.example())
    assert _content(opened, "RP2350_ARM_S") == {0x1000_0000: bytes(range(256)) * 2}
    assert opened.facts == {
        "blocks": 3,
        "ignored_blocks": 1,
        "family_ids": ("0xe48bff59",),
        "mcus": ("Raspberry Pi RP2350, Arm program, secure",),
        "firmware_version": "1.4.2",
        "data_bytes": 512,
        "address_ranges": 1,
        "gaps": 0,
        "overlaps": 0,
        "conflicting_overlaps": 0,
    }
    assert opened.problems == ()


def test_families_and_what_is_not_for_the_flash_are_kept_apart() -> None:
    opened = _open(
        _program(0x1000_0000, b"one" * 100)
        + _program(0x2000, b"two" * 100, family=SAMD21)
        + _block(0, b"three", family=0x12345678)
        + _block(0, b"no family", flags=0)
        + _block(0, b"aside", (1, 2), flags=ASIDE)
    )
    titles = [m.title for m in opened.memories]
    assert titles == ["RP2040", "SAMD21", "family 0x12345678", "", "not main flash"]
    assert _content(opened, "not main flash") == {0: b"aside"}
    assert opened.facts["not_main_flash_blocks"] == 1
    assert opened.facts["mcus"] == ("Raspberry Pi RP2040", "Microchip SAM D21", "unknown")
    assert opened.problems == ("the file: blocks disagree on how many there are, from 1 to 2",)


def test_every_family_in_the_table_has_a_name_and_a_microcontroller() -> None:
    table = importlib.resources.files("firmware_checks.formats").joinpath("uf2_families.toml")
    rows = tomllib.loads(table.read_text(encoding="utf-8"))
    assert len({row["name"] for row in rows.values()}) == len(rows)
    for family, row in rows.items():
        opened = _open(_block(0, b"a", family=int(family, 16)))
        assert (opened.memories[0].title, opened.facts["mcus"]) == (row["name"], (row["mcu"],))
        assert opened.facts["family_ids"] == (family,)


def test_tags_of_the_specification_are_read_once() -> None:
    end = b"\xff" * 4
    rest = struct.pack("<I", 0x0BE9F708) + struct.pack("<I", 4096) + struct.pack("<I", 0xC8A72908) + b"\x01\0\0\0"
    sha = struct.pack("<I", 0xB46DB024) + bytes(range(32))
    flags = FAMILY | TAGS
    opened = _open(
        _block(0, b"abcd", (0, 3), flags=flags, tail=VERSION_TAG + DEVICE_TAG + end)
        + _block(4, b"abcd", (1, 3), flags=flags, tail=VERSION_TAG + rest + sha + b"\x02abc")
        + _block(8, b"abcd", (2, 3), flags=flags, tail=VERSION_TAG.replace(b"0.1.2", b"0.1.3"))
    )
    assert opened.facts["firmware_version"] == ("0.1.2", "0.1.3")
    assert opened.facts["device"] == "ACME Toaster mk3"
    assert (opened.facts["page_bytes"], opened.facts["device_type"]) == (4096, "0x1")
    assert opened.facts["sha2"] == bytes(range(32)).hex()


def test_an_rp2350_block_of_older_tools_without_the_ignore_tag_is_left_out_too() -> None:
    opened = _open(_block(0x10FF_FF00, b"\xef" * 256, (0, 2), family=0xE48BFF57) + _block(0, b"abcd"))
    assert (opened.facts["ignored_blocks"], opened.problems) == (1, ())
    kept = _open(_block(0x1000_0000, b"\xef\x00", family=0xE48BFF57))
    assert _content(kept, "RP2XXX_ABSOLUTE") == {0x1000_0000: b"\xef\x00"}


def _summed(address: int, payload: bytes, number: tuple[int, int], region: tuple[int, int, bytes]) -> bytes:
    record = struct.pack("<II16s", region[0], region[1], hashlib.md5(region[2], usedforsecurity=False).digest())
    return _block(address, payload, number, flags=FAMILY | MD5, tail=bytes(452 - len(payload)) + record)


def test_md5_sums_of_regions_are_checked_as_far_as_the_region_is_there() -> None:
    first, second, third = b"a" * 256, b"b" * 256, b"c" * 256
    data = (
        _summed(0x1000, first, (0, 3), (0x1000, 512, first + second))
        + _summed(0x1100, second, (1, 3), (0x1000, 512, first + second))
        + _summed(0x1200, third, (2, 3), (0x1200, 256, b"other"))
    )
    verdict = _open(data).integrity[0]
    assert (verdict.algorithm, verdict.covers, verdict.valid) == ("md5", "2 regions of flash", False)
    assert verdict.computed == "1 wrong, first at address 0x1200"
    assert _open(data[:1024]).integrity[0].valid
    cut = _open(data[:512])
    assert cut.integrity == ()
    assert "a region with an MD5 checksum is not complete in the file and was not checked" in cut.problems
    elsewhere = _open(_summed(0x1000, first, (0, 1), (0x9000, 256, first)))
    assert elsewhere.integrity == ()


def test_hashing_many_overlapping_regions_stops() -> None:
    data = b"".join(_summed(4 * k, b"abcd", (k, 50), (0, 4 * k + 4, b"abcd" * (k + 1))) for k in range(50))
    opened = _open(data)
    assert opened.integrity[0].valid
    assert len(opened.problems) == 1


def _carried(name: bytes, offset: int, payload: bytes, size: int) -> bytes:
    return _block(offset, payload, family=size, flags=CONTAINER, tail=name + b"\0")


def test_files_carried_in_blocks_are_read_as_files() -> None:
    opened = _open(
        _carried(b"boot/run.py", 0, b"print(1)", 16)
        + _carried(b"boot/run.py", 12, b"#end", 16)
        + _carried(b"", 0, b"x", 1)
        + _carried(b"big", 0, b"x", 1 << 31)
        + _carried(b"small", 8, b"x", 4)
    )
    files = {entry.name: entry for entry in opened.entries}
    assert list(files) == ["boot/run.py", "unnamed", "big", "small"]
    run = files["boot/run.py"]
    assert (run.packed_bytes, run.unpacked_bytes, run.offset) == (1024, 16, 0)
    assert run.read(100) == b"print(1)\0\0\0\0#end"
    with pytest.raises(LimitExceeded):
        files["big"].read(1 << 20)
    with pytest.raises(FormatError, match="do not make the 4 bytes"):
        files["small"].read(100)
    assert opened.memories == ()
    assert opened.facts["files"] == 4


def test_a_file_none_of_whose_blocks_was_loaded_is_refused() -> None:
    opened = _open(_block(0, b"abcd") + _carried(b"late", 0, b"abcd", 4), limits=Limits(entry_bytes=4))
    (late,) = opened.entries
    with pytest.raises(FormatError):
        late.read(100)
    assert opened.limits_hit == ("more than 4 bytes of content, the rest was not loaded",)


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ([_block(0, b"a", last=0)], "a block has no valid end and was left out: block 1"),
        ([_block(0, bytes(476)), _block(0, b"")], "a block holds no data: block 2"),
        ([_block(0, bytes(456), flags=MD5)], "a block claims more data than it can hold and was left out: block 1"),
        ([bytes(512), _block(8, b"b")], "a block is no UF2 block and was skipped: block 1"),
        (
            [_block(4, b"b", (2, 4)), _block(8, b"b", (3, 4))],
            "RP2040: 1 of 4 blocks are missing, the first is number 1",
        ),
        (
            [_block(0, b"b", (1, 2)), _block(4, b"c", (9, 2))],
            "RP2040: block number 9 is beyond the 2 that are announced",
        ),
        ([_block(4, b"b", (0, 2)), _block(8, b"c", (1, 2))], "RP2040: 1 block numbers are used again"),
        ([_block(4, b"b", (1, 3))], "RP2040: 1 of 3 blocks are missing, the first is number 2"),
        ([_block(4, b"b", (1, 2))[:300]], "the last block is cut: block 1"),
    ],
)
def test_every_oddity_is_told(blocks: list[bytes], problem: str) -> None:
    total = {"RP2040: 1 of 4 blocks are missing, the first is number 1": 4}.get(problem, 2)
    opened = _open(_block(0, b"first", (0, total)) + b"".join(blocks))
    assert problem in opened.problems
    assert opened.size == 512 + sum(len(block) for block in blocks)


def test_what_follows_the_blocks_is_not_taken() -> None:
    block = _block(0, b"a")
    assert _open(block + bytes(700)).size == 512
    assert _open(block + b"UF2").size == 515
    assert _open(block + b"other").size == 512
    assert _open(block + bytes(512 * 17) + block).size == 512


@pytest.mark.parametrize("data", [b"", b"UF2\n", _block(0, b"a")[:511], bytes(1024), _block(0, b"a")[1:] + b"\0"])
def test_what_does_not_start_with_a_block_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


def test_a_limit_stops_the_loading_and_not_the_reading() -> None:
    data = b"".join(_block(512 * k, b"ab", (k, 9)) for k in range(9))
    opened = _open(data, limits=Limits(segments=3))
    assert (opened.size, len(_content(opened))) == (len(data), 3)
    assert "more than 3 separate address ranges, the rest was not loaded" in opened.limits_hit


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    file = bytearray(FORMAT.example() + _carried(b"name", 0, b"abcd", 4) + _summed(0, b"abcd", (0, 1), (0, 4, b"abcd")))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.one_of(st.integers(0, len(file) - 1), st.integers(0, 31).map(lambda k: 512 * (k % 5) + k)))
        file[at] = data.draw(st.integers(0, 255))
    try:
        opened = _open(bytes(file[: data.draw(st.integers(0, len(file)))]))
    except FormatError:
        return
    assert 0 < opened.size <= len(file)
    for entry in opened.entries:
        try:
            assert len(entry.read(1000)) <= 1000
        except (FormatError, LimitExceeded):
            continue
