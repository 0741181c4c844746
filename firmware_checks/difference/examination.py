"""One of the two images of a comparison: what a scan knows of it, and the digest of every file inside."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from firmware_checks.image import open_image
from firmware_checks.inventory import Inventory
from firmware_checks.listing import Listing
from firmware_checks.scan import Progress, Scanner
from toolkit.core.limits import Budget
from toolkit.report.model import Report

__all__ = ["Examination", "examine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """An image that was scanned, with the digests that a scan does not keep."""

    report: Report
    inventory: Inventory
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of files by path, of those that could be read."""


def examine(
    scanner: Scanner, path: Path, *, jobs: int = 2, on_progress: Progress = lambda _done, _total: None
) -> Examination:
    """Scan the image at ``path`` and take the digest of every file in it; raise ``InputError`` when it cannot be."""
    inventory, report = scanner.examine(path, on_progress)
    digests: dict[str, str] = {}
    if inventory.entries:
        with open_image(path, scanner.limits) as image:
            listing = Listing(
                scanner.formats,
                Budget(scanner.limits, image.size),
                jobs=jobs,
                with_digests=True,
                release_pages=image.release_pages,
            )
            with closing(listing.rows(image.span)) as rows:
                digests = {row.path: row.sha256 for row in rows if row.sha256}
    return Examination(report=report, inventory=inventory, digests=digests)
