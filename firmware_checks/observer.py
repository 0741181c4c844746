"""What a file shows that a check may judge: data, and one function that reads it.

A check asks an inventory; it never sees bytes. Bytes are held only while the file they belong to is looked at, so what
checks need is noted then, by observers. Each observer is one file in ``firmware_checks/observers`` and has a sort of
``Observation`` of its own. It sees the content of every distinct file once, except that of containers, whose entries
it sees one by one; of a raw image it sees every stretch that is not a container, as it stands in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from firmware_checks.fact_reader import Content
from firmware_checks.patterns.shared import Patterns
from toolkit.core.findings import Evidence

__all__ = ["Observation", "Observer", "Seen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Something that stands in a file; each observer derives its own sort from it."""

    offset: int
    """Where in the content it stands, in bytes."""
    excerpt: str
    """What stands there, without secrets and patient data: an excerpt is printed as it is."""


Sort_co = TypeVar("Sort_co", bound=Observation, covariant=True)


@dataclass(frozen=True, slots=True)
class Seen(Generic[Sort_co]):
    """An observation, and where it was made."""

    what: Sort_co
    evidence: Evidence

    @property
    def path(self) -> str:
        """The file, with the containers around it."""
        return self.evidence.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """How one kind of thing is found and read."""

    name: str
    title: str
    source: str
    """The specification of what is read, or the program that writes it."""
    wants: Callable[[Content], bool]
    """Tell from name and first bytes whether it is worth a look; must be quick, it is asked about every file."""
    read: Callable[[Content], Iterator[Observation]]
    """Yield what stands there; raise ``FormatError`` where it is damaged: what was seen before stays."""
    patterns: Callable[[], Patterns] = tuple
    """What it asks ``Content.hits`` for, the same each time: the patterns of all observers are one search."""
    example: Callable[[], tuple[str, bytes]]
    """Return a path and a small file that shows it."""
    shows: int
    """How many observations the example gives."""
