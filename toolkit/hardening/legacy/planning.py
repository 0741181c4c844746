"""What the lifecycle facts of a profile say on a day: the stage, why, and until when the device may be kept.

Source: IMDRF/CYBER WG/N70, stages of the total product life cycle.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from device_profiles.schema import DeviceProfile, Exemption
from device_profiles.vocabulary import SupportStage
from toolkit.hardening.legacy.words import LegacyLabel

__all__ = ["GRACE_YEARS", "Ended", "StageFound", "last_day", "ran_out", "replace_by", "stage_of"]

GRACE_YEARS: Final = 2
"""A risk may be accepted for two years at most; a device without support is a risk."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Something whose support has ended."""

    label: LegacyLabel
    day: date
    part: str = ""


@dataclass(frozen=True, slots=True)
class StageFound:
    """The stage, and what it follows from; without reasons it is only stated."""

    stage: SupportStage | None
    because: tuple[Ended, ...]


def last_day(text: str) -> date:
    """Return the last day that a date of a profile (year, month or day) may mean."""
    year, *rest = (int(part) for part in text.split("-"))
    month = rest[0] if rest else 12
    return date(year, month, rest[1] if len(rest) > 1 else calendar.monthrange(year, month)[1])


def stage_of(profile: DeviceProfile, day: date) -> StageFound:
    """Return the later of the stage that is stated and the one that the dates show on ``day``."""
    ended = tuple(found for found in _ended(profile) if found.day < day)
    whole = tuple(found for found in ended if found.label in (LegacyLabel.END_OF_SUPPORT, LegacyLabel.END_OF_LIFE))
    shown = SupportStage.END_OF_SUPPORT if whole else SupportStage.LIMITED_SUPPORT if ended else None
    stages = list(SupportStage)
    known = [stage for stage in (profile.lifecycle.stage, shown) if stage is not None]
    return StageFound(max(known, key=stages.index, default=None), whole or ended)


def _ended(profile: DeviceProfile) -> Iterator[Ended]:
    life = profile.lifecycle
    for label, text in (
        (LegacyLabel.END_OF_SUPPORT, life.end_of_support),
        (LegacyLabel.END_OF_LIFE, life.end_of_life),
        (LegacyLabel.SYSTEM_ENDED, profile.platform.os.end_of_support),
    ):
        if text is not None:
            yield Ended(label, last_day(text))
    for part in life.components:
        yield Ended(LegacyLabel.PART_ENDED, last_day(part.end_of_support), part.id)


def replace_by(profile: DeviceProfile) -> tuple[LegacyLabel, date] | None:
    """Return until when the device should be replaced, and from what that follows; None where nothing is known."""
    life = profile.lifecycle
    if life.end_of_life is not None:
        return LegacyLabel.FROM_END_OF_LIFE, last_day(life.end_of_life)
    if life.end_of_support is not None:
        end = last_day(life.end_of_support)
        leap = (end.month, end.day) == (2, 29)
        return LegacyLabel.FROM_END_OF_SUPPORT, end.replace(year=end.year + GRACE_YEARS, day=28 if leap else end.day)
    return None


def ran_out(exceptions: Sequence[Exemption], day: date) -> tuple[Exemption, ...]:
    """Return the exceptions that do not count any more on ``day``."""
    return tuple(exception for exception in exceptions if last_day(exception.expires) < day)
