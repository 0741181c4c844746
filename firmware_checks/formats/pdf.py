"""PDF documents: manuals and release notes that come with an update."""

from __future__ import annotations

import re

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.byte_search import positions
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

START = re.compile(rb"%PDF-([12]\.[0-9])[\r\n ]")
END_MARK = b"%%EOF"
TAIL_BYTES = 2048
"""How far before the end of a file readers look for the end mark."""
FORWARD_REACH_BYTES = 8 << 20
"""How far the end mark is looked for inside other bytes."""
CONTINUES = re.compile(rb"\s*(?:\d{1,10} \d{1,5} obj\b|xref\b|startxref\b)")
"""What follows an end mark in a document that was changed by adding to it, or that is ordered for the web."""
CONTENTS = ((b"/JavaScript", "javascript"), (b"/Launch", "launches_programs"), (b"/EmbeddedFile", "embedded_files"))


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    match = START.match(window.view[:16])
    if match is None:
        raise FormatError(f"no PDF document at {window.origin:#x}")
    size = _size(window)
    facts: dict[str, Fact] = {"version": match[1].decode("ascii")}
    facts |= {name: True for mark, name in CONTENTS if any(True for _ in positions(window, mark, 0, size))}
    return Opened(size=size, kind=RegionKind.DATA, title="PDF document", facts=facts)


def _size(window: Window) -> int:
    """Return where the document ends: behind its last end mark, and the end of that line."""
    tail_start = max(0, window.size - TAIL_BYTES)
    *_, last = [-1, *positions(window, END_MARK, tail_start, window.size)]
    if last >= 0 and not window.view[last + len(END_MARK) :].tobytes().strip(b"\0\r\n\t \x1a"):
        return _after_mark(window, last)
    for place in positions(window, END_MARK, 0, FORWARD_REACH_BYTES):
        end = _after_mark(window, place)
        if CONTINUES.match(window.view[end : end + 64]) is None:
            return end
    raise FormatError(f"the PDF document at {window.origin:#x} has no end mark")


def _after_mark(window: Window, place: int) -> int:
    end = place + len(END_MARK)
    for line_end in (b"\r\n", b"\n", b"\r"):
        if window.starts_with(line_end, end):
            return end + len(line_end)
    return end


def _example() -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
        b"2 0 obj\n<< /Length 4 >>\nstream\n\x00\x01\x02\x03\nendstream\nendobj\n"
        b"trailer\n<< /Size 3 /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
    )


FORMAT = ImageFormat(
    name="pdf",
    title="PDF document",
    source="ISO 32000-1:2008, 7.5 (file structure), 7.5.6 (incremental updates), annex F (linearized PDF)",
    limits="Only recognised and measured; inside other bytes up to 8 MiB. Pages and compressed objects are not read.",
    open=_open,
    magics=(Magic(rb"%PDF-[12]\.[0-9]"),),
    example=_example,
)
