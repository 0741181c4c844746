"""What one update is: the statement that vendor and hospital both approve, by its digest.

``release.json`` names the device it is meant for and every file with size and SHA-256. It is itself a TUF target, so
whoever signs the targets of a model has signed all of it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from signing.package.archive import safe_path
from signing.refusal import Refusal, fail_closed

__all__ = [
    "FILES",
    "RELEASE_NAME",
    "File",
    "Purpose",
    "Release",
    "Requirement",
    "Version",
    "decode_release",
    "encode_release",
]

RELEASE_NAME: Final = "release.json"
FILES: Final = "files/"
"""Folder of the archive that holds the target files."""
HIGHEST_NUMBER: Final = (1 << 31) - 1
MOST_RELEASE_BYTES: Final = 1 << 20

UNSEEN: Final = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
"""Signs that steer a terminal, are not seen, or turn the reading direction."""

# Patterns end with \Z: Python's $ lets one line end through.
Slug: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}\Z")]
Line: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"^[^{UNSEEN}]{{1,200}}\Z")]
"""One line of text."""
Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
VersionText: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,10}(\.[0-9]{1,10}){0,2}(\+[0-9]{1,10})?\Z")]
TimeText: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]
"""A moment in UTC, such as ``2026-11-24T14:00:00Z``."""
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_NUMBER)]
Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(8 << 30) - 1)]
Address: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 48) - 1)]


class Purpose(enum.StrEnum):
    """What a file is for; the first four change what a device does."""

    FIRMWARE = "firmware"
    DRUG_LIBRARY = "drug_library"
    CONFIGURATION = "configuration"
    CALIBRATION = "calibration"
    SBOM = "sbom"
    VEX = "vex"
    PROVENANCE = "provenance"
    RELEASE_NOTES = "release_notes"

    @property
    def is_payload(self) -> bool:
        """Whether the file goes into the device."""
        return self in PAYLOADS


PAYLOADS: Final = frozenset({Purpose.FIRMWARE, Purpose.DRUG_LIBRARY, Purpose.CONFIGURATION, Purpose.CALIBRATION})


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Immutable; every name must be known."""


class Requirement(_Table, frozen=True, kw_only=True):
    """Another component that must be there, at this version or a newer one."""

    component: Slug
    at_least: VersionText


class File(_Table, frozen=True, kw_only=True):
    """One file of the update; ``name`` is its name in the package."""

    name: str
    purpose: Purpose
    sha256: Sha256
    size: Bytes
    component: Slug | None = None
    """Part of the device it is for; every payload has one."""
    version: VersionText | None = None
    security_counter: Count | None = None
    """Never goes down; raised when older versions must not come back."""
    slot: Slug | None = None
    """Memory region of the device profile it is written to."""
    load_address: Address | None = None
    original_name: Line | None = None


class Release(_Table, frozen=True, kw_only=True):
    """One update for one model."""

    format: Literal["medharden-release-1"] = "medharden-release-1"
    vendor: Line
    model: Slug
    version: VersionText
    label: Line | None = None
    """The vendor's own name of the version."""
    released: TimeText
    hardware_revisions: tuple[Line, ...]
    regions: tuple[Slug, ...]
    minimum_bootloader: VersionText | None = None
    requires: tuple[Requirement, ...] = ()
    files: tuple[File, ...]

    @property
    def folder(self) -> str:
        """Folder of all target paths of this release."""
        return f"{self.model}/{self.version}/"

    @property
    def payloads(self) -> Iterator[File]:
        """The files that go into the device."""
        return (file for file in self.files if file.purpose.is_payload)

    def of_purpose(self, purpose: Purpose) -> list[File]:
        """Return the files of one purpose."""
        return [file for file in self.files if file.purpose is purpose]


class Version(NamedTuple):
    """A version in numbers, ``major.minor.revision+build``; all four count in a comparison."""

    major: int
    minor: int = 0
    revision: int = 0
    build: int = 0

    @classmethod
    def of(cls, text: str) -> Version:
        """Return the version written as ``text``; refuse numbers that a device could not hold."""
        if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,10}){0,2}(\+[0-9]{1,10})?", text):
            raise Refusal("binding.version", f"{text[:40]!r} is no version of the form 1.2.3+4")
        front, _, build = text.partition("+")
        numbers = [int(part) for part in front.split(".")]
        numbers += [0] * (3 - len(numbers)) + [int(build or 0)]
        if max(numbers) > HIGHEST_NUMBER:
            raise Refusal("binding.version", f"a number in version {text} is too large and would wrap round")
        return cls(*numbers)


def encode_release(release: Release) -> bytes:
    """Return the one spelling of ``release``."""
    return msgspec.json.format(msgspec.json.encode(release, order="sorted"), indent=2) + b"\n"


def decode_release(data: bytes) -> Release:
    """Return the release in ``data``; refuse any other spelling, and files that do not fit together."""
    from signing.trust.spelling import parse_object

    with fail_closed("package.release", RELEASE_NAME):
        content: Any = parse_object(data)
        release = msgspec.convert(content, Release)
        if encode_release(release) != data:
            raise Refusal("json.canonical", f"{RELEASE_NAME} is not written the one way that is accepted")
        _check(release)
    return release


def _check(release: Release) -> None:
    names = [file.name for file in release.files]
    if len(set(names)) != len(names) or RELEASE_NAME in names:
        raise Refusal("package.release", "a file name stands twice in the release")
    for text in (release.version, release.minimum_bootloader, *(r.at_least for r in release.requires)):
        if text is not None:
            Version.of(text)
    for file in release.files:
        if "/" in safe_path(file.name):
            raise Refusal("package.name", f"{file.name} names a folder")
        if file.purpose.is_payload:
            _check_payload(file)
    if not any(True for _ in release.payloads):
        raise Refusal("package.release", "the release has nothing for the device")


def _check_payload(file: File) -> None:
    if file.component is None or file.version is None or file.security_counter is None:
        raise Refusal("binding.missing", f"{file.name} does not say component, version and security counter")
    Version.of(file.version)
    if not file.size:
        raise Refusal("binding.size", f"{file.name} is empty")
