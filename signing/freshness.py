"""Whether what was signed is recent enough, told without a network and without a clock that can be trusted.

The earliest moment it can possibly be is the latest of three: when this program was built, when the newest thing that
was ever accepted was signed, and what the clock says if it says anything credible. Something that expired before that
moment is stale, whatever clock somebody set back. Fresh it is only by a clock that is trusted.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["BUILD_TIME", "MOST_AHEAD", "Clock", "Freshness", "Judgement", "Moment", "judge"]

BUILD_TIME: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""No package that is offered to this program can be judged at an earlier time than this; raised with each release."""
MOST_AHEAD: Final = timedelta(days=20 * 365)
"""A clock, or a time of signing, further ahead of everything we know has been set wrong."""


class Clock(enum.StrEnum):
    """How far the clock of this computer can be believed."""

    TRUSTED = "trusted"
    """Somebody or something keeps it right, for example a time server."""
    UNTRUSTED = "untrusted"
    """Anybody could have set it; it can move the floor up, but nothing is fresh by it alone."""
    NONE = "none"
    """There is none, or it starts anew with each battery."""


class Freshness(enum.StrEnum):
    """What can be said about the age of an update."""

    FRESH = "fresh"
    STALE = "stale"
    """It has expired; somebody may be holding a newer one back."""
    UNKNOWN = "unknown"
    """It has not expired as far as can be told, but the time is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All that is known about what time it is; times are in UTC."""

    now: datetime | None
    """What the clock says; None without one."""
    clock: Clock
    last_signed: datetime | None = None
    """When the newest thing that was accepted before was signed."""
    built: datetime = BUILD_TIME

    @property
    def known_floor(self) -> datetime:
        """The latest time of which it is certain that it has passed, the clock left aside."""
        return max(self.built, self.last_signed) if self.last_signed is not None else self.built

    @property
    def is_credible(self) -> bool:
        """Whether the clock says something that can be true."""
        if self.now is None or self.clock is Clock.NONE:
            return False
        return self.known_floor <= self.now <= self.known_floor + MOST_AHEAD

    @property
    def floor(self) -> datetime:
        """The earliest time it can be."""
        return max(self.now, self.known_floor) if self.now is not None and self.is_credible else self.known_floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How fresh an update is, and why, in words."""

    freshness: Freshness
    floor: datetime
    reason: str
    expires: datetime
    """When the first part of it expires."""


def judge(moment: Moment, expiries: Mapping[str, datetime], signed: datetime) -> Judgement:
    """Return how fresh something is that was ``signed`` then and whose parts expire as ``expiries`` says."""
    floor = max(moment.floor, signed)  # what is signed exists, so its time has passed
    first, expires = min(expiries.items(), key=lambda item: (item[1], item[0]))
    if expires <= floor:
        reason = f"{first} expired on {expires:%Y-%m-%d}; it is at least {floor:%Y-%m-%d}"
        return Judgement(freshness=Freshness.STALE, floor=floor, reason=reason, expires=expires)
    if moment.is_credible and moment.clock is Clock.TRUSTED and moment.now is not None and moment.now >= signed:
        reason = f"nothing expires before {expires:%Y-%m-%d}, and the clock is trusted"
        return Judgement(freshness=Freshness.FRESH, floor=floor, reason=reason, expires=expires)
    reason = _why_unknown(moment, signed)
    return Judgement(freshness=Freshness.UNKNOWN, floor=floor, reason=reason, expires=expires)


def _why_unknown(moment: Moment, signed: datetime) -> str:
    if moment.now is None or moment.clock is Clock.NONE:
        return "there is no clock, so nobody can tell whether a newer update is being held back"
    if not moment.is_credible:
        return f"the clock says {moment.now:%Y-%m-%d}, which cannot be; set it, or have two people decide"
    if moment.now < signed:
        return f"it says it was signed on {signed:%Y-%m-%d}, the clock says {moment.now:%Y-%m-%d}: one of them is wrong"
    return "anybody can set the clock of this computer, so it proves nothing"
