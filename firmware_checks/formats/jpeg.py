"""JPEG pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.span import Span
from toolkit.core.errors import FormatError, Truncated
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
FRAME_MARKERS: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""B.1.1.3: start of frame, with the picture's size."""
SEGMENT_MARKERS: Final = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xE0), *range(0xE0, 0xF0), 0xFE})
"""Markers that are followed by their length."""
NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""B.1.1.5: inside coded data 0xFF is followed by 0 or a restart marker."""
SEGMENTS = 10_000
SCAN_CHUNK_BYTES = 1 << 20


@dataclass(slots=True)
class _Walk:
    """Goes from marker to marker."""

    window: Window
    place: int = 2
    size: dict[str, Fact] = field(default_factory=dict)
    scans: int = 0

    @property
    def holds_a_picture(self) -> bool:
        return bool(self.size) and self.scans > 0

    def step(self) -> bool:
        """Read the next segment; return False at the end of the picture."""
        marker, end = _segment(self.window, self.place)
        if marker in FRAME_MARKERS and not self.size:
            height, width = (int.from_bytes(self.window.take(self.place + at, 2), "big") for at in (5, 7))
            self.size = {"width": width, "height": height}
        self.scans += marker == START_OF_SCAN
        self.place = _after_scan(self.window, end) if marker == START_OF_SCAN else end
        return marker != END_OF_IMAGE

    def to_end(self) -> None:
        """Read all segments; raise ``FormatError`` where the picture is damaged or cut short."""
        for _ in range(SEGMENTS):
            if not self.step():
                break


def _is_whole(window: Window) -> bool:
    walk = _Walk(window)
    try:
        walk.to_end()
    except FormatError:
        return False
    return walk.holds_a_picture and walk.place == window.size


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    if not window.starts_with(b"\xff\xd8\xff"):
        raise FormatError(f"no JPEG picture at {window.origin:#x}")
    walk = _Walk(window)
    problems: list[str] = []
    try:
        walk.to_end()
    except FormatError as error:
        problems.append(f"the picture is {'cut short' if isinstance(error, Truncated) else 'damaged'}: {error}")
    if not walk.holds_a_picture:
        raise FormatError(f"the JPEG picture at {window.origin:#x} holds no picture")
    return Opened(
        size=walk.place, kind=RegionKind.DATA, title="JPEG picture", facts=walk.size, problems=tuple(problems)
    )


def _segment(window: Window, place: int) -> tuple[int, int]:
    """Return the marker at ``place`` and where its segment ends."""
    prefix, marker = window.take(place, 2)
    if prefix != 0xFF:
        raise FormatError(f"no JPEG marker at {window.origin + place:#x}")
    if marker == END_OF_IMAGE:
        return marker, place + 2
    size = int.from_bytes(window.take(place + 2, 2), "big")
    if marker not in SEGMENT_MARKERS or size < 2:
        raise FormatError(f"no JPEG segment at {window.origin + place:#x}")
    window.take(place + 2, size)
    return marker, place + 2 + size


def _after_scan(window: Window, place: int) -> int:
    """Return where the next marker after coded data stands, or the end of the bytes."""
    for start in range(place, window.size, SCAN_CHUNK_BYTES):
        match = NEXT_MARKER.search(window.view[start : start + SCAN_CHUNK_BYTES + 1])
        if match is not None:
            return start + match.start()
    return window.size


def _example() -> bytes:
    table = b"\xff\xdb\x00\x43\x00" + bytes([1] * 64)
    frame = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x12\xff\x00\x34"
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + table + frame + scan + b"\xff\xd9"


FORMAT = ImageFormat(
    name="jpeg",
    title="JPEG picture",
    source="ITU-T T.81 (JPEG), annex B; ITU-T T.871 (JFIF)",
    limits="Only recognised and measured; the picture is not decoded.",
    open=_open,
    closed=_is_whole,
    magics=(Magic(rb"\xff\xd8\xff[\xc0-\xcf\xdb\xdd\xe0-\xef\xfe]"),),
    example=_example,
)
