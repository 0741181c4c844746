"""Calls that land on the beginning of functions: the sign of machine code that chance and data do not show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_checks.architecture import Code, Recognition
from toolkit.report.model import Confidence

__all__ = ["CallFinder", "Landing", "judge", "measure"]

CallFinder = Callable[[bytes, int], Iterator[int]]
"""Given bytes and the offset they stand at, yield the offset each call instruction in them goes to."""

AROUND_BYTES = 8
ENOUGH = 64
"""Landings after which counting more would change nothing."""
MAXIMUM_CALLS = 4000
FEW, MANY = 6, 24
MINIMUM_RATIO = 0.3
SIGN_WEIGHT = 25


@dataclass(frozen=True, slots=True)
class Landing:
    """Of ``tried`` distinct call targets ``landed`` are the beginning of a function."""

    tried: int
    landed: int

    @property
    def ratio(self) -> float:
        """Share of the targets that are right, 0 to 1."""
        return self.landed / self.tried if self.tried else 0.0

    @property
    def sentence(self) -> str:
        """The count in words."""
        return f"{self.landed} of {self.tried} call instructions looked at lead to the beginning of a function"


def measure(code: Code, calls: CallFinder, starts: re.Pattern[bytes]) -> Landing:
    """Follow the calls in the samples of ``code``.

    ``starts`` is matched against the 8 bytes before and the 8 bytes from a target on.
    """
    tried: set[int] = set()
    landed = 0
    for offset, data in code.windows:
        for target in calls(data, offset):
            if target in tried:
                continue
            tried.add(target)
            landed += is_start(code, target, starts)
            if landed >= ENOUGH or len(tried) >= MAXIMUM_CALLS:
                return Landing(len(tried), landed)
    return Landing(len(tried), landed)


def is_start(code: Code, target: int, starts: re.Pattern[bytes]) -> bool:
    """Tell whether a function begins at offset ``target``."""
    if not AROUND_BYTES <= target <= code.size - AROUND_BYTES:
        return False
    return starts.match(code.view[target - AROUND_BYTES : target + AROUND_BYTES]) is not None


def judge(
    landing: Landing,
    *,
    signs: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    minimum_ratio: float = MINIMUM_RATIO,
    minimum_landed: int = FEW,
    byte_order: str = "little",
    load_address: int | None = None,
    entry_address: int | None = None,
    vectors: tuple[int, int] | None = None,
) -> Recognition | None:
    """Weigh calls and ``signs`` (vectors, headers: rare by chance and of this architecture only); None: too little.

    ``minimum_ratio`` is at least eight times what random bytes give; ``minimum_landed`` is larger where tables of
    numbers give landings too. ``notes`` tell more and weigh nothing.
    """
    code_like = landing.landed >= minimum_landed and landing.ratio >= minimum_ratio
    few = landing.landed >= 2 and landing.ratio >= minimum_ratio / 2
    if not (code_like or (signs and few) or len(signs) > 1):
        return None
    sure = code_like and (landing.landed >= MANY or signs)
    return Recognition(
        confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
        strength=landing.landed * landing.ratio + SIGN_WEIGHT * len(signs),
        why=(*signs, *notes, landing.sentence),
        byte_order=byte_order,
        load_address=load_address,
        entry_address=entry_address,
        vectors=vectors,
    )
