"""What time it is, for verbs that write a time down: the clock, or what somebody states."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import click

from toolkit.core.errors import InputError

__all__ = ["TimeType", "clock_option", "now_option"]

VARIABLE = "SOURCE_DATE_EPOCH"
"""Agreed name for the time in builds that must give the same bytes twice (reproducible-builds.org)."""


class TimeType(click.ParamType[datetime]):
    """A moment in UTC, written as ``2026-11-24`` or ``2026-11-24T14:00:00Z``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment that ``value`` stands for."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-11-24T14:00:00Z", param, ctx)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _now() -> datetime:
    stated = os.environ.get(VARIABLE)
    if stated is None:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(stated), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"{VARIABLE}={stated!r} is no number of seconds") from error


now_option = click.option(
    "--now",
    type=TimeType(),
    default=_now,
    help=f"Time to write down, in UTC.  [default: ${VARIABLE}, else the clock of this computer]",
)

clock_option = click.option(
    "--now",
    type=TimeType(),
    default=lambda: datetime.now(UTC),
    help="Time to judge by, in UTC.  [default: the clock of this computer]",
)
"""For verbs that judge an age: there the environment has no say."""
