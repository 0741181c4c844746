"""Espressif application and bootloader images: ESP8266 and the ESP32 family."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_checks.address_map import AddressMapBuilder
from firmware_checks.format import ImageFormat, Magic, Memory, Opened, Part
from firmware_checks.readers.esp_chips import CHIPS, ESP8266, FLASH_MODES, Chip
from firmware_checks.readers.esp_secure_boot import signature_v1, signatures_v2
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, Truncated
from toolkit.core.layout import U8, U16LE, U32LE, Layout, const, raw, text, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Confidence, Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

IMAGE_MAGIC = 0xE9
ESP8266_V2_MAGIC = 0xEA
MAX_SEGMENTS = 16
MAX_SEGMENT_BYTES = 16 << 20
CHECKSUM_SEED = 0xEF
HASH_BYTES = 32
NOT_LOADED = frozenset({0, 4})
"""Load addresses that mean "do not load": padding, and a value reserved by ESP-IDF's bootloader."""
ESP8266_SLOT_OFFSET = 0x1000
"""Flash offset of the first application slot, where the ESP8266 SDK puts a version 2 image."""
ESP8266_FLASH_WINDOW = 1 << 20
"""How much of its flash an ESP8266 sees at a time, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EspHeader:
    """First bytes of every image. Source: esptool documentation, "Firmware Image Format"."""

    magic: int = wire(U8)
    segments: int = wire(U8)
    flash_mode: int = wire(U8)
    flash_size_and_clock: int = wire(U8)
    entry: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EspExtendedHeader:
    """What the ESP32 family adds to the header. Source: ESP-IDF ``esp_app_format.h``, ``esp_image_header_t``."""

    write_protect_pin: int = wire(U8)
    pin_drive: bytes = wire(raw(3))
    chip: int = wire(U16LE)
    min_revision_old: int = wire(U8)
    min_revision: int = wire(U16LE)
    max_revision: int = wire(U16LE)
    reserved: bytes = wire(const(bytes(4)))
    hash_appended: int = wire(U8)


@dataclass(frozen=True, slots=True, kw_only=True)
class EspSegment:
    """Start of one contiguous piece of memory."""

    address: int = wire(U32LE)
    content_bytes: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EspAppDescription:
    """What the application says about itself. Source: ESP-IDF ``esp_app_desc.h``, ``esp_app_desc_t``."""

    magic: int = wire(const(0xABCD_5432, U32LE))
    secure_version: int = wire(U32LE)
    reserved_1: bytes = wire(raw(8))
    version: str = wire(text(32))
    project: str = wire(text(32))
    time: str = wire(text(16))
    date: str = wire(text(16))
    idf_version: str = wire(text(32))
    elf_sha256: bytes = wire(raw(32))
    reserved_2: bytes = wire(raw(80))


@dataclass(frozen=True, slots=True, kw_only=True)
class EspBootloaderDescription:
    """What the bootloader says about itself. Source: ESP-IDF ``esp_bootloader_desc.h``, ``esp_bootloader_desc_t``."""

    magic: int = wire(const(0x50, U8))
    reserved_1: bytes = wire(raw(3))
    version: int = wire(U32LE)
    idf_version: str = wire(text(32))
    compiled: str = wire(text(24))
    reserved_2: bytes = wire(raw(16))


HEADER = Layout(EspHeader, size=8)
EXTENDED = Layout(EspExtendedHeader, size=16)
SEGMENT = Layout(EspSegment, size=8)
APP_DESCRIPTION = Layout(EspAppDescription, size=256)
BOOTLOADER_DESCRIPTION = Layout(EspBootloaderDescription, size=80)


@dataclass(slots=True, kw_only=True)
class _Image:
    """One image while it is read; ``[start, end)`` of ``loaded`` are indices, the third number is the load address."""

    chip: Chip
    header: EspHeader
    extended: EspExtendedHeader | None = None
    loaded: list[tuple[int, int, int]] = field(default_factory=list)
    slot: int | None = None
    """Where in flash an ESP8266 version 2 image is taken to stand; its header does not say."""
    parts: list[Part] = field(default_factory=list)
    checksum: int = CHECKSUM_SEED
    end: int = 0
    integrity: list[Integrity] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def _open(span: Span, limits: Limits) -> Opened:
    window = span.window
    header = HEADER.read(window)
    if header.magic == ESP8266_V2_MAGIC:
        image = _read_esp8266_v2(span, header)
    elif header.magic == IMAGE_MAGIC:
        extended = _extended_header(window)
        image = _read_esp8266(window, header) if extended is None else _read_esp32(window, header, extended)
    else:
        raise FormatError(f"no Espressif image: first byte is {header.magic:#04x}")
    program = _program(image, window)
    return Opened(
        size=image.end,
        kind=RegionKind.CONTAINER,
        title=f"{image.chip.name} image",
        facts=_facts(image, window),
        integrity=tuple(image.integrity),
        parts=tuple(image.parts),
        memories=(_memory(image, span, limits),),
        program=program,
        problems=tuple(image.problems),
    )


def _extended_header(window: Window) -> EspExtendedHeader | None:
    """Return the extended header, or None where an ESP8266 image has its first segment."""
    try:
        extended = EXTENDED.read(window, HEADER.size)
    except FormatError:
        return None
    return extended if extended.chip in CHIPS and extended.hash_appended <= 1 else None


def _read_esp32(window: Window, header: EspHeader, extended: EspExtendedHeader) -> _Image:
    image = _Image(chip=CHIPS[extended.chip], header=header, extended=extended)
    _check_header(image)
    position = HEADER.size + EXTENDED.size
    image.parts.append(_metadata(0, position, "image header"))
    try:
        position = _read_segments(image, window, position)
        _finish(image, window, position)
        _believe(image)
        _read_hash(image, window)
    except Truncated as error:
        if not image.loaded:
            raise
        _note_cut(image, window, error)
        return image
    _read_signatures(image, window)
    return image


def _note_cut(image: _Image, window: Window, error: Truncated) -> None:
    image.problems.append(f"the image is cut: {error}")
    known = max(*(part.end for part in image.parts), image.loaded[-1][1])
    if known < window.size:
        image.parts.append(Part(start=known, end=window.size, title="cut remainder", kind=RegionKind.UNKNOWN))
    image.end = window.size


def _read_esp8266(window: Window, header: EspHeader) -> _Image:
    image = _Image(chip=ESP8266, header=header)
    _check_header(image)
    image.parts.append(_metadata(0, HEADER.size, "image header"))
    _finish(image, window, _read_segments(image, window, HEADER.size))
    _believe(image)
    return image


def _read_esp8266_v2(span: Span, first: EspHeader) -> _Image:
    """Read a version 2 image: the part that runs from flash first, then a version 1 image with the rest."""
    window = span.window
    flash = SEGMENT.read(window, HEADER.size)
    start = HEADER.size + SEGMENT.size
    end = start + flash.content_bytes
    second = HEADER.read(window, end)
    if first.segments != 4 or flash.address != 0 or second.magic != IMAGE_MAGIC:
        raise FormatError("no ESP8266 version 2 image: its second header is missing")
    slot = span.provenance.offset_at(0) or ESP8266_SLOT_OFFSET
    image = _Image(chip=ESP8266, header=second, slot=slot)
    _check_header(image)
    image.parts += [_metadata(0, start, "flash segment header"), _metadata(end, end + HEADER.size, "image header")]
    if end > start:
        image.loaded.append((start, end, ESP8266.flash[0][0] + slot % ESP8266_FLASH_WINDOW + start))
    _finish(image, window, _read_segments(image, window, end + HEADER.size))
    _believe(image)
    _read_esp8266_crc(image, window)
    return image


def _check_header(image: _Image) -> None:
    header = image.header
    plausible = (
        1 <= header.segments <= MAX_SEGMENTS
        and header.flash_mode < len(FLASH_MODES)
        and header.flash_size_and_clock >> 4 in image.chip.flash_sizes
        and image.chip.has_memory_at(header.entry)
    )
    if not plausible:
        raise FormatError(f"no {image.chip.name} image: impossible values in its header")


def _read_segments(image: _Image, window: Window, position: int) -> int:
    """Take in the segments from ``position`` on; return the index just past the last."""
    for number in range(image.header.segments):
        segment = SEGMENT.read(window, position)
        start = position + SEGMENT.size
        _check_segment(image.chip, segment, number)
        title = f"segment header: {segment.content_bytes} bytes to {segment.address:#010x}"
        image.parts.append(_metadata(position, start, title))
        available = min(segment.content_bytes, window.size - start)
        data = window.take(start, available)
        if segment.address in NOT_LOADED:
            image.parts += _filler(data, start)
        elif available:
            image.loaded.append((start, start + available, segment.address))
        image.checksum ^= _xor(data)
        position = start + segment.content_bytes
        window.take(start, segment.content_bytes)
    return position


def _check_segment(chip: Chip, segment: EspSegment, number: int) -> None:
    size = segment.content_bytes
    known = segment.address in NOT_LOADED or chip.has_memory_at(segment.address)
    if not known or size % 4 or size >= MAX_SEGMENT_BYTES:
        raise FormatError(f"segment {number}: {size} bytes to {segment.address:#x} are impossible on {chip.name}")


def _filler(data: memoryview, start: int) -> list[Part]:
    if not data:
        return []
    uniform = bytes(data).strip(bytes(data[:1])) == b""
    kind = RegionKind.PADDING if uniform else RegionKind.DATA
    return [Part(start=start, end=start + len(data), title="segment that is not loaded", kind=kind)]


def _finish(image: _Image, window: Window, position: int) -> None:
    """Take in the checksum: the last byte of the 16-byte row in which the segments end."""
    image.end = (position | 15) + 1
    stored = window.take(image.end - 1, 1)[0]
    image.parts.append(_metadata(position, image.end, "checksum"))
    image.integrity.append(_verdict("xor8", "the content of all segments", stored, image.checksum, digits=2))


def _believe(image: _Image) -> None:
    """Raise ``FormatError`` when neither the entry address nor the checksum shows that this is an image."""
    entry = image.header.entry
    inside = any(address <= entry < address + end - start for start, end, address in image.loaded)
    if not (image.loaded and (inside or image.integrity[0].valid)):
        raise FormatError(f"no {image.chip.name} image: entry {entry:#x} is in no segment and the checksum is wrong")


def _read_hash(image: _Image, window: Window) -> None:
    if image.extended is None or not image.extended.hash_appended:
        return
    end = image.end
    stored = bytes(window.take(end, HASH_BYTES)).hex()
    computed = hashlib.sha256(window.take(0, end)).hexdigest()
    image.parts.append(_metadata(end, end + HASH_BYTES, "SHA-256 of the image"))
    image.integrity.append(
        Integrity(
            algorithm="sha256",
            covers="the image without this hash",
            stored=stored,
            computed=computed,
            valid=stored == computed,
        )
    )
    image.end += HASH_BYTES


def _read_signatures(image: _Image, window: Window) -> None:
    parts = signatures_v2(window, image.end)
    if not parts and image.chip is CHIPS[0]:
        parts = signature_v1(window, image.end)
    image.parts += parts
    image.end = max([image.end, *(part.end for part in parts)])


def _read_esp8266_crc(image: _Image, window: Window) -> None:
    """Take in the CRC-32 behind a version 2 image; older tools wrote none, so it must fit or be the last four bytes."""
    end = image.end
    if window.size < end + 4:
        return
    stored = int.from_bytes(window.take(end, 4), "little")
    plain = zlib.crc32(window.take(0, end))
    computed = plain ^ 0xFFFF_FFFF if plain >> 31 else plain + 1
    if stored != computed and window.size != end + 4:
        return
    image.parts.append(_metadata(end, end + 4, "CRC-32 of the image"))
    image.integrity.append(_verdict("crc32", "the image without this checksum", stored, computed, digits=8))
    image.end += 4


def _memory(image: _Image, span: Span, limits: Limits) -> Memory:
    builder = AddressMapBuilder(span.path, max_segments=limits.segments, entry_address=image.header.entry)
    for start, end, address in image.loaded:
        builder.add(address, span.window.take(start, end - start), span.provenance.offset_at(start))
    return Memory(map=builder.finish())


def _facts(image: _Image, window: Window) -> dict[str, Fact]:
    header, chip = image.header, image.chip
    facts: dict[str, Fact] = {
        "chip": chip.name,
        "segments": header.segments,
        "flash_mode": FLASH_MODES[header.flash_mode],
        "flash_bytes": chip.flash_sizes[header.flash_size_and_clock >> 4],
    }
    clock = chip.clocks_mhz.get(header.flash_size_and_clock & 0xF)
    if clock is not None:
        facts["flash_clock_mhz"] = clock
    if image.slot is not None:
        facts["assumed_flash_offset"] = image.slot
    if image.extended is not None:
        facts |= _extended_facts(image, image.extended)
        facts["signed"] = any("signature" in part.facts for part in image.parts)
    return facts | _description(image, window)[1]


def _extended_facts(image: _Image, extended: EspExtendedHeader) -> dict[str, Fact]:
    lowest = extended.min_revision or extended.min_revision_old * 100
    facts: dict[str, Fact] = {
        "min_chip_revision": f"{lowest // 100}.{lowest % 100}",
        "hash_appended": bool(extended.hash_appended),
        "signature": _signature_summary(image.parts),
    }
    if extended.max_revision not in {0, 0xFFFF}:
        facts["max_chip_revision"] = f"{extended.max_revision // 100}.{extended.max_revision % 100}"
    return facts


def _signature_summary(parts: Sequence[Part]) -> str:
    titles = {part.title for part in parts if part.title.startswith("Secure boot")}
    return f"{min(titles)}, not verified" if titles else "none found behind the image"


def _description(image: _Image, window: Window) -> tuple[str, dict[str, Fact]]:
    """Return the role and the facts of the description that ESP-IDF puts first in the first segment."""
    start = image.loaded[0][0]
    try:
        app = APP_DESCRIPTION.read(window, start)
    except FormatError:
        return _bootloader_description(window, start)
    return "application", {
        "project": _shown(app.project),
        "version": _shown(app.version),
        "compiled": f"{_shown(app.date)} {_shown(app.time)}",
        "idf_version": _shown(app.idf_version),
        "elf_sha256": app.elf_sha256.hex(),
        "secure_version": app.secure_version,
    }


def _bootloader_description(window: Window, start: int) -> tuple[str, dict[str, Fact]]:
    try:
        boot = BOOTLOADER_DESCRIPTION.read(window, start)
    except FormatError:
        return "", {}
    idf_version = _shown(boot.idf_version)
    if idf_version != boot.idf_version or not idf_version:
        return "", {}
    return "bootloader", {
        "bootloader_version": boot.version,
        "compiled": _shown(boot.compiled),
        "idf_version": idf_version,
    }


def _program(image: _Image, window: Window) -> Program:
    role, _ = _description(image, window)
    why = [f"the image header has the form of {image.chip.name}"]
    if role:
        why.append(f"ESP-IDF's {role} description is in the first segment")
    elif image.extended is not None and not any(image.chip.maps_flash_at(address) for _, _, address in image.loaded):
        role = "bootloader"
        why.append("all segments are loaded into RAM, as those of the second-stage bootloader")
    return Program(
        arch=image.chip.arch,
        load_address=min(address for _, _, address in image.loaded),
        entry_address=image.header.entry,
        mcu_family=image.chip.name,
        mcu_family_confidence=Confidence.CERTAIN if image.extended is not None else Confidence.HIGH,
        role=role,
        why=tuple(why),
    )


def _metadata(start: int, end: int, title: str) -> Part:
    return Part(start=start, end=end, title=title, kind=RegionKind.METADATA)


def _verdict(algorithm: str, covers: str, stored: int, computed: int, *, digits: int) -> Integrity:
    return Integrity(
        algorithm=algorithm,
        covers=covers,
        stored=f"{stored:#0{digits + 2}x}",
        computed=f"{computed:#0{digits + 2}x}",
        valid=stored == computed,
    )


def _xor(data: memoryview) -> int:
    """Return all bytes of ``data`` combined by exclusive or: the block is folded in half until one byte is left."""
    size = len(data)
    value = int.from_bytes(data, "little")
    while size > 1:
        size = (size + 1) // 2
        value = (value >> (8 * size)) ^ (value & ((1 << (8 * size)) - 1))
    return value


def _shown(words: str) -> str:
    """Return the text up to its NUL, with dots for what cannot be printed."""
    return "".join(c if " " <= c <= "~" else "." for c in words.split("\0", 1)[0])


def _example() -> bytes:
    """Build an ESP32-C3 application with one segment in flash and one in RAM."""
    app = APP_DESCRIPTION.build(
        EspAppDescription(
            magic=0xABCD_5432,
            secure_version=0,
            reserved_1=bytes(8),
            version="1.2.3",
            project="infusion-pump",
            time="12:00:00",
            date="Jan  1 2024",
            idf_version="v5.1.2",
            elf_sha256=bytes(range(32)),
            reserved_2=bytes(80),
        )
    )
    code = b"\x13\x00\x00\x00" * 4
    header = HEADER.build(
        EspHeader(magic=IMAGE_MAGIC, segments=2, flash_mode=2, flash_size_and_clock=0x2F, entry=0x4038_0000)
    )
    extended = EXTENDED.build(
        EspExtendedHeader(
            write_protect_pin=0xEE,
            pin_drive=bytes(3),
            chip=5,
            min_revision_old=0,
            min_revision=3,
            max_revision=0xFFFF,
            reserved=bytes(4),
            hash_appended=1,
        )
    )
    body = header + extended
    for address, data in ((0x3C00_0020, app), (0x4038_0000, code)):
        body += SEGMENT.build(EspSegment(address=address, content_bytes=len(data))) + data
    body = body.ljust(len(body) | 15, b"\0")
    body += bytes([CHECKSUM_SEED ^ _xor(memoryview(app)) ^ _xor(memoryview(code))])
    return body + hashlib.sha256(body).digest()


FORMAT = ImageFormat(
    name="esp-image",
    title="Espressif image",
    source=(
        "ESP-IDF documentation, App Image Format and Bootloader Image Format; esptool documentation, Firmware Image "
        "Format; ESP-IDF documentation, Secure Boot v1 and v2"
    ),
    limits=(
        "Signatures are reported, not verified; images in an encrypted flash cannot be told from noise; images whose "
        "header moves the flash pins are not found."
    ),
    open=_open,
    stands_alone=True,
    magics=(
        Magic(rb"(?s)\xe9[\x01-\x10][\x00-\x05].{5}\xee\x00\x00\x00.\x00", anchor=b"\xee\x00\x00\x00"),
        Magic(rb"(?s)\xe9[\x01-\x10][\x00-\x05].{4}\x40\x00{15}", anchor=b"\x40" + bytes(15)),
        Magic(rb"(?s)\xe9[\x01-\x10][\x00-\x05].{3}\x10\x40.{3}[\x3f\x40]", anchor=b"\x10\x40"),
        Magic(rb"(?s)\xea\x04[\x00-\x05].{5}\x00\x00\x00\x00", anchor=b"\xea\x04"),
    ),
    example=_example,
)
