"""Intel HEX: memory content as lines of hexadecimal digits, with micro:bit's extension for several boards."""

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
from toolkit.report.model import Fact, RegionKind

DATA, END_OF_FILE, SEGMENT_BASE, SEGMENT_START, LINEAR_BASE, LINEAR_START = range(6)
BLOCK_START, BLOCK_END, PADDED_DATA, CUSTOM_DATA, OTHER_DATA = range(0x0A, 0x0F)
"""Record types of the micro:bit Universal Hex specification 0.4.0."""

PAYLOAD_BYTES = {END_OF_FILE: 0, SEGMENT_BASE: 2, SEGMENT_START: 4, LINEAR_BASE: 2, LINEAR_START: 4}
"""What a record of this type must hold."""
KNOWN_TYPES = frozenset([*range(6), *range(0x0A, 0x0F)])

BOARDS = {
    0x9900: "micro:bit V1",
    0x9901: "micro:bit V1",
    0x9903: "micro:bit V2",
    0x9904: "micro:bit V2",
    0x9905: "micro:bit V2",
    0x9906: "micro:bit V2",
}
"""Board ids: the specification names 0x9900 and 0x9903, micro:bit's interface firmware the revisions of each."""

FRAME_BYTES = 5
"""Length, two of address, type and checksum."""


@dataclass(slots=True)
class _Reader:
    """Reads one Intel HEX text; memories are keyed by board id, None outside micro:bit's blocks."""

    span: Span
    spaces: AddressSpaces[int | None]
    problems: Problems = field(default_factory=Problems)
    base: int = 0
    segmented: bool = False
    board: int | None = None
    entry_address: int | None = None
    records: int = 0
    data_records: int = 0
    other_data_bytes: int = 0
    wrong_checksums: int = 0
    first_wrong_line: int = 0
    base_types: set[int] = field(default_factory=set)

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
        if sum(record) & 0xFF:
            self.wrong_checksums += 1
            self.first_wrong_line = self.first_wrong_line or number
            self.problems.add("the checksum of a record is wrong", number)
        kind = record[3]
        if kind in (DATA, CUSTOM_DATA):
            self._data(number, record, self.span.provenance.offset_at(offset + line.index(b":") + 9))
            return Outcome.RECORD
        return self._control(number, kind, record)

    def take_equal(self, _number: int, offset: int, group: Sequence[bytes]) -> bool:
        """Read data records of the same length that continue each other, which is nearly all of a usual file."""
        records = decode_equal(group, b":", 0) if isinstance(self.span.provenance, Linear) else None
        if records is None or len(records[0]) != records[0][0] + FRAME_BYTES:
            return False
        size, kind = records[0][0], records[0][3]
        low = int.from_bytes(records[0][1:3])
        end = low + size * len(records)
        if size == 0 or kind not in (DATA, CUSTOM_DATA) or end > 0x1_0000:
            return False
        heads = [bytes((size, at >> 8, at & 0xFF, kind)) for at in range(low, end, size)]
        if [record[:4] for record in records] != heads:
            return False
        data = b"".join([record[4:-1] for record in records])
        self.records += len(records)
        self.data_records += len(records)
        place = self.span.provenance.offset_at(offset + 9)
        self.spaces.add_equal(self.board, self.base + low, data, place, record_bytes=size, stride=len(group[0]))
        return True

    def _data(self, number: int, record: bytes, offset: int) -> None:
        self.data_records += 1
        low = record[1] << 8 | record[2]
        address = self.base + low
        room = (0x1_0000 - low) if self.segmented else (0x1_0000_0000 - address)
        if record[0] <= room:
            self.spaces.add(self.board, address, record[4:-1], offset)
            return
        self.problems.add("a record runs past the last address and wraps around to the first", number)
        self.spaces.add(self.board, address, record[4 : 4 + room], offset)
        start = self.base if self.segmented else 0
        self.spaces.add(self.board, start, record[4 + room : -1], offset + 2 * room)

    def _control(self, number: int, kind: int, record: bytes) -> Outcome:
        payload = record[4:-1]
        if len(payload) != PAYLOAD_BYTES.get(kind, len(payload)) or (kind == BLOCK_START and len(payload) < 2):
            self.problems.add(f"a record of type {kind:02X} holds {len(payload)} bytes, which is wrong", number)
        elif kind in (SEGMENT_BASE, LINEAR_BASE):
            self.segmented = kind == SEGMENT_BASE
            self.base = int.from_bytes(payload) << (4 if self.segmented else 16)
            self.base_types.add(kind)
        elif kind == LINEAR_START:
            self.entry_address = int.from_bytes(payload)
        elif kind == SEGMENT_START:
            self.entry_address = (int.from_bytes(payload[:2]) << 4) + int.from_bytes(payload[2:])
        else:
            self._universal(number, kind, payload)
        return Outcome.LAST if kind == END_OF_FILE else Outcome.RECORD

    def _universal(self, number: int, kind: int, payload: bytes) -> None:
        if kind == BLOCK_START:
            self.board = int.from_bytes(payload[:2])
        elif kind == BLOCK_END:
            self.board = None
        elif kind == OTHER_DATA:
            self.other_data_bytes += len(payload)
        elif kind not in KNOWN_TYPES:
            self.problems.add(f"a record of unknown type {kind:02X} was skipped", number)

    def addressing(self) -> str:
        """Return how addresses are written, in words."""
        names = {SEGMENT_BASE: "segmented", LINEAR_BASE: "linear"}
        return " and ".join(name for kind, name in names.items() if kind in self.base_types) or "16-bit"


def _decode(text: bytes) -> bytes | None:
    """Return the bytes of a whole record line, checksum included; None when it is none."""
    if text[:1] != b":":
        return None
    try:
        record = bytes.fromhex(text[1:].decode("ascii"))
    except ValueError:
        return None
    whole = len(record) >= FRAME_BYTES and len(record) == record[0] + FRAME_BYTES
    return record if whole and 2 * len(record) + 1 == len(text) else None  # fromhex passes over blanks between digits


def _looks_like_record(text: bytes) -> bool:
    return text[:1] == b":" and not text[1:3].strip(HEX_DIGITS)


def _open(span: Span, limits: Limits) -> Opened:
    first = _decode(first_line(span.window))
    if first is None or first[3] not in KNOWN_TYPES:
        raise FormatError("the first line is no Intel HEX record")
    reader = _Reader(span, AddressSpaces(span.path, limits, pitch=2))
    size, ended = read_records(span.window, reader, reader.problems)
    if not ended:
        reader.problems.add("the end-of-file record is missing")
    elif _decode(first_line(span.window.sub(size))) is not None:
        reader.problems.add("records follow the end-of-file record; a programmer does not load them")
    maps = reader.spaces.finish(reader.entry_address)
    if not maps:
        reader.problems.add("there is no data in it")
    facts: dict[str, Fact] = {
        "records": reader.records,
        "data_records": reader.data_records,
        **facts_of(maps.values()),
        "addressing": reader.addressing(),
    }
    if reader.entry_address is not None:
        facts["entry_address"] = reader.entry_address
    if reader.other_data_bytes:
        facts["other_data_bytes"] = reader.other_data_bytes
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="micro:bit Universal Hex" if any(board is not None for board in maps) else "Intel HEX",
        facts=facts,
        integrity=(checksum_verdict(reader.records, reader.wrong_checksums, reader.first_wrong_line),),
        memories=tuple(Memory(map=memory, title=_board_title(board)) for board, memory in maps.items()),
        problems=reader.problems.sentences(),
        limits_hit=reader.spaces.limits_hit,
    )


def _board_title(board: int | None) -> str:
    return "" if board is None else f"{BOARDS.get(board, 'board')} ({board:#06x})"


def _line(kind: int, address: int, payload: bytes) -> bytes:
    record = bytes([len(payload), address >> 8, address & 0xFF, kind]) + payload
    return b":%s%02X\n" % (record.hex().upper().encode(), -sum(record) & 0xFF)


def _example() -> bytes:
    """Build a program at 0x08000000 and two option bytes far from it."""
    program = bytes.fromhex("00500020 09000008 0120 0138 fdd1 fee7 00bf 00bf")
    return b"".join([
        _line(LINEAR_BASE, 0, b"\x08\x00"),
        _line(DATA, 0x0000, program[:16]),
        _line(DATA, 0x0010, program[16:]),
        _line(LINEAR_BASE, 0, b"\x1f\xff"),
        _line(DATA, 0xF800, b"\xaa\x55"),
        _line(LINEAR_START, 0, b"\x08\x00\x00\x09"),
        _line(END_OF_FILE, 0, b""),
    ])  # fmt: skip


FORMAT = ImageFormat(
    name="intel-hex",
    title="Intel HEX",
    source=(
        "Intel, Hexadecimal Object File Format Specification, revision A (1988); "
        "Micro:bit Educational Foundation, Universal Hex Format Specification 0.4.0"
    ),
    limits=(
        "Records within quoted strings are not read. Where no base address is given, addresses are taken as linear. "
        "Inside other text a first record of 48 bytes or more is not found."
    ),
    open=_open,
    # A first record: short ones (most files begin with a base address), or data of 16 to 47 bytes.
    magics=(
        Magic(rb":0[0-9A-Fa-f]{5}0[02-5][0-9A-Fa-f]{2,32}\s", anchor=b":0"),
        Magic(rb":1[0-9A-Fa-f]{5}00[0-9A-Fa-f]{34,64}\s", anchor=b":1"),
        Magic(rb":2[0-9A-Fa-f]{5}00[0-9A-Fa-f]{66,96}\s", anchor=b":2"),
        Magic(rb":[0-9A-Fa-f]{10}", anchor=b":", anywhere=False),
    ),
    example=_example,
)
