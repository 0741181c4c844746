"""DER, the binary form of certificates and signatures: elements within elements, each with a tag and a length.

Source: ITU-T X.690 (2021), 8.1 and 10.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.core.errors import FormatError
from toolkit.core.window import Window

__all__ = ["INTEGER", "OCTETS", "OID", "SEQUENCE", "SET", "Element", "context", "element_at", "encoded", "oid_bytes"]

INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
LONG_TAG, LONG_LENGTH = 0x1F, 0x80
MOST_LENGTH_BYTES = 6


@dataclass(frozen=True, slots=True)
class Element:
    """One element: ``[start, content)`` is its tag and length, ``[content, end)`` what it holds."""

    window: Window
    tag: int
    start: int
    content: int
    end: int

    def data(self) -> bytes:
        """Return what it holds."""
        return bytes(self.window.take(self.content, self.end - self.content))

    def whole(self) -> bytes:
        """Return it with its tag and length."""
        return bytes(self.window.take(self.start, self.end - self.start))

    def children(self) -> Iterator[Element]:
        """Yield the elements in it; raise ``FormatError`` when it does not hold elements only."""
        place = self.content
        while place < self.end:
            child = element_at(self.window, place)
            if child.end > self.end:
                raise FormatError(f"the element at {self.window.origin + place:#x} is longer than what it is in")
            yield child
            place = child.end


def element_at(window: Window, place: int, tag: int | None = None) -> Element:
    """Return the element at ``place``; raise ``FormatError`` when there is none, or not one with ``tag``."""
    found, length = window.take(place, 2)
    content = place + 2
    if found & LONG_TAG == LONG_TAG or (tag is not None and found != tag):
        raise FormatError(f"the element at {window.origin + place:#x} has the tag {found:#04x}")
    if length & LONG_LENGTH:
        count = length & ~LONG_LENGTH
        if not 0 < count <= MOST_LENGTH_BYTES:
            raise FormatError(f"the element at {window.origin + place:#x} has no definite length")
        length = int.from_bytes(window.take(content, count), "big")
        content += count
    window.take(content, length)
    return Element(window, found, place, content, content + length)


def context(number: int) -> int:
    """Return the tag of a field that its place in a structure names: [number], constructed."""
    return 0xA0 | number


def oid_bytes(dotted: str) -> bytes:
    """Return the content of an object identifier."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    data = bytes([40 * first + second])
    for number in rest:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(number & 0x7F | 0x80)
        data += bytes(reversed(digits))
    return data


def encoded(tag: int, *contents: bytes) -> bytes:
    """Return an element that holds ``contents`` one after the other."""
    data = b"".join(contents)
    if len(data) < LONG_LENGTH:
        return bytes([tag, len(data)]) + data
    count = (len(data).bit_length() + 7) // 8
    return bytes([tag, LONG_LENGTH | count]) + len(data).to_bytes(count, "big") + data
