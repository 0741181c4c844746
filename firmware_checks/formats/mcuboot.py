"""MCUboot images: a program with a header before it and hash, signature and counters behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.byte_search import positions
from firmware_checks.span import Span
from signing.mcuboot_layout import (
    COMPRESSED_FLAGS,
    DEPENDENCY,
    ENCRYPTED_FLAGS,
    HASHES,
    HEADER,
    KEY_HASH,
    LOAD_ADDRESS_FLAGS,
    MAGIC,
    PROTECTED,
    PUBLIC_KEY,
    SECURITY_COUNTER,
    TLV_INFO,
    UNPROTECTED,
    ImageHeader,
    TlvInfo,
    shown_version,
)
from toolkit.core.errors import FormatError, Truncated
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT", "PUBLISHED_TEST_KEYS", "build_image"]

TLV_HEADER_BYTES = 4
MOST_IMAGE_BYTES = 256 << 20

FLAGS: Final = {
    0x0001: "position independent",
    0x0004: "encrypted (AES-128)",
    0x0008: "encrypted (AES-256)",
    0x0010: "not bootable",
    0x0020: "loaded to RAM",
    0x0100: "fixed flash address",
    0x0200: "compressed (LZMA1)",
    0x0400: "compressed (LZMA2)",
    0x0800: "compressed with ARM Thumb filter",
}
"""IMAGE_F_... of image.h."""
PURE = 0x25
SIGNATURES: Final = {
    0x20: "RSA-2048 PSS",
    0x21: "ECDSA P-224",
    0x22: "ECDSA",
    0x23: "RSA-3072 PSS",
    0x24: "Ed25519",
}
ENCRYPTION_KEYS: Final = {
    0x30: "RSA-2048 OAEP",
    0x31: "AES key wrap",
    0x32: "ECIES P-256",
    0x33: "ECIES X25519",
    0x34: "ECIES X25519 SHA-512",
}
ENCRYPTION_KINDS = range(0x30, 0x40)
"""Key TLVs of encrypted images; numbers above 0x34 are in use by nobody we know of."""
TLV_NAMES: Final = {
    KEY_HASH: "KEYHASH", PUBLIC_KEY: "PUBKEY",
    0x10: "SHA256", 0x11: "SHA384", 0x12: "SHA512",
    0x20: "RSA2048_PSS", 0x21: "ECDSA224", 0x22: "ECDSA_SIG", 0x23: "RSA3072_PSS", 0x24: "ED25519", PURE: "SIG_PURE",
    0x30: "ENC_RSA2048", 0x31: "ENC_KW", 0x32: "ENC_EC256", 0x33: "ENC_X25519", 0x34: "ENC_X25519_SHA512",
    DEPENDENCY: "DEPENDENCY", SECURITY_COUNTER: "SEC_CNT", 0x60: "BOOT_RECORD",
    0x70: "DECOMP_SIZE", 0x71: "DECOMP_SHA", 0x72: "DECOMP_SIGNATURE", 0x73: "COMP_DEC_SIZE",
    0x74: "UUID_VID", 0x75: "UUID_CID",
}  # fmt: skip
"""IMAGE_TLV_... of image.h."""
VENDOR_FROM = 0xA0
TLVS_TOLD = 64

PUBLISHED_TEST_KEYS: Final = {
    "e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6": "root-ec-p256.pem",
    "6bcd1e16d80e5fe13a5307e6f1de8344c7e50e537d9962ce35ef6db5e642fae8": "root-ec-p384.pem",
    "85b7bd5f5dff9a03a99927adaf6ca6febde822c1a480928324a8e60323715c57"
    "79461c496a95aee8c4f90b99779f848a": "root-ec-p384.pem",
    "c1907fa4eac7fae3840a78902b6f0710b037e9968e5c6274a12a28790c7d4e3c": "root-ed25519.pem",
    "e3e129b49f1218e18e4614acb2523389c75852ebb98b4d2c6171a2fc65706ba3"
    "d1ddf85f52e71450c3e572e624695fafd41ce4d9354d6c2b19f7d6001a6ae8b0": "root-ed25519.pem",
    "6754edab1e29affef4a05935adecbeb1a7b8b62397b31e39a61b5bfcaafd63af": "root-ed25519-2.pem",
    "e11ed22583de283392266b917bd82e88486edf47bc58c7ce8e42f9fb90e1daa9"
    "00e72f172e4bd4fb19fc1870638e3a89c3f033ef4db6f6235d02ee623b4b2924": "root-ed25519-2.pem",
    "a14bcb1bf9bb821146ba32838217e476f5412621320534ffe490a1890c994660": "root-rsa-2048.pem",
    "fc5701dc6135e1323847bdc40f04d2e5bee5833b23c29f93593d00018cfa9994": "root-rsa-2048.pem",
    "159d8b7930769d887f3ff0b4e9ec176b82313663f2ef76dc24f5e964da1bc482": "root-rsa-3072.pem",
    "449793fb65cd7698753d5b3f35fab15f1e3a45111ff24e1d46741de5ae12d59e": "root-rsa-3072.pem",
    "6d480226638605f9f4cee9790630d5be3374d0deb0a43f19434bf60c9cc47c36": "cypress-test-ec-p256.pem",
}
"""Key files in MCUboot's public repository by the hash of the public key: SHA-256, and what else MCUboot uses with that
kind of key (SHA-384 for P-384, SHA-512 for Ed25519), of SubjectPublicKeyInfo, for RSA also of PKCS#1. Everybody has the
private half: a signature with one of them proves nothing."""

TRAILER_MAGIC: Final = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
TRAILER_MAGIC_ALIGNED: Final = bytes.fromhex("2de15d29410b8d77679c110f1f8a")
"""Ends a magic that starts with its alignment, for flash that is written in units above 8 bytes."""
TRAILER_REACH_BYTES = 1 << 14
"""Swap status before the magic: 3 flags for each of some hundred sectors."""
ERASED_CHUNK_BYTES = 1 << 16
SWAP_TYPES: Final = {1: "none", 2: "test", 3: "permanent", 4: "revert", 5: "fail"}
"""BOOT_SWAP_TYPE_... of bootutil_public.h."""
FLAG_STATES: Final = {0x01: "set", 0xFF: "unset"}


@dataclass(frozen=True, slots=True)
class Tlv:
    """One type-length-value record behind an image."""

    kind: int
    value: bytes
    protected: bool

    @property
    def name(self) -> str:
        """Name in image.h, or what the number says."""
        vendor = self.kind & 0xFF >= VENDOR_FROM
        return TLV_NAMES.get(self.kind, f"vendor {self.kind:#06x}" if vendor else f"unknown {self.kind:#06x}")


@dataclass(frozen=True, slots=True)
class _Trailer:
    start: int
    end: int
    facts: dict[str, Fact]


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    header = HEADER.read(window)
    _check_header(window, header)
    problems: list[str] = []
    tlvs, areas, end = _read_tlvs(window, header, problems)
    trailer = _trailer(window, end)
    address = header.load_address if header.flags & LOAD_ADDRESS_FLAGS else None
    parts = [
        Part(start=0, end=header.header_bytes, title="MCUboot header", kind=RegionKind.METADATA, address=address),
        _payload(window, header, tlvs, address),
        *areas,
    ]
    if trailer is not None:
        parts.append(Part(start=end, end=trailer.start, title="rest of the slot", kind=RegionKind.PADDING))
        parts.append(
            Part(
                start=trailer.start, end=trailer.end, title="swap state", kind=RegionKind.METADATA, facts=trailer.facts
            )
        )
    return Opened(
        size=trailer.end if trailer else end,
        kind=RegionKind.CONTAINER,
        title=f"MCUboot image {shown_version(header.version)}",
        facts={**_header_facts(header), **_tlv_facts(header, tlvs), **(trailer.facts if trailer else {})},
        integrity=tuple(_verdicts(window, header, tlvs)),
        parts=tuple(part for part in parts if part.end > part.start),
        problems=tuple(problems),
    )


def _check_header(window: Window, header: ImageHeader) -> None:
    """Refuse the magic where it is a constant in a boot loader's code."""
    known = sum(FLAGS)
    sizes_fit = HEADER.size <= header.header_bytes and 0 < header.image_bytes <= MOST_IMAGE_BYTES
    if not sizes_fit or header.flags & ~known or header.padding not in (0, 0xFFFF_FFFF):
        raise FormatError(f"what follows the MCUboot magic at {window.origin:#x} is no header")
    info = window.view[header.payload_end : header.payload_end + 2]
    if len(info) == 2:
        expected = PROTECTED if header.protected_tlv_bytes else UNPROTECTED
        if int.from_bytes(info, "little") != expected:
            raise FormatError(f"no MCUboot TLV area behind the image at {window.origin:#x}")
    elif len(set(window.take(HEADER.size, header.header_bytes - HEADER.size))) != 1:
        raise FormatError(f"the MCUboot header at {window.origin:#x} is not filled up, and its image is not all there")


def _read_tlvs(window: Window, header: ImageHeader, problems: list[str]) -> tuple[list[Tlv], list[Part], int]:
    """Return all TLVs, the areas they stand in as parts, and where the last area ends."""
    tlvs: list[Tlv] = []
    parts: list[Part] = []
    place = header.payload_end
    for kind in (PROTECTED, UNPROTECTED) if header.protected_tlv_bytes else (UNPROTECTED,):
        try:
            info = TLV_INFO.read(window, place)
            area = window.sub(place, info.area_bytes)
        except Truncated as error:
            problems.append(f"the image is cut short: {error}")
            break
        if info.magic != kind:
            problems.append(f"the TLV area at {place:#x} has magic {info.magic:#06x}, {kind:#06x} must stand there")
            break
        if kind == PROTECTED and info.area_bytes != header.protected_tlv_bytes:
            problems.append(
                f"the protected TLV area has {info.area_bytes} bytes, the header says {header.protected_tlv_bytes}"
            )
        found = list(_tlvs(area, protected=kind == PROTECTED))
        if TLV_INFO.size + sum(TLV_HEADER_BYTES + len(tlv.value) for tlv in found) != area.size:
            problems.append(f"a TLV at the end of the area at {place:#x} does not fit in")
        tlvs += found
        parts.append(_area(place, area.size, kind, found))
        place += area.size
    return tlvs, parts, min(place, window.size)


def _tlvs(area: Window, *, protected: bool) -> Iterator[Tlv]:
    """Yield the TLVs of an area, as far as each fits in."""
    place = TLV_INFO.size
    while place + TLV_HEADER_BYTES <= area.size:
        kind, size = (int.from_bytes(area.take(place + at, 2), "little") for at in (0, 2))
        place += TLV_HEADER_BYTES + size
        if place > area.size:
            return
        yield Tlv(kind, bytes(area.take(place - size, size)), protected)


def _area(start: int, size: int, kind: int, tlvs: list[Tlv]) -> Part:
    told = tuple(f"{tlv.name} ({len(tlv.value)} bytes)" for tlv in tlvs[:TLVS_TOLD])
    return Part(
        start=start,
        end=start + size,
        title="protected TLVs" if kind == PROTECTED else "TLVs",
        kind=RegionKind.METADATA,
        facts={"tlvs": told},
    )


def _payload(window: Window, header: ImageHeader, tlvs: list[Tlv], address: int | None) -> Part:
    encrypted = _is_encrypted(header, tlvs)
    compressed = bool(header.flags & COMPRESSED_FLAGS)
    state = "encrypted application" if encrypted else "compressed application" if compressed else "application"
    return Part(
        start=header.header_bytes,
        end=min(header.payload_end, window.size),
        title=state,
        kind=RegionKind.ENCRYPTED if encrypted or compressed else RegionKind.PROGRAM,
        address=None if address is None else address + header.header_bytes,
        look_inside=not (encrypted or compressed),
    )


def _is_encrypted(header: ImageHeader, tlvs: list[Tlv]) -> bool:
    return bool(header.flags & ENCRYPTED_FLAGS) or any(tlv.kind in ENCRYPTION_KINDS for tlv in tlvs)


def _header_facts(header: ImageHeader) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "version": shown_version(header.version),
        "header_bytes": header.header_bytes,
        "image_bytes": header.image_bytes,
        "flags": tuple(name for bit, name in FLAGS.items() if header.flags & bit),
    }
    if header.flags & LOAD_ADDRESS_FLAGS:
        facts["load_address"] = header.load_address
    return facts


def _tlv_facts(header: ImageHeader, tlvs: list[Tlv]) -> dict[str, Fact]:
    """Return what the TLVs say about trust: who signed, with what, and whether an older version can be refused."""
    algorithms = sorted({SIGNATURES[tlv.kind] for tlv in tlvs if tlv.kind in SIGNATURES})
    facts: dict[str, Fact] = {"signed": bool(algorithms), "encrypted": _is_encrypted(header, tlvs)}
    if algorithms:
        facts["signature_algorithms"] = tuple(algorithms)
        facts["signature_over"] = "image" if any(tlv.kind == PURE for tlv in tlvs) else "hash of the image"
    wrapped = sorted({ENCRYPTION_KEYS.get(tlv.kind, tlv.name) for tlv in tlvs if tlv.kind in ENCRYPTION_KINDS})
    if wrapped:
        facts["encryption_key_wrapped_with"] = tuple(wrapped)
    counter = next((tlv.value for tlv in tlvs if tlv.kind == SECURITY_COUNTER and tlv.protected), b"")
    if len(counter) == 4:
        facts["security_counter"] = int.from_bytes(counter, "little")
    dependencies = tuple(_dependency(tlv.value) for tlv in tlvs if tlv.kind == DEPENDENCY and len(tlv.value) == 12)
    if dependencies:
        facts["depends_on"] = dependencies
    return facts | _key_facts(tlvs)


def _key_facts(tlvs: list[Tlv]) -> dict[str, Fact]:
    hashes = [tlv.value.hex() for tlv in tlvs if tlv.kind == KEY_HASH]
    hashes += [hashlib.sha256(tlv.value).hexdigest() for tlv in tlvs if tlv.kind == PUBLIC_KEY]
    facts: dict[str, Fact] = {"key_hash": hashes[0]} if hashes else {}
    published = next((PUBLISHED_TEST_KEYS[value] for value in hashes if value in PUBLISHED_TEST_KEYS), None)
    if published is not None:
        facts["published_test_key"] = published
    return facts


def _dependency(value: bytes) -> str:
    """Return "image 1 at 1.2.3+4 or later". Source: image.h, struct image_dependency."""
    revision, build = int.from_bytes(value[6:8], "little"), int.from_bytes(value[8:12], "little")
    return f"image {value[0]} at {value[4]}.{value[5]}.{revision}+{build} or later"


def _verdicts(window: Window, header: ImageHeader, tlvs: list[Tlv]) -> Iterator[Integrity]:
    """Compute the hash again; of an encrypted image it covers the plain bytes, which only the device can see."""
    if _is_encrypted(header, tlvs):
        return
    covered_bytes = header.payload_end + header.protected_tlv_bytes
    if covered_bytes > window.size:
        return
    for algorithm in sorted({HASHES[tlv.kind] for tlv in tlvs if tlv.kind in HASHES}):
        stored = next(tlv.value for tlv in tlvs if HASHES.get(tlv.kind) == algorithm)
        computed = hashlib.new(algorithm, window.take(0, covered_bytes)).digest()
        yield Integrity(
            algorithm=algorithm,
            covers="header, image and protected TLVs",
            stored=stored.hex(),
            computed=computed.hex(),
            valid=stored == computed,
        )


def _trailer(window: Window, end: int) -> _Trailer | None:
    """Return the swap state at the end of the slot, when between it and the image there is only erased flash."""
    erased_end = _end_of_erased(window, end)
    reach = erased_end + TRAILER_REACH_BYTES
    plain = next(positions(window, TRAILER_MAGIC, erased_end, reach), None)
    aligned = next(positions(window, TRAILER_MAGIC_ALIGNED, erased_end, reach), None)
    if plain is not None:
        magic, alignment = plain, 8
    elif aligned is not None:
        magic, alignment = aligned - 2, int.from_bytes(window.take(aligned - 2, 2), "little")
    else:
        return None
    if any(True for _ in positions(window, MAGIC.to_bytes(4, "little"), erased_end, magic)):
        return None  # the next image, and its slot
    trailer = _read_trailer(window, erased_end, magic, alignment)
    return trailer if trailer is not None and trailer.start >= end else None


def _read_trailer(window: Window, erased_end: int, magic: int, alignment: int) -> _Trailer | None:
    """Read the flags before the magic, each in a unit of its own. Source: MCUboot docs/design.md, Image Trailer."""
    end = magic + len(TRAILER_MAGIC)
    if alignment not in (8, 16, 32, 64, 128, 256, 512, 1024):
        return None
    unit_end = end - max(alignment, len(TRAILER_MAGIC))
    image_ok, copy_done, swap, size_at = (unit_end - step * alignment for step in (1, 2, 3, 4))
    if size_at < 0:
        return None
    facts: dict[str, Fact] = {
        "image_ok": _flag(window, image_ok),
        "copy_done": _flag(window, copy_done),
        "swap_type": SWAP_TYPES.get(window.take(swap, 1)[0] & 0x0F, "unset"),
    }
    swap_bytes = int.from_bytes(window.take(size_at, 4), "little")
    if swap_bytes != 0xFFFF_FFFF:
        facts["swap_bytes"] = swap_bytes
    return _Trailer(min(erased_end, size_at), end, facts)


def _flag(window: Window, place: int) -> str:
    return FLAG_STATES.get(window.take(place, 1)[0], "bad")


def _end_of_erased(window: Window, start: int) -> int:
    """Return the first byte from ``start`` on that is not erased: 0xFF in most flash memories, 0 in some."""
    erased = b"\0" if window.starts_with(b"\0", start) else b"\xff"
    for place in range(start, window.size, ERASED_CHUNK_BYTES):
        chunk = bytes(window.view[place : place + ERASED_CHUNK_BYTES])
        left = chunk.lstrip(erased)
        if left:
            return place + len(chunk) - len(left)
    return window.size


def _tlv(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value


def _tlv_area(magic: int, *tlvs: bytes) -> bytes:
    body = b"".join(tlvs)
    return TLV_INFO.build(TlvInfo(magic=magic, area_bytes=TLV_INFO.size + len(body))) + body


def build_image(
    payload: bytes,
    *tlvs: tuple[int, bytes],
    protected: tuple[tuple[int, bytes], ...] = (),
    flags: int = 0,
    load_address: int = 0,
) -> bytes:
    """Return an image of version 1.2.3+4 around ``payload`` with its SHA-256 and the given further TLVs."""
    area = _tlv_area(PROTECTED, *(_tlv(*tlv) for tlv in protected)) if protected else b""
    header = ImageHeader(
        magic=MAGIC, load_address=load_address, header_bytes=64, protected_tlv_bytes=len(area),
        image_bytes=len(payload), flags=flags, major=1, minor=2, revision=3, build=4, padding=0,
    )  # fmt: skip
    body = HEADER.build(header).ljust(64, b"\xff") + payload + area
    own = (_tlv(0x10, hashlib.sha256(body).digest()), *(_tlv(*tlv) for tlv in tlvs))
    return body + _tlv_area(UNPROTECTED, *own)


def _example() -> bytes:
    key_hash = bytes.fromhex(next(iter(PUBLISHED_TEST_KEYS)))
    counter = (SECURITY_COUNTER, (7).to_bytes(4, "little"))
    return build_image(bytes(range(64)), (KEY_HASH, key_hash), (0x22, bytes(70)), protected=(counter,))


FORMAT = ImageFormat(
    name="mcuboot",
    title="MCUboot image",
    source=(
        "MCUboot boot/bootutil/include/bootutil/image.h and bootutil_public.h, docs/design.md (v2.2.0); "
        "test key fingerprints from the key files in its repository"
    ),
    limits=(
        "Little-endian images. The hash is computed again; a signature is seen but not verified. The hash of an "
        "encrypted image cannot be checked without the device's key; compressed images are not unpacked."
    ),
    open=_open,
    stands_alone=True,
    magics=(Magic(rb"\x3d\xb8\xf3\x96"),),
    example=_example,
)
