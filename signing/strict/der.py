"""DER, read strictly: one way to write each length, nothing left over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from signing.refusal import Refusal

__all__ = ["INTEGER", "OBJECT", "OCTETS", "SEQUENCE", "SET", "Element", "context", "strict_der"]

INTEGER, OCTETS, OBJECT, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
MOST_ELEMENTS: Final = 256


def context(number: int) -> int:
    """Return the tag of the constructed element ``[number]``."""
    return 0xA0 | number


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, what is in it, and all its bytes."""

    tag: int
    content: bytes
    encoded: bytes

    def children(self) -> list[Element]:
        """Return the elements inside, which fill it."""
        return list(_elements(self.content))

    def expect(self, tag: int) -> Element:
        """Return the element itself; ``Refusal`` when it has another tag."""
        if self.tag != tag:
            raise Refusal("der.structure", f"an element with tag {self.tag:#04x} stands where {tag:#04x} must")
        return self


def strict_der(data: bytes, tag: int) -> Element:
    """Return the one element that ``data`` is. Source: ITU-T X.690, 10."""
    found = list(_elements(data))
    if len(found) != 1:
        raise Refusal("der.trailing", f"{len(found)} elements stand where one must")
    return found[0].expect(tag)


def _elements(data: bytes) -> Iterator[Element]:
    place = 0
    for _count in range(MOST_ELEMENTS):
        if place == len(data):
            return
        element = _element(data, place)
        place += len(element.encoded)
        yield element
    raise Refusal("der.structure", f"more than {MOST_ELEMENTS} elements in one")


def _element(data: bytes, place: int) -> Element:
    head = data[place : place + 6]
    if len(head) < 2 or head[0] & 0x1F == 0x1F:
        raise Refusal("der.structure", "an element is cut off or has a long tag")
    more = head[1] & 0x7F if head[1] & 0x80 else 0
    size = int.from_bytes(head[2 : 2 + more], "big") if more else head[1]
    is_shortest = not more or (head[2:3] != b"\0" and size >= 0x80)
    if head[1] == 0x80 or more > 4 or len(head) < 2 + more or not is_shortest:
        raise Refusal("der.length", "a length is indefinite or not in its one form")
    start = place + 2 + more
    if start + size > len(data):
        raise Refusal("der.length", "an element reaches beyond the end")
    return Element(head[0], data[start : start + size], data[place : start + size])
