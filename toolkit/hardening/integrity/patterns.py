"""Paths that may change: ``*`` is any text without ``/``, ``**`` any text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["is_mutable"]


def is_mutable(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether one of ``patterns`` stands for ``path``; ``/var/log/**`` also stands for what is in ``/var/log``."""
    return any(_compiled(pattern).fullmatch(path) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"(\*\*|\*)", pattern)
    words = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(words.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)
