"""A bar on the error stream for what takes a while, when a person is looking."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["progress"]

SHOW_FROM_BYTES = 4 << 20


@contextmanager
def progress(path: Path) -> Iterator[Callable[[int, int], None]]:
    """Give a function that hears how many bytes of how many are done; it shows them for files that take a while."""
    if not sys.stderr.isatty() or not path.is_file() or path.stat().st_size < SHOW_FROM_BYTES:
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(path.name)
        yield lambda done, total: bar.update(task, completed=done, total=total)
