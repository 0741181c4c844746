"""What came out of an image, made safe to show: it cannot move a cursor, turn a line round or fill the screen."""

from __future__ import annotations

__all__ = ["MOST_CHARACTERS", "printable"]

MOST_CHARACTERS = 2_000
"""Longer texts are cut: a report is read by a person, and the whole stands in the JSON document."""

_NO_BREAK_SPACE = "\u00a0"


def printable(text: str, *, most: int = MOST_CHARACTERS) -> str:
    r"""Return ``text`` with control, direction and other invisible characters written out, as ``\x1b`` or ``\u202e``.

    More than ``most`` characters are cut, with the number that was left out in their place.
    """
    shown = text[:most]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() or c == _NO_BREAK_SPACE else _written_out(c) for c in shown)
    return shown if len(text) <= most else f"{shown} [+{len(text) - most}]"


def _written_out(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x1_0000 else f"\\U{code:08x}"
