"""Which architecture bytes are made for: every recogniser is asked, the strongest evidence wins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from firmware_checks.architecture import Architecture, Code, Recognition
from toolkit.core.registry import discover

__all__ = ["Found", "architectures", "recognise"]

NEXT_BEST = 1.5
"""The strongest must weigh this many times the second; otherwise nobody can say which it is."""


@dataclass(frozen=True, slots=True)
class Found:
    """An architecture and why it was recognised."""

    architecture: Architecture
    recognition: Recognition


@cache
def architectures() -> dict[str, Architecture]:
    """Return every known architecture by name."""
    return discover(
        "firmware_checks.architectures",
        attribute="ARCHITECTURE",
        kind=Architecture,
        group="medharden.architectures",
    )


def recognise(code: Code) -> Found | None:
    """Return the architecture that ``code`` is a program for, or None when it is none or cannot be told."""
    found: list[Found] = []
    for architecture in architectures().values():
        recognition = architecture.recognise(code)
        if recognition is not None:
            found.append(Found(architecture, recognition))
    found.sort(key=lambda one: -one.recognition.strength)
    if not found or (len(found) > 1 and found[0].recognition.strength < NEXT_BEST * found[1].recognition.strength):
        return None
    return found[0]
