"""Days as reports and data write them."""

from __future__ import annotations

from datetime import date

__all__ = ["is_day"]


def is_day(text: str) -> bool:
    """Tell whether ``text`` is a day in ISO 8601, ``2026-11-24``."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
