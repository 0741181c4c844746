"""What stayed closed, and why: a few by name, the others in sum, so that a report stays readable."""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_checks.span import Span
from toolkit.report.model import Unread

__all__ = ["UnreadList"]


@dataclass(slots=True)
class UnreadList:
    """What stayed closed: the first ``most`` pieces by name, the others in sum."""

    most: int
    named: list[Unread] = field(default_factory=list)
    more: int = 0
    more_bytes: int = 0
    total_bytes: int = 0

    def add(self, path: str, reason: str, size: int) -> None:
        """Add one piece of ``size`` bytes, as far as its container says."""
        self.total_bytes += size
        if len(self.named) < self.most:
            self.named.append(Unread(path=path, reason=reason, size=size))
            return
        self.more += 1
        self.more_bytes += size

    def defect(self, reader: str, span: Span, error: Exception) -> None:
        """Report that one of our own readers failed: something was not looked at, and that must be seen."""
        place = f"{span.path} at {span.provenance.offset_at(0):#x}"
        what = f"the {reader} reader failed with {type(error).__name__}: {error}"
        self.add(place, f"{what}; this is a defect, please report it", 0)

    def rows(self) -> tuple[Unread, ...]:
        """Return a row for each named piece and one for all others."""
        if self.more == 0:
            return tuple(self.named)
        outermost = self.named[0].path.partition("!")[0]
        rest = Unread(path=outermost, reason=f"{self.more} more pieces were not read", size=self.more_bytes)
        return (*self.named, rest)
