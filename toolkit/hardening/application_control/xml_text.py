"""Policies for Windows as XML, the same bytes each time."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from toolkit.report.printable import printable

__all__ = ["shown", "xml_bytes"]

NAME_CHARACTERS = 900
"""Both kinds of policies take a little more."""


def shown(text: str) -> str:
    """Return ``text`` so that XML can hold it and a person can read it."""
    return printable(text, most=NAME_CHARACTERS)


def xml_bytes(root: ET.Element, comments: tuple[str, ...]) -> bytes:
    """Return the document, with ``comments`` at its start and lines as Windows ends them."""
    for comment in reversed(comments):
        root.insert(0, ET.Comment(f" {comment.replace('--', '- -')} "))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.replace("\n", "\r\n").encode()
