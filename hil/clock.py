"""Time on the bench: that of this computer, or that of an emulated device, where waiting costs nothing."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "RealClock", "VirtualClock"]


class Clock(Protocol):
    """Seconds that never go back; only differences mean something."""

    @property
    def is_virtual(self) -> bool:
        """Whether it stands still while nobody waits."""

    def now_s(self) -> float:
        """Return the time in seconds."""

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""


class RealClock:
    """The monotonic clock of this computer."""

    is_virtual = False

    def now_s(self) -> float:
        """Return the time in seconds."""
        return time.perf_counter()

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        time.sleep(max(0.0, seconds))


class VirtualClock:
    """A clock that moves only by waiting, so that a run gives the same stamps each time and takes no time."""

    is_virtual = True

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        """Return the time in seconds."""
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._now_s += max(0.0, seconds)

    def advance_to(self, moment_s: float) -> None:
        """Let it be ``moment_s``, if it is not later already."""
        self._now_s = max(self._now_s, moment_s)
