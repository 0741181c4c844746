"""UF2: memory content in blocks of 512 bytes that a boot loader takes from a USB drive."""

from __future__ import annotations

import hashlib
import importlib.resources
import re
import struct
import tomllib
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import NamedTuple

from firmware_checks.address_map import AddressMap, AddressSpaces, facts_of
from firmware_checks.format import Entry, ImageFormat, Magic, Memory, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.report.model import Fact, Integrity, RegionKind

BLOCK_BYTES, HEADER_BYTES, DATA_BYTES = 512, 32, 476
FIRST_MAGIC, SECOND_MAGIC, LAST_MAGIC = 0x0A324655, 0x9E5D5157, 0x0AB16F30
START = struct.pack("<II", FIRST_MAGIC, SECOND_MAGIC)

BLOCK = struct.Struct("<8I476sI")
"""Two magics, flags, address, payload bytes, block number, blocks, family or file size; data; last magic.

A struct and no ``Layout``: a 16 MiB program has 65,536 blocks.
"""

NOT_MAIN_FLASH, FILE_CONTAINER, FAMILY_PRESENT, MD5_PRESENT, TAGS_PRESENT = 0x1, 0x1000, 0x2000, 0x4000, 0x8000
MD5_RECORD = struct.Struct("<II16s")
"""Start and length of a region and its MD5, at the end of the data."""

TAG_VERSION, TAG_DEVICE, TAG_PAGE_BYTES, TAG_SHA2, TAG_DEVICE_TYPE = 0x9FC7BC, 0x650D9D, 0x0BE9F7, 0xB46DB0, 0xC8A729
SHOWN_TAGS = frozenset([TAG_VERSION, TAG_DEVICE, TAG_PAGE_BYTES, TAG_SHA2, TAG_DEVICE_TYPE])
TAG_IGNORE = 0x9957E3
"""Raspberry Pi's own tag: the boot loader leaves the block out (RP2350 erratum E10)."""
RP2350_ABSOLUTE = 0xE48BFF57
MOST_TAG_VALUES = 8

MOST_STRAY_BLOCKS = 16
"""Boot loaders skip blocks that are not theirs; more of them in a row are something else."""
MD5_REPEATS = 4
"""Checksummed regions may overlap; hashing stops at this many times the size of the content."""


class _Key(NamedTuple):
    """Which memory a block is for."""

    family: int | None
    aside: bool = False
    """Not for the main flash: source code, comments."""
    file: str | None = None


class _Md5(NamedTuple):
    family: int | None
    start: int
    length: int
    digest: bytes


@dataclass(slots=True)
class _Numbering:
    """The block numbers seen of one family, and how many blocks each announced."""

    least_total: int
    most_total: int
    numbers: array[int] = field(default_factory=lambda: array("I"))


@dataclass(slots=True)
class _File:
    """A file carried in blocks."""

    size: int
    offset: int
    blocks: int = 0


@dataclass(slots=True)
class _Reader:
    """Reads the blocks of one UF2 file."""

    span: Span
    spaces: AddressSpaces[_Key]
    problems: Problems = field(default_factory=lambda: Problems("block"))
    """Places are counted in blocks from 0 at the start of the file, whatever number a block gives itself."""
    blocks: int = 0
    asides: int = 0
    ignored: int = 0
    numbering: dict[int | None, _Numbering] = field(default_factory=dict)
    files: dict[str, _File] = field(default_factory=dict)
    md5: set[_Md5] = field(default_factory=set)
    tags: dict[int, list[bytes]] = field(default_factory=dict)
    _last_tail: bytes = b""
    _ignore: bool = False

    def take(self, number: int, fields: tuple[int, int, int, int, int, int, int, int, bytes, int]) -> bool:
        """Read block ``number`` of the file; return False when it is no UF2 block."""
        first, second, flags, address, size, index, total, family_or_size, data, last = fields
        if first != FIRST_MAGIC or second != SECOND_MAGIC:
            return False
        self.blocks += 1
        if self.spaces.stopped:
            return True
        room = DATA_BYTES - (MD5_RECORD.size if flags & MD5_PRESENT else 0)
        if last != LAST_MAGIC:
            self.problems.add("a block has no valid end and was left out", number)
        elif size > room:
            self.problems.add("a block claims more data than it can hold and was left out", number)
        elif size == 0:
            self.problems.add("a block holds no data", number)
        elif self._is_ignored(flags, size, family_or_size, data[:room]):
            self.ignored += 1
        else:
            key = self._key(number, flags, size, family_or_size, data)
            self._count(key.family, index, total)
            if flags & MD5_PRESENT:
                self.md5.add(_Md5(key.family, *MD5_RECORD.unpack_from(data, room)))
            self.spaces.add(key, address, data[:size], self._offset(number))
        return True

    def _offset(self, number: int) -> int:
        return self.span.provenance.offset_at(number * BLOCK_BYTES + HEADER_BYTES)

    def _key(self, number: int, flags: int, size: int, family_or_size: int, data: bytes) -> _Key:
        if flags & FILE_CONTAINER:
            name = visible(data[size:].partition(b"\0")[0].decode("utf-8", "replace")) or "unnamed"
            file = self.files.setdefault(name, _File(family_or_size, number * BLOCK_BYTES))
            file.blocks += 1
            return _Key(None, file=name)
        family = family_or_size if flags & FAMILY_PRESENT else None
        aside = bool(flags & NOT_MAIN_FLASH)
        self.asides += aside
        return _Key(family, aside)

    def _count(self, family: int | None, index: int, total: int) -> None:
        numbering = self.numbering.get(family)
        if numbering is None:
            numbering = self.numbering[family] = _Numbering(total, total)
        numbering.numbers.append(index)
        numbering.least_total = min(numbering.least_total, total)
        numbering.most_total = max(numbering.most_total, total)

    def _is_ignored(self, flags: int, size: int, family: int, data: bytes) -> bool:
        """Collect the tags of a block and tell whether the boot loader leaves it out."""
        if flags & FAMILY_PRESENT and family == RP2350_ABSOLUTE and data[:size].strip(b"\xef") == b"":
            return True  # older tools wrote this block without the tag
        if not flags & TAGS_PRESENT:
            return False
        tail = data[-(-size // 4) * 4 :]
        if tail != self._last_tail:  # most files repeat the same tags in every block
            self._last_tail = tail
            self._ignore = False
            for kind, value in _tags(tail):
                self._ignore = self._ignore or kind == TAG_IGNORE
                values = self.tags.setdefault(kind, []) if kind in SHOWN_TAGS else []
                if value not in values and len(values) < MOST_TAG_VALUES:
                    values.append(value)
        return self._ignore


def _tags(tail: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each extension tag; padding, zeros or damage end them."""
    at = 0
    while at + 4 <= len(tail) and 4 <= tail[at] <= len(tail) - at:
        size, kind = tail[at], int.from_bytes(tail[at + 1 : at + 4], "little")
        yield kind, tail[at + 4 : at + size]
        at += -(-size // 4) * 4


def _open(span: Span, limits: Limits) -> Opened:
    reader = _Reader(span, AddressSpaces(span.path, limits, pitch=1))
    size = _read_blocks(span, reader)
    problems = reader.problems
    for family, numbering in reader.numbering.items():
        _check_numbers(_family_name(family) or "the file", numbering, problems)
    maps = reader.spaces.finish()
    memories = {key: memory for key, memory in maps.items() if key.file is None}
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="UF2",
        facts=_facts(reader) | facts_of(memories.values()),
        integrity=tuple(_md5_verdicts(reader.md5, memories, problems)),
        memories=tuple(Memory(map=memory, title=_title(key)) for key, memory in memories.items()),
        entries=tuple(_entry(name, file, maps.get(_Key(None, file=name))) for name, file in reader.files.items()),
        problems=problems.sentences(),
        limits_hit=reader.spaces.limits_hit,
    )


def _read_blocks(span: Span, reader: _Reader) -> int:
    """Let ``reader`` read all blocks and return where they end."""
    whole = span.size - span.size % BLOCK_BYTES
    end = 0
    stray: list[int] = []
    for number, fields in enumerate(BLOCK.iter_unpack(span.window.take(0, whole))):
        if reader.take(number, fields):
            for one in stray:
                reader.problems.add("a block is no UF2 block and was skipped", one)
            stray.clear()
            end = (number + 1) * BLOCK_BYTES
            continue
        if end == 0:
            break
        stray.append(number)
        if len(stray) > MOST_STRAY_BLOCKS:
            break
    if end == 0:
        raise FormatError("the first 512 bytes are no UF2 block")
    if end == whole < span.size and span.window.starts_with(START[: span.size - whole], whole):
        reader.problems.add("the last block is cut", end // BLOCK_BYTES)
        return span.size
    return end


def _check_numbers(name: str, numbering: _Numbering, problems: Problems) -> None:
    """Compare the block numbers of one family with how many blocks it announces."""
    total = numbering.most_total
    seen = sorted(set(numbering.numbers))
    if numbering.least_total != total:
        problems.add(f"{name}: blocks disagree on how many there are, from {numbering.least_total} to {total}")
    if seen[-1] >= total:
        problems.add(f"{name}: block number {seen[-1]} is beyond the {total} that are announced")
    missing = total - sum(number < total for number in seen)
    if missing:
        first = next((i for i, number in enumerate(seen) if i != number), len(seen))
        problems.add(f"{name}: {missing} of {total} blocks are missing, the first is number {first}")
    repeated = len(numbering.numbers) - len(seen)
    if repeated:
        problems.add(f"{name}: {repeated} block numbers are used again")


def _md5_verdicts(wanted: set[_Md5], maps: Mapping[_Key, AddressMap], problems: Problems) -> Iterator[Integrity]:
    """Yield one verdict over all regions whose MD5 is in the file, as far as the file holds the region."""
    left = MD5_REPEATS * sum(memory.size for memory in maps.values())
    checked, wrong = 0, []
    for region in sorted(wanted, key=lambda r: (r.start, r.length, r.digest, r.family or 0)):
        content = _content(maps.get(_Key(region.family)), region)
        left -= 0 if content is None else region.length
        if content is None or left < 0:
            problems.add("a region with an MD5 checksum is not complete in the file and was not checked")
            continue
        checked += 1
        if hashlib.md5(content, usedforsecurity=False).digest() != region.digest:
            wrong.append(region.start)
    if checked:
        yield Integrity(
            algorithm="md5",
            covers=f"{checked:,} regions of flash",
            stored=f"{checked:,} checksums",
            computed=f"{len(wrong):,} wrong, first at address {wrong[0]:#x}" if wrong else "all valid",
            valid=not wrong,
        )


def _content(memory: AddressMap | None, region: _Md5) -> memoryview | None:
    found = memory.find(region.start) if memory is not None else None
    if found is None or found[1] + region.length > len(found[0].data):
        return None
    segment, start = found
    return segment.data[start : start + region.length]


def _entry(name: str, file: _File, memory: AddressMap | None) -> Entry:
    return Entry(
        name=name,
        packed_bytes=file.blocks * BLOCK_BYTES,
        unpacked_bytes=file.size,
        read=partial(_read_file, name, file.size, memory),
        offset=file.offset,
    )


def _read_file(name: str, size: int, memory: AddressMap | None, most_bytes: int) -> bytes:
    """Return the file put together from its blocks; what no block defines is zero, as in a truncated file."""
    segments = memory.segments if memory is not None else ()
    if not segments or segments[-1].end > size:
        raise FormatError(f"{name}: its blocks do not make the {size} bytes that are announced")
    if size > most_bytes:
        raise LimitExceeded("entry_bytes", f"{name}: {size} bytes is more than the {most_bytes} that are allowed")
    content = bytearray(size)
    for segment in segments:
        content[segment.address : segment.end] = segment.data
    return bytes(content)


def _facts(reader: _Reader) -> dict[str, Fact]:
    families = [family for family in reader.numbering if family is not None]
    facts: dict[str, Fact] = {"blocks": reader.blocks}
    counts = {"not_main_flash_blocks": reader.asides, "ignored_blocks": reader.ignored, "files": len(reader.files)}
    facts |= {name: count for name, count in counts.items() if count}
    if families:
        facts["family_ids"] = tuple(f"{family:#010x}" for family in families)
        facts["mcus"] = tuple(_families().get(family, _UNKNOWN_FAMILY)["mcu"] for family in families)
    for name, (kind, told) in _TAG_FACTS.items():
        values = tuple(told(value) for value in reader.tags.get(kind, ()))
        if values:
            facts[name] = values[0] if len(values) == 1 else values
    for value in reader.tags.get(TAG_PAGE_BYTES, ())[:1]:
        facts["page_bytes"] = int.from_bytes(value, "little")
    return facts


def _text(value: bytes) -> str:
    return visible(value.rstrip(b"\0").decode("utf-8", "replace"))


def _number(value: bytes) -> str:
    return f"{int.from_bytes(value, 'little'):#x}"


_TAG_FACTS: Mapping[str, tuple[int, Callable[[bytes], str]]] = {
    "firmware_version": (TAG_VERSION, _text),
    "device": (TAG_DEVICE, _text),
    "sha2": (TAG_SHA2, bytes.hex),
    "device_type": (TAG_DEVICE_TYPE, _number),
}
_UNKNOWN_FAMILY = {"name": "", "mcu": "unknown"}


@cache
def _families() -> dict[int, dict[str, str]]:
    """Return name and microcontroller by family id."""
    table = importlib.resources.files("firmware_checks.formats").joinpath("uf2_families.toml")
    return {int(key, 16): row for key, row in tomllib.loads(table.read_text(encoding="utf-8")).items()}


def _family_name(family: int | None) -> str:
    if family is None:
        return ""
    return _families().get(family, _UNKNOWN_FAMILY)["name"] or f"family {family:#010x}"


def _title(key: _Key) -> str:
    return ", ".join(part for part in (_family_name(key.family), "not main flash" if key.aside else "") if part)


def _block(flags: int, address: int, number: tuple[int, int], family: int, data: bytes, tags: bytes = b"") -> bytes:
    index, total = number
    start = (FIRST_MAGIC, SECOND_MAGIC, flags, address, len(data), index, total, family)
    return BLOCK.pack(*start, (data + tags).ljust(DATA_BYTES, b"\0"), LAST_MAGIC)


def _tag(kind: int, value: bytes) -> bytes:
    return (bytes([4 + len(value)]) + kind.to_bytes(3, "little") + value).ljust(-(-(4 + len(value)) // 4) * 4, b"\0")


def _example() -> bytes:
    """Build a program of 512 bytes for an RP2350, with a version and the block its boot loader must ignore."""
    flags, arm = FAMILY_PRESENT | TAGS_PRESENT, 0xE48BFF59
    program = bytes(range(256))
    version = _tag(TAG_VERSION, b"1.4.2")
    return b"".join([
        _block(flags, 0x10FFFF00, (0, 2), RP2350_ABSOLUTE, b"\xef" * 256, _tag(TAG_IGNORE, b"")),
        _block(flags, 0x10000000, (0, 2), arm, program, version),
        _block(flags, 0x10000100, (1, 2), arm, program, version),
    ])  # fmt: skip


FORMAT = ImageFormat(
    name="uf2",
    title="UF2",
    source="Microsoft, USB Flashing Format (UF2), microsoft/uf2 README.md; raspberrypi/pico-sdk boot/uf2.h for RP2350",
    limits="The SHA-2 tag is shown and not checked: the specification leaves open which bytes it covers.",
    open=_open,
    magics=(Magic(re.escape(START), anchor=START),),
    example=_example,
)
