"""Motorola S-records (S19, S28, S37): memory content as lines of hexadecimal digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_checks.address_map import AddressSpaces, facts_of
from firmware_checks.format import ImageFormat, Magic, Memory, Opened
from firmware_checks.readers.text_records import (
    HEX_DIGITS,
    Outcome,
    checksum_verdict,
    decode_equal,
    first_line,
    read_records,
)
from firmware_checks.span import Linear, Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.report.model import Fact, Integrity, RegionKind

HEADER, RESERVED = 0, 4
DATA, COUNT = (1, 2, 3), (5, 6)
ADDRESS_BYTES = (2, 2, 3, 4, 2, 2, 3, 4, 3, 2)
"""Size of the address (of the count in S5 and S6) by record type."""

RESIDUE = 0xFF
"""All bytes of a record add up to this: the checksum is the ones' complement of the sum of the others."""


@dataclass(slots=True)
class _Reader:
    """Reads one text of S-records."""

    span: Span
    spaces: AddressSpaces[None]
    problems: Problems = field(default_factory=Problems)
    header: str = ""
    entry_address: int | None = None
    records: int = 0
    data_records: int = 0
    counted_records: int = 0
    """Data records before the last count record."""
    count: Integrity | None = None
    wrong_checksums: int = 0
    first_wrong_line: int = 0
    address_bytes: int = 0

    def take(self, number: int, offset: int, line: bytes) -> Outcome:
        """Read one line."""
        text = line.strip()
        record = _decode(text)
        if record is None:
            if not _looks_like_record(text):
                return Outcome.STRAY
            self.problems.add("a record is cut or damaged and was left out", number)
            return Outcome.RECORD
        self.records += 1
        if sum(record) & 0xFF != RESIDUE:
            self.wrong_checksums += 1
            self.first_wrong_line = self.first_wrong_line or number
            self.problems.add("the checksum of a record is wrong", number)
        kind = text[1] - ord("0")
        size = ADDRESS_BYTES[kind]
        address, payload = int.from_bytes(record[1 : 1 + size]), record[1 + size : -1]
        if kind not in DATA:
            return self._control(number, kind, address, payload)
        if address + len(payload) > 256**size:
            self.problems.add("a record runs past the end of its address range", number)
        self._count_data(size, 1)
        place = self.span.provenance.offset_at(offset + line.index(b"S") + 4 + 2 * size)
        self.spaces.add(None, address, payload, place)
        return Outcome.RECORD

    def take_equal(self, _number: int, offset: int, group: Sequence[bytes]) -> bool:
        """Read data records of the same type and length that continue each other."""
        mark = group[0][:2]
        if mark not in (b"S1", b"S2", b"S3") or not isinstance(self.span.provenance, Linear):
            return False
        records = decode_equal(group, mark, RESIDUE)
        size = ADDRESS_BYTES[mark[1] - ord("0")]
        if records is None or len(records[0]) <= size + 2 or records[0][0] != len(records[0]) - 1:
            return False
        each = len(records[0]) - size - 2
        start = int.from_bytes(records[0][1 : 1 + size])
        end = start + each * len(records)
        if end > 256**size:
            return False
        heads = [records[0][:1] + at.to_bytes(size, "big") for at in range(start, end, each)]
        if [record[: 1 + size] for record in records] != heads:
            return False
        self.records += len(records)
        self._count_data(size, len(records))
        data = b"".join([record[1 + size : -1] for record in records])
        place = self.span.provenance.offset_at(offset + 4 + 2 * size)
        self.spaces.add_equal(None, start, data, place, record_bytes=each, stride=len(group[0]))
        return True

    def _count_data(self, address_bytes: int, records: int) -> None:
        self.data_records += records
        self.address_bytes = max(self.address_bytes, address_bytes)

    def _control(self, number: int, kind: int, address: int, payload: bytes) -> Outcome:
        if kind == HEADER:
            self.header = self.header or _printable(payload)
        elif kind == RESERVED:
            self.problems.add("a record of the reserved type S4 was skipped", number)
        elif kind in COUNT:
            self._check_count(number, address, 256 ** ADDRESS_BYTES[kind])
        else:
            self.entry_address = address or None  # nearly every tool writes 0 for "none"
            return Outcome.LAST
        return Outcome.RECORD

    def _check_count(self, number: int, stored: int, modulus: int) -> None:
        """Compare a count with the data records so far, or since the last count: both are in use."""
        since_last = self.data_records - self.counted_records
        valid = stored in (self.data_records % modulus, since_last % modulus)
        if not valid:
            self.problems.add(f"{stored} data records are announced and {self.data_records} are there", number)
        if self.count is None or self.count.valid:
            self.count = Integrity(
                algorithm="count",
                covers="data records",
                stored=str(stored),
                computed=str(stored if valid else self.data_records),
                valid=valid,
            )
        self.counted_records = self.data_records


def _decode(text: bytes) -> bytes | None:
    """Return the bytes of a whole record line from its length on, checksum included; None when it is none."""
    if text[:1] != b"S" or not text[1:2].isdigit():
        return None
    try:
        record = bytes.fromhex(text[2:].decode("ascii"))
    except ValueError:
        return None
    whole = len(record) >= ADDRESS_BYTES[text[1] - ord("0")] + 2 and len(record) == record[0] + 1
    return record if whole and 2 * len(record) + 2 == len(text) else None  # fromhex passes over blanks between digits


def _looks_like_record(text: bytes) -> bool:
    return text[:1] == b"S" and not text[1:2].strip(b"0123456789") and not text[2:4].strip(HEX_DIGITS)


def _printable(payload: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 else "." for b in payload.rstrip(b"\0"))


def _open(span: Span, limits: Limits) -> Opened:
    if _decode(first_line(span.window)) is None:
        raise FormatError("the first line is no S-record")
    reader = _Reader(span, AddressSpaces(span.path, limits, pitch=2))
    problems = reader.problems
    size, ended = read_records(span.window, reader, problems)
    counted = reader.count is not None and reader.count.valid and reader.counted_records == reader.data_records
    if not ended and not counted:  # srec_cat writes no end without a start address; its count says that all is there
        problems.add("the record that ends the file (S7, S8 or S9) is missing")
    elif _decode(first_line(span.window.sub(size))) is not None:
        problems.add("records follow the one that ends the file; a programmer does not load them")
    maps = reader.spaces.finish(reader.entry_address)
    if not maps:
        problems.add("there is no data in it")
    verdict = checksum_verdict(reader.records, reader.wrong_checksums, reader.first_wrong_line)
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="Motorola S-records",
        facts=_facts(reader) | facts_of(maps.values()),
        integrity=(verdict,) if reader.count is None else (verdict, reader.count),
        memories=tuple(Memory(map=memory) for memory in maps.values()),
        problems=problems.sentences(),
        limits_hit=reader.spaces.limits_hit,
    )


def _facts(reader: _Reader) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "records": reader.records,
        "data_records": reader.data_records,
        "address_bits": 8 * reader.address_bytes,
    }
    if reader.header:
        facts["header"] = reader.header
    if reader.entry_address is not None:
        facts["entry_address"] = reader.entry_address
    return facts


def _line(kind: int, address: int, payload: bytes = b"") -> bytes:
    size = ADDRESS_BYTES[kind]
    record = bytes([size + len(payload) + 1]) + address.to_bytes(size, "big") + payload
    return b"S%d%s%02X\n" % (kind, record.hex().upper().encode(), ~sum(record) & 0xFF)


def _example() -> bytes:
    """Build a program of 20 bytes at 0x8000."""
    program = bytes(range(0x20, 0x34))
    return b"".join([
        _line(HEADER, 0, b"pump.s19"),
        _line(1, 0x8000, program[:16]),
        _line(1, 0x8010, program[16:]),
        _line(5, 2),
        _line(9, 0x8000),
    ])  # fmt: skip


FORMAT = ImageFormat(
    name="srec",
    title="Motorola S-records",
    source="Motorola, M68000 Family Programmer's Reference Manual, appendix C; SRecord, srec_motorola(5)",
    limits="An entry address of 0 counts as none. Symbol lines of extended S-records are skipped, not read.",
    open=_open,
    magics=(
        Magic(rb"S0[0-9A-Fa-f]{6,510}\s", anchor=b"S0"),
        Magic(rb"S1[0-9A-Fa-f]{8,500}\s", anchor=b"S1"),
        Magic(rb"S2[0-9A-Fa-f]{10,500}\s", anchor=b"S2"),
        Magic(rb"S3[0-9A-Fa-f]{12,500}\s", anchor=b"S3"),
    ),
    example=_example,
)
