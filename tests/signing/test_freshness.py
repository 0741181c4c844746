from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from signing.freshness import BUILD_TIME, Clock, Freshness, Moment, judge

DAY = timedelta(days=1)
SIGNED = BUILD_TIME + 10 * DAY
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))  # noqa: DTZ001


def freshness(now: datetime | None, clock: Clock, expires: datetime, last: datetime | None = None) -> Freshness:
    moment = Moment(now=now, clock=clock, last_signed=last)
    return judge(moment, {"timestamp": expires, "root": expires + 999 * DAY}, SIGNED).freshness


def test_fresh_needs_a_clock_that_is_trusted() -> None:
    for clock, expected in {
        Clock.TRUSTED: Freshness.FRESH,
        Clock.UNTRUSTED: Freshness.UNKNOWN,
        Clock.NONE: Freshness.UNKNOWN,
    }.items():
        assert freshness(SIGNED + DAY, clock, SIGNED + 30 * DAY) is expected


def test_what_has_expired_is_stale_by_any_credible_clock() -> None:
    for clock in (Clock.TRUSTED, Clock.UNTRUSTED):
        assert freshness(SIGNED + 31 * DAY, clock, SIGNED + 30 * DAY) is Freshness.STALE


def test_what_was_signed_later_is_proof_that_time_has_passed() -> None:
    expires = SIGNED + 30 * DAY
    assert freshness(None, Clock.NONE, expires, last=SIGNED + 31 * DAY) is Freshness.STALE
    assert freshness(SIGNED, Clock.TRUSTED, expires, last=SIGNED + 31 * DAY) is Freshness.STALE


def test_what_is_older_than_this_program_is_stale() -> None:
    assert freshness(None, Clock.NONE, BUILD_TIME) is Freshness.STALE


def test_a_clock_before_the_signing_is_not_believed() -> None:
    moment = Moment(now=SIGNED - DAY, clock=Clock.TRUSTED)
    judgement = judge(moment, {"timestamp": SIGNED + DAY}, SIGNED)
    assert judgement.freshness is Freshness.UNKNOWN
    assert "one of them is wrong" in judgement.reason


@given(MOMENTS, MOMENTS, st.sampled_from(Clock), MOMENTS)
def test_setting_the_clock_back_never_makes_anything_fresh(
    now: datetime, expires: datetime, clock: Clock, last: datetime
) -> None:
    """Whatever the clock says, what expired before something that was seen is stale."""
    found = freshness(now, clock, expires, last)
    if expires <= max(last, BUILD_TIME, SIGNED):
        assert found is Freshness.STALE
    if found is Freshness.FRESH:
        assert clock is Clock.TRUSTED
        assert max(last, BUILD_TIME, SIGNED) <= now < expires
