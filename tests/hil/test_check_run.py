"""A run writes a verdict for every check, whatever the check or the device does."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hil.bench_check import BenchCheck, Session, checks
from hil.device import Device, SafeState
from hil.errors import BenchError, LinkLost, NotTested
from hil.level import EvidenceLevel
from hil.record import Recorder
from hil.run import CheckRun, RunOptions
from hil.transport_url import TransportUrl
from hil.transports.medemu import ModelTransport
from hil.verdict import Outcome, Reason, Result, Verdict, failed, passed

TEMPLATE = checks()["login-prompt"]
Pump = Callable[..., Device]


def check_that(run: Callable[[Session], Outcome], **more: Any) -> BenchCheck:
    values: dict[str, Any] = {
        "name": "tried",
        "id": "X1",
        "run": run,
        "lowest_level": EvidenceLevel.MODEL,
        "changes_device": False,
        **more,
    }
    return replace(TEMPLATE, **values)


def run_of(device: Device, *some: BenchCheck, **options: Any) -> CheckRun:
    device.connect()
    run = CheckRun(device, RunOptions(**options))
    run.run(some)
    assert not device.transport.is_open
    assert len(run.verdicts) == len(some)
    return run


def verdict_of(device: Device, check: BenchCheck, **options: Any) -> Verdict:
    (verdict,) = run_of(device, check, **options).verdicts
    return verdict


def test_the_verdict_is_what_the_oracle_says(pump: Pump) -> None:
    assert verdict_of(pump(), check_that(lambda _s: passed("it refused", b"!no\r\n"))).result is Result.PASS
    verdict = verdict_of(pump(), check_that(lambda _s: failed("it obeyed", b"=ok\r\n\x1b[2J")))
    assert (verdict.result, verdict.detail, verdict.excerpt) == (Result.FAIL, "it obeyed", "=ok...[2J")
    assert verdict.level is EvidenceLevel.MODEL
    assert 0 < verdict.first_entry < verdict.last_entry


def _raise(error: BaseException) -> Callable[[Session], Any]:
    def run(_session: Session) -> Any:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "result", "reason", "detail"),
    [
        (NotTested("nothing to see"), Result.NOT_TESTED, Reason.PRECONDITION, "nothing to see"),
        (BenchError("no answer"), Result.ERROR, Reason.NONE, "no answer"),
        (ZeroDivisionError("x"), Result.ERROR, Reason.NONE, "a defect in the check (ZeroDivisionError: x)"),
    ],
)
def test_an_error_in_a_check_is_a_verdict_and_the_next_check_runs(
    pump: Pump, error: Exception, result: Result, reason: Reason, detail: str
) -> None:
    good = check_that(lambda _s: passed("fine"), name="second")
    first, second = run_of(pump(), check_that(_raise(error)), good).verdicts
    assert (first.result, first.reason, first.detail) == (result, reason, detail)
    assert second.result is Result.PASS


def test_what_makes_no_sense_for_the_device_is_not_tested(pump: Pump) -> None:
    never = _raise(AssertionError("it must not run"))
    rows = {
        Reason.NOT_APPLICABLE: check_that(never, applies=lambda _s: "it has no such thing"),
        Reason.LEVEL: check_that(never, lowest_level=EvidenceLevel.HARDWARE),
        Reason.PRECONDITION: check_that(never, precondition=lambda _s: "a file is missing"),
    }
    for reason, check in rows.items():
        verdict = verdict_of(pump(), check)
        assert (verdict.result, verdict.reason) == (Result.NOT_TESTED, reason)
        assert verdict.detail


def test_a_check_that_could_change_a_real_device_needs_permission(pump: Pump) -> None:
    check = check_that(lambda _s: passed("fine"), changes_device=True)
    real = EvidenceLevel.HARDWARE
    assert verdict_of(pump(level=real), check).reason is Reason.NOT_ARMED
    assert verdict_of(pump(level=real), check, armed=True).result is Result.PASS
    assert verdict_of(pump(), check).result is Result.PASS


def test_ctrl_c_ends_the_run_with_a_verdict_for_all_and_a_safe_device(pump: Pump) -> None:
    device = pump()
    never = check_that(_raise(AssertionError("it must not run")), name="second")
    run = run_of(device, check_that(_raise(KeyboardInterrupt())), never)
    assert run.stopped == "stopped by the operator"
    assert [(v.result, v.reason) for v in run.verdicts] == [(Result.NOT_TESTED, Reason.STOPPED)] * 2
    assert run.safe_state.how == "in its safe state, by stop"


def test_ctrl_c_between_two_checks_ends_the_run_too(pump: Pump) -> None:
    def interrupt(verdict: Verdict) -> None:
        if verdict.check == "first":
            raise KeyboardInterrupt

    device = pump()
    device.connect()
    run = CheckRun(device, RunOptions(on_verdict=interrupt))
    run.run([check_that(lambda _s: passed("fine"), name="first"), check_that(lambda _s: passed("fine"))])
    assert [v.result for v in run.verdicts] == [Result.PASS, Result.NOT_TESTED]
    assert run.safe_state.reached


def test_ctrl_c_while_cleaning_up_keeps_the_verdict(pump: Pump) -> None:
    check = check_that(lambda _s: passed("fine"), clean_up=_raise(KeyboardInterrupt()))
    run = run_of(pump(), check, check_that(lambda _s: passed("fine"), name="second"))
    assert [v.result for v in run.verdicts] == [Result.PASS, Result.NOT_TESTED]


@pytest.mark.parametrize(
    ("error", "told"),
    [(BenchError("it would not"), "it would not"), (KeyError("x"), "a defect in the clean-up (KeyError: 'x')")],
)
def test_a_clean_up_that_fails_is_told_and_does_not_change_the_verdict(pump: Pump, error: Exception, told: str) -> None:
    verdict = verdict_of(pump(), check_that(lambda _s: passed("fine"), clean_up=_raise(error)))
    assert (verdict.result, verdict.clean_up) == (Result.PASS, told)


def _silence(session: Session) -> Outcome:
    session.device.ask(b"x" * 80 + b"\r", b"!long")
    return failed("it went silent")


def test_a_device_that_a_check_has_silenced_is_switched_off_and_on_for_the_next(pump: Pump) -> None:
    good = check_that(lambda s: passed(s.device.ask(b"version\r", b"=2")[0].decode()), name="second")
    first, second = run_of(pump("hangs-on-long-line"), check_that(_silence), good).verdicts
    assert first.result is Result.FAIL
    assert first.clean_up.endswith("it was switched off and on")
    assert second.result is Result.PASS


class StuckSwitch:
    name = "relay"
    is_automatic = True

    def off(self) -> None:
        raise BenchError("the relay is stuck")

    def on(self) -> None:
        raise BenchError("the relay is stuck")


def test_a_device_that_stays_silent_ends_the_run_with_a_reason(pump: Pump) -> None:
    device = pump("hangs-on-long-line")
    device.power = StuckSwitch()
    run = run_of(device, check_that(_silence), check_that(lambda _s: passed("fine"), name="second"))
    assert [v.reason for v in run.verdicts] == [Reason.NONE, Reason.STOPPED]
    assert "did not answer afterwards" in run.stopped
    assert "the relay is stuck" in run.stopped
    assert not run.safe_state.reached


def test_a_connection_that_a_check_lost_is_made_again(pump: Pump) -> None:
    def unplug(session: Session) -> Outcome:
        session.device.transport.close()
        raise LinkLost("unplugged")

    good = check_that(lambda s: passed(s.device.ask(b"version\r", b"=2")[0].decode()), name="second")
    first, second = run_of(pump(), check_that(unplug), good).verdicts
    assert (first.result, first.detail, first.clean_up) == (Result.ERROR, "unplugged", "")
    assert second.result is Result.PASS


def test_a_check_that_takes_too_long_ends_in_time(pump: Pump) -> None:
    def wait(session: Session) -> Outcome:
        session.device.wait(3600.0)
        return passed("at last")

    verdict = verdict_of(pump(), check_that(wait, most_seconds=5))
    assert (verdict.result, verdict.detail) == (Result.ERROR, "the time for this check is used up")
    assert verdict.seconds < 10


def test_a_secret_is_not_in_the_verdict(pump: Pump) -> None:
    def blurt(session: Session) -> Outcome:
        session.device.ask(b"login vF7-q2Lx\r", b"=ok", secret=b"vF7-q2Lx")
        return passed("logged in with vF7-q2Lx", b"vF7-q2Lx")

    verdict = verdict_of(pump(), check_that(blurt))
    assert (verdict.detail, verdict.excerpt) == ("logged in with ********", "********")


def test_chance_is_the_same_for_the_same_start_value_and_check(pump: Pump) -> None:
    def roll(session: Session) -> Outcome:
        return passed(str(session.random.random()))

    def rolled(seed: int, name: str = "tried") -> str:
        return verdict_of(pump(), check_that(roll, name=name), seed=seed).detail

    assert rolled(1) == rolled(1)
    assert len({rolled(1), rolled(2), rolled(1, "other")}) == 3


def test_a_run_is_followed_while_it_goes_on(pump: Pump) -> None:
    heard: list[str] = []

    def work(session: Session) -> Outcome:
        session.progress(0.5)
        return passed(session.profile.id)

    run_of(
        pump(),
        check_that(work),
        on_start=lambda check: heard.append(f"start {check.name}"),
        on_progress=lambda check, share: heard.append(f"{check.name} {share}"),
        on_verdict=lambda verdict: heard.append(verdict.detail),
    )
    assert heard == ["start tried", "tried 0.5", "demo-pump"]


class ImpatientPump(Device):
    """One whose operator presses Ctrl-C once more while it is left."""

    def make_safe(self) -> SafeState:
        raise KeyboardInterrupt


def test_a_second_ctrl_c_leaves_a_device_that_is_said_not_to_be_safe(pump: Pump) -> None:
    made = pump()
    run = run_of(ImpatientPump(made.profile, made.transport, made.interface))
    assert run.safe_state == SafeState(reached=False, how="stopped by the operator")


class Babbler(ModelTransport):
    """Speaks without end, as fast as it is listened to."""

    def _read(self, _most_bytes: int, timeout_s: float) -> bytes:
        self.clock.sleep(min(timeout_s, 0.001))
        return b"=demo-pump medharden 00000001\r\n=ok\r\n"


def babbler(pump: Pump) -> Device:
    quiet = pump()
    transport = Babbler(TransportUrl("medemu", "babbler"), quiet.transport.model)  # type: ignore[attr-defined]
    return Device(quiet.profile, transport, quiet.interface)


def test_a_device_that_speaks_without_end_stops_nobody(pump: Pump) -> None:
    def ask(session: Session) -> Outcome:
        session.device.ask(b"version\r", b"never", 0.5)
        return passed("it did")

    verdict = verdict_of(babbler(pump), check_that(ask))
    assert verdict.result is Result.ERROR
    assert verdict.detail.startswith("no b'never' within 0.5 s")


def test_a_full_record_ends_the_run_with_a_verdict_for_all(pump: Pump) -> None:
    def listen(session: Session) -> Outcome:
        session.device.wait(5.0)
        return passed("it babbled")

    device = babbler(pump)
    device.transport.record_to(Recorder(io.BytesIO(), most_bytes=20_000))
    run = run_of(device, check_that(listen), check_that(listen, name="second"))
    assert run.stopped == "the record of the session is full"
    assert [v.result for v in run.verdicts] == [Result.ERROR, Result.NOT_TESTED]
