"""What is common to all processors: code, where an argument comes from, and what is asked of each processor."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["FAR_REACH_BYTES", "REACH_BYTES", "Machine", "Origin", "Stretch", "signed", "words"]

REACH_BYTES: Final = 48
"""How far before a call its argument is looked for."""
FAR_REACH_BYTES: Final = 256
"""How far back a register that was copied may have been set."""


class Origin(enum.Enum):
    """Where an argument comes from."""

    CONSTANT = "a text in the file"
    BUFFER = "a text put together in memory"
    ELSEWHERE = "it cannot be seen here"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Machine code: its bytes, the address of the first of them, and where they stand in the file."""

    data: bytes
    address: int
    offset: int


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of processor; places are counted in the stretch, addresses as the program sees them."""

    stubs: Callable[[Stretch, Collection[int]], Iterator[tuple[int, int]]]
    """(code, slots): the address of each stub that jumps through one of the slots, and the slot."""
    calls: Callable[[Stretch, Collection[int], Collection[int]], Iterator[tuple[int, int]]]
    """(code, stubs, slots): the place of each call of one of these stubs, or through one of these slots, and which."""
    argument: Callable[[Stretch, int, int], int | Origin]
    """(stretch, place of the call, number of the argument): the address of a constant, or what else it is."""


def words(stretch: Stretch, top: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Yield place and value of the aligned words whose highest byte ``top`` matches."""
    for found in top.finditer(stretch.data):
        place = found.start() - 3
        if place >= 0 and place % 4 == 0:
            yield place, int.from_bytes(stretch.data[place : place + 4], "little")


def signed(value: int, bits: int) -> int:
    """Return the lowest ``bits`` of ``value`` as a number that may be negative."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
