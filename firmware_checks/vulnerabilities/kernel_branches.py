"""Ranges of Linux versions, one for each stable branch.

A fault of the kernel is mended in each branch by itself: from 6.5 before 6.6.17, from 6.5 before 6.7.5, from 6.5 before
6.8 mean that 6.6.17 is mended although it stands before 6.8. Each range but the first is cut to begin behind the branch
in which the one before it ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from firmware_checks.vulnerabilities.record import ProductMatch
from firmware_checks.vulnerabilities.versions import SchemeName, version_key

__all__ = ["PREFIX", "split_by_branch"]

PREFIX = "cpe:2.3:o:linux:linux_kernel:"
_BRANCH = re.compile(r"(2\.6\.\d+|\d+\.\d+)(?:\.|$)")


def split_by_branch(matches: Sequence[ProductMatch]) -> list[ProductMatch]:
    """Return ``matches`` with ranges of the kernel cut so that none covers what another one says is mended."""
    bounded = [m for m in matches if m.criteria.startswith(PREFIX) and m.version_end_excluding is not None]
    if len(bounded) < 2:  # one range cannot overlap
        return list(matches)
    ordered = sorted(bounded, key=lambda m: version_key(m.version_end_excluding or "", SchemeName.LINUX))
    cut: dict[int, ProductMatch] = {}
    before = ""
    for match in ordered:
        end = match.version_end_excluding or ""
        branch = _branch(end)
        if before and branch != before:
            cut[id(match)] = _from(match, _after(before))
        before = branch or before
    return [cut.get(id(match), match) for match in matches]


def _from(match: ProductMatch, floor: str) -> ProductMatch:
    """Return ``match`` beginning at ``floor`` when it began earlier; nothing is left of one that ends there."""
    if _key(match.version_start_including or match.version_start_excluding) >= _key(floor):
        return match
    return msgspec.structs.replace(match, version_start_including=floor, version_start_excluding=None)


def _key(version: str | None) -> bytes:
    return version_key(version, SchemeName.LINUX) if version else b""


def _branch(version: str) -> str:
    """Return the branch of a version: 6.6 for 6.6.17, 2.6.32 for 2.6.32.9; nothing where it has none."""
    found = _BRANCH.match(version)
    return found[1] if found is not None else ""


def _after(branch: str) -> str:
    """Return the first version behind ``branch``: 6.7 for 6.6."""
    head, _, last = branch.rpartition(".")
    return f"{head}.{int(last) + 1}"
