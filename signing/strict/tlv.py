"""Type-length-value areas: every record whole, the area filled to its last byte."""

from __future__ import annotations

from dataclasses import dataclass

from signing.refusal import Refusal

__all__ = ["Tlv", "strict_tlvs"]

HEAD_BYTES = 4
MOST_RECORDS = 64


@dataclass(frozen=True, slots=True)
class Tlv:
    """One record: a number that says what it is, and its value."""

    kind: int
    value: bytes


def strict_tlvs(area: bytes) -> list[Tlv]:
    """Return the records of an area of 16-bit little-endian types and lengths; ``Refusal`` when one does not fit."""
    found: list[Tlv] = []
    place = 0
    while place < len(area):
        kind, size = (int.from_bytes(area[place + at : place + at + 2], "little") for at in (0, 2))
        end = place + HEAD_BYTES + size
        if place + HEAD_BYTES > len(area) or end > len(area):
            raise Refusal("tlv.overlap", f"a record at byte {place} of a TLV area reaches beyond its end")
        if len(found) == MOST_RECORDS:
            raise Refusal("tlv.count", f"a TLV area has more than {MOST_RECORDS} records")
        found.append(Tlv(kind, area[place + HEAD_BYTES : end]))
        place = end
    return found
