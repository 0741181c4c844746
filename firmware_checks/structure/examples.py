"""Small programs, built instruction by instruction, that show what a recogniser looks for."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["ring_of_calls"]

FUNCTIONS = 12


def ring_of_calls(function: Callable[[int, int], bytes], *, start: int = 0) -> bytes:
    """Return twelve functions from offset ``start`` on, each calling the one five places further.

    ``function(here, target)`` returns one function at ``here`` that calls ``target``; all must be of one size.
    """
    size = len(function(0, 0))
    places = [start + size * index for index in range(FUNCTIONS)]
    return b"".join(function(here, places[(index + 5) % FUNCTIONS]) for index, here in enumerate(places))
