from __future__ import annotations

import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened
from firmware_checks.formats.dfu_suffix import FORMAT
from firmware_checks.formats.dfuse import FORMAT as DFUSE
from firmware_checks.readers.dfu_trailer import with_suffix
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind


def opened(data: bytes) -> Opened:
    return FORMAT.open(Span("pump.dfu", Window.of(data)), Limits())


def suffixed(content: bytes) -> bytes:
    return with_suffix(content, vendor_id=0x1D50, product_id=0x6003, dfu_version=0x0100)


@given(st.binary(max_size=200), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.sampled_from([0x100, 0x101, 0x110]))
def test_content_with_a_suffix_is_read_back(content: bytes, vendor_id: int, product_id: int, version: int) -> None:
    data = with_suffix(b"PLAIN" + content, vendor_id=vendor_id, product_id=product_id, dfu_version=version)
    image = opened(data)
    payload, suffix = image.parts
    assert data[payload.start : payload.end] == b"PLAIN" + content
    assert payload.look_inside
    assert (suffix.start, suffix.end) == (len(data) - 16, len(data))
    assert image.size == len(data)
    assert image.integrity[0].valid
    expected = {"usb_vendor_id": vendor_id, "usb_product_id": product_id}
    assert {n: image.facts[n] for n in expected if n in image.facts} == {
        name: f"{value:#06x}" for name, value in expected.items() if value != 0xFFFF
    }


def test_the_suffix_of_a_published_radio_firmware_is_reproduced() -> None:
    # suffix of blinky.dfu in the ubertooth-firmware package, without the checksum that depends on the whole file
    suffix = bytes.fromhex("0000 0360 501d 0001 5546 4410")
    body = b"code" + suffix
    data = body + struct.pack("<I", zlib.crc32(body) ^ 0xFFFFFFFF)
    image = opened(data)
    assert image.integrity[0].valid
    assert image.facts == {
        "dfu_version": "1.00",
        "usb_vendor_id": "0x1d50",
        "usb_product_id": "0x6003",
        "device_release": "0x0000",
    }


@given(st.integers(0, 17), st.integers(1, 255))
def test_a_changed_byte_makes_the_checksum_invalid(index: int, flip: int) -> None:
    data = bytearray(FORMAT.example())
    data[index] ^= flip
    assert [i.valid for i in opened(bytes(data)).integrity] == [False]


def test_a_suffix_may_be_longer_than_sixteen_bytes() -> None:
    body = b"content" + b"more" + suffixed(b"")[:-5] + b"\x14"
    data = body + struct.pack("<I", zlib.crc32(body) ^ 0xFFFFFFFF)
    payload, suffix = opened(data).parts
    assert data[payload.start : payload.end] == b"content"
    assert suffix.end - suffix.start == 20


@pytest.mark.parametrize(
    "tail",
    [
        b"UFD\x0f" + bytes(4),  # shorter than itself
        b"UFD\xff" + bytes(4),  # longer than the file
        b"UFE\x10" + bytes(4),
    ],
)
def test_an_impossible_suffix_is_refused(tail: bytes) -> None:
    with pytest.raises(FormatError):
        opened(b"content" + suffixed(b"")[:8] + tail)


def test_an_unknown_dfu_version_is_refused() -> None:
    with pytest.raises(FormatError, match="0x0200"):
        opened(with_suffix(b"content", vendor_id=1, product_id=2, dfu_version=0x0200))


def test_a_dfuse_file_is_left_to_its_own_format() -> None:
    with pytest.raises(FormatError, match="DfuSe"):
        opened(DFUSE.example())


def test_the_suffix_of_a_dfuse_file_further_inside_is_left_to_that_file() -> None:
    with pytest.raises(FormatError, match="further inside"):
        opened(b"noise" + DFUSE.example())
    assert opened(with_suffix(b"plain", vendor_id=1, product_id=2, dfu_version=0x011A)).integrity[0].valid


def test_the_address_in_a_stellaris_prefix_is_that_of_the_payload() -> None:
    code = b"tiva code" * 11
    data = suffixed(struct.pack("<HHI", 1, 0x8000 // 1024, len(code)) + code)
    prefix, payload, _ = opened(data).parts
    assert prefix.title == "TI Stellaris/Tiva DFU prefix"
    assert (payload.address, data[payload.start : payload.end]) == (0x8000, code)


def test_a_stellaris_prefix_that_does_not_fit_the_file_is_content() -> None:
    data = suffixed(struct.pack("<HHI", 1, 32, 1000) + b"code")
    assert [part.title for part in opened(data).parts] == ["payload", "DFU suffix"]


@pytest.mark.parametrize(("mark", "kind"), [(0x1A, RegionKind.CONTAINER), (0xE5, RegionKind.ENCRYPTED)])
def test_an_lpc_header_says_whether_the_payload_is_encrypted(mark: int, kind: RegionKind) -> None:
    code = bytes(range(250)) * 4
    data = suffixed(struct.pack("<BBH12x", mark, 0x3F, 2) + code)
    header, payload, _ = opened(data).parts
    assert header.title == "NXP LPC boot header"
    assert (payload.kind, payload.look_inside) == (kind, kind is RegionKind.CONTAINER)
    assert data[payload.start : payload.end] == code


@pytest.mark.parametrize("header", [(0x1A, 0x3F, 3), (0x1B, 0x3F, 2), (0x1A, 0x3E, 2)])
def test_an_lpc_header_that_does_not_fit_the_file_is_content(header: tuple[int, int, int]) -> None:
    data = suffixed(struct.pack("<BBH12x", *header) + bytes(1000))
    assert [part.title for part in opened(data).parts] == ["payload", "DFU suffix"]


def test_a_suffix_alone_is_a_file_without_payload() -> None:
    assert [part.title for part in opened(suffixed(b"")).parts] == ["DFU suffix"]


def test_a_file_cut_at_any_byte_is_no_dfu_file() -> None:
    data = FORMAT.example()
    for size in range(len(data)):
        with pytest.raises(FormatError):
            opened(data[:size])


def test_damaged_files_are_opened_or_refused_and_nothing_else() -> None:
    rng = random.Random(7)  # noqa: S311  # the same damage in every run
    code = bytes(40)
    seeds = [FORMAT.example(), suffixed(struct.pack("<HHI", 1, 32, len(code)) + code)]
    for _ in range(400):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            image = opened(bytes(data))
        except FormatError:
            continue
        assert image.size == len(data)
        assert image.parts[-1].end == len(data)
