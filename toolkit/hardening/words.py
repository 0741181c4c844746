"""What stands at the head of every file of a pack: what it is, and of which image and profile."""

from __future__ import annotations

from toolkit import __version__
from toolkit.hardening.subject import HardeningSubject
from toolkit.report.printable import printable

__all__ = ["heading"]


def heading(subject: HardeningSubject, title: str) -> tuple[str, ...]:
    """Return the lines, printable and without marks of comments."""
    return (
        title,
        f"Made by medharden {__version__} on {subject.day.isoformat()}; test it on a bench before it goes on a device.",
        f"Image: {printable(subject.image_name)}, SHA-256 {subject.image_sha256}",
        f"Device profile: {subject.profile.id}, SHA-256 {subject.profile.digest}",
    )
