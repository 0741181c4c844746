"""What a bench check is: one question to a device, and how to tell a good answer from a bad one.

A new check is one file in ``hil/checks`` that defines ``CHECK``. The runner does the rest: it looks at the level, asks
for permission where the device could be changed, keeps the time, cleans up, and writes the verdict.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from device_profiles.schema import DeviceProfile, Interface
from firmware_checks.controls import Controls
from hil.corpus import Corpus
from hil.device import Device
from hil.level import EvidenceLevel
from hil.verdict import Outcome
from toolkit.core.findings import Severity
from toolkit.core.registry import discover

__all__ = ["BenchCheck", "Session", "always", "checks", "nothing"]

GROUP: Final = "medharden.bench_checks"


@dataclass(slots=True, kw_only=True)
class Session:
    """Everything a check may use: one device that has proven who it is."""

    device: Device
    random: random.Random
    """Seeded per check; the only source of chance, so that a run can be repeated."""
    progress: Callable[[float], None] = lambda _share: None
    """Hears how much is done, 0 to 1."""
    files: dict[str, Path] = field(default_factory=dict)
    """Files given on the command line by name, for example ``image=pump.bin``."""
    corpus: Corpus = field(default_factory=Corpus)
    """Frames that earlier runs found worth keeping; what is found now is added."""

    @property
    def profile(self) -> DeviceProfile:
        """The profile of the device."""
        return self.device.profile

    @property
    def interface(self) -> Interface:
        """The interface of the profile at which one is connected."""
        return self.device.interface


def always(_session: Session) -> str:
    """Say that nothing is missing: the precondition of a check that needs nothing but the device."""
    return ""


def nothing(_session: Session) -> None:
    """Clean up nothing: for a check that only asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchCheck:
    """One question. ``title`` and ``remedy`` are fixed sentences, so that reports can be translated."""

    name: str
    """For example ``login-prompt``; the file is called the same with underscores."""
    id: str
    """Number in the catalogue, for example C1."""
    question: str
    """Yes is good, for example: Does the console ask for a log-in?"""
    title: str
    """What is wrong when it fails, one sentence."""
    remedy: str
    """What to do about that."""
    severity: Severity
    controls: Controls
    changes_device: bool
    """Whether it could change the device: on a real one it then needs ``--armed``."""
    lowest_level: EvidenceLevel
    """The least that a verdict must rest on to count."""
    most_seconds: float
    """When it has to be finished, by the clock of the transport; every read and write stops then."""
    applies: Callable[[Session], str] = always
    """Return why the question makes no sense for this device, or nothing. Sends nothing."""
    precondition: Callable[[Session], str] = always
    """Return what is missing on this bench, or nothing. Sends nothing."""
    run: Callable[[Session], Outcome]
    """The oracle: ask the device and judge. Raise ``NotTested`` where nothing can be learnt."""
    clean_up: Callable[[Session], None] = nothing
    """Bring the device back to a known good state, whatever happened."""
    good_devices: tuple[str, ...]
    """Addresses of emulated devices that must pass; the test suite runs the check on them."""
    weak_devices: tuple[str, ...]
    """Addresses of emulated devices that must fail."""


def checks() -> dict[str, BenchCheck]:
    """Return every check by its name, in the order of the catalogue."""
    found = discover("hil.checks", attribute="CHECK", kind=BenchCheck, group=GROUP)
    return dict(sorted(found.items(), key=lambda item: _catalogue_order(item[1].id)))


def _catalogue_order(check_id: str) -> tuple[int, int, str]:
    area = "UCPRDST".find(check_id[:1])
    number = check_id[1:]
    return (area % 8, int(number) if number.isdecimal() else 0, check_id)
