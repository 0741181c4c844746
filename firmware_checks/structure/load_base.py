"""Where a program is made to run, told from the addresses inside it.

A program is full of pointers to its own functions and texts. Each pointer, less the place of a function or text it may
mean, proposes an address for the first byte; the true one is proposed again and again, wrong ones by chance only.
"""

from __future__ import annotations

import math
import re
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from firmware_checks.architecture import Code

__all__ = ["Vote", "count_votes", "text_base", "vote_by_text", "words_of"]

SCANNED_BYTES = 1 << 20
"""Bytes searched for pointers and texts: more would only repeat the answer."""
MAXIMUM_TARGETS = 2000
MAXIMUM_POINTERS = 40_000
MAXIMUM_PAIRS = 100_000
"""Pairs of a pointer and a target that are compared: bounds time and memory on bytes made to be slow."""
CANDIDATES = 24
PRECISION_SAMPLE = 1000
PAGE_BYTES = 0x1000
"""Programs for large processors start on a memory page."""
_TEXT = re.compile(rb"(?<=\0)[\x20-\x7e\t\n\r\x1b]{5,200}(?=\0)")


@dataclass(frozen=True, slots=True)
class Vote:
    """Address ``base`` of the first byte was proposed by ``votes`` pointers; the next best one by ``second``."""

    base: int
    votes: int
    second: int


def words_of(data: bytes, width: int, byte_order: str) -> array[int]:
    """Return ``data`` as words of ``width`` bytes (4 or 8)."""
    words = array("I" if width == 4 else "Q", data[: len(data) // width * width])
    if byte_order != sys.byteorder:
        words.byteswap()
    return words


def thinned(values: Sequence[int], maximum: int) -> Sequence[int]:
    """Return every n-th of ``values`` so that at most ``maximum`` are left."""
    return values[:: len(values) // maximum + 1] if len(values) > maximum else values


def count_votes(
    pointers: Iterable[int], targets: Sequence[int], *, low: int, high: int, residue: int, step: int
) -> Counter[int]:
    """Return how many ``pointers`` mean one of ``targets``, for each base in ``[low, high]``.

    Only bases that are ``residue`` modulo ``step`` are counted. When there are too many pairs, both sides are thinned.
    """
    places: dict[int, list[int]] = {}
    for target in targets:
        places.setdefault((target + residue) % step, []).append(target)
    meant: dict[int, list[int]] = {}
    for pointer in pointers:
        if pointer % step in places:
            meant.setdefault(pointer % step, []).append(pointer)
    pairs = sum(len(found) * len(places[key]) for key, found in meant.items())
    thin = math.isqrt(pairs // MAXIMUM_PAIRS) + 1
    votes: Counter[int] = Counter()
    for key, found in meant.items():
        fewer = found[::thin]
        for target in places[key][::thin]:
            votes.update(map(target.__rsub__, fewer))  # pointer - target, counted without a step in Python
    return Counter({base: count for base, count in votes.items() if low <= base <= high})


def vote_by_text(
    data: bytes, *, width: int, byte_order: str, plausible: Callable[[int], bool] = lambda base: base >= 0
) -> Vote | None:
    """Return the page-aligned base that pointers of ``width`` bytes to texts agree on, or None when none stands out.

    Tables of pointers hit texts everywhere by chance. With the true base pointers meet beginnings of texts, with
    a wrong one their middle as often; a candidate counts as much as its pointers are precise.
    """
    texts = [match.span() for match in _TEXT.finditer(data)]
    pointers = sorted(thinned(list(set(words_of(data, width, byte_order))), MAXIMUM_POINTERS))
    starts = thinned([start for start, _ in texts], MAXIMUM_TARGETS)
    votes = count_votes(pointers, starts, low=0, high=1 << 64, residue=0, step=PAGE_BYTES)
    candidates = [(base, count) for base, count in votes.most_common(4 * CANDIDATES) if count >= 3 and plausible(base)]
    marks = bytearray(len(data))
    for start, end in texts:
        marks[start:end] = b"\2" * (end - start)
        marks[start] = 1
    scored = sorted(((int(count * _precision(pointers, marks, base)), base) for base, count in candidates[:CANDIDATES]))
    if not scored or scored[-1][0] < 3:
        return None
    votes_second = scored[-2][0] if len(scored) > 1 else 0
    best = Vote(scored[-1][1], scored[-1][0], votes_second)
    return best if best.votes >= 2 * best.second else None


def _precision(pointers: list[int], marks: bytearray, base: int) -> float:
    """Return the squared share of beginnings among the pointers that meet texts when byte 0 is at ``base``."""
    inside = thinned(pointers[bisect_left(pointers, base) : bisect_left(pointers, base + len(marks))], PRECISION_SAMPLE)
    met = Counter(marks[pointer - base] for pointer in inside)
    return (met[1] / (met[1] + met[2] + 1)) ** 2


def text_base(
    code: Code, *, width: int, byte_order: str, plausible: Callable[[int], bool] = lambda base: base >= 0
) -> tuple[int | None, tuple[str, ...]]:
    """Return the address of the first byte of ``code`` and why: as the file says, or by the vote of its texts."""
    if code.address is not None:
        return code.address, (f"placed at {code.address:#x} by the file",)
    data = bytes(code.view[:SCANNED_BYTES])
    vote = vote_by_text(data, width=width, byte_order=byte_order, plausible=plausible)
    if vote is None:
        return None, ()
    return vote.base, (f"{vote.votes} pointers to texts fit when the first byte is at {vote.base:#x}",)
