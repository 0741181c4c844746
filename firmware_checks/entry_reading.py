"""Reading the entries of a container within the budget, and what to say about those that stay closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from firmware_checks.format import Entry
from firmware_checks.recognise import Found
from firmware_checks.unread import UnreadList
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import MIB, Budget

__all__ = ["EntryReading", "Grant"]


class Grant(NamedTuple):
    """Leave to unpack an entry to ``most_bytes``; ``reserved_bytes`` are counted as unpacked until it is settled."""

    most_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class EntryReading:
    """Counts entries and unpacked bytes. Grants are asked for and settled in one thread; reading may be in another."""

    budget: Budget
    unread: UnreadList

    def entries(self, found: Found) -> Iterator[Entry]:
        """Yield the entries of ``found``, as many as may be listed; what ends them early is noted."""
        path = found.path
        for hit in found.opened.limits_hit:
            self.budget.hits.add(hit, path)
        try:
            for entry in found.opened.entries:
                self.budget.spend_entry(path)
                yield entry
        except FormatError as error:
            self.unread.add(path, f"the rest of its entries was not read: {error}", 0)
        except LimitExceeded as error:
            if error.limit != "entries":
                self.budget.exceeded(error.limit, str(error), path)
            self.unread.add(path, f"the rest of its entries was not read: {error}", 0)
        except Exception as error:  # noqa: BLE001  # a defect in one reader must not hide the rest of the image
            self.unread.defect(f"{found.format.name} directory", found.span, error)

    def grant(self, found: Found, entry: Entry) -> Grant | None:
        """Return how much may be unpacked; None, noted as unread, when the budget is spent.

        An entry is held to the size that its container claims, with a floor that harms nobody.
        """
        path = found.path
        try:
            allowance = self.budget.allowance(entry.packed_bytes, path)
        except LimitExceeded as error:
            self.unread.add(f"{path}!{entry.name}", str(error), _claimed(entry))
            return None
        most = allowance if entry.unpacked_bytes is None else min(allowance, max(entry.unpacked_bytes, MIB))
        reserved = allowance if entry.unpacked_bytes is None else min(allowance, entry.unpacked_bytes)
        self.budget.spend_unpacked(reserved)
        return Grant(most, reserved)

    def has_room(self, *, entries: int, attempts: int, unpacked_bytes: int) -> bool:
        """Tell whether so much may be listed, tried and unpacked that no limit would have shown in between."""
        budget, limits = self.budget, self.budget.limits
        return (
            budget.entries + entries <= limits.entries
            and budget.attempts + attempts < limits.attempts
            and budget.left_bytes - unpacked_bytes >= limits.entry_bytes
        )

    def settle(self, grant: Grant, size: int) -> None:
        """Note that ``size`` bytes came out under ``grant``."""
        self.budget.spend_unpacked(size - grant.reserved_bytes)

    def failed(self, found: Found, entry: Entry, grant: Grant, error: Exception) -> None:
        """Note that the entry could not be read under ``grant``, and why."""
        path = f"{found.path}!{entry.name}"
        if isinstance(error, LimitExceeded):
            self.settle(grant, grant.most_bytes)  # the work was done, and what lies about its size must not be free
            self.budget.hits.add(str(error), path)
            self.unread.add(path, str(error), _claimed(entry))
            return
        self.settle(grant, 0)
        if isinstance(error, FormatError):
            self.unread.add(path, str(error), _claimed(entry))
        else:
            self.unread.defect(f"{found.format.name} entry", found.span, error)


def _claimed(entry: Entry) -> int:
    return entry.packed_bytes if entry.unpacked_bytes is None else entry.unpacked_bytes
