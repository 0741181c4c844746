import binascii
import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.formats.nordic_init_packet import (
    FORMAT,
    MOST_BYTES,
    MOST_FIELDS,
    build_init_packet,
    read_init_packet,
)
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact

FIRMWARE = b"firmware of a pump"
SIGNATURE = bytes(range(64))


def _facts(data: bytes) -> dict[str, Fact]:
    return dict(FORMAT.open(Span("pump.dat", Window.of(data)), Limits()).facts)


def _legacy(rest: bytes, softdevices: tuple[int, ...] = (0x64,)) -> bytes:
    """Build by nrfutil 0.5: device type, revision, application version, list of SoftDevices, then what differs."""
    return struct.pack(f"<2HI{len(softdevices) + 1}H", 0x52, 1, 5, len(softdevices), *softdevices) + rest


def test_a_signed_secure_packet_says_everything() -> None:
    packet = build_init_packet(FIRMWARE, signature=SIGNATURE)
    assert _facts(packet) == {
        "generation": "secure",
        "type": "application",
        "fw_version": 5,
        "hw_version": 52,
        "app_size": 18,
        "requires_softdevice": ("S132 7.2.0",),
        "hash": "sha256",
        "debug": False,
        "signed": True,
        "signature_algorithm": "ECDSA P-256",
    }


def test_an_unsigned_secure_packet_says_so() -> None:
    facts = _facts(build_init_packet(FIRMWARE))
    assert facts["signed"] is False
    assert "signature_algorithm" not in facts


def test_a_signature_of_zeros_is_none() -> None:
    assert _facts(build_init_packet(FIRMWARE, signature=bytes(64)))["signed"] is False


def test_the_hash_of_the_firmware_is_held_against_the_packet() -> None:
    packet = read_init_packet(build_init_packet(FIRMWARE))
    (right,) = packet.verdicts("pump.bin", FIRMWARE)
    (wrong,) = packet.verdicts("pump.bin", FIRMWARE + b"\0")
    assert (right.algorithm, right.covers, right.valid) == ("sha256", "pump.bin", True)
    assert right.stored == hashlib.sha256(FIRMWARE).hexdigest()
    assert not wrong.valid


def test_debug_boot_validation_and_other_kinds_are_told() -> None:
    digest = bytes.fromhex("0803") + b"\x12\x20" + bytes(32)
    init = (
        bytes.fromhex("2003 2880 02 3080 04")
        + b"\x42"
        + bytes([len(digest)])
        + digest
        + bytes.fromhex("4801 5204 0801 1200")
    )
    command = b"\x08\x01\x12" + bytes([len(init)]) + init
    facts = _facts(b"\x0a" + bytes([len(command)]) + command)
    assert facts["type"] == "softdevice_bootloader"
    assert (facts["sd_size"], facts["bl_size"]) == (256, 512)
    assert facts["debug"] is True
    assert facts["boot_validation"] == ("generated crc",)
    assert "requires_softdevice" not in facts


def test_required_softdevices_may_stand_alone_or_packed() -> None:
    packed = build_init_packet(FIRMWARE, softdevice=0x64)
    alone = packed.replace(b"\x1a\x01\x64", b"\x18\x64")
    shorter = bytearray(alone)
    for at in (1, 5):
        shorter[at] -= 1
    assert read_init_packet(bytes(shorter)).softdevices == (0x64,)


def test_numbers_without_a_word_are_told_as_numbers() -> None:
    packet = build_init_packet(FIRMWARE).replace(b"\x20\x00", b"\x20\x63")
    assert _facts(packet)["type"] == "number 99"


@pytest.mark.parametrize(
    ("rest", "hash_name", "signed"),
    [
        (struct.pack("<H", binascii.crc_hqx(FIRMWARE, 0xFFFF)), "crc16", False),
        (struct.pack("<IH", 0, binascii.crc_hqx(FIRMWARE, 0xFFFF)), "crc16", False),
        (struct.pack("<2I", 1, 18) + hashlib.sha256(FIRMWARE).digest(), "sha256", False),
        (struct.pack("<2I", 2, 18) + hashlib.sha256(FIRMWARE).digest() + SIGNATURE, "sha256", True),
    ],
)
def test_a_legacy_packet_of_each_kind_is_read(rest: bytes, hash_name: str, signed: bool) -> None:
    data = _legacy(rest, (0x64, 0xFFFE))
    facts = _facts(data)
    assert facts["generation"] == "legacy"
    assert (facts["device_type"], facts["device_revision"], facts["application_version"]) == (0x52, 1, 5)
    assert facts["requires_softdevice"] == ("S110 8.0.0", "any (development number)")
    assert (facts["hash"], facts["signed"]) == (hash_name, signed)
    packet = read_init_packet(data)
    assert [verdict.valid for verdict in packet.verdicts("pump.bin", FIRMWARE)] == [True]
    assert [verdict.valid for verdict in packet.verdicts("pump.bin", b"other")] == [False]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x0a\x00",
        bytes(12),
        _legacy(b""),
        _legacy(b"\1\2\3\4\5"),
        _legacy(struct.pack("<I", 3) + bytes(36)),
        _legacy(b"\0\0", ()),
        _legacy(b"\0\0", (0x64,) * 17),
        _legacy(b"\0\0", (0x5555,)),
        b"\x0a\x04\x08\x01\x12\x00",
        b"\x08\x01",
        b"\x0a" + b"\xff" * 11,
        b"\x0a\x02\x08\x01" * (MOST_FIELDS + 1),
        bytes(MOST_BYTES + 1),
        b"\x12\x02\x08\x01",
        b"just a note, no packet",
    ],
)
def test_what_is_no_init_packet_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_init_packet(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, b"\x0a" + bytes([len(data)]) + data, _legacy(data)):
        try:
            read_init_packet(candidate).facts()
        except FormatError:
            continue


@given(st.binary(min_size=1, max_size=100), st.integers(1, 0x3FF), st.binary(max_size=64))
def test_what_is_built_is_read_back(firmware: bytes, softdevice: int, signature: bytes) -> None:
    packet = read_init_packet(build_init_packet(firmware, softdevice=softdevice, signature=signature))
    assert packet.softdevices == (softdevice,)
    assert packet.sizes == {"app_size": len(firmware)}
    assert bool(packet.signature_algorithm) == any(signature)
    assert all(verdict.valid for verdict in packet.verdicts("x", firmware))
