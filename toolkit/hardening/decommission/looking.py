"""Looks into a dump for what must not leave the house: in its files, and in all of its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.fact_reader import Content
from firmware_checks.image import Image, open_image
from firmware_checks.inventory import Inventory
from firmware_checks.observation_collection import ObservationCollector
from firmware_checks.scan import Scanner
from toolkit import __version__
from toolkit.core.cache import NO_CACHE, Cache
from toolkit.core.findings import Finding
from toolkit.hardening.decommission.certificate import Certificate, Device, Place, Remain, Verdict

__all__ = ["LOOKED_FOR", "certificate_of", "look_at_bytes"]

FORMAT = "medharden-decommission-1"
LOOKED_FOR = (
    "patient-image", "patient-list", "patient-log", "patient-message", "wireless-key", "directory-secret",
    "tunnel-secret", "private-key", "ssh-host-key", "ssh-login-key", "hard-coded-password", "hard-coded-token",
    "weak-password", "account-without-password", "obsolete-password-hash", "shared-password",
)  # fmt: skip
"""Checks whose findings belong to a patient or to the hospital's network."""
IN_RAW_BYTES = tuple(name for name in LOOKED_FOR if name not in ("account-without-password", "ssh-login-key"))
"""Those that need no name of a file."""
BLOCK_BYTES = 4096
MOST_UNREAD = 20

Progress = Callable[[int, int], None]


def certificate_of(
    path: Path,
    day: date,
    device: Device,
    profile: DeviceProfile | None,
    *,
    vendor: Path | None = None,
    kept: Cache = NO_CACHE,
    on_progress: Progress = lambda _done, _total: None,
) -> Certificate:
    """Return what the dump at ``path`` may be certified for; what the ``vendor``'s image has as well is no remain.

    ``InputError`` when a file cannot be read.
    """
    scanner = Scanner(profile=profile, kept=kept)
    checks = {name: scanner.checks[name] for name in LOOKED_FOR}
    known = _known(vendor, scanner, checks)
    with open_image(path, scanner.limits) as image:
        inventory = scanner.take_inventory(image, on_progress)
        raw, failed = look_at_bytes(image, inventory, scanner)
        blank = _blank_bytes(image)
    found = [Remain(place=Place.FILE, finding=f) for f in _findings(checks, inventory, profile)]
    in_raw = {name: checks[name] for name in IN_RAW_BYTES}
    found += [Remain(place=Place.RAW, finding=f) for f in _findings(in_raw, raw, profile)]
    remains = tuple(remain for remain in found if not _is_known(remain.finding, known))
    obstacles = (*_obstacles(inventory, profile), *failed)
    verdict = Verdict.REMAINS if remains else Verdict.NOT_CERTIFIED if obstacles else Verdict.NOTHING_FOUND
    return Certificate(
        format=FORMAT,
        verdict=verdict,
        subject=inventory.subject,
        device=device,
        day=day.isoformat(),
        tool=f"medharden {__version__}",
        looked_for=tuple(check.title for check in checks.values()),
        remains=remains,
        obstacles=obstacles,
        blank_bytes=blank,
    )


def _findings(checks: Mapping[str, Check], inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    for check in checks.values():
        yield from check.run(check, inventory, profile)


def _known(vendor: Path | None, scanner: Scanner, checks: Mapping[str, Check]) -> frozenset[tuple[str, str]]:
    """Return check and excerpt of what stands in the vendor's own image: it is in every such device of the world."""
    if vendor is None:
        return frozenset()
    with open_image(vendor, scanner.limits) as image:
        inventory = scanner.take_inventory(image)
    findings = _findings(checks, inventory, scanner.profile)
    return frozenset((finding.check, evidence.excerpt) for finding in findings for evidence in finding.evidence)


def _is_known(finding: Finding, known: frozenset[tuple[str, str]]) -> bool:
    """Tell whether all of it stands in the vendor's image; records of patients never count as known."""
    if finding.check.startswith("patient-") or not finding.evidence:
        return False
    return all((finding.check, evidence.excerpt) in known for evidence in finding.evidence)


def look_at_bytes(image: Image, inventory: Inventory, scanner: Scanner) -> tuple[Inventory, list[str]]:
    """Return what observers see in all bytes of the dump as they lie there, and which of them failed.

    Deleted files are still in these bytes. An observer that failed has not looked, so nothing can be certified.
    """
    failed: list[str] = []
    collector = ObservationCollector(
        scanner.observers,
        scanner.engine,
        lambda what, _span, error: failed.append(f"not looked for in all bytes: {what}: {type(error).__name__}"),
    )
    collector.collect(Content(image.span, search=collector.search), [])
    seen = replace(inventory, roots=(), components=(), files={}, entries=(), observations=collector.seen)
    return seen, failed


def _obstacles(inventory: Inventory, profile: DeviceProfile | None) -> Iterator[str]:
    coverage = inventory.coverage
    for unread in coverage.unread[:MOST_UNREAD]:
        yield f"not read: {unread.path}: {unread.reason}"
    if len(coverage.unread) > MOST_UNREAD:
        yield f"not read: {len(coverage.unread) - MOST_UNREAD} more parts"
    yield from coverage.limits_hit
    if coverage.encrypted_bytes:
        yield f"encrypted or compressed in an unknown way, so nobody can look inside: {coverage.encrypted_bytes} bytes"
    largest = max((storage.size or 0 for storage in profile.platform.storage), default=0) if profile is not None else 0
    if largest > inventory.subject.size:
        yield f"the dump has {inventory.subject.size} bytes, the storage of this device has {largest}: it is not whole"


def _blank_bytes(image: Image) -> int:
    view = image.span.window.view
    blank = 0
    for start in range(0, len(view), BLOCK_BYTES):
        block = view[start : start + BLOCK_BYTES]
        blank += len(block) if bytes(block).count(block[0]) == len(block) else 0
    return blank
