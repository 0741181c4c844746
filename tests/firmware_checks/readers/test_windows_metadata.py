from datetime import UTC, datetime

import pytest

from firmware_checks.readers.windows_metadata import attribute_letters, dos_time_s, filetime_s, moment


def test_a_dos_time_counts_in_steps_of_two_seconds_from_1980() -> None:
    seconds = dos_time_s(40 << 9 | 2 << 5 | 29, 23 << 11 | 59 << 5 | 29)
    assert seconds == datetime(2020, 2, 29, 23, 59, 58, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(("date", "time"), [(0, 0), (40 << 9 | 13 << 5 | 1, 0), (40 << 9 | 1 << 5 | 1, 31 << 11)])
def test_what_is_no_dos_time_is_none(date: int, time: int) -> None:
    assert dos_time_s(date, time) is None


def test_a_filetime_counts_tenths_of_microseconds_from_1601() -> None:
    assert filetime_s(132_223_104_000_000_000) == 1_577_836_800
    assert moment(132_223_104_000_000_000) == "2020-01-01T00:00:00+00:00"
    assert moment(1) == "1601-01-01T00:00:00+00:00"
    assert filetime_s(0) is None
    assert moment((1 << 64) - 1) == ""


def test_attributes_are_told_as_letters() -> None:
    assert attribute_letters(0x27) == "rhsa"
    assert attribute_letters(0x10) == ""
