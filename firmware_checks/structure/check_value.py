"""Check values at the end of an image: sums and CRCs that find damage, and nothing else.

Anybody who changes an image can compute them again, so they prove nothing about where it came from.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_checks.region import Region
from firmware_checks.span import Span
from firmware_checks.structure.checksums import ALGORITHMS, Algorithm
from toolkit.report.model import Confidence, Integrity, RegionKind

__all__ = ["CheckValue", "find_check_value"]

MAXIMUM_BYTES = 4 << 20
MINIMUM_BYTES = 256
CHECK_ONLY = "finds damage only: whoever changes the image can compute it again"
_CONFIDENCE = {4: Confidence.HIGH, 2: Confidence.MEDIUM, 1: Confidence.LOW}


@dataclass(frozen=True, slots=True)
class CheckValue:
    """A value at ``[start, end)`` that equals ``algorithm`` over all bytes before it."""

    start: int
    end: int
    algorithm: str
    value: int
    confidence: Confidence

    def region(self, span: Span) -> Region:
        """Return the region of the value, whose bytes are ``span``."""
        text = f"{self.value:0{2 * (self.end - self.start)}x}"
        integrity = Integrity(
            algorithm=self.algorithm,
            covers=f"the {self.start} bytes before it",
            stored=text,
            computed=text,
            valid=True,
        )
        return Region(
            span=span,
            format="check-value",
            kind=RegionKind.METADATA,
            title=f"Check value ({self.algorithm})",
            facts={"confidence": self.confidence.value, "why": (CHECK_ONLY,)},
            integrity=(integrity,),
        )


def find_check_value(view: memoryview) -> CheckValue | None:
    """Return the widest check value that ends ``view`` or stands before its trailing padding; None when nothing fits.

    By chance a 16-bit value fits once in about a thousand images, an 8-bit one once in forty: sums of one byte are
    believed only when erased flash stands before them, a place nobody writes to without a reason.
    """
    if not MINIMUM_BYTES <= len(view) <= MAXIMUM_BYTES:
        return None
    data = bytes(view)
    content = data.rstrip(data[-1:]) if data[-1] in (0x00, 0xFF) else data
    if len(content) < MINIMUM_BYTES or not any(content[:-4]):
        return None
    for algorithm in ALGORITHMS:
        found = _fit(content, algorithm)
        if found is not None:
            return found
    return _lone_sum(data)


def _fit(content: bytes, algorithm: Algorithm) -> CheckValue | None:
    width = algorithm.width
    start = len(content) - width
    stored = [int.from_bytes(content[start:], "little"), int.from_bytes(content[start:], "big")]
    if _trivial(stored[0], width) or not algorithm.possible(stored, start):
        return None
    for name, wanted in algorithm.variants(algorithm.compute(content[:start])):
        if wanted in stored:
            return CheckValue(start, len(content), name, wanted, _CONFIDENCE[width])
    return None


def _trivial(value: int, width: int) -> bool:
    """Tell whether ``value`` is so small or so regular that it occurs without being a check value."""
    return value < 1 << 4 * width or len(set(value.to_bytes(width, "little"))) == 1


def _lone_sum(data: bytes) -> CheckValue | None:
    end = len(data)
    if data[-17:-1] not in (b"\xff" * 16, b"\0" * 16) or data[-1] in (0x00, 0xFF):
        return None
    total = sum(data[:-1])
    for name, wanted in (("sum8", total & 0xFF), ("sum8, negated", -total & 0xFF), ("sum8, inverted", ~total & 0xFF)):
        if data[-1] == wanted:
            return CheckValue(end - 1, end, name, wanted, _CONFIDENCE[1])
    return None
