"""HTML that cannot be broken by what it shows: every text passes through ``element``, which escapes it."""

from __future__ import annotations

import html
from collections.abc import Iterable

from toolkit.report.printable import printable

__all__ = ["Markup", "element", "join"]

_EMPTY_ELEMENTS = frozenset({"br", "col", "meta"})


class Markup(str):
    """HTML made by this module or written by us; anything else is text and gets escaped."""

    __slots__ = ()


def element(name: str, /, *content: str, **attributes: str | float | None) -> Markup:
    """Return ``<name attributes>content</name>``; text is made printable and escaped, ``Markup`` stays as it is.

    In attribute names ``_`` stands for ``-``, one at the end is dropped (``class_``); attributes of None are left out.
    """
    opening = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY_ELEMENTS:
        return Markup(f"<{name}{opening}>")
    return Markup(f"<{name}{opening}>{join(content)}</{name}>")


def join(parts: Iterable[str], separator: str = "") -> Markup:
    """Return the parts one after the other, texts escaped."""
    return Markup(separator.join(part if isinstance(part, Markup) else _escaped(part) for part in parts))


def _escaped(text: str) -> str:
    return html.escape(printable(text), quote=True)
