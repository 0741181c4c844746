"""Records of Windows event logs (EVTX), read by the library ``evtx``."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from toolkit.core.errors import FormatError
from toolkit.hardening.logs.event import LogEvent

__all__ = ["is_windows_log", "windows_events"]

MAGIC = b"ElfFile\0"
MOST_VALUES = 100


def is_windows_log(head: bytes) -> bool:
    """Tell whether the first bytes of a file are those of a Windows event log."""
    return head.startswith(MAGIC)


def windows_events(data: memoryview, file: str) -> Iterator[LogEvent]:
    """Yield the records; raise ``FormatError`` where the file is no event log or a record cannot be read."""
    from evtx import PyEvtxParser  # 10 ms, and only for Windows devices

    try:
        records = PyEvtxParser(io.BytesIO(data), number_of_threads=1).records_json()
        for record in records:
            if record is not None:
                yield _event(record, file)
    except (RuntimeError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(f"{file}: a record cannot be read: {reason}") from error


def _event(record: Mapping[str, Any], file: str) -> LogEvent:
    whole = msgspec.json.decode(record["data"])
    event = whole.get("Event", {})
    system = event.get("System") or {}
    values = dict(list(_values(event))[:MOST_VALUES])
    return LogEvent(
        file=file,
        offset=None,
        record=int(record["event_record_id"]),
        time=_time(system) or _written(str(record["timestamp"])),
        program=str(_attribute(system.get("Provider"), "Name")),
        number=_number(system.get("EventID")),
        channel=str(system.get("Channel") or ""),
        values=values,
    )


def _values(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the values of ``EventData`` and of what stands in ``UserData``, by their names."""
    for part in (event.get("EventData"), *(v for v in (event.get("UserData") or {}).values())):
        for name, value in (part or {}).items() if isinstance(part, dict) else ():
            if not isinstance(value, dict):
                yield str(name), str(value)


def _number(value: object) -> int | None:
    text = value.get("#text") if isinstance(value, dict) else value
    return int(text) if isinstance(text, int) or (isinstance(text, str) and text.isdigit()) else None


def _attribute(element: object, name: str) -> object:
    attributes = element.get("#attributes", {}) if isinstance(element, dict) else {}
    return attributes.get(name, "")


def _time(system: Mapping[str, Any]) -> datetime | None:
    return _written(str(_attribute(system.get("TimeCreated"), "SystemTime")))


def _written(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
