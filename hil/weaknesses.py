"""What an emulated device can be told to do wrong, so that every check can be seen to find it."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.core.errors import InputError

__all__ = ["chosen_weaknesses"]


def chosen_weaknesses(device: str, text: str, known: Iterable[str]) -> frozenset[str]:
    """Return the names in ``text``, joined by commas; ``InputError`` when ``device`` does not have one of them."""
    names = frozenset(filter(None, text.split(",")))
    unknown = sorted(names - set(known))
    if unknown:
        raise InputError(f"{device} has no weakness {unknown[0]}; there are {', '.join(sorted(known)) or 'none'}")
    return names
