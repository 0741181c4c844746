"""What is switched off in a text: comments of markup, which may stand anywhere in a line and over several lines."""

from __future__ import annotations

import re

__all__ = ["without_markup_comments"]

_COMMENT = re.compile(rb"<!--.{0,20000}?-->", re.DOTALL)
_SHOWN = re.compile(rb"[^\r\n]")


def without_markup_comments(text: bytes) -> bytes:
    """Return ``text`` with blanks for comments of XML and HTML; what is left stands where it stood."""
    if b"<!--" not in text:
        return text
    return _COMMENT.sub(lambda found: _SHOWN.sub(b" ", found.group()), text)
