"""Containers written as text, one record a line: lines with any line end, and where the container ends.

Line numbers count from 1 at the first line of the container, which is not the file's first when it is embedded in other
text. Nothing here holds more than a slice of the text, so a file of a million records needs no million objects.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Integrity

__all__ = ["HEX_DIGITS", "Outcome", "RecordReader", "checksum_verdict", "decode_equal", "first_line", "read_records"]

FIRST_SLICE_BYTES = 4 << 10
"""Small, so that a place that only looks like a record is left quickly; later slices grow."""
SLICE_BYTES = 1 << 20
MOST_STRAY_LINES = 16
"""So many lines in a row that are no records are comments within the container; more of them are something else."""
HEX_DIGITS = b"0123456789ABCDEFabcdef"
BLANKS = b" \t\r\n\x1a\x00"
"""Also what old editors and tapes put at the end: Ctrl-Z and NUL."""


class Outcome(enum.Enum):
    """What a line turned out to be."""

    RECORD = enum.auto()
    """It belongs to the container, whether it is in order or not."""
    BLANK = enum.auto()
    STRAY = enum.auto()
    """It is no record: a comment, or other text."""
    LAST = enum.auto()
    """It is the record that ends the container."""


class RecordReader(Protocol):
    """Reads the lines of one container."""

    def take(self, number: int, offset: int, line: bytes) -> Outcome:
        """Read line ``number``, which starts at ``offset``."""

    def take_equal(self, number: int, offset: int, group: Sequence[bytes]) -> bool:
        """Read lines of the same length at once, or return False: then they are given one by one.

        Only complete data records that continue each other may be read at once; there is nothing to say about them.
        """


def first_line(window: Window) -> bytes:
    """Return the first line that is not blank, without blanks around it; empty when there is none near."""
    text = bytes(window.view[:FIRST_SLICE_BYTES]).lstrip(BLANKS)
    return (text.splitlines() or [b""])[0].strip()


def read_records(window: Window, reader: RecordReader, problems: Problems) -> tuple[int, bool]:
    """Let ``reader`` read the lines of one container.

    Return the offset at which the container ends, and whether a record said so. Lines between records that are no
    records are noted in ``problems``; blank lines that run to the end of the window belong to the container.
    """
    end = 0
    stray: list[int] = []
    outcome = Outcome.BLANK
    for number, position, outcome in _outcomes(window, reader):
        if outcome is Outcome.BLANK:
            continue
        if outcome is Outcome.STRAY:
            stray.append(number)
            if len(stray) > MOST_STRAY_LINES:
                break
            continue
        for one in stray:
            problems.add("a line is no record and was skipped", one)
        stray.clear()
        end = position
        if outcome is Outcome.LAST:
            break
    return end + _blank_tail(window, end), outcome is Outcome.LAST


def _outcomes(window: Window, reader: RecordReader) -> Iterator[tuple[int, int, Outcome]]:
    """Yield the number of each line, where it ends and what it is; lines read at once come as one."""
    number, position = 0, 0
    for group in _equal_lines(window):
        if len(group) > 1 and reader.take_equal(number + 1, position, group):
            number += len(group)
            position += len(group) * len(group[0])
            yield number, position, Outcome.RECORD
            continue
        for line in group:
            number += 1
            outcome = reader.take(number, position, line) if line.strip(BLANKS) else Outcome.BLANK
            position += len(line)
            yield number, position, outcome


def _equal_lines(window: Window) -> Iterator[list[bytes]]:
    """Yield all lines, in groups of the same length; they end in LF, CR or CRLF, which is included."""
    offset, wanted = 0, FIRST_SLICE_BYTES
    while offset < window.size:
        text = bytes(window.view[offset : offset + wanted])
        if offset + len(text) < window.size:  # a CR at the very end may be half of a CRLF: it waits for the next slice
            text = text[: max(text.rfind(b"\n"), text.rfind(b"\r", 0, -1)) + 1] or text
        for _size, group in groupby(text.splitlines(keepends=True), key=len):
            yield list(group)
        offset += len(text)
        wanted = min(4 * wanted, SLICE_BYTES)


def _blank_tail(window: Window, end: int) -> int:
    tail = bytes(window.view[end : end + FIRST_SLICE_BYTES])
    return len(tail) if end + len(tail) == window.size and not tail.strip(BLANKS) else 0


def decode_equal(group: Sequence[bytes], mark: bytes, residue: int) -> list[bytes] | None:
    """Return the records on lines of the same length that all begin with ``mark``.

    None unless every line is a whole record whose bytes, checksum included, add up to ``residue``.
    """
    width = len(group[0].rstrip())
    if any(not line.startswith(mark) or len(line.rstrip()) != width for line in group):
        return None
    try:
        decoded = bytes.fromhex(b"".join(group).replace(mark, b"").decode("ascii"))
    except ValueError:
        return None
    size = (width - len(mark)) // 2
    if size == 0 or len(decoded) != size * len(group):  # blanks between digits, an odd digit, a second mark
        return None
    records = [decoded[start : start + size] for start in range(0, len(decoded), size)]
    return records if all(sum(record) & 0xFF == residue for record in records) else None


def checksum_verdict(records: int, wrong: int, first_wrong_line: int) -> Integrity:
    """Return one verdict over the checksums of all records."""
    return Integrity(
        algorithm="sum8",
        covers=f"{records:,} records",
        stored=f"{records:,} checksums",
        computed=f"{wrong:,} wrong, first at line {first_wrong_line}" if wrong else "all valid",
        valid=not wrong,
    )
