"""The therapy loop of the demo pump: ten turns a second, each of which delivers its part, and an alarm."""

from __future__ import annotations

from typing import Final

__all__ = ["Therapy"]

TURN_S: Final = 0.1
PARTS_PER_ML: Final = 36_000
"""Of a turn: 1 ml/h delivers one part of a millilitre in 0.1 s."""
SILENCE_S: Final = 120.0
LEAST_S: Final = 1e-6
"""Less than the clock of any pump shows: a turn that is due in this time is due."""


class Therapy:
    """Counts turns and millilitres from the moment the pump is ready."""

    def __init__(self, ready_s: float) -> None:
        self._ready_s = ready_s
        self._turns = 0
        self._parts = 0
        self._silent_until_s = 0.0
        self.is_running = False
        self.rate = 0
        """In ml/h."""

    def go_on(self, now_s: float) -> None:
        """Make the turns that are due by ``now_s``."""
        due = int((now_s - self._ready_s + LEAST_S) / TURN_S)
        if self.is_running:
            self._parts += (due - self._turns) * self.rate
        self._turns = due

    def silence(self, now_s: float) -> None:
        """Silence the alarm for two minutes."""
        self._silent_until_s = now_s + SILENCE_S

    def status(self, now_s: float) -> bytes:
        """Return what the pump says about itself."""
        alarm = b"off"
        if self.is_running and self.rate == 0:
            alarm = b"silenced" if now_s < self._silent_until_s else b"no-flow"
        state = b"running" if self.is_running else b"idle"
        delivered = self._parts // PARTS_PER_ML
        return b"=%s rate=%d delivered=%d alarm=%s turns=%d" % (state, self.rate, delivered, alarm, self._turns)
