"""What a verdict rests on: a real device in reach, one far away, an emulated one, a model, or a recording."""

from __future__ import annotations

import enum

__all__ = ["EvidenceLevel"]


class EvidenceLevel(enum.StrEnum):
    """From the strongest to the weakest. A level may be lowered on the way to a verdict, never raised."""

    HARDWARE = "hardware"
    """The device itself, on a cable of this computer."""
    REMOTE = "remote"
    """Said to be the device itself, behind a network; what is at the other end is its owner's word."""
    QEMU = "qemu"
    """The firmware, run by an emulator of a whole board with interrupts and peripherals."""
    UNICORN = "unicorn"
    """The firmware, run by an emulator of the processor with the least peripherals."""
    MODEL = "model"
    """A program that behaves as the device should; no firmware of the device runs."""
    REPLAY = "replay"
    """A recording: what a device said once, to the same questions."""

    @property
    def rank(self) -> int:
        """From 0 (replay) to 5 (hardware)."""
        return len(EvidenceLevel) - 1 - list(EvidenceLevel).index(self)

    @property
    def is_real(self) -> bool:
        """Whether a patient could be connected, so that a mistake could do harm."""
        return self in (EvidenceLevel.HARDWARE, EvidenceLevel.REMOTE)

    def counts_for(self, lowest: EvidenceLevel) -> bool:
        """Tell whether a verdict at this level counts where ``lowest`` is the least that does."""
        return self.rank >= lowest.rank

    def at_most(self, other: EvidenceLevel) -> EvidenceLevel:
        """Return the weaker of the two."""
        return min(self, other, key=lambda level: level.rank)
