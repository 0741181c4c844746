"""What a scan knows about an image before anything is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from firmware_checks.fact_collection import FileFacts
from firmware_checks.format import EntryKind
from firmware_checks.observer import Observation, Seen
from firmware_checks.region import Region
from toolkit.report.model import Component, Coverage, ImageSummary, Subject

if TYPE_CHECKING:
    from firmware_checks.fingerprints.collector import FixFact
    from firmware_checks.vulnerabilities.assessment import Assessment

__all__ = ["FileEntry", "Inventory"]

Sort = TypeVar("Sort", bound=Observation)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """Something with a name in a container of the image."""

    path: str
    """With the containers around it: ``image!container!name``."""
    kind: EntryKind
    size: int | None
    """Bytes, as the container says."""
    mode: int | None
    """Permission bits of Unix, set-user-id and the like included."""
    uid: int | None
    gid: int | None
    target: str
    """Where a link points to, as it is written there."""

    @property
    def name(self) -> str:
        """The path inside the container, with ``/`` between folders and none at its start."""
        return self.path.rpartition("!")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The region tree of one image, what was named in it, and how much of it was understood."""

    subject: Subject
    image: ImageSummary
    roots: tuple[Region, ...]
    components: tuple[Component, ...]
    coverage: Coverage
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    """What single files told, by path."""
    entries: Sequence[FileEntry] = ()
    """Everything with a name in the containers of the image, links and folders included."""
    observations: Mapping[type[Observation], Sequence[Seen[Any]]] = field(default_factory=dict)
    """What the observers saw, by sort."""
    fixes: Sequence[FixFact] = ()
    """Which fixes of vulnerabilities are in programs and which are not, as functions show that were recognised."""

    day: date | None = None
    """The day for which the image is judged; None when it is not known: then nothing is said about what has expired."""
    assessment: Assessment | None = None
    """What is known against the components; None when nothing was looked up."""
    _walked: list[Region] = field(default_factory=list, init=False, repr=False, compare=False)
    """All regions, once somebody asked: nearly every check walks over them."""

    def observed(self, sort: type[Sort]) -> Sequence[Seen[Sort]]:
        """Return all observations of one sort, in the order in which the image was read."""
        return self.observations.get(sort, ())

    def regions(self) -> Iterator[Region]:
        """Return every region, in reading order."""
        if not self._walked:
            self._walked.extend(region for root in self.roots for region in root.walk())
        return iter(self._walked)
