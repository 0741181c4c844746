"""TI-TXT: memory content of MSP430 and other Texas Instruments devices as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_checks.address_map import AddressSpaces, facts_of
from firmware_checks.format import ImageFormat, Magic, Memory, Opened
from firmware_checks.readers.text_records import Outcome, first_line, read_records
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.report.model import RegionKind

PITCH = 3
"""Two digits and a blank."""
ADDRESS_LINE = re.compile(rb"@[ \t]*([0-9A-Fa-f]{1,8})")
BYTES_LINE = re.compile(rb"[0-9A-Fa-f]{2}(?:[ \t]+[0-9A-Fa-f]{2})*")


@dataclass(slots=True)
class _Reader:
    """Reads one TI-TXT file; ``address`` is that of the next byte."""

    span: Span
    spaces: AddressSpaces[None]
    problems: Problems = field(default_factory=Problems)
    address: int = 0
    sections: int = 0

    def take(self, _number: int, offset: int, line: bytes) -> Outcome:
        """Read one line."""
        text = line.strip()
        section = ADDRESS_LINE.fullmatch(text)
        if section is not None:
            self.address = int(section[1], 16)
            self.sections += 1
            return Outcome.RECORD
        if text in (b"q", b"Q"):
            return Outcome.LAST
        if BYTES_LINE.fullmatch(text) is None:
            return Outcome.STRAY
        data = bytes.fromhex(text.decode("ascii"))
        first = offset + line.index(text)
        if len(text) == PITCH * len(data) - 1:
            self._add(data, first)
            return Outcome.RECORD
        for byte, match in zip(data, re.finditer(rb"\S+", text), strict=True):
            self._add(bytes([byte]), first + match.start())
        return Outcome.RECORD

    def take_equal(self, _number: int, _offset: int, _group: Sequence[bytes]) -> bool:
        """Leave all lines to ``take``: these files are small, MSP430 devices have 512 KiB at most."""
        return False

    def _add(self, data: bytes, offset: int) -> None:
        self.spaces.add(None, self.address, data, self.span.provenance.offset_at(offset))
        self.address += len(data)


def _open(span: Span, limits: Limits) -> Opened:
    if ADDRESS_LINE.fullmatch(first_line(span.window)) is None:
        raise FormatError("the first line is no TI-TXT address")
    reader = _Reader(span, AddressSpaces(span.path, limits, PITCH))
    problems = reader.problems
    size, ended = read_records(span.window, reader, problems)
    maps = reader.spaces.finish()
    if not maps:
        raise FormatError("no line of bytes follows the address")
    if not ended:
        problems.add("the line with q that ends the file is missing, as in memory files for Verilog")
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="TI-TXT",
        facts={"sections": reader.sections, **facts_of(maps.values())},
        memories=tuple(Memory(map=memory) for memory in maps.values()),
        problems=problems.sentences(),
        limits_hit=reader.spaces.limits_hit,
    )


def _example() -> bytes:
    """Build a program of 20 bytes at 0xF000 and the reset vector that points to it."""
    program = bytes(range(0x31, 0x45))
    sections = ((0xF000, program), (0xFFFE, b"\x00\xf0"))
    text = []
    for address, data in sections:
        rows = [data[start : start + 16].hex(" ").upper() for start in range(0, len(data), 16)]
        text += [f"@{address:04X}", *rows]
    return "\n".join([*text, "q", ""]).encode("ascii")


FORMAT = ImageFormat(
    name="ti-txt",
    title="TI-TXT (Texas Instruments)",
    source="Texas Instruments, SLAU101 section A.2 and SPRUI03 (--ti_txt); SRecord, srec_ti_txt(5)",
    limits=(
        "It has no checksums to verify. Addresses are taken as byte addresses, also for devices that count in words. "
        "Only complete files are read."
    ),
    open=_open,
    magics=(Magic(rb"[ \t\r\n\x1a\x00]{0,4095}@[ \t]*[0-9A-Fa-f]", anchor=b"@", anywhere=False),),
    whole_file_only=True,
    example=_example,
)
