"""Made-up lines from a grammar, and the smallest one that still does harm."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["LineGrammar", "minimised"]

MOST_TRIES: Final = 200
"""Each try may cost a restart of the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineGrammar:
    """Lines of words: a command, then arguments, some of them wrong on purpose."""

    commands: tuple[bytes, ...]
    arguments: tuple[bytes, ...]
    most_arguments: int
    most_bytes: int
    """Longer lines are cut: what a device does with those is asked by a check of its own."""

    def line(self, chance: random.Random) -> bytes:
        """Return one line without its end."""
        words = [chance.choice(self.commands)]
        words += chance.choices(self.arguments, k=chance.randint(0, self.most_arguments))
        return b" ".join(words)[: self.most_bytes]


def minimised(line: bytes, does_harm: Callable[[bytes], bool]) -> bytes:
    """Return a shorter ``line`` for which ``does_harm`` is still true: no word and no byte of it can be left out.

    Gives up after 200 tries and returns the shortest until then.
    """
    tries = 0
    for separator in (b" ", b""):
        place = 0
        while place < len(_parts(line, separator)) and tries < MOST_TRIES:
            parts = _parts(line, separator)
            shorter = separator.join(parts[:place] + parts[place + 1 :])
            tries += 1
            if shorter and does_harm(shorter):
                line = shorter
            else:
                place += 1
    return line


def _parts(line: bytes, separator: bytes) -> list[bytes]:
    return line.split(separator) if separator else [bytes([byte]) for byte in line]
