"""Who published an update: signatures in it and beside it, held against the keys that the user trusts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.core.limits import Budget

if TYPE_CHECKING:
    from firmware_checks.difference.examination import Examination
    from firmware_checks.image import Image
    from firmware_checks.reviewing.publishers import Published, Publishers
    from firmware_checks.scan import Scanner
    from toolkit.app.review_trust import TrustedFiles

__all__ = ["publishers_of", "signatures_beside"]

BESIDE = (".asc", ".sig", ".gpg", ".p7s")
MOST_SIGNATURE_BYTES = 1 << 20
MOST_HELD_BYTES = 1 << 30
"""Of files that are read whole to hold a signature against them."""


def publishers_of(
    path: Path, update: Examination, scanner: Scanner, store: TrustedFiles | None, now: datetime
) -> Published:
    """Return who signed the image at ``path``, which was examined as ``update``, in ways of publishers."""
    from firmware_checks.image import open_image
    from firmware_checks.reviewing.publishers import published

    with open_image(path, scanner.limits) as image:
        whole = image.span.window.view
        return published(
            update,
            whole,
            lambda wanted: _contents(image, scanner, wanted),
            _trusted(store, now),
            signatures_beside(path),
        )


def signatures_beside(path: Path) -> Mapping[str, bytes]:
    """Return the signature files that lie beside ``path`` and are named after it, by name."""
    found: dict[str, bytes] = {}
    for ending in BESIDE:
        beside = path.with_name(path.name + ending)
        if beside.is_file() and beside.stat().st_size <= MOST_SIGNATURE_BYTES:
            found[beside.name] = beside.read_bytes()
    return found


def _contents(image: Image, scanner: Scanner, wanted: Collection[str]) -> Mapping[str, bytes]:
    from firmware_checks.listing import Listing

    listing = Listing(
        scanner.formats, Budget(scanner.limits, image.size), jobs=1, is_wanted=lambda path: path in wanted
    )
    found: dict[str, bytes] = {}
    held = 0
    with closing(listing.rows(image.span)) as rows:
        for row in rows:
            if row.content is not None and row.path in wanted and held + len(row.content) <= MOST_HELD_BYTES:
                found[row.path] = bytes(row.content)
                held += len(row.content)
            if len(found) == len(wanted):
                break
    return found


def _trusted(store: TrustedFiles | None, now: datetime) -> Publishers | None:
    if store is None:
        return None
    from firmware_checks.reviewing.publishers import Publishers
    from signing.image import ImageTrust
    from signing.openpgp.signature import PgpTrust
    from signing.policy import policy_named

    policy = policy_named("legacy")
    return Publishers(
        pgp=PgpTrust(certificates=tuple(store.openpgp), policy=policy, now=now),
        images=ImageTrust(policy=policy, keys=tuple(store.keys), certificates=tuple(store.certificates), now=now),
    )
