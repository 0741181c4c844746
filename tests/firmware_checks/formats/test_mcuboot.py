import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.format import Opened, Part
from firmware_checks.formats.mcuboot import (
    FORMAT,
    PUBLISHED_TEST_KEYS,
    TRAILER_MAGIC,
    TRAILER_MAGIC_ALIGNED,
    build_image,
)
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

PROGRAM = b"\x00\x20\x00\x20\x09\x00\x00\x08" + bytes(range(200))
HEADER_BYTES = 64
COUNTER = (0x50, (7).to_bytes(4, "little"))
TEST_KEY = bytes.fromhex("e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6")


def _open(data: bytes, *, address: int | None = None) -> Opened:
    return FORMAT.open(Span("pump.bin", Window.of(data), address=address), Limits())


def _part(opened: Opened, title: str) -> Part:
    return next(part for part in opened.parts if part.title == title)


def _header(**fields: int) -> bytes:
    """Build the 32 bytes of a header by image.h."""
    values = {
        "magic": 0x96F3B83D, "load": 0, "header": HEADER_BYTES, "protected": 0, "image": len(PROGRAM), "flags": 0,
    } | fields  # fmt: skip
    return struct.pack("<2I2H2I2BH2I", *values.values(), 1, 2, 3, 4, 0)


@given(
    payload=st.binary(min_size=1, max_size=200),
    tlvs=st.lists(st.tuples(st.integers(0xA0, 0xFE), st.binary(max_size=40)), max_size=4),
    protected=st.lists(st.tuples(st.integers(0xA0, 0xFE), st.binary(max_size=40)), max_size=4),
    after=st.binary(max_size=30).filter(lambda data: not data.startswith((b"\xff", b"\0"))),
)
def test_an_image_is_measured_and_its_hash_is_right(
    payload: bytes, tlvs: list[tuple[int, bytes]], protected: list[tuple[int, bytes]], after: bytes
) -> None:
    data = build_image(payload, *tlvs, protected=tuple(protected))
    opened = _open(data + after)
    assert opened.size == len(data)
    assert [verdict.valid for verdict in opened.integrity] == [True]
    program = _part(opened, "application")
    assert data[program.start : program.end] == payload
    assert program.look_inside
    assert program.kind is RegionKind.PROGRAM
    assert opened.problems == ()


def test_a_changed_byte_anywhere_before_the_tlvs_makes_the_hash_wrong() -> None:
    data = build_image(PROGRAM, protected=(COUNTER,))
    for at in (20, 40, HEADER_BYTES, HEADER_BYTES + len(PROGRAM) - 1, HEADER_BYTES + len(PROGRAM) + 9):
        changed = bytearray(data)
        changed[at] ^= 1
        (verdict,) = _open(bytes(changed)).integrity
        assert not verdict.valid


@pytest.mark.parametrize(("kind", "algorithm"), [(0x11, "sha384"), (0x12, "sha512")])
def test_longer_hashes_are_computed_again_too(kind: int, algorithm: str) -> None:
    data = build_image(PROGRAM)
    covered = data[: HEADER_BYTES + len(PROGRAM)]
    value = hashlib.new(algorithm, covered).digest()
    verdicts = _open(build_image(PROGRAM, (kind, value))).integrity
    assert [(v.algorithm, v.valid) for v in verdicts] == [("sha256", True), (algorithm, True)]


def test_an_image_without_a_signature_says_so() -> None:
    facts = _open(build_image(PROGRAM)).facts
    assert facts["signed"] is False
    assert facts["encrypted"] is False
    assert "security_counter" not in facts
    assert "published_test_key" not in facts


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        (0x20, "RSA-2048 PSS"),
        (0x21, "ECDSA P-224"),
        (0x22, "ECDSA"),
        (0x23, "RSA-3072 PSS"),
        (0x24, "Ed25519"),
    ],
)
def test_the_kind_of_signature_is_told(kind: int, algorithm: str) -> None:
    facts = _open(build_image(PROGRAM, (kind, bytes(64)))).facts
    assert facts["signed"] is True
    assert facts["signature_algorithms"] == (algorithm,)
    assert facts["signature_over"] == "hash of the image"


def test_a_signature_over_the_image_itself_is_told() -> None:
    facts = _open(build_image(PROGRAM, (0x25, b"\1"), (0x24, bytes(64)))).facts
    assert facts["signature_over"] == "image"


@pytest.mark.parametrize(("fingerprint", "name"), PUBLISHED_TEST_KEYS.items())
def test_a_published_test_key_is_named(fingerprint: str, name: str) -> None:
    opened = _open(build_image(PROGRAM, (0x01, bytes.fromhex(fingerprint)), (0x22, bytes(70))))
    assert opened.facts["published_test_key"] == name
    assert opened.facts["key_hash"] == fingerprint


def test_a_published_test_key_is_recognised_as_a_whole_key() -> None:
    """Public key root-ed25519.pem of MCUboot, sim/src/ed25519_pub_key-rs.txt."""
    key = bytes.fromhex("302a300506032b6570032100d4b31ba49a3add3f825d10ca7f31b50b0de87f37ccc49f1a403a5c1320ffb4e0")
    assert _open(build_image(PROGRAM, (0x02, key))).facts["published_test_key"] == "root-ed25519.pem"
    for algorithm in ("sha256", "sha512"):
        assert PUBLISHED_TEST_KEYS[hashlib.new(algorithm, key).hexdigest()] == "root-ed25519.pem"


def test_another_key_is_told_by_its_hash_only() -> None:
    facts = _open(build_image(PROGRAM, (0x01, bytes(32)))).facts
    assert facts["key_hash"] == "00" * 32
    assert "published_test_key" not in facts


def test_the_security_counter_counts_only_where_it_is_protected() -> None:
    assert _open(build_image(PROGRAM, protected=(COUNTER,))).facts["security_counter"] == 7
    assert "security_counter" not in _open(build_image(PROGRAM, COUNTER)).facts
    assert "security_counter" not in _open(build_image(PROGRAM, protected=((0x50, b"\1"),))).facts


def test_what_an_image_depends_on_is_told() -> None:
    dependency = (0x40, struct.pack("<B3x2BHI", 1, 2, 3, 4, 5))
    facts = _open(build_image(PROGRAM, protected=(dependency, (0x40, b"short")))).facts
    assert facts["depends_on"] == ("image 1 at 2.3.4+5 or later",)


def test_every_tlv_is_named() -> None:
    told = _part(_open(build_image(PROGRAM, (0x60, b"1"), (0xA7, b"22"), (0x7F, b""))), "TLVs").facts["tlvs"]
    assert told == (
        "SHA256 (32 bytes)",
        "BOOT_RECORD (1 bytes)",
        "vendor 0x00a7 (2 bytes)",
        "unknown 0x007f (0 bytes)",
    )


@pytest.mark.parametrize("flags", [0x04, 0x08])
def test_an_encrypted_image_is_not_looked_into_and_its_hash_not_judged(flags: int) -> None:
    opened = _open(build_image(PROGRAM, (0x33, bytes(80)), flags=flags))
    program = _part(opened, "encrypted application")
    assert program.kind is RegionKind.ENCRYPTED
    assert not program.look_inside
    assert opened.integrity == ()
    assert opened.facts["encryption_key_wrapped_with"] == ("ECIES X25519",)


def test_a_key_tlv_alone_says_encrypted_and_a_new_one_is_told_by_number() -> None:
    facts = _open(build_image(PROGRAM, (0x3E, bytes(80)))).facts
    assert facts["encrypted"] is True
    assert facts["encryption_key_wrapped_with"] == ("unknown 0x003e",)


def test_a_compressed_image_is_not_looked_into() -> None:
    opened = _open(build_image(PROGRAM, flags=0x0C00))
    assert not _part(opened, "compressed application").look_inside
    assert opened.facts["flags"] == ("compressed (LZMA2)", "compressed with ARM Thumb filter")
    assert [verdict.valid for verdict in opened.integrity] == [True]


@pytest.mark.parametrize("flags", [0x20, 0x100])
def test_a_load_address_counts_only_where_a_flag_says_so(flags: int) -> None:
    opened = _open(build_image(PROGRAM, flags=flags, load_address=0x2000_0000), address=0x0800_0000)
    assert _part(opened, "MCUboot header").address == 0x2000_0000
    assert _part(opened, "application").address == 0x2000_0000 + HEADER_BYTES
    assert opened.facts["load_address"] == 0x2000_0000
    plain = _open(build_image(PROGRAM, load_address=0x2000_0000))
    assert _part(plain, "application").address is None
    assert "load_address" not in plain.facts


def test_the_version_is_told_as_mcuboot_writes_it() -> None:
    opened = _open(build_image(PROGRAM))
    assert (opened.title, opened.facts["version"]) == ("MCUboot image 1.2.3+4", "1.2.3+4")


def _slot(image: bytes, *, ok: int = 0xFF, done: int = 0xFF, swap: int = 0xFF, size: int = 0xFFFFFFFF) -> bytes:
    """Fill a slot of 4 KiB with the flags of docs/design.md, Image Trailer, in units of 8 bytes."""
    flags = struct.pack("<I", size).ljust(8, b"\xff")
    flags += b"".join(bytes([value]).ljust(8, b"\xff") for value in (swap, done, ok))
    return image.ljust(4096 - 48, b"\xff") + flags + TRAILER_MAGIC


def test_the_swap_state_at_the_end_of_the_slot_is_read() -> None:
    image = build_image(PROGRAM)
    opened = _open(_slot(image, ok=1, done=1, swap=0x12, size=0x1000) + b"next slot")
    assert opened.size == 4096
    assert {
        "image_ok": "set",
        "copy_done": "set",
        "swap_type": "test",
        "swap_bytes": 0x1000,
    }.items() <= opened.facts.items()
    state = _part(opened, "swap state")
    assert (state.start, state.end) == (4096 - 48, 4096)
    assert _part(opened, "rest of the slot").kind is RegionKind.PADDING


def test_flags_that_are_not_set_or_wrong_are_told() -> None:
    facts = _open(_slot(build_image(PROGRAM), ok=0x55)).facts
    assert (facts["image_ok"], facts["copy_done"], facts["swap_type"]) == ("bad", "unset", "unset")
    assert "swap_bytes" not in facts


@pytest.mark.parametrize("alignment", [16, 32])
def test_a_trailer_in_larger_units_is_read(alignment: int) -> None:
    image = build_image(PROGRAM)
    unit = b"\xff" * (alignment - 1)
    magic = struct.pack("<H", alignment) + TRAILER_MAGIC_ALIGNED
    flags = (
        b"\xff" * alignment
        + b"\x03"
        + unit
        + b"\x01"
        + unit
        + b"\x01"
        + unit
        + magic.rjust(max(16, alignment), b"\xff")
    )
    data = image + b"\xff" * 500 + flags
    opened = _open(data)
    assert opened.size == len(data)
    assert opened.facts["swap_type"] == "permanent"


@pytest.mark.parametrize(
    "after",
    [
        b"\xff" * 300 + b"\x09\x00" + TRAILER_MAGIC_ALIGNED,
        b"\xff" * 300 + b"\x00\x04" + TRAILER_MAGIC_ALIGNED,
        TRAILER_MAGIC,
        b"\xff" * 10 + TRAILER_MAGIC,
        b"\xff" * 500 + _header() + bytes(100) + b"\xff" * 60 + TRAILER_MAGIC,
        b"\xff" * 500,
    ],
)
def test_what_is_no_trailer_of_this_image_is_left_outside(after: bytes) -> None:
    image = build_image(PROGRAM)
    assert _open(image + after).size == len(image)


def test_flash_that_is_erased_to_zero_has_trailers_too() -> None:
    image = build_image(PROGRAM)
    data = image + bytes(9000) + b"\1" + bytes(7) + TRAILER_MAGIC
    assert _open(data).size == len(data)


@pytest.mark.parametrize("end", [HEADER_BYTES + 10, HEADER_BYTES + len(PROGRAM), HEADER_BYTES + len(PROGRAM) + 1])
def test_an_image_cut_short_says_so(end: int) -> None:
    opened = _open(build_image(PROGRAM)[:end])
    assert opened.size <= end
    assert any("cut short" in problem for problem in opened.problems)
    assert opened.integrity == ()


def test_an_image_cut_in_its_tlvs_says_so() -> None:
    opened = _open(build_image(PROGRAM)[:-3])
    assert any("cut short" in problem for problem in opened.problems)


def test_tlvs_of_a_wrong_size_are_told() -> None:
    data = bytearray(build_image(PROGRAM, protected=(COUNTER,)))
    struct.pack_into("<H", data, 10, 99)
    opened = _open(bytes(data))
    assert opened.problems == ("the protected TLV area has 12 bytes, the header says 99",)


@pytest.mark.parametrize(("at", "value"), [(6, 0xFFFF), (6, 30), (2, 39)])
def test_a_tlv_that_does_not_fit_into_its_area_is_told(at: int, value: int) -> None:
    place = HEADER_BYTES + len(PROGRAM)
    data = bytearray(build_image(PROGRAM))
    struct.pack_into("<H", data, place + at, value)
    opened = _open(bytes(data))
    assert opened.problems == (f"a TLV at the end of the area at {place:#x} does not fit in",)
    assert opened.size <= len(data)


def test_a_second_tlv_area_of_a_wrong_kind_is_told() -> None:
    data = bytearray(build_image(PROGRAM, protected=(COUNTER,)))
    place = HEADER_BYTES + len(PROGRAM) + 12
    data[place] = 0
    opened = _open(bytes(data))
    assert opened.problems == (f"the TLV area at {place:#x} has magic 0x6900, 0x6907 must stand there",)
    assert opened.size == place


@pytest.mark.parametrize(
    "data",
    [
        b"",
        _header()[:31],
        _header(header=16) + bytes(900),
        _header(image=0) + bytes(900),
        _header(image=1 << 30) + bytes(900),
        _header(flags=0x8000) + bytes(900),
        _header() + bytes(900),
        _header(protected=12) + b"\xff" * 32 + PROGRAM + b"\x07\x69\x04\x00",
        _header(image=5000) + PROGRAM,
        _header(header=32, image=5000) + PROGRAM,
        b"\x3d\xb8\xf3\x96" + b"\x10\xb5" * 50,
    ],
)
def test_the_magic_in_the_code_of_a_boot_loader_is_no_image(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)
