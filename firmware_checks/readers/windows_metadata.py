"""Times and attributes of files as DOS and Windows write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["attribute_letters", "dos_time_s", "filetime_s", "moment"]

EPOCH_100NS = 116_444_736_000_000_000
"""1970-01-01 in units of 100 ns since 1601."""
LATEST_S = 32_503_680_000
"""Year 3000: later times are damage, and tools stumble over them."""
LETTERS = ((0x01, "r"), (0x02, "h"), (0x04, "s"), (0x20, "a"))
"""Read-only, hidden, system, archive: as the attrib command shows them."""


def dos_time_s(date: int, time: int) -> int | None:
    """Return a DOS date and time in seconds since 1970, taken as UTC because the zone is not written; None if none."""
    try:
        return int(
            datetime(
                1980 + (date >> 9),
                date >> 5 & 15,
                date & 31,
                time >> 11,
                time >> 5 & 63,
                2 * (time & 31),
                tzinfo=UTC,
            ).timestamp()
        )
    except ValueError:
        return None


def filetime_s(filetime: int) -> int | None:
    """Return a FILETIME (100 ns since 1601) in seconds since 1970; None for 0 and for what is no time."""
    seconds = (filetime - EPOCH_100NS) // 10_000_000
    return seconds if filetime and seconds < LATEST_S else None


def moment(filetime: int) -> str:
    """Return a FILETIME as ISO 8601 in UTC; empty for 0 and for what is no time."""
    seconds = filetime_s(filetime)
    return "" if seconds is None else (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


def attribute_letters(attributes: int) -> str:
    """Return ``attributes`` as the letters the attrib command shows."""
    return "".join(letter for bit, letter in LETTERS if attributes & bit)
