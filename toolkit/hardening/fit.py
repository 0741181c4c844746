"""Is this image for the device of the profile? Rules derived from the wrong one would lock a device up, or open it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from device_profiles.vocabulary import OsFamily
from firmware_checks.expected_processor import expected_architectures
from toolkit.core.errors import InputError
from toolkit.hardening.device_memory import mapped_regions
from toolkit.hardening.subject import HardeningSubject, System

__all__ = ["misfits", "require_fit"]

FAMILIES: Final = {
    System.LINUX: frozenset({OsFamily.LINUX}),
    System.WINDOWS: frozenset({OsFamily.WINDOWS}),
}
"""What the profile must name as operating system for an image with such a root file system."""
WITHOUT_FILES: Final = frozenset(
    {
        OsFamily.BARE_METAL, OsFamily.FREERTOS, OsFamily.THREADX, OsFamily.UCOS, OsFamily.NUCLEUS, OsFamily.ECOS,
        OsFamily.ZEPHYR,
    }
)  # fmt: skip
"""Systems that are one program."""
WIDER: Final = {"aarch64": "arm", "x86_64": "x86"}
"""A 64-bit processor also runs programs of its 32-bit ancestor."""


def require_fit(subject: HardeningSubject) -> None:
    """Raise ``InputError`` with every reason when the image is not for the device of the profile."""
    reasons = list(misfits(subject))
    if reasons:
        raise InputError(f"{subject.image_name} does not fit profile {subject.profile.id}: {'; '.join(reasons)}")


def misfits(subject: HardeningSubject) -> Iterator[str]:
    """Yield what in the image contradicts the profile."""
    yield from _system(subject)
    yield from _processor(subject)
    yield from _memory(subject)


def _system(subject: HardeningSubject) -> Iterator[str]:
    family = subject.profile.platform.os.family
    if family is None:
        return
    expected = FAMILIES.get(subject.system)
    if expected is not None and family not in expected:
        yield f"it holds a {subject.system.value} system, the profile says {family.value}"
    if subject.system is System.MICROCONTROLLER and family in (OsFamily.LINUX, OsFamily.WINDOWS):
        yield f"it holds no file system, the profile says {family.value}"
    if subject.system is System.OTHER and family in WITHOUT_FILES:
        yield f"it holds files of a system with a file system, the profile says {family.value}"


def _processor(subject: HardeningSubject) -> Iterator[str]:
    expected = expected_architectures(subject.profile)
    counts = Counter(file.arch for file in subject.code() if file.arch)
    if not expected or not counts:
        return
    if not any(arch in expected or WIDER.get(arch) in expected for arch in counts):
        named = ", ".join(sorted(expected))
        yield f"its programs are for {counts.most_common(1)[0][0]}, the profile names {named}"


def _memory(subject: HardeningSubject) -> Iterator[str]:
    regions = mapped_regions(subject.profile)
    if not regions or not subject.memory:
        return
    outside = [
        s for s in subject.memory if not any(r.start < s.address + len(s.data) and s.address < r.end for r in regions)
    ]
    if len(outside) == len(subject.memory):
        yield f"it fills memory at {outside[0].address:#x}, where the profile has none"
