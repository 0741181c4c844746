"""Which evidence covers which fact.

The path of an evidence entry covers the fact it names and everything below it: ``update`` and ``update.*`` both cover
``update.channels``. A ``*`` stands for one name of any kind: ``interfaces.*.authentication``. Where several paths of a
file fit a fact, the longest counts; of two that are equally long, the one whose first names are spelt out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from device_profiles.facts import Content
from device_profiles.validation import Problem

__all__ = ["assign", "idle_paths"]

Parts = tuple[str, ...]
"""A path cut at its dots."""


def assign(paths: Sequence[str], entries: Sequence[Content]) -> tuple[dict[str, int], list[Problem]]:
    """Return fact path -> index of the entry that covers it, with the gaps and double claims found."""
    claims, problems = _claims(entries)
    assigned: dict[str, int] = {}
    for path in paths:
        entry = next((claims[pattern] for pattern in _patterns_for(path) if pattern in claims), None)
        if entry is None:
            problems.append(Problem(path, "has no evidence: name it in the fields of an [[evidence]] entry"))
        else:
            assigned[path] = entry
    return assigned, problems


def idle_paths(paths: Sequence[str], entries: Sequence[Content]) -> list[Problem]:
    """Return the paths in evidence entries that cover none of the facts: most likely they are misspelt."""
    claims, _ = _claims(entries)
    used = {pattern for path in paths for pattern in _patterns_for(path)}
    problems: list[Problem] = []
    for pattern, entry in claims.items():
        if pattern not in used:
            shown = ".".join(pattern)
            message = f"{shown} covers nothing that this file states"
            problems.append(Problem(f"evidence[{entry}].fields", message, shown, paths))
    return problems


def _claims(entries: Sequence[Content]) -> tuple[dict[Parts, int], list[Problem]]:
    """Return pattern -> index of the entry that has it, and the patterns that two entries have."""
    claims: dict[Parts, int] = {}
    problems: list[Problem] = []
    for i, entry in enumerate(entries):
        for pattern in entry["fields"]:
            first = claims.setdefault(_parts(pattern), i)
            if first != i:
                message = f"{pattern} is covered by evidence[{first}] already"
                problems.append(Problem(f"evidence[{i}].fields", message))
    return claims, problems


def _parts(pattern: str) -> Parts:
    """Cut a path; a star at its end adds nothing, because a path covers what is below it."""
    parts = pattern.split(".")
    while len(parts) > 1 and parts[-1] == "*":
        parts.pop()
    return tuple(parts)


def _patterns_for(path: str) -> Iterator[Parts]:
    """Yield every pattern that fits ``path``, from the one that counts most; a path has at most a few names."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        for starred in product((False, True), repeat=length):
            pattern = tuple("*" if star else part for star, part in zip(starred, parts, strict=False))
            if length == 1 or pattern[-1] != "*":  # _parts leaves no star at the end
                yield pattern
