"""Reads exported logs of a device and gathers what the watchers saw."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.core.errors import FormatError, InputError
from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.hardening.logs.event import LogEvent
from toolkit.hardening.logs.journal import is_journal_export, is_journal_json, journal_events, journal_json_events
from toolkit.hardening.logs.text_logs import is_text_log, text_events
from toolkit.hardening.logs.watcher import Seen, Watcher, load_watchers
from toolkit.hardening.logs.windows_events import is_windows_log, windows_events
from toolkit.report.printable import printable

__all__ = ["LogInspection", "ReadLog", "inspect_logs"]

MOST_BYTES = 1 << 30
HEAD_BYTES = 1 << 16
MOST_PLACES = 20
"""Places of the same event that are listed; their number is told."""
MOST_DETAILS = 500
"""Different findings of one watcher; more are a device under attack, and told as such."""
EVENTS_A_TIME = 4096


class ReadLog(msgspec.Struct, frozen=True, kw_only=True):
    """One log that was read."""

    name: Annotated[str, Meta(description="Name of the file.")]
    sha256: Annotated[str, Meta(description="Digest of the file.")]
    kind: Annotated[str, Meta(description="syslog, journal or evtx.")]
    events: Annotated[int, Meta(description="Events in it.")]
    without_time: Annotated[int, Meta(description="Events whose time could not be read.")]
    first: Annotated[str | None, Meta(description="Earliest time in it, as the device's clock showed it.")]
    last: Annotated[str | None, Meta(description="Latest time in it.")]
    damage: Annotated[str, Meta(description="Why it was not read to its end; empty when it was.")] = ""


class LogInspection(msgspec.Struct, frozen=True, kw_only=True):
    """What the logs of one device tell."""

    logs: tuple[ReadLog, ...]
    findings: tuple[Finding, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every log was read to its end."""
        return not any(log.damage for log in self.logs)


@dataclass(slots=True)
class _Gathered:
    """What the watchers saw in all logs: the same words are one finding."""

    places: dict[tuple[str, Severity, str], list[Evidence]] = field(default_factory=dict)
    counts: dict[tuple[str, Severity, str], int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def add(self, watcher: Watcher, seen: Seen) -> None:
        key = (watcher.name, seen.severity, seen.detail)
        if key not in self.places and sum(name == watcher.name for name, _, _ in self.places) >= MOST_DETAILS:
            self.left_out[watcher.name] = self.left_out.get(watcher.name, 0) + 1
            return
        self.counts[key] = self.counts.get(key, 0) + 1
        places = self.places.setdefault(key, [])
        if len(places) < MOST_PLACES:
            places.append(_evidence(seen.event))

    def findings(self, watchers: Mapping[str, Watcher]) -> Iterator[Finding]:
        for (name, severity, detail), places in self.places.items():
            count = self.counts[name, severity, detail]
            times = f" ({count} times)" if count > 1 else ""
            yield watchers[name].finding(severity, detail + times, *places)
        for name, count in self.left_out.items():
            yield watchers[name].finding(Severity.HIGH, f"and {count} more of the same kind, in other words")


def inspect_logs(
    paths: list[Path], day: date, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> LogInspection:
    """Return what the logs at ``paths`` tell; ``day`` is the one they were exported on, the latest they can be of.

    ``InputError`` when a file cannot be read or is no log that we know.
    """
    watchers = load_watchers()
    gathered = _Gathered()
    total = sum(path.stat().st_size for path in paths if path.is_file())
    done = 0
    logs = []
    for path in paths:
        with _mapped(path) as data:
            view = memoryview(data)
            try:
                kind, events = _events(view, path.name, day)
                told = _telling(events, lambda at, before=done: on_progress(before + at, total))  # type: ignore[misc]
                logs.append(_watched(view, path.name, kind, told, watchers, gathered))
            finally:
                view.release()
            done += len(data)
        on_progress(done, total)
    order = sorted(gathered.findings(watchers), key=lambda f: (-f.severity.rank, f.check, f.detail))
    return LogInspection(logs=tuple(logs), findings=tuple(order))


def _telling(events: Iterator[LogEvent], on_offset: Callable[[int], None]) -> Iterator[LogEvent]:
    """Yield ``events`` and tell now and then how far they got."""
    for count, event in enumerate(events):
        if count % EVENTS_A_TIME == 0 and event.offset is not None:
            on_offset(event.offset)
        yield event


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            if path.stat().st_size > MOST_BYTES:
                raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB; export a shorter time")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise InputError(f"{path}: the file is empty: either the device does not log, or the export failed") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _events(data: memoryview, name: str, day: date) -> tuple[str, Iterator[LogEvent]]:
    head = bytes(data[:HEAD_BYTES])
    if is_windows_log(head):
        return "evtx", windows_events(data, name)
    if is_journal_export(head):
        return "journal", journal_events(data, name)
    if is_journal_json(head):
        return "journal", journal_json_events(data, name)
    if is_text_log(head):
        return "syslog", text_events(data, name, day)
    raise InputError(
        f"{name}: not a log that is known here; export syslog or auth.log as text, the journal with "
        "`journalctl -o export`, or a Windows log as .evtx"
    )


def _watched(
    data: memoryview,
    name: str,
    kind: str,
    events: Iterator[LogEvent],
    watchers: Mapping[str, Watcher],
    gathered: _Gathered,
) -> ReadLog:
    watching = [(watcher, watcher.watch()) for watcher in watchers.values()]
    count = without_time = 0
    first = last = None
    damage = ""
    try:
        for event in events:
            count += 1
            without_time += event.time is None
            first, last = _span(first, last, event.time)
            for watcher, watch in watching:
                for seen in watch(event):
                    gathered.add(watcher, seen)
    except FormatError as error:
        damage = str(error)
    return ReadLog(
        name=printable(name),
        sha256=hashlib.sha256(data).hexdigest(),
        kind=kind,
        events=count,
        without_time=without_time,
        first=first.isoformat() if first else None,
        last=last.isoformat() if last else None,
        damage=damage,
    )


def _span(
    first: datetime | None, last: datetime | None, time: datetime | None
) -> tuple[datetime | None, datetime | None]:
    if time is None:
        return first, last
    with suppress(TypeError):  # one line has a zone, another has none
        return (time if first is None else min(first, time)), (time if last is None else max(last, time))
    return first, last


def _evidence(event: LogEvent) -> Evidence:
    when = event.time.isoformat(sep=" ", timespec="seconds") if event.time is not None else "no time"
    who = f" {printable(event.program, most=64)}" if event.program else ""
    number = f" event {event.number}" if event.number is not None else ""
    record = f" record {event.record}" if event.record is not None else ""
    return Evidence(path=printable(event.file), offset=event.offset, excerpt=f"{when}{who}{number}{record}")
