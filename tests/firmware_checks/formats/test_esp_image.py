from __future__ import annotations

import hashlib
import itertools
import random
import struct
import zlib
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.format import Opened, Part
from firmware_checks.formats.esp_image import FORMAT
from firmware_checks.patterns import PatternSet
from firmware_checks.readers.esp_chips import CHIPS
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Confidence, RegionKind

Segments = list[tuple[int, bytes]]
ESP32 = 0
ESP32_C3 = 5
IRAM = 0x4008_0400
CODE = b"\x36\x41\x00\x0c" * 8


def xor(segments: Segments) -> int:
    return reduce(lambda a, b: a ^ b, b"".join(data for _, data in segments), 0xEF)


def closed(body: bytes, checksum: int) -> bytes:
    """Pad ``body`` so that ``checksum`` is the last byte of a row of sixteen."""
    return body.ljust(len(body) | 15, b"\0") + bytes([checksum])


def written(segments: Segments) -> bytes:
    return b"".join(struct.pack("<II", address, len(data)) + data for address, data in segments)


def esp32(segments: Segments, *, chip: int = ESP32, entry: int = IRAM, hashed: bool = True, revision: int = 0) -> bytes:
    header = struct.pack("<BBBBI", 0xE9, len(segments), 2, 0x20, entry)
    header += struct.pack("<B3xHBHH4xB", 0xEE, chip, 1, revision, 399, hashed)
    image = closed(header + written(segments), xor(segments))
    return image + hashlib.sha256(image).digest() if hashed else image


def esp8266(segments: Segments, *, entry: int = 0x4010_0004) -> bytes:
    header = struct.pack("<BBBBI", 0xE9, len(segments), 2, 0x4F, entry)
    return closed(header + written(segments), xor(segments))


def esp8266_v2(flash: bytes, segments: Segments) -> bytes:
    first = struct.pack("<BBBBIII", 0xEA, 4, 2, 0x4F, 0x4010_0004, 0, len(flash)) + flash
    second = struct.pack("<BBBBI", 0xE9, len(segments), 2, 0x4F, 0x4010_0004)
    image = closed(first + second + written(segments), xor(segments))
    crc = zlib.crc32(image)
    return image + struct.pack("<I", crc ^ 0xFFFF_FFFF if crc >> 31 else crc + 1)


def signature_block(image: bytes, scheme: int, *, wide: bool = False, curve: int = 2) -> bytes:
    digest = (hashlib.sha384 if wide else hashlib.sha256)(image).digest()
    body = digest + (bytes([curve]) if scheme == 3 else b"") + bytes(range(200))
    block = struct.pack("<BBBx1192s", 0xE7, scheme, wide, body)
    return block + struct.pack("<I16x", zlib.crc32(block))


def in_sectors(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // 4096) * 4096, b"\xff")


def opened(data: bytes, before: bytes = b"") -> Opened:
    whole = Span("pump.bin", Window.of(before + data))
    return FORMAT.open(whole.part(len(before), whole.size), Limits())


def memory_of(image: Opened) -> Segments:
    (memory,) = image.memories
    return [(segment.address, bytes(segment.data)) for segment in memory.map.segments]


def titled(image: Opened, title: str) -> list[Part]:
    return [part for part in image.parts if part.title == title]


def assert_every_byte_is_accounted_for(image: Opened) -> None:
    parts = sorted((part.start, part.end) for part in image.parts)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(parts))
    assert sum(end - start for start, end in parts) + sum(m.map.size for m in image.memories) == image.size


WORDS = st.binary(min_size=4, max_size=80).map(lambda data: data[: len(data) // 4 * 4])


@given(st.lists(WORDS, min_size=1, max_size=5), st.booleans(), st.binary(max_size=20), st.binary(max_size=20))
def test_segments_are_read_back(contents: list[bytes], hashed: bool, before: bytes, after: bytes) -> None:
    segments = [(IRAM + index * 0x1000, data) for index, data in enumerate(contents)]
    data = esp32(segments, hashed=hashed)
    image = opened(data + after, before)
    assert memory_of(image) == segments
    assert image.size == len(data)
    assert [i.algorithm for i in image.integrity] == (["xor8", "sha256"] if hashed else ["xor8"])
    assert all(i.valid for i in image.integrity)
    assert_every_byte_is_accounted_for(image)
    for segment in image.memories[0].map.segments:
        assert all((before + data)[segment.provenance.offset_at(i)] == byte for i, byte in enumerate(segment.data))


@pytest.mark.parametrize("number", sorted(CHIPS))
def test_every_chip_is_named_with_its_architecture(number: int) -> None:
    chip = CHIPS[number]
    address = chip.ram[-1][0]
    image = opened(esp32([(address, CODE)], chip=number, entry=address))
    assert image.program is not None
    assert (image.program.mcu_family, image.program.mcu_family_confidence) == (chip.name, Confidence.CERTAIN)
    assert image.program.arch == ("xtensa" if chip.name in {"ESP32", "ESP32-S2", "ESP32-S3"} else "riscv32")


def test_the_example_says_what_the_application_says_of_itself() -> None:
    image = opened(FORMAT.example())
    assert image.program is not None
    assert (image.program.role, image.program.entry_address) == ("application", 0x4038_0000)
    expected = {
        "chip": "ESP32-C3",
        "flash_mode": "DIO",
        "flash_bytes": 4 << 20,
        "flash_clock_mhz": 80,
        "min_chip_revision": "0.3",
        "hash_appended": True,
        "signature": "none found behind the image",
        "project": "infusion-pump",
        "version": "1.2.3",
        "compiled": "Jan  1 2024 12:00:00",
        "idf_version": "v5.1.2",
        "elf_sha256": bytes(range(32)).hex(),
        "secure_version": 0,
    }
    assert {name: image.facts[name] for name in expected} == expected


def test_the_revision_of_old_headers_counts_whole_steps() -> None:
    assert opened(esp32([(IRAM, CODE)])).facts["min_chip_revision"] == "1.0"
    facts = opened(esp32([(IRAM, CODE)], revision=103)).facts
    assert (facts["min_chip_revision"], facts["max_chip_revision"]) == ("1.3", "3.99")


def test_a_bootloader_is_told_by_its_description() -> None:
    text = struct.pack("<B3xI32s24s16x", 0x50, 7, b"v5.2", b"Jan  1 2024 12:00:00")
    image = opened(esp32([(IRAM, text), (0x400D_0020, CODE)]))
    assert image.program is not None
    assert image.program.role == "bootloader"
    assert (image.facts["bootloader_version"], image.facts["idf_version"]) == (7, "v5.2")


@pytest.mark.parametrize("version", [b"", b"v5\x02"])
def test_bytes_that_only_start_like_a_description_are_none(version: bytes) -> None:
    text = struct.pack("<B3xI32s24s16x", 0x50, 7, version, b"")
    image = opened(esp32([(IRAM, text), (0x400D_0020, CODE)]))
    assert image.program is not None
    assert (image.program.role, image.facts.get("idf_version")) == ("", None)


def test_an_image_that_lives_in_ram_alone_is_taken_for_a_bootloader() -> None:
    program = opened(esp32([(IRAM, CODE)])).program
    assert program is not None
    assert program.role == "bootloader"


def test_padding_segments_are_not_memory() -> None:
    image = opened(esp32([(IRAM, CODE), (0, bytes(64)), (4, b"other content..."), (0, b"")]))
    assert memory_of(image) == [(IRAM, CODE)]
    assert [part.kind for part in titled(image, "segment that is not loaded")] == [RegionKind.PADDING, RegionKind.DATA]
    assert_every_byte_is_accounted_for(image)


@given(st.integers(24 + 8, 24 + 8 + len(CODE) - 1), st.integers(1, 255))
def test_a_changed_byte_of_code_shows_in_checksum_and_hash(index: int, flip: int) -> None:
    data = bytearray(esp32([(IRAM, CODE)]))
    data[index] ^= flip
    assert [i.valid for i in opened(bytes(data)).integrity] == [False, False]


def test_a_changed_hash_is_invalid_and_the_checksum_still_fits() -> None:
    data = bytearray(esp32([(IRAM, CODE)]))
    data[-1] ^= 1
    assert [i.valid for i in opened(bytes(data)).integrity] == [True, False]


@pytest.mark.parametrize(
    ("scheme", "wide", "curve", "name", "key_bytes"),
    [
        (2, False, 0, "RSA-3072 PSS", 776),
        (3, False, 1, "ECDSA P-192", 65),
        (3, False, 2, "ECDSA P-256", 65),
        (3, True, 3, "ECDSA P-384", 97),
        (3, False, 9, "ECDSA curve 9", 65),
    ],
)
def test_a_secure_boot_v2_signature_is_measured(scheme: int, wide: bool, curve: int, name: str, key_bytes: int) -> None:
    content = in_sectors(esp32([(IRAM, CODE)]))
    block = signature_block(content, scheme, wide=wide, curve=curve)
    image = opened(content + in_sectors(block) + b"next")
    assert image.size == len(content) + 4096
    (part,) = titled(image, "Secure boot v2 signature")
    assert part.facts["scheme"] == name
    key_at = 4 + (48 if wide else 32)
    assert part.facts["public_key_sha256"] == hashlib.sha256(block[key_at : key_at + key_bytes]).hexdigest()
    assert [i.valid for i in part.integrity] == [True, True]
    assert image.facts["signature"] == "Secure boot v2 signature, not verified"
    assert_every_byte_is_accounted_for(image)


def test_a_signature_of_other_bytes_is_invalid() -> None:
    content = in_sectors(esp32([(IRAM, CODE)]))
    block = bytearray(signature_block(b"other bytes", 2))
    block[600] ^= 1
    (part,) = titled(opened(content + in_sectors(bytes(block))), "Secure boot v2 signature")
    assert [(i.algorithm, i.valid) for i in part.integrity] == [("crc32", False), ("sha256", False)]


def test_up_to_three_signatures_are_read_and_what_follows_is_left() -> None:
    content = in_sectors(esp32([(IRAM, CODE)]))
    image = opened(content + signature_block(content, 2) * 3 + b"x" * 448)
    assert len(titled(image, "Secure boot v2 signature")) == 3
    assert image.size == len(content) + 3 * 1216


def test_bytes_between_image_and_signature_that_are_not_erased_flash_mean_no_signature() -> None:
    content = esp32([(IRAM, CODE)]).ljust(4096, b"\x55")
    assert opened(content + signature_block(content, 2)).size < 4096


def test_an_unknown_signature_scheme_is_no_signature() -> None:
    content = in_sectors(esp32([(IRAM, CODE)]))
    assert opened(content + signature_block(content, 9)).size < 4096


def test_a_secure_boot_v1_signature_is_told_by_its_form() -> None:
    data = esp32([(IRAM, CODE)])
    signature = bytes(4) + hashlib.sha512(data).digest()
    for after in (b"", b"\xff" * 100):
        image = opened(data + signature + after)
        assert image.size == len(data) + 68
        assert image.facts["signature"] == "Secure boot v1 signature, not verified"
        assert_every_byte_is_accounted_for(image)
    for other in (b"\x01" + signature[1:], bytes(68), signature + b"code"):
        assert opened(data + other).size == len(data)


def test_an_esp8266_image_is_read_back() -> None:
    segments = [(0x4010_0000, CODE), (0x3FFE_8000, b"data" * 9)]
    image = opened(esp8266(segments) + b"after")
    assert memory_of(image) == sorted(segments)
    assert image.program is not None
    assert (image.program.mcu_family, image.program.arch) == ("ESP8266", "xtensa")
    assert image.facts["flash_bytes"] == 4 << 20
    assert [i.valid for i in image.integrity] == [True]
    assert_every_byte_is_accounted_for(image)


@pytest.mark.parametrize(("before", "slot"), [(0, 0x1000), (0x1000, 0x1000), (0x10_1000, 0x1000), (0x8_1000, 0x8_1000)])
def test_code_in_flash_of_an_esp8266_is_placed_by_its_slot(before: int, slot: int) -> None:
    data = esp8266_v2(bytes(range(64)), [(0x4010_0000, CODE)])
    image = opened(data, bytes(before))
    assert memory_of(image) == [(0x4010_0000, CODE), (0x4020_0000 + slot + 16, bytes(range(64)))]
    assert image.facts["assumed_flash_offset"] == before or image.facts["assumed_flash_offset"] == slot
    assert [(i.algorithm, i.valid) for i in image.integrity] == [("xor8", True), ("crc32", True)]
    assert image.size == len(data)
    assert_every_byte_is_accounted_for(image)


def test_the_crc_behind_a_version_2_image_is_optional() -> None:
    data = esp8266_v2(b"", [(0x4010_0000, CODE)])
    assert [i.algorithm for i in opened(data[:-4]).integrity] == ["xor8"]
    assert [i.algorithm for i in opened(data[:-4] + b"other bytes").integrity] == ["xor8"]
    assert [i.valid for i in opened(data[:-1] + bytes([data[-1] ^ 1])).integrity] == [True, False]


@pytest.mark.parametrize("size", [60, 61, 62, 63])
def test_the_crc_of_either_sign_is_understood(size: int) -> None:
    data = esp8266_v2(bytes([size]) * 64, [(0x4010_0000, CODE)])
    assert opened(data).integrity[1].valid


@pytest.mark.parametrize(
    "data",
    [
        b"\xe8" + FORMAT.example()[1:],
        esp8266_v2(b"x" * 16, [(0x4010_0000, CODE)]).replace(b"\xea\x04", b"\xea\x05"),
        esp32([(IRAM, CODE)] * 17),
        esp32([]),
        esp32([(IRAM, CODE)], entry=0x1234_5678),
        esp32([(0x1234_0000, CODE)]),
        esp32([(IRAM, CODE[:-1])]),
        esp32([(0, CODE)]),
        esp32([(IRAM, CODE)], chip=77),
    ],
)
def test_impossible_headers_and_segments_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        opened(data)


def test_neither_entry_nor_checksum_right_is_no_image() -> None:
    data = bytearray(esp32([(IRAM, CODE)], entry=IRAM + 0x1000, hashed=False))
    assert opened(bytes(data)).integrity[0].valid
    data[-1] ^= 1
    with pytest.raises(FormatError, match="in no segment and the checksum is wrong"):
        opened(bytes(data))


def test_a_segment_of_gigabytes_is_refused() -> None:
    data = bytearray(esp32([(IRAM, CODE)]))
    data[28:32] = struct.pack("<I", 0xFFFF_FFFC)
    with pytest.raises(FormatError):
        opened(bytes(data))


def test_an_image_cut_at_any_byte_is_said_to_be_cut_as_soon_as_code_is_there() -> None:
    data = esp32([(IRAM, CODE), (0x400D_0020, CODE)])
    for size in range(len(data)):
        if size <= 32:
            with pytest.raises(FormatError):
                opened(data[:size])
        else:
            image = opened(data[:size])
            assert image.size == size
            assert image.problems[0].startswith("the image is cut: ")
            assert_every_byte_is_accounted_for(image)


def test_an_esp8266_image_cut_at_any_byte_is_refused() -> None:
    for data in (esp8266([(0x4010_0000, CODE)]), esp8266_v2(CODE, [(0x4010_0000, CODE)])[:-4]):
        for size in range(len(data)):
            with pytest.raises(FormatError):
                opened(data[:size])


@pytest.mark.parametrize(
    "data",
    [
        FORMAT.example(),
        esp32([(0x400D_0020, CODE)]),
        esp32([(IRAM, CODE)]).replace(
            struct.pack("<B3xHBHH", 0xEE, 0, 1, 0, 399), bytes(11)
        ),  # first tools left these zero
        esp8266([(0x4010_0000, CODE)]),
        esp8266_v2(b"flash", [(0x4010_0000, CODE)]),
    ],
)
def test_images_are_found_by_a_magic_anywhere(data: bytes) -> None:
    patterns = PatternSet([magic.pattern("esp-image") for magic in FORMAT.magics])
    noise = random.Random(1).randbytes(5000)  # noqa: S311  # the same noise in every run
    starts = {hit.start for hit in patterns.search(memoryview(noise + data))}
    assert len(noise) in starts


@given(st.integers(0, len(FORMAT.example()) - 1), st.integers(0, 255))
@settings(max_examples=300)
def test_damaged_images_are_opened_or_refused_and_nothing_else(index: int, value: int) -> None:
    data = bytearray(FORMAT.example())
    data[index] = value
    try:
        image = opened(bytes(data))
    except FormatError:
        return
    assert 0 < image.size <= len(data)
    assert all(0 <= part.start < part.end <= image.size for part in image.parts)


def test_damaged_esp8266_and_signed_images_are_opened_or_refused_and_nothing_else() -> None:
    rng = random.Random(5)  # noqa: S311  # the same damage in every run
    content = in_sectors(esp32([(IRAM, CODE), (0, bytes(32))]))
    seeds = [
        esp8266([(0x4010_0000, CODE)]),
        esp8266_v2(CODE, [(0x4010_0000, CODE)]),
        content + signature_block(content, 3),
    ]
    for _ in range(300):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 3)):
            data[min(len(data) - 1, rng.choice([rng.randrange(80), rng.randrange(len(data))]))] = rng.randrange(256)
        try:
            image = opened(bytes(data))
        except FormatError:
            continue
        assert 0 < image.size <= len(data)
