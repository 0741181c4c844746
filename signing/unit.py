"""What is known about one device on the bench: revision and region, what runs in it, and what was seen for it before.

The record is a small file per device. It grows only: versions, counters and times in it never go down, so an old USB
stick cannot bring back what was replaced.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from signing.chain_log import Head
from signing.package.release import Count, Line, Release, Sha256, Slug, TimeText, Version, VersionText
from signing.refusal import Refusal, fail_closed
from toolkit.core.errors import InputError
from toolkit.core.files import write_whole

__all__ = ["Installed", "Seen", "Unit", "after_install", "read_unit", "time_of", "write_unit"]

MOST_BYTES: Final = 1 << 20
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Immutable; every name must be known."""


class Installed(_Table, frozen=True, kw_only=True):
    """What runs in one component."""

    version: VersionText
    security_counter: Count
    sha256: Sha256 | None = None


class Seen(_Table, frozen=True, kw_only=True):
    """The newest metadata of one repository that was accepted."""

    root: Count
    timestamp: Count
    timestamp_sha256: Sha256
    snapshot: Count
    roles: dict[str, Count]
    """Versions in the snapshot, by file name."""
    signers: dict[str, tuple[Sha256, ...]]
    """Ids of the keys that had signed timestamp and snapshot; once all are replaced, their versions count no more."""


class Unit(_Table, frozen=True, kw_only=True):
    """One device."""

    format: Literal["medharden-unit-1"] = "medharden-unit-1"
    serial: Line | None = None
    hardware_revision: Line | None = None
    region: Slug | None = None
    bootloader: VersionText | None = None
    installed: dict[Slug, Installed] = {}
    seen: dict[Slug, Seen] = {}
    log: Head | None = None
    """Where the log of installations stood after the last one; a shorter or other one is refused."""
    last_signed: TimeText | None = None
    """When the newest update that was accepted was signed."""


def time_of(text: str) -> datetime:
    """Return the moment written as ``2026-11-24T14:00:00Z``."""
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise Refusal("json.type", f"{text[:40]!r} is no time of the form 2026-11-24T14:00:00Z") from error


def read_unit(path: Path) -> Unit:
    """Return the record of a device."""
    from signing.trust.spelling import parse_object

    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    with fail_closed("unit.malformed", str(path)):
        return msgspec.convert(parse_object(data[:MOST_BYTES]), Unit)


def write_unit(path: Path, unit: Unit) -> None:
    """Write the record of a device, whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(unit, order="sorted"), indent=2) + b"\n")


def after_install(unit: Unit, release: Release) -> Unit:
    """Return ``unit`` once ``release`` runs in it; counters never go down."""
    installed = dict(unit.installed)
    for file in release.payloads:
        assert file.component is not None  # noqa: S101  # a release without is refused when it is decoded
        before = installed.get(file.component)
        counter = max(file.security_counter or 0, before.security_counter if before else 0)
        installed[file.component] = Installed(version=file.version or "0", security_counter=counter, sha256=file.sha256)
    return msgspec.structs.replace(unit, installed=installed)


def not_older(offered: str, known: str) -> bool:
    """Tell whether version ``offered`` is the same as ``known`` or newer."""
    return Version.of(offered) >= Version.of(known)
