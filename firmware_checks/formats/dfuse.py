"""ST DfuSe files: memory content with addresses, for one or more memories of a microcontroller."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_checks.address_map import AddressMapBuilder
from firmware_checks.format import ImageFormat, Magic, Memory, Opened, Part
from firmware_checks.readers.dfu_trailer import SUFFIX, crc_verdict, read_suffix, suffix_facts, with_suffix
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, LimitExceeded, Truncated
from toolkit.core.layout import U8, U32LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["FORMAT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DfuSePrefix:
    """Start of a DfuSe file. Source: ST UM0391, 2.1 DFU prefix (little-endian in practice, whatever the text says)."""

    magic: bytes = wire(const(b"DfuSe"))
    version: int = wire(const(1, U8))
    image_bytes: int = wire(U32LE)
    """Size of the file without its suffix."""
    targets: int = wire(U8)


@dataclass(frozen=True, slots=True, kw_only=True)
class DfuSeTarget:
    """Start of what goes into one memory of the device. Source: ST UM0391, 2.3.2 target prefix."""

    magic: bytes = wire(const(b"Target"))
    alternate_setting: int = wire(U8)
    named: int = wire(U32LE)
    name: bytes = wire(raw(255))
    content_bytes: int = wire(U32LE)
    elements: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DfuSeElement:
    """Start of one contiguous piece of memory. Source: ST UM0391, 2.3.3 image element."""

    address: int = wire(U32LE)
    content_bytes: int = wire(U32LE)


PREFIX = Layout(DfuSePrefix, size=11)
TARGET = Layout(DfuSeTarget, size=274)
ELEMENT = Layout(DfuSeElement, size=8)


class _Reader:
    """Walks through one file; what it found so far stays valid when the file turns out to be cut."""

    def __init__(self, span: Span, limits: Limits) -> None:
        self.span = span
        self.limits = limits
        self.elements_left = limits.segments
        self.memories: list[Memory] = []
        self.parts: list[Part] = [Part(start=0, end=PREFIX.size, title="DfuSe prefix", kind=RegionKind.METADATA)]
        self.problems = Problems()
        self.position = PREFIX.size

    def read_target(self) -> None:
        """Read the target at the current position."""
        target = TARGET.read(self.span.window, self.position)
        title = _title(target)
        facts: dict[str, Fact] = {"alternate_setting": target.alternate_setting, "elements": target.elements}
        self._header(TARGET.size, f"target prefix of {title}", facts)
        start = self.position
        builder = AddressMapBuilder(self.span.path, max_segments=self.limits.segments)
        try:
            for _ in range(target.elements):
                self._read_element(builder)
        finally:
            self.memories.append(Memory(map=builder.finish(), title=title))
        if self.position - start != target.content_bytes:
            read = self.position - start
            self.problems.add(f"{title} has {read} bytes, its prefix says {target.content_bytes}")

    def _read_element(self, builder: AddressMapBuilder) -> None:
        if self.elements_left == 0:
            raise LimitExceeded("segments", f"{self.span.path}: more than {self.limits.segments} DfuSe elements")
        self.elements_left -= 1
        element = ELEMENT.read(self.span.window, self.position)
        self._header(ELEMENT.size, f"element header for {element.address:#010x}", {})
        start = self.position
        available = min(element.content_bytes, self.span.size - start)
        builder.add(element.address, self.span.window.take(start, available), self.span.provenance.offset_at(start))
        self.position += available
        self.span.window.take(start, element.content_bytes)

    def _header(self, size: int, title: str, facts: dict[str, Fact]) -> None:
        start = self.position
        self.parts.append(Part(start=start, end=start + size, title=title, kind=RegionKind.METADATA, facts=facts))
        self.position += size


def _open(span: Span, limits: Limits) -> Opened:
    prefix = PREFIX.read(span.window)
    TARGET.read(span.window, PREFIX.size)
    reader = _Reader(span, limits)
    facts: dict[str, Fact] = {"targets": prefix.targets}
    integrity: tuple[Integrity, ...] = ()
    try:
        for _ in range(prefix.targets):
            reader.read_target()
        if reader.position != prefix.image_bytes:
            reader.problems.add(f"the targets end at {reader.position:#x}, the prefix says {prefix.image_bytes:#x}")
        suffix = read_suffix(span.window, reader.position + SUFFIX.size)
    except FormatError as error:
        reader.problems.add(_reason(error))
    else:
        start, end = reader.position, reader.position + SUFFIX.size
        facts |= suffix_facts(suffix)
        integrity = (crc_verdict(span.window, end, suffix),)
        reader.parts.append(Part(start=start, end=end, title="DFU suffix", kind=RegionKind.METADATA))
        reader.position = end
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title="ST DfuSe file",
        facts=facts,
        integrity=integrity,
        parts=tuple(reader.parts),
        memories=tuple(memory for memory in reader.memories if memory.map.segments),
        problems=reader.problems.sentences(),
    )


def _reason(error: FormatError) -> str:
    if isinstance(error, Truncated):
        return f"the file is cut: {error}"
    return f"the rest was not read: {error}"


def _title(target: DfuSeTarget) -> str:
    name = target.name.split(b"\0", 1)[0] if target.named & 0xFF else b""
    shown = "".join(chr(b) if 32 <= b < 127 else "." for b in name)
    return f"alt {target.alternate_setting}: {shown}" if shown else f"alt {target.alternate_setting}"


def _example() -> bytes:
    data = b"\x00\x20\x00\x20\x09\x00\x00\x08" + bytes(range(24))
    element = ELEMENT.build(DfuSeElement(address=0x0800_0000, content_bytes=len(data))) + data
    target = TARGET.build(
        DfuSeTarget(
            magic=b"Target",
            alternate_setting=0,
            named=1,
            name=b"Internal Flash".ljust(255, b"\0"),
            content_bytes=len(element),
            elements=1,
        )
    )
    image_bytes = PREFIX.size + len(target) + len(element)
    prefix = PREFIX.build(DfuSePrefix(magic=b"DfuSe", version=1, image_bytes=image_bytes, targets=1))
    return with_suffix(prefix + target + element, vendor_id=0x0483, product_id=0xDF11, dfu_version=0x011A)


FORMAT = ImageFormat(
    name="dfuse",
    title="ST DfuSe file",
    source="ST UM0391, DfuSe file format specification, revision 1; USB DFU 1.1, appendix B (suffix)",
    limits="Version 1, the only one published.",
    open=_open,
    magics=(Magic(rb"DfuSe\x01"),),
    example=_example,
)
