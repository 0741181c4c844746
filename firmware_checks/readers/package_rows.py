"""Paragraphs of ``Field: value`` lines, as package managers keep them: one package each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolkit.core.window import Window

__all__ = ["paragraphs", "upstream_version"]

MOST_BYTES = 64 << 20
MOST_PARAGRAPHS = 50_000
_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{0,40}):[ \t]*(.{0,1000})", re.MULTILINE)
_PARAGRAPH = re.compile(rb"(?:[^\n]+\n?)+")
_REPACKED = re.compile(r"[+~.](?:really|dfsg|ds\d?|repack|debian|deb)")


def paragraphs(window: Window) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield where each paragraph starts and its fields."""
    data = bytes(window.view[:MOST_BYTES])
    for number, match in enumerate(_PARAGRAPH.finditer(data)):
        if number == MOST_PARAGRAPHS:
            return
        yield match.start(), dict(_FIELD.findall(match.group().decode("utf-8", "replace")))


def upstream_version(version: str) -> str:
    """Return the makers' version in a package's: without epoch, without the packager's revision, not repacked."""
    without_epoch = version.partition(":")[2] or version
    makers = without_epoch.rpartition("-")[0] or without_epoch
    return _REPACKED.split(makers)[0]
