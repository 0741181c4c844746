"""How sure a statement is: one scale for all of them."""

from __future__ import annotations

import enum

__all__ = ["Confidence"]


class Confidence(enum.StrEnum):
    """How sure a statement is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CERTAIN = "certain"
