"""What a part of the hardening pack is: data, plain words, and one function that derives its files."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from firmware_checks.controls import Controls
from toolkit.core.findings import Finding
from toolkit.core.registry import discover
from toolkit.hardening.subject import HardeningSubject

__all__ = ["Group", "HardeningPart", "PackFile", "load_parts"]


class Group(enum.StrEnum):
    """What a part protects against; the README of a pack is ordered so."""

    APPLICATION_CONTROL = "application-control"
    DEVICE_CONTROL = "device-control"
    FIREWALL = "firewall"
    INTEGRITY = "integrity"
    LOGS = "logs"
    LEGACY = "legacy"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PackFile:
    """One file of a part."""

    path: str
    """Below the part's own folder: ASCII letters, digits and ``._-``, with ``/`` between folders."""
    data: bytes
    consumer: str
    """What reads it, and where it goes, for example ``nft 0.9.3 or newer: /etc/nftables.conf``."""


def _none(_subject: HardeningSubject) -> Iterable[Finding]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HardeningPart:
    """One protection. All its sentences are plain words for a biomedical engineer; none of them applies anything."""

    name: str
    """The part's folder in the pack, and what ``--only`` calls it."""
    title: str
    group: Group
    what: str
    """What it does for the device, and what it does not, in one or two sentences."""
    source: str
    """The specification or program whose format is written."""
    applies: Callable[[HardeningSubject], str]
    """Return why the part cannot be made for this image and profile, in words; empty when it can."""
    build: Callable[[HardeningSubject], Iterable[PackFile]]
    """Derive the files: the same bytes each time, nothing read but the subject. Called only when the part applies."""
    findings: Callable[[HardeningSubject], Iterable[Finding]] = _none
    """Tell what should not be turned into a rule but be looked at by a person."""
    apply: tuple[str, ...]
    """Steps that put it to work."""
    bench_test: tuple[str, ...]
    """Steps that test it on a bench first, and what must be seen."""
    take_back: tuple[str, ...]
    """Steps that undo it."""
    controls: Controls
    """Rows of regulations and standards it gives evidence for."""


def load_parts() -> dict[str, HardeningPart]:
    """Return every part, by its name; third parties add theirs by entry points."""
    return discover("toolkit.hardening.parts", attribute="PART", kind=HardeningPart, group="medharden.hardening_parts")
