"""A session for people to read, and a simple terminal to have one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Final

from hil.errors import WriteRefused
from hil.record import Entry, Way
from hil.transport import Transport

__all__ = ["readable", "shown_entry", "talk"]

MOST_SHOWN_BYTES: Final = 256
PAUSE_S: Final = 0.05
MOST_PIECES: Final = 100
"""A device that streams is never quiet; then what is typed is sent all the same."""
ARROWS: Final = {Way.OUT: "->", Way.IN: "<-", Way.USB: "<>"}


def readable(data: bytes) -> str:
    """Return ``data`` as text; a byte that a terminal could take for a command stands as its number."""
    text = data.decode("latin-1")
    return "".join(
        c if c.isascii() and (c.isprintable() or c == "\n") else "" if c == "\r" else f"\\x{ord(c):02x}" for c in text
    )


def shown_entry(entry: Entry) -> str:
    """Return one entry of a record as a line: time, direction, and what was said."""
    if entry.what == Way.EVENT:
        return f"{entry.t:12.6f}  --  {entry.name}" + (f": {readable(entry.detail.encode())}" if entry.detail else "")
    data = entry.data[:MOST_SHOWN_BYTES]
    more = "" if len(entry.data) <= MOST_SHOWN_BYTES else f" ... {len(entry.data)} bytes"
    place = "" if entry.endpoint is None else f" ep{entry.endpoint:02x} {entry.setup} {entry.status:d}"
    return f"{entry.t:12.6f}  {ARROWS.get(entry.what, '??')}{place}  {repr(data)[2:-1]}{more}"


def talk(transport: Transport, lines: Iterable[bytes], show: Callable[[str], None], *, quiet_s: float = 0.5) -> None:
    """Send each of ``lines`` when it comes, and show what the device says meanwhile.

    The first is sent, and it ends after the last, when the device has said nothing for ``quiet_s``. What may not be
    sent is shown as refused; ``LinkLost`` when the connection is lost.
    """
    _show_until_quiet(transport, show, quiet_s)
    typed: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_feed, args=(lines, typed), daemon=True).start()  # ends with the program: it waits for keys
    is_ended = False
    while not is_ended:
        line = _next(typed, transport, show)
        is_ended = line is None
        if line:
            _send(transport, line, show)
    _show_until_quiet(transport, show, quiet_s)


def _feed(lines: Iterable[bytes], typed: queue.SimpleQueue[bytes | None]) -> None:
    try:
        for line in lines:
            typed.put(line)
    finally:
        typed.put(None)


def _next(typed: queue.SimpleQueue[bytes | None], transport: Transport, show: Callable[[str], None]) -> bytes | None:
    """Return what was typed next, empty if nothing was yet; show what arrives meanwhile."""
    _show(transport.read(PAUSE_S), show)
    try:
        return typed.get(timeout=PAUSE_S if transport.clock.is_virtual else 0.001)
    except queue.Empty:
        return b""


def _send(transport: Transport, line: bytes, show: Callable[[str], None]) -> None:
    try:
        transport.write(line)
    except WriteRefused as error:
        show(f"[{error}]\n")


def _show_until_quiet(transport: Transport, show: Callable[[str], None], quiet_s: float) -> None:
    for _ in range(MOST_PIECES):
        data = transport.read(quiet_s)
        if not data:
            return
        _show(data, show)


def _show(data: bytes, show: Callable[[str], None]) -> None:
    if data:
        show(readable(data))
