"""A tar archive inside a compressed file, as software packages have them: opened to the files in it."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.format import Entry, EntryKind, Opened
from firmware_checks.formats.bzip2 import FORMAT as BZIP2
from firmware_checks.formats.gzip import FORMAT as GZIP
from firmware_checks.formats.lzma_alone import FORMAT as LZMA
from firmware_checks.formats.tar import FORMAT as TAR
from firmware_checks.formats.xz import FORMAT as XZ
from firmware_checks.formats.zstd import FORMAT as ZSTD
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

__all__ = ["files_of", "open_packed_tar"]

COMPRESSIONS = (GZIP, XZ, ZSTD, BZIP2, LZMA)


def open_packed_tar(path: str, window: Window, limits: Limits) -> Opened:
    """Return the tar archive that ``window`` starts with, compressed or not; raise when there is none."""
    for compression in COMPRESSIONS:
        try:
            opened = compression.open(Span(path, window), limits)
        except FormatError:
            continue
        entry = next(iter(opened.entries))
        if entry.archive is not None:
            return entry.archive.opened
        content = entry.read(limits.entry_bytes)
        return TAR.open(Span(path, Window.of(content)), limits)
    return TAR.open(Span(path, window), limits)


def files_of(opened: Opened) -> Iterator[tuple[str, Entry]]:
    """Yield the files with their names, without the ``./`` that many archives put before each."""
    for entry in opened.entries:
        if entry.kind is EntryKind.FILE:
            yield entry.name.removeprefix("./"), entry
