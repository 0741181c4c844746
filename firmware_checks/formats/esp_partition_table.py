"""Espressif partition tables: which part of the flash holds what."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, Truncated
from toolkit.core.layout import U8, U32LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

TABLE_BYTES = 0xC00
"""A table with all its rows; the sector's last kilobyte is left for a signature."""
SECTOR_BYTES = 0x1000
MD5_ROW_START = b"\xeb\xeb" + b"\xff" * 14
ENCRYPTED, READ_ONLY = 1, 2
TYPES: Final = {0: "app", 1: "data", 2: "bootloader", 3: "partition_table"}
FIRST_CUSTOM_TYPE = 0x40
SUBTYPES: Final[dict[int, dict[int, str]]] = {
    0: {
        0x00: "factory",
        **{0x10 + slot: f"ota_{slot}" for slot in range(16)},
        0x20: "test",
        0x30: "tee_0",
        0x31: "tee_1",
    },
    1: {
        0x00: "ota",
        0x01: "phy",
        0x02: "nvs",
        0x03: "coredump",
        0x04: "nvs_keys",
        0x05: "efuse",
        0x06: "undefined",
        0x80: "esphttpd",
        0x81: "fat",
        0x82: "spiffs",
        0x83: "littlefs",
        0x90: "tee_ota",
    },
    2: {0x00: "primary", 0x01: "ota", 0x02: "recovery"},
    3: {0x00: "primary", 0x01: "ota"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EspPartition:
    """One row. Source: ESP-IDF ``esp_flash_partitions.h``, ``esp_partition_info_t``."""

    magic: bytes = wire(const(b"\xaa\x50"))
    type: int = wire(U8)
    subtype: int = wire(U8)
    flash_offset: int = wire(U32LE)
    size_bytes: int = wire(U32LE)
    label: bytes = wire(raw(16))
    flags: int = wire(U32LE)

    @property
    def name(self) -> str:
        """The label as text; sixteen characters need no NUL behind them."""
        return "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in self.label.rstrip(b"\0"))

    @property
    def purpose(self) -> str:
        """Type and subtype by name, or by number where ESP-IDF gives them no name."""
        type_name = TYPES.get(self.type, f"{self.type:#04x}")
        return f"{type_name}/{SUBTYPES.get(self.type, {}).get(self.subtype, f'{self.subtype:#04x}')}"

    @property
    def is_possible(self) -> bool:
        """Whether the row keeps the rules of ESP-IDF for type, place, size, flags and label."""
        return (
            (self.type in TYPES or FIRST_CUSTOM_TYPE <= self.type < 0xFF)
            and self.flash_offset % SECTOR_BYTES == 0
            and self.size_bytes > 0
            and self.flags & ~(ENCRYPTED | READ_ONLY) == 0
            and all(0x20 <= byte < 0x7F for byte in self.label.rstrip(b"\0"))
        )


ROW = Layout(EspPartition, size=32)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    rows = _rows(window)
    end = len(rows) * ROW.size
    verdict = _md5_verdict(window, end)
    parts = [_row_part(row, index * ROW.size) for index, row in enumerate(rows)]
    if verdict is not None:
        parts.append(Part(start=end, end=end + ROW.size, title="MD5 of the table", kind=RegionKind.METADATA))
        end += ROW.size
    elif not _table_ends(window, end):
        raise FormatError(f"no partition table: after {len(rows)} rows comes neither MD5, empty flash nor the end")
    filler_end = _filler_end(window, end)
    if filler_end > end:
        parts.append(Part(start=end, end=filler_end, title="unused rows", kind=RegionKind.PADDING))
    return Opened(
        size=filler_end,
        kind=RegionKind.CONFIGURATION,
        title="Espressif partition table",
        facts=_facts(rows),
        integrity=() if verdict is None else (verdict,),
        parts=tuple(parts),
        problems=_problems(rows),
    )


def _rows(window: Window) -> list[EspPartition]:
    """Return the rows; raise ``FormatError`` when the first is none or impossible."""
    rows: list[EspPartition] = []
    while len(rows) < TABLE_BYTES // ROW.size:
        try:
            row = ROW.read(window, len(rows) * ROW.size)
        except FormatError:
            if not rows:
                raise
            break
        if not rows and not row.is_possible:
            raise FormatError(f"no partition table: its first row {row.name!r} is impossible")
        rows.append(row)
    return rows


def _md5_verdict(window: Window, end: int) -> Integrity | None:
    if not window.starts_with(MD5_ROW_START, end):
        return None
    try:
        stored = bytes(window.take(end + len(MD5_ROW_START), 16)).hex()
    except Truncated:
        return None
    computed = hashlib.md5(window.take(0, end), usedforsecurity=False).hexdigest()
    return Integrity(
        algorithm="md5",
        covers="the rows of the partition table",
        stored=stored,
        computed=computed,
        valid=stored == computed,
    )


def _table_ends(window: Window, end: int) -> bool:
    following = bytes(window.view[end : end + ROW.size])
    return end == TABLE_BYTES or following.strip(b"\xff") == b""


def _filler_end(window: Window, end: int) -> int:
    """Return where the erased rest of the table ends: the table's full size, or ``end`` when something else follows."""
    limit = min(window.size, TABLE_BYTES)
    rest = bytes(window.take(end, max(0, limit - end)))
    return end + len(rest) if rest.strip(b"\xff") == b"" else end


def _row_part(row: EspPartition, start: int) -> Part:
    facts: dict[str, Fact] = {
        "name": row.name,
        "purpose": row.purpose,
        "flash_offset": row.flash_offset,
        "size_bytes": row.size_bytes,
        "encrypted": bool(row.flags & ENCRYPTED),
        "read_only": bool(row.flags & READ_ONLY),
    }
    title = f"partition {row.name}: {row.purpose}"
    return Part(start=start, end=start + ROW.size, title=title, kind=RegionKind.CONFIGURATION, facts=facts)


def _facts(rows: Sequence[EspPartition]) -> dict[str, Fact]:
    return {
        "partitions": tuple(
            f"{row.name}: {row.purpose}, {row.size_bytes} bytes at {row.flash_offset:#x}" for row in rows
        ),
        "flash_bytes_used": max(row.flash_offset + row.size_bytes for row in rows),
        "application_slots": sum(row.type == 0 for row in rows),
        "encrypted_partitions": tuple(row.name for row in rows if row.flags & ENCRYPTED),
    }


def _problems(rows: Sequence[EspPartition]) -> tuple[str, ...]:
    problems = Problems()
    for row in rows:
        if not row.is_possible:
            problems.add(f"the row of partition {row.name} breaks the rules")
    for a, b in itertools.pairwise(sorted(rows, key=lambda row: row.flash_offset)):
        if a.flash_offset + a.size_bytes > b.flash_offset:
            problems.add(f"partitions {a.name} and {b.name} overlap at {b.flash_offset:#x}")
    return problems.sentences()


def _example() -> bytes:
    """Build the table of ESP-IDF's "Single factory app, no OTA"."""
    rows = b"".join(
        ROW.build(
            EspPartition(
                magic=b"\xaa\x50",
                type=kind,
                subtype=subtype,
                flash_offset=offset,
                size_bytes=size,
                label=label.ljust(16, b"\0"),
                flags=0,
            )
        )
        for label, kind, subtype, offset, size in (
            (b"nvs", 1, 2, 0x9000, 0x6000),
            (b"phy_init", 1, 1, 0xF000, 0x1000),
            (b"factory", 0, 0, 0x1_0000, 0x10_0000),
        )
    )
    digest = hashlib.md5(rows, usedforsecurity=False).digest()
    return (rows + MD5_ROW_START + digest).ljust(TABLE_BYTES, b"\xff")


FORMAT = ImageFormat(
    name="esp-partition-table",
    title="Espressif partition table",
    source="ESP-IDF documentation, Partition Tables; ESP-IDF esp_flash_partitions.h; gen_esp32part.py (row names)",
    limits="A signed table's signature (secure boot v1) is not looked at.",
    open=_open,
    stands_alone=True,
    magics=(Magic(rb"(?s)\xaa\x50[\x00-\x03\x40-\xfe].\x00[\x00\x10-\xf0]..{5}[\x20-\x7e]", anchor=b"\xaa\x50"),),
    example=_example,
)
