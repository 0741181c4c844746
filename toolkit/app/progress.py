"""A bar on the error stream for what takes a while, when a person is looking."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

__all__ = ["progress"]

SHOW_FROM_BYTES = 4 << 20
REDRAWN_S = 0.1


@contextmanager
def progress(path: Path) -> Iterator[Callable[[int, int], None]]:
    """Give a function that hears how many bytes of how many are done; it shows them for files that take a while."""
    if not sys.stderr.isatty() or not path.is_file() or path.stat().st_size < SHOW_FROM_BYTES:
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # drawn when there is news, and not by a thread: a process with threads cannot be copied to read faster
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(path.name)
        drawn_s = 0.0

        def advance(done: int, total: int) -> None:
            nonlocal drawn_s
            is_due = monotonic() - drawn_s >= REDRAWN_S
            drawn_s = monotonic() if is_due else drawn_s
            bar.update(task, completed=done, total=total, refresh=is_due)

        yield advance
