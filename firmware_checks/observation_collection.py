"""Asks the observers about every content of an image while its bytes are held, and keeps what they saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from firmware_checks.fact_reader import Content
from firmware_checks.format import Entry
from firmware_checks.inventory import FileEntry
from firmware_checks.observer import Observation, Observer, Seen
from firmware_checks.patterns.engine import Engine
from firmware_checks.patterns.shared import SharedSearch
from firmware_checks.readers.elf_file import RELOCATABLE
from firmware_checks.region import Region
from firmware_checks.span import Span
from toolkit.core.errors import MedhardenError
from toolkit.core.findings import Evidence
from toolkit.report.model import RegionKind

__all__ = ["ObservationCollector"]

MOST_OF_ONE = 1000
"""Observations that one observer may make in one content; more of them tell nothing new."""
MOST_OF_ALL = 100_000
_EMPTY = (RegionKind.PADDING, RegionKind.ENCRYPTED)


@dataclass(slots=True)
class ObservationCollector:
    """Collects by sort of observation; ``on_defect`` hears of observers that failed for no reason in the file."""

    observers: Mapping[str, Observer]
    engine: Engine
    on_defect: Callable[[str, Span, Exception], None]
    seen: dict[type[Observation], list[Seen[Any]]] = field(default_factory=lambda: defaultdict(list))
    entries: list[FileEntry] = field(default_factory=list)
    most: int = MOST_OF_ALL
    """Observations that are kept of one image."""
    search: SharedSearch = field(init=False)
    """Searches a content for what all observers look for; a content that is collected should have it."""
    _count: int = 0

    def __post_init__(self) -> None:
        asked = [observer.patterns() for observer in self.observers.values()]
        self.search = SharedSearch([patterns for patterns in asked if patterns], self.engine)

    def collect(self, content: Content, regions: Sequence[Region]) -> None:
        """Look at ``content``, which was found to consist of ``regions``."""
        if _is_whole(content, regions):
            self._observe(content)
        else:
            for region in regions:
                self._descend(region)

    def note(self, container: str, entry: Entry) -> None:
        """Note an entry of ``container``, whether it has content or not."""
        self.entries.append(
            FileEntry(
                path=f"{container}!{entry.name}",
                kind=entry.kind,
                size=entry.unpacked_bytes,
                mode=entry.mode,
                uid=entry.uid,
                gid=entry.gid,
                target=entry.target,
            )
        )

    def _descend(self, region: Region) -> None:
        """Look at what is not a container in ``region``; unpacked entries below it were looked at by themselves."""
        if region.kind is RegionKind.CONTAINER:
            for child in region.children:
                self._descend(child)
        elif isinstance(region.span, Span) and not region.decoded and region.kind not in _EMPTY:
            self._observe(Content(region.span, region.program, self.search))

    def _observe(self, content: Content) -> None:
        for observer in self.observers.values():
            try:
                if not observer.wants(content):
                    continue
                for what in islice(observer.read(content), MOST_OF_ONE):
                    self._keep(content, what)
            except MedhardenError:
                continue  # it is damaged: what was seen before stays
            except Exception as error:  # noqa: BLE001  # a defect in one observer must not hide the rest of the image
                self.on_defect(f"{observer.name} observer", content.span, error)

    def _keep(self, content: Content, what: Observation) -> None:
        if self._count >= self.most:
            return
        self._count += 1
        place = content.span.evidence(what.offset)
        shown = Evidence(path=place.path, offset=place.offset, address=place.address, excerpt=_printable(what.excerpt))
        self.seen[type(what)].append(Seen(what, shown))


def _is_whole(content: Content, regions: Sequence[Region]) -> bool:
    """Tell whether the content is one thing: no container, or a program of an operating system with its tables."""
    if not any(region.kind is RegionKind.CONTAINER for region in regions):
        return True
    elf = content.elf
    return len(regions) == 1 and elf is not None and (elf.is_hosted or elf.header.type == RELOCATABLE)


def _printable(text: str) -> str:
    return "".join(_characters(text))


def _characters(text: str, most: int = 120) -> Iterator[str]:
    for character in text[:most]:
        yield character if character.isprintable() else "."
