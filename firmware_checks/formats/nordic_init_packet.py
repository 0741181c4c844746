"""Nordic DFU init packets: the small .dat file that says what an update is, for whom, and who signed it."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U16LE, U32LE, Layout, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT", "MOST_BYTES", "InitPacket", "build_init_packet", "read_init_packet"]

MOST_BYTES = 4096
"""Boot loaders keep an init packet in a buffer of 512 bytes."""
MOST_FIELDS = 256
VARINT_BYTES = 10
VARINT, BYTES = 0, 2
"""Wire types of protocol buffers that occur here."""

KINDS: Final = ("application", "softdevice", "bootloader", "softdevice_bootloader", "external_application")
HASH_TYPES: Final = ("none", "crc", "sha128", "sha256", "sha512")
VALIDATIONS: Final = ("none", "generated crc", "sha256", "ECDSA P-256")
SIGNATURE_TYPES: Final = ("ECDSA P-256", "Ed25519")

MOST_SOFTDEVICES = 16
LEGACY_CRC, LEGACY_HASH, LEGACY_SIGNED = 0, 1, 2
"""Extended packet identifiers of SDK 8 to 11."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyStart:
    """Start of an init packet up to SDK 11. Source: nRF5 SDK 11, "DFU init packet"; nrfutil 0.5, init_packet.py."""

    device_type: int = wire(U16LE)
    device_revision: int = wire(U16LE)
    application_version: int = wire(U32LE)
    softdevices: int = wire(U16LE)


LEGACY_START = Layout(LegacyStart, size=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitPacket:
    """What a packet says; check values are of the firmware file that comes with it."""

    generation: str
    """``secure`` since SDK 12, ``legacy`` before."""
    softdevices: tuple[int, ...]
    """Firmware identifiers of the SoftDevices one of which must be installed."""
    signature_algorithm: str = ""
    """Empty when nobody signed."""
    debug: bool = False
    """The boot loader is told to skip its version checks."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    crc16: int | None = None
    hash_algorithm: str = "none"
    hash_value: bytes = b""
    """In the usual byte order; the secure packet holds it reversed."""
    other: Mapping[str, Fact] = field(default_factory=dict)

    def facts(self) -> dict[str, Fact]:
        """Return everything as facts of a region."""
        from firmware_checks.formats.softdevice import softdevice_name  # its table is needed for real packets alone

        required = tuple(softdevice_name(fwid) for fwid in self.softdevices)
        facts: dict[str, Fact] = {"generation": self.generation, **self.other, **self.sizes}
        if required:
            facts["requires_softdevice"] = required
        facts["hash"] = self.hash_algorithm if self.crc16 is None else "crc16"
        if self.generation == "secure":
            facts["debug"] = self.debug
        facts["signed"] = bool(self.signature_algorithm)
        if self.signature_algorithm:
            facts["signature_algorithm"] = self.signature_algorithm
        return facts

    def verdicts(self, name: str, content: bytes) -> Iterator[Integrity]:
        """Hold the firmware file ``name`` against the packet's check value."""
        if self.crc16 is not None:
            yield _verdict("crc16", name, f"{self.crc16:04x}", f"{binascii.crc_hqx(content, 0xFFFF):04x}")
        if self.hash_algorithm in ("sha256", "sha512"):
            computed = hashlib.new(self.hash_algorithm, content).hexdigest()
            yield _verdict(self.hash_algorithm, name, self.hash_value.hex(), computed)


def _verdict(algorithm: str, covers: str, stored: str, computed: str) -> Integrity:
    return Integrity(algorithm=algorithm, covers=covers, stored=stored, computed=computed, valid=stored == computed)


def read_init_packet(data: bytes) -> InitPacket:
    """Return what the complete packet ``data`` says; raise ``FormatError`` when it is none."""
    if len(data) > MOST_BYTES:
        raise FormatError("is too long for a DFU init packet")
    try:
        return _secure(data)
    except FormatError:
        return _legacy(data)


def _secure(data: bytes) -> InitPacket:
    """Read a packet of SDK 12 and later. Source: nrfutil, dfu-cc.proto."""
    packet = _fields(data, {1: BYTES, 2: BYTES})
    signed = _fields(_bytes(packet, 2), {1: BYTES, 2: VARINT, 3: BYTES}) if 2 in packet else {}
    command = _fields(_bytes(signed or packet, 1), {1: VARINT, 2: BYTES, 3: BYTES})
    schema = dict.fromkeys((1, 2, 4, 5, 6, 7, 9), VARINT) | {3: BYTES, 8: BYTES, 10: BYTES}
    init = _fields(_bytes(command, 2), schema)
    hashed = _fields(_bytes(init, 8), {1: VARINT, 2: BYTES})
    sizes = {name: _number(init, at) for at, name in ((5, "sd_size"), (6, "bl_size"), (7, "app_size"))}
    if not any(sizes.values()):
        raise FormatError("a DFU init packet names no size")
    other: dict[str, Fact] = {"type": _word(KINDS, _number(init, 4))}
    other |= {name: _number(init, at) for at, name in ((1, "fw_version"), (2, "hw_version")) if at in init}
    validations = [_fields(value, {1: VARINT, 2: BYTES}) for value in init.get(10, []) if isinstance(value, bytes)]
    if validations:
        other["boot_validation"] = tuple(_word(VALIDATIONS, _number(value, 1)) for value in validations)
    return InitPacket(
        generation="secure",
        softdevices=tuple(_varints(init.get(3, []))),
        signature_algorithm=_word(SIGNATURE_TYPES, _number(signed, 2)) if _is_signed(signed) else "",
        debug=bool(_number(init, 9)),
        sizes={name: size for name, size in sizes.items() if size},
        hash_algorithm=_word(HASH_TYPES, _number(hashed, 1)),
        hash_value=_bytes(hashed, 2)[::-1],
        other=other,
    )


def _is_signed(signed: Mapping[int, list[int | bytes]]) -> bool:
    return 3 in signed and any(_bytes(signed, 3))


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if number < len(words) else f"number {number}"


def _fields(data: bytes, schema: Mapping[int, int]) -> dict[int, list[int | bytes]]:
    """Return the values of a protocol buffers message by field number; refuse what ``schema`` does not know."""
    window = Window.of(data)
    fields: dict[int, list[int | bytes]] = {}
    place = 0
    for _ in range(MOST_FIELDS):
        if place == window.size:
            return fields
        key, place = _varint(window, place)
        number, wire_type = key >> 3, key & 7
        if schema.get(number) != wire_type and not (wire_type == VARINT and schema.get(number) == BYTES):
            raise FormatError(f"field {number} with wire type {wire_type} is not part of a DFU init packet")
        value, place = _varint(window, place)
        if wire_type == VARINT:
            fields.setdefault(number, []).append(value)
        else:
            fields.setdefault(number, []).append(bytes(window.take(place, value)))
            place += value
    raise FormatError(f"a DFU init packet has more than {MOST_FIELDS} fields")


def _varint(window: Window, place: int) -> tuple[int, int]:
    """Return the base-128 number at ``place`` and where it ends. Source: Protocol Buffers encoding."""
    value = 0
    for index in range(VARINT_BYTES):
        byte = window.take(place + index, 1)[0]
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value, place + index + 1
    raise FormatError(f"a number at {place:#x} has no end")


def _varints(values: list[int | bytes]) -> Iterator[int]:
    """Yield repeated numbers, which stand alone or packed."""
    for value in values:
        if isinstance(value, int):
            yield value
            continue
        window, place = Window.of(value), 0
        while place < window.size:
            number, place = _varint(window, place)
            yield number


def _bytes(fields: Mapping[int, list[int | bytes]], number: int) -> bytes:
    value = fields.get(number, [b""])[-1]  # the last one counts, as in every protocol buffers reader
    if not isinstance(value, bytes):
        raise FormatError(f"field {number} of a DFU init packet is a number")
    return value


def _number(fields: Mapping[int, list[int | bytes]], number: int) -> int:
    value = fields.get(number, [0])[-1]
    return value if isinstance(value, int) else 0


def _legacy(data: bytes) -> InitPacket:
    window = Window.of(data)
    start = LEGACY_START.read(window)
    if not 0 < start.softdevices <= MOST_SOFTDEVICES:
        raise FormatError("a DFU init packet must name the SoftDevices it fits")
    table = window.sub(LEGACY_START.size, 2 * start.softdevices)
    softdevices = tuple(int.from_bytes(table.take(2 * i, 2), "little") for i in range(start.softdevices))
    if not all(fwid < 0x0400 or fwid >= 0xFFFE for fwid in softdevices):
        raise FormatError("a DFU init packet names SoftDevices that do not exist")
    rest = window.sub(LEGACY_START.size + table.size)
    crc16, sha256, length = _legacy_checks(rest)
    return InitPacket(
        generation="legacy",
        softdevices=softdevices,
        signature_algorithm="ECDSA P-256" if rest.size == 104 else "",
        sizes={} if length is None else {"firmware_bytes": length},
        crc16=crc16,
        hash_algorithm="sha256" if sha256 else "none",
        hash_value=sha256,
        other={
            "device_type": start.device_type,
            "device_revision": start.device_revision,
            "application_version": start.application_version,
        },
    )


def _legacy_checks(rest: Window) -> tuple[int | None, bytes, int | None]:
    """Return CRC16, SHA-256 and length of the firmware, as far as this kind of packet has them."""
    if rest.size == 2:
        return int.from_bytes(rest.take(0, 2), "little"), b"", None
    extension = int.from_bytes(rest.take(0, 4), "little")
    if extension == LEGACY_CRC and rest.size == 6:
        return int.from_bytes(rest.take(4, 2), "little"), b"", None
    if (extension, rest.size) in ((LEGACY_HASH, 40), (LEGACY_SIGNED, 104)):
        return None, bytes(rest.take(8, 32)), int.from_bytes(rest.take(4, 4), "little")
    raise FormatError("a DFU init packet ends with no known check value")


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    packet = read_init_packet(bytes(span.window.view[: MOST_BYTES + 1]))
    return Opened(
        size=span.size,
        kind=RegionKind.METADATA,
        title=f"Nordic DFU init packet ({packet.generation})",
        facts=packet.facts(),
    )


def _key(number: int, wire_type: int) -> bytes:
    return bytes([number << 3 | wire_type])


def _put_number(number: int, value: int) -> bytes:
    out = bytearray(_key(number, VARINT))
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _put_bytes(number: int, value: bytes) -> bytes:
    return _key(number, BYTES) + _put_number(0, len(value))[1:] + value


def build_init_packet(firmware: bytes, *, softdevice: int = 0x101, signature: bytes = b"") -> bytes:
    """Return a secure packet for the application ``firmware``, signed when ``signature`` is given."""
    digest = _put_number(1, 3) + _put_bytes(2, hashlib.sha256(firmware).digest()[::-1])
    init = _put_number(1, 5) + _put_number(2, 52) + _put_bytes(3, _put_number(0, softdevice)[1:]) + _put_number(4, 0)
    init += _put_number(7, len(firmware)) + _put_bytes(8, digest) + _put_number(9, 0)
    command = _put_bytes(1, _put_number(1, 1) + _put_bytes(2, init))
    return _put_bytes(2, command + _put_number(2, 0) + _put_bytes(3, signature)) if signature else command


def _example() -> bytes:
    return build_init_packet(b"firmware", signature=bytes(range(64)))


FORMAT = ImageFormat(
    name="nordic-init-packet",
    title="Nordic DFU init packet",
    source="Nordic nrfutil 6.1.7, dfu-cc.proto (SDK 12 and later); nrfutil 0.5.3, init_packet.py (SDK 11 and before)",
    limits="The signature is seen but not verified: the key is in the boot loader. Packets of nRF5 mesh are not read.",
    open=_open,
    magics=(
        Magic(rb"[\x0a\x12][\x00-\xff]{2,%d}\Z" % (MOST_BYTES - 1), anchor=b"\0", anywhere=False),
        Magic(rb"[\x00-\xff]{8}[\x01-\x10]\x00[\x00-\xff]{4,136}\Z", anchor=b"\0", anywhere=False),
    ),
    try_order=100,
    whole_file_only=True,
    example=_example,
)
