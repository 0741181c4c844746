"""Lines of syslog, as files and as ``journalctl`` prints them.

Sources: RFC 3164, RFC 5424, and the forms of rsyslog, BusyBox syslogd and ``journalctl --output=short-iso``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise

from toolkit.hardening.logs.event import LogEvent

__all__ = ["is_text_log", "text_events"]

LONGEST_LINE_BYTES = 1 << 16
_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11,
    "Dec": 12,
}  # fmt: skip
_PRIORITY = rb"(?:<\d{1,3}>)?"
_OLD = re.compile(
    _PRIORITY
    + rb"(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?:(?P<year>\d{4}) )?(?P<clock>\d{2}:\d{2}:\d{2})(?:\.\d+)? "
    rb"(?P<rest>.*)"
)
_NEW = re.compile(
    _PRIORITY
    + rb"(?:1 )?(?P<time>\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,6})?(?:Z|[+-]\d{2}:?\d{2})?) (?P<rest>.*)"
)
_PROGRAM = re.compile(
    rb"(?:(?P<host>[\w.:@-]{1,64}) )?(?:\w{2,8}\.\w{2,8} )?(?P<program>[\w./@()+-]{1,64})(?:\[\d{1,9}\])?: ?"
    rb"(?P<message>.*)"
)
_STRUCTURED = re.compile(
    rb"(?P<host>\S{1,255}) (?P<program>\S{1,48}) (?:\S{1,128}) (?:\S{1,32}) (?:-|(?:\[[^\]]{0,4096}\])+) ?"
    rb"(?P<message>.*)"
)
_KERNEL_TIME = re.compile(rb"\[ *\d+\.\d+\] ")
LEAP_MONTHS = 6
"""A month that is so much lower than the one before is one of the next year."""


def is_text_log(head: bytes) -> bool:
    """Tell whether the first bytes of a file look like lines of syslog."""
    lines = head.split(b"\n")[:20]
    return any(_OLD.match(line) or _NEW.match(line) for line in lines)


def text_events(data: memoryview, file: str, day: date) -> Iterator[LogEvent]:
    """Yield the events in ``data``; in the old form, which has no year, the last line is the latest before ``day``."""
    years = _Years(data, day)
    for offset, line in _lines(data):
        yield _event(line, offset, file, years)


def _lines(data: memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield each line without its end, and where it starts; what is longer than a line can be is cut."""
    start, size = 0, len(data)
    step = 1 << 20
    rest = b""
    for position in range(0, size, step):
        chunk = rest + bytes(data[position : position + step])
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield start, line[:LONGEST_LINE_BYTES].rstrip(b"\r")
            start += len(line) + 1
        if len(rest) > LONGEST_LINE_BYTES:
            yield start, rest[:LONGEST_LINE_BYTES]
            start, rest = start + len(rest), b""
    if rest:
        yield start, rest


def _event(line: bytes, offset: int, file: str, years: _Years) -> LogEvent:
    new = _NEW.match(line)
    old = None if new else _OLD.match(line)
    time = _iso(new["time"]) if new else years.time(old) if old else None
    found = new or old
    rest = found["rest"] if found else line
    structured = _STRUCTURED.fullmatch(rest) if new and line[:1] == b"<" else None
    named = structured or _PROGRAM.fullmatch(rest)
    message = _KERNEL_TIME.sub(b"", named["message"] if named else rest, count=1)
    program = named["program"].decode("ascii", "replace").rpartition("/")[2] if named else ""
    return LogEvent(file=file, offset=offset, time=time, program=program, message=message.decode("utf-8", "replace"))


def _iso(text: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(text.decode("ascii").replace(",", "."))
    except ValueError:
        return None


class _Years:
    """Gives lines of the old form a year: the last line is of ``day`` or before, and months only go on."""

    def __init__(self, data: memoryview, day: date) -> None:
        dates = [(_month(found), int(found["day"])) for _, line in _lines(data) if (found := _OLD.match(line))]
        turns = sum(_is_next_year(before, after) for (before, _), (after, _) in pairwise(dates))
        is_of_last_year = bool(dates) and dates[-1] > (day.month, day.day)
        self._year = day.year - turns - is_of_last_year
        self._month = 0

    def time(self, found: re.Match[bytes]) -> datetime | None:
        """Return the time of a line, given in the order of the file."""
        month = _month(found)
        self._year += _is_next_year(self._month, month)
        self._month = month or self._month
        try:
            hour, minute, second = (int(part) for part in found["clock"].split(b":"))
            year = int(found["year"]) if found["year"] else self._year
            return datetime(year, month, int(found["day"]), hour, minute, second)  # noqa: DTZ001  # the log has no zone
        except ValueError:
            return None


def _month(found: re.Match[bytes]) -> int:
    return _MONTHS.get(found["month"].decode("ascii", "replace"), 0)


def _is_next_year(before: int, after: int) -> bool:
    return after + LEAP_MONTHS < before
