"""What devices with Windows hold: registry hives, registry texts, programs, and ROM images of Windows CE."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from firmware_checks.formats.registry_hive import BASE as BASE_BLOCK
from firmware_checks.formats.registry_hive import (
    BASE_BYTES,
    BIN_BYTES,
    BIN_MAGIC,
    CHECKED_BYTES,
    KEY,
    KEY_MAGIC,
    MAGIC,
    PRIMARY,
    BaseBlock,
    KeyNode,
)  # fmt: skip
from firmware_checks.formats.windows_ce import (
    FILE,
    RECORD,
    RECORDS_HEADER,
    RECORDS_MAGIC,
    ROM_HEADER,
    ROM_MAGIC,
    RecordsHeader,
    RomFile,
    RomHeader,
)  # fmt: skip
from firmware_checks.observers.windows_protections import example_program
from firmware_checks.readers.xor_words import xor_words
from firmware_checks.twin_containers.file_systems import folders_of

__all__ = ["hive", "program", "registry_text", "rom"]

PROTECTED: Final = 0x4140
"""DLL characteristics of a program with all protections: movable, no data is code, calls are guarded."""
NONE: Final = b"\xff" * 4
NUMBER, TEXT, INLINE = 4, 1, 0x8000_0000
FILETIME: Final = 132_223_104_000_000_000
Values = Mapping[str, str | int]


def registry_text(keys: Mapping[str, Values], *, wide: bool = False) -> bytes:
    """Return what regedit exports; ``wide`` with two bytes a character, as since Windows 2000."""
    lines = ["Windows Registry Editor Version 5.00" if wide else "REGEDIT4", ""]
    for key, values in keys.items():
        lines.append(f"[{key}]")
        for name, value in values.items():
            shown = f"dword:{value:08x}" if isinstance(value, int) else f'"{_escaped(value)}"'
            lines.append(f'"{name}"={shown}')
        lines.append("")
    text = "\r\n".join(lines)
    return b"\xff\xfe" + text.encode("utf-16-le") if wide else text.encode("latin-1")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def program(*texts: bytes, flags: int = PROTECTED) -> bytes:
    """Return a program for Windows that is never run, with ``texts`` in it; ``flags`` are its DLL characteristics."""
    return example_program(flags) + b"\0".join((b"", *texts, b""))


def hive(name: str, keys: Mapping[str, Values]) -> bytes:
    """Return a registry hive called ``name``, with ``/`` between the keys of a path."""
    writer = _Hive()
    root = writer.key(name, folders_of({f"{path}/": values for path, values in keys.items()}), is_root=True)
    return writer.whole(root, name)


class _Hive:
    """Writes cells one after the other; whoever refers to a cell comes after it."""

    def __init__(self) -> None:
        self.cells = b""

    def key(self, name: str, tree: Mapping[str, object], *, is_root: bool = False) -> int:
        """Write a key with all that is below it; its values stand in ``tree`` under the empty name."""
        inner = {below: self.key(below, part) for below, part in tree.items() if below and isinstance(part, Mapping)}
        rows = b"".join(
            struct.pack("<I4s", place, below.encode()[:4]) for below, place in sorted(inner.items(), key=_by_name)
        )
        keys_at = self._cell(b"lf" + struct.pack("<H", len(inner)) + rows) if inner else 0xFFFF_FFFF
        own = tree.get("", {})
        values = [self._value(*row) for row in own.items()] if isinstance(own, Mapping) else []
        values_at = self._cell(struct.pack(f"<{len(values)}I", *values)) if values else 0xFFFF_FFFF
        node = KeyNode(
            magic=KEY_MAGIC, flags=0x2C if is_root else 0x20, modified=FILETIME, access=0, parent=0xFFFF_FFFF,
            keys=len(inner), volatile_keys=0, lists=struct.pack("<I", keys_at) + NONE, values=len(values),
            offsets=struct.pack("<I", values_at) + NONE * 2, longest=bytes(20), name_bytes=len(name), class_bytes=0,
        )  # fmt: skip
        return self._cell(KEY.build(node) + name.encode("latin-1"))

    def _value(self, name: str, value: str | int) -> int:
        if isinstance(value, int):
            return self._cell(_value_head(name, 4 | INLINE, value, NUMBER))
        data = (value + "\0").encode("utf-16-le")
        return self._cell(_value_head(name, len(data), self._cell(data), TEXT))

    def _cell(self, data: bytes) -> int:
        place = 32 + len(self.cells)
        size = -(-(len(data) + 4) // 8) * 8
        self.cells += struct.pack("<i", -size) + data.ljust(size - 4, b"\0")
        return place

    def whole(self, root: int, name: str) -> bytes:
        """Return base block and bins."""
        bins_bytes = -(-(32 + len(self.cells) + 8) // BIN_BYTES) * BIN_BYTES
        free = bins_bytes - 32 - len(self.cells)
        head = struct.pack("<4s2I8xQI", BIN_MAGIC, 0, bins_bytes, FILETIME, 0)
        base = BaseBlock(
            magic=MAGIC, first_sequence=1, second_sequence=1, modified=FILETIME, major_version=1, minor_version=5,
            file_type=PRIMARY, file_format=1, root_at=root, bins_bytes=bins_bytes, clustering=1,
            name=f"\\SystemRoot\\{name}".encode("utf-16-le").ljust(64, b"\0"), other=bytes(396), check_sum=0,
        )  # fmt: skip
        base = replace(base, check_sum=xor_words(BASE_BLOCK.build(base)[:CHECKED_BYTES]))
        cells = self.cells + struct.pack("<i", free)
        return BASE_BLOCK.build(base).ljust(BASE_BYTES, b"\0") + (head + cells).ljust(bins_bytes, b"\0")


def _by_name(row: tuple[str, int]) -> str:
    return row[0].upper()


def _value_head(name: str, size: int, data: int, kind: int) -> bytes:
    return struct.pack("<2sHIIIHH", b"vk", len(name), size, data, kind, 1, 0) + name.encode("latin-1")


def rom(files: Mapping[str, bytes], *, start: int = 0x8010_0000) -> bytes:
    """Return an image of Windows CE 5 (``nk.bin``) whose ROM holds ``files``."""
    return _records(_rom(files, start), start)


def _rom(files: Mapping[str, bytes], start: int) -> bytes:
    header_at = 0x100
    place = header_at + ROM_HEADER.size + FILE.size * len(files)
    rows, pieces = b"", {}
    for name, content in files.items():
        pieces[place] = name.encode() + b"\0"
        data_at = place + len(name) + 1 + -(len(name) + 1) % 4
        pieces[data_at] = content
        row = RomFile(
            attributes=7, modified=FILETIME.to_bytes(8, "little"), unpacked_bytes=len(content),
            packed_bytes=len(content), name_at=start + place, data_at=start + data_at,
        )  # fmt: skip
        rows += FILE.build(row)
        place = data_at + len(content) + -len(content) % 4
    end = -(-place // 0x1000) * 0x1000
    header = RomHeader(
        first_library=0, last_library=0, start=start, end=start + end, modules=0, ram_start=start + 0x80_0000,
        ram_free=start + 0x81_0000, ram_end=start + 0x100_0000, copies=0, copies_at=0, profile_bytes=0, profile_at=0,
        files=len(files), kernel_flags=0, ram_for_files=0, drivers_start=0, drivers_bytes=0, machine=0x01C0, flags=0,
        extensions=0, tracking_start=0, tracking_bytes=0,
    )  # fmt: skip
    pieces[0x40] = ROM_MAGIC + struct.pack("<2I", start + header_at, header_at)
    pieces[header_at] = ROM_HEADER.build(header) + rows
    out = bytearray(end)
    for at, data in pieces.items():
        out[at : at + len(data)] = data
    return bytes(out)


def _records(image: bytes, start: int) -> bytes:
    records = b""
    for at in range(0, len(image), 0x1000):
        piece = image[at : at + 0x1000]
        records += RECORD.pack(start + at, len(piece), sum(piece) & 0xFFFF_FFFF) + piece
    header = RecordsHeader(magic=RECORDS_MAGIC, address=start, image_bytes=len(image))
    return RECORDS_HEADER.build(header) + records + RECORD.pack(0, start + 0x1000, 0)
