"""Beside which text the programs of a project keep its version: what is known from earlier releases of it.

The table was learned from two releases of a distribution (``benchmarks/collect_version_places.py``): a text is in it
when the version of the project stood beside it in both, and no other number did. It says where, never which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from firmware_checks.version_texts import VersionText

__all__ = ["is_known_place", "place_keys"]

_WORD = re.compile(r"[A-Za-z]{3}")
_DIGITS = re.compile(r"\d+")
MOST_CHARACTERS = 40


def place_keys(text: VersionText) -> Iterator[str]:
    """Yield how the place of ``text`` is written in the table: what it stands behind, or between which texts."""
    sides = (("<", text.before[-MOST_CHARACTERS:]), *((">" + form, words) for form, words in _neighbours(text)))
    for side, words in sides:
        if _WORD.search(words) and "/" not in words:
            form = _DIGITS.sub("#", words).replace("\t", " ").replace("\n", " ").strip()
            yield side + form


def _neighbours(text: VersionText) -> Iterator[tuple[str, str]]:
    if text.is_bare:
        yield "-", text.near[0][-MOST_CHARACTERS:]
        yield "+", text.near[1][:MOST_CHARACTERS]


def is_known_place(project: str, text: VersionText) -> bool:
    """Tell whether the version of ``project`` is known to stand where ``text`` does."""
    places = _table().get(project)
    return places is not None and not places.isdisjoint(place_keys(text))


@cache
def _table() -> Mapping[str, frozenset[str]]:
    lines = (resources.files("firmware_checks") / "version_places.txt").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return {name: frozenset(places) for name, *places in rows}
