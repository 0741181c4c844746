"""Entries of the systemd journal, as ``journalctl --output=export`` and ``--output=json`` write them.

Source: systemd, JOURNAL_EXPORT_FORMATS.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from toolkit.hardening.logs.event import LogEvent

__all__ = ["is_journal_export", "is_journal_json", "journal_events", "journal_json_events"]

MOST_FIELD_BYTES = 1 << 20
MOST_FIELDS = 200
LONGEST_NAME_BYTES = 64
_TIME = "__REALTIME_TIMESTAMP"


def is_journal_export(head: bytes) -> bool:
    """Tell whether the first bytes of a file are an export of the journal."""
    return head.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP="))


def is_journal_json(head: bytes) -> bool:
    """Tell whether the first bytes of a file are the journal, one JSON object a line."""
    return head.startswith(b"{") and b'"__REALTIME_TIMESTAMP"' in head


def journal_events(data: memoryview, file: str) -> Iterator[LogEvent]:
    """Yield the entries; an empty line ends one, a value of several lines comes with its size."""
    position, start = 0, 0
    values: dict[str, str] = {}
    while position < len(data):
        line = bytes(data[position : position + MOST_FIELD_BYTES]).partition(b"\n")[0]
        position += len(line) + 1
        if not line:
            if values:
                yield _event(values, start, file)
            values, start = {}, position
            continue
        name, is_text, value = line.partition(b"=")
        if not is_text:
            value, position = _sized(data, position)
        if len(values) < MOST_FIELDS and len(name) <= LONGEST_NAME_BYTES:
            values[name.decode("ascii", "replace")] = value.decode("utf-8", "replace")
    if values:
        yield _event(values, start, file)


def _sized(data: memoryview, position: int) -> tuple[bytes, int]:
    """Return a value that comes with its size, 8 bytes, low byte first, and where the next line starts."""
    head = bytes(data[position : position + 8])
    if len(head) < 8:
        return b"", len(data)
    (size,) = struct.unpack("<Q", head)
    start = position + 8
    return bytes(data[start : start + min(size, MOST_FIELD_BYTES)]), min(len(data), start + size) + 1


def journal_json_events(data: memoryview, file: str) -> Iterator[LogEvent]:
    """Yield the entries; a line that is damaged is an event without content."""
    position = 0
    while position < len(data):
        line = bytes(data[position : position + MOST_FIELD_BYTES]).partition(b"\n")[0]
        if line.strip():
            yield _event(_object(line), position, file)
        position += len(line) + 1


def _object(line: bytes) -> dict[str, str]:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _event(values: Mapping[str, str], offset: int, file: str) -> LogEvent:
    return LogEvent(
        file=file,
        offset=offset,
        time=_time(values.get(_TIME, "")),
        program=values.get("SYSLOG_IDENTIFIER") or values.get("_COMM", ""),
        message=values.get("MESSAGE", ""),
        values=values,
    )


def _time(microseconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(microseconds) / 1e6, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
