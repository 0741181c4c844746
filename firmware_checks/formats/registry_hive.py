"""Registry hives: the settings of a Windows system, its services, accounts and start-up programs."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.windows_metadata import moment
from firmware_checks.readers.xor_words import xor_words
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U16LE, U32LE, U64LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]

MAGIC: Final = b"regf"
BASE_BYTES: Final = 4096
CHECKED_BYTES: Final = 508
"""The check sum stands behind these bytes of the base block and covers them."""
BIN_MAGIC: Final = b"hbin"
BIN_BYTES: Final = 4096
"""Bins are multiples of this size."""
KEY_MAGIC: Final = b"nk"
ASCII_NAME = 0x20
PRIMARY = 0
LOGS: Final = frozenset({1, 2, 6})
"""Types of files that hold changes that are not in the hive yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBlock:
    """Start of the file. Source: M. Suhanov, Windows registry file format specification, base block."""

    magic: bytes = wire(const(MAGIC))
    first_sequence: int = wire(U32LE)
    second_sequence: int = wire(U32LE)
    """Differs from the first while a change is being written."""
    modified: int = wire(U64LE)
    major_version: int = wire(const(1, U32LE))
    minor_version: int = wire(U32LE)
    file_type: int = wire(U32LE)
    file_format: int = wire(const(1, U32LE))
    root_at: int = wire(U32LE)
    bins_bytes: int = wire(U32LE)
    clustering: int = wire(U32LE)
    name: bytes = wire(raw(64))
    other: bytes = wire(raw(396))
    check_sum: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNode:
    """Start of a key. Source: M. Suhanov, Windows registry file format specification, key node."""

    magic: bytes = wire(const(KEY_MAGIC))
    flags: int = wire(U16LE)
    modified: int = wire(U64LE)
    access: int = wire(U32LE)
    parent: int = wire(U32LE)
    keys: int = wire(U32LE)
    volatile_keys: int = wire(U32LE)
    lists: bytes = wire(raw(8))
    values: int = wire(U32LE)
    offsets: bytes = wire(raw(12))
    longest: bytes = wire(raw(20))
    name_bytes: int = wire(U16LE)
    class_bytes: int = wire(U16LE)


BASE = Layout(BaseBlock, size=512)
KEY = Layout(KeyNode, size=76)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    base = BASE.read(window)
    if base.file_type != PRIMARY and base.file_type not in LOGS:
        raise FormatError(f"the registry file at {window.origin:#x} is of an unknown type")
    facts: dict[str, Fact] = {
        "format_version": f"{base.major_version}.{base.minor_version}",
        "name": visible(base.name.decode("utf-16-le", "backslashreplace").partition("\0")[0]),
        "dirty": base.first_sequence != base.second_sequence,
    }
    modified = moment(base.modified)
    if modified:
        facts["modified"] = modified
    verdict = _verdict(window, base)
    if base.file_type != PRIMARY:
        return Opened(
            size=BASE.size,
            kind=RegionKind.DATA,
            title="Windows registry log (changes not yet in the registry)",
            facts=facts,
            integrity=(verdict,),
        )
    size = BASE_BYTES + base.bins_bytes
    if base.bins_bytes % BIN_BYTES or not window.starts_with(BIN_MAGIC, BASE_BYTES):
        raise FormatError(f"the registry hive at {window.origin:#x} has no bins behind its base block")
    missing = size - window.size
    cut = (f"the file is cut short: {missing} bytes are missing",) if missing > 0 else ()
    return Opened(
        size=min(size, window.size),
        kind=RegionKind.DATA,
        title="Windows registry hive",
        facts={**facts, "bins_bytes": base.bins_bytes, **_root(window, base)},
        integrity=(verdict,),
        problems=(*cut, *_bin_problems(window.sub(0, min(size, window.size)))),
    )


def _verdict(window: Window, base: BaseBlock) -> Integrity:
    """Return the verdict on the exclusive or of the words of the base block; 0 and -1 are written as 1 and -2."""
    computed = {0: 1, 0xFFFF_FFFF: 0xFFFF_FFFE}.get(value := xor_words(window.take(0, CHECKED_BYTES)), value)
    return Integrity(
        algorithm="xor32",
        covers="base block",
        stored=f"{base.check_sum:08x}",
        computed=f"{computed:08x}",
        valid=base.check_sum == computed,
    )


def _bin_problems(window: Window) -> tuple[str, ...]:
    """Walk over the bins, each of which says its own size."""
    place = BASE_BYTES
    while place < window.size:
        head = bytes(window.view[place : place + 12])
        size = int.from_bytes(head[8:12], "little")
        if head[:4] != BIN_MAGIC or size == 0 or size % BIN_BYTES:
            return (f"the bins are damaged at {place:#x}",)
        place += size
    return ()


def _root(window: Window, base: BaseBlock) -> dict[str, Fact]:
    """Return the name of the topmost key and what is right below it; nothing when it cannot be read."""
    place = BASE_BYTES + base.root_at + 4
    try:
        key = KEY.read(window, place)
        name = bytes(window.take(place + KEY.size, min(key.name_bytes, 512)))
    except FormatError:
        return {}
    encoding = "latin-1" if key.flags & ASCII_NAME else "utf-16-le"
    return {"root": visible(name.decode(encoding, "backslashreplace")), "keys": key.keys, "values": key.values}


def _example() -> bytes:
    """Build a hive of one bin with nothing but its topmost key."""
    modified, none, name = 132_223_104_000_000_000, b"\xff" * 4, b"PUMP"
    key = KeyNode(
        magic=KEY_MAGIC, flags=0x2C, modified=modified, access=0, parent=0xFFFF_FFFF, keys=0, volatile_keys=0,
        lists=none * 2, values=0, offsets=none * 3, longest=bytes(20), name_bytes=len(name), class_bytes=0,
    )  # fmt: skip
    cell = struct.pack("<i", -88) + (KEY.build(key) + name).ljust(84, b"\0")
    free = struct.pack("<i", BIN_BYTES - 32 - len(cell))
    head = struct.pack("<4s2I8xQI", BIN_MAGIC, 0, BIN_BYTES, modified, 0)
    base = BaseBlock(
        magic=MAGIC, first_sequence=1, second_sequence=1, modified=modified, major_version=1, minor_version=5,
        file_type=PRIMARY, file_format=1, root_at=32, bins_bytes=BIN_BYTES, clustering=1,
        name="\\SystemRoot\\PUMP".encode("utf-16-le").ljust(64, b"\0"), other=bytes(396), check_sum=0,
    )  # fmt: skip
    base = replace(base, check_sum=xor_words(BASE.build(base)[:CHECKED_BYTES]))
    return BASE.build(base).ljust(BASE_BYTES, b"\0") + (head + cell + free).ljust(BIN_BYTES, b"\0")


FORMAT = ImageFormat(
    name="registry-hive",
    title="Windows registry hive",
    source="M. Suhanov, Windows registry file format specification (github.com/msuhanov/regf)",
    limits="Keys and values are not listed. Of a log only the base block is covered; it is not applied to its hive.",
    open=_open,
    magics=(Magic(rb"regf[\x00-\xff]{16}\x01\x00{3}[\x00-\x06]\x00{3}[\x00-\x06]\x00{3}\x01\x00{3}"),),
    example=_example,
)
