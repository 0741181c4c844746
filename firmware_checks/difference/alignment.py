"""Which path of a new image is which of the old one, where containers carry a version or an offset in their name.

The image's own name does not count. A container, or a file that lies directly in the image, may be renamed:
``rootfs-1.2.squashfs`` becomes ``rootfs-1.3.squashfs``, ``squashfs@0x2000`` moves to ``squashfs@0x4000``. Names that
differ in numbers only stand for each other when just as many of them are on both sides.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Alignment", "Parts", "inside"]

Parts = tuple[str, ...]
"""A path inside an image: the containers, then the name; empty for the image itself."""

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_RUN = re.compile(r"#(?:[._-]?#)*")


def inside(path: str) -> Parts:
    """Return the parts of ``image!container!name`` behind the name of the image."""
    return tuple(path.split("!")[1:])


@dataclass(slots=True)
class Alignment:
    """The old path of each new container."""

    _old_of: dict[Parts, Parts] = field(default_factory=dict)

    @classmethod
    def of(cls, old: Iterable[Parts], new: Iterable[Parts]) -> Alignment:
        """Find which containers of all paths ``new`` stand for which of ``old``."""
        before, now = _children(old), _children(new)
        aligned = cls({(): ()})
        waiting: list[Parts] = [()]
        while waiting:
            parent = waiting.pop()
            old_parent = aligned._old_of[parent]
            for name, old_name in _pairs(before.get(old_parent, ()), now.get(parent, ())):
                aligned._old_of[(*parent, name)] = (*old_parent, old_name)
                waiting.append((*parent, name))
        return aligned

    def old_path(self, parts: Parts) -> Parts:
        """Return the path in the old image that ``parts`` of the new one stand for, whether it is there or not."""
        for end in range(len(parts), 0, -1):
            old = self._old_of.get(parts[:end])
            if old is not None:
                return (*old, *parts[end:])
        return parts


def _children(paths: Iterable[Parts]) -> dict[Parts, list[str]]:
    """Return the names of the containers in each container, and of all that lies directly in the image."""
    found: dict[Parts, dict[str, None]] = defaultdict(dict)
    for prefix in {parts[:-1] for parts in paths if parts} | {parts[:1] for parts in paths if parts}:
        for end in range(len(prefix)):
            found[prefix[:end]][prefix[end]] = None
    return {parent: sorted(names, key=_natural) for parent, names in found.items()}


def _pairs(old: Iterable[str], new: Iterable[str]) -> list[tuple[str, str]]:
    """Return (new name, old name) of what stands for each other."""
    old_names, new_names = dict.fromkeys(old), dict.fromkeys(new)
    pairs = [(name, name) for name in new_names if name in old_names]
    old_alike, new_alike = _by_form(old_names, new_names), _by_form(new_names, old_names)
    for form, names in new_alike.items():
        before = old_alike.get(form, ())
        if len(before) == len(names):
            pairs.extend(zip(names, before, strict=True))
    return pairs


def _by_form(names: Iterable[str], others: dict[str, None]) -> dict[str, list[str]]:
    forms: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if name not in others:
            forms[_RUN.sub("#", _NUMBER.sub("#", name.casefold()))].append(name)
    return forms


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return what sorts names as people count: ``part2`` before ``part10``."""
    numbers = [int(n, 16 if n.startswith("0x") else 10) for n in _NUMBER.findall(name)[:8]]
    return (*((number, "") for number in numbers), (0, name))
