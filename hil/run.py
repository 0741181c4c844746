"""Runs checks on one device, one after the other, and writes down a verdict for each, whatever happens on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hil.bench_check import BenchCheck, Session
from hil.corpus import Corpus
from hil.device import Device, SafeState
from hil.errors import BenchError, NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, Reason, Result, Verdict
from toolkit.core.errors import MedhardenError

__all__ = ["NO_PATIENT", "STOPPED_BY_OPERATOR", "CheckRun", "RunOptions", "not_run"]

CLEAN_UP_S: Final = 60.0
"""Time to clean up after a check; flashing a good image back takes the longest."""
RECONNECT_S: Final = 10.0
STOPPED_BY_OPERATOR: Final = "stopped by the operator"
BOOT_S: Final = 2.0
NO_PATIENT: Final = "No patient is connected, and the device may be changed."
"""What the operator confirms before an armed run on a real device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How checks are run."""

    armed: bool = False
    """Whether checks may change a real device; an emulated one they always may."""
    seed: int = 0
    files: Mapping[str, Path] = field(default_factory=dict)
    corpus: Path | None = None
    """Folder with the frames of earlier fuzzing, one folder in it for each check; None keeps none."""
    on_start: Callable[[BenchCheck], None] = lambda _check: None
    on_progress: Callable[[BenchCheck, float], None] = lambda _check, _share: None
    on_verdict: Callable[[Verdict], None] = lambda _verdict: None


class CheckRun:
    """One pass over some checks with one device that is connected and identified."""

    def __init__(self, device: Device, options: RunOptions) -> None:
        self._device = device
        self._options = options
        self.stopped = ""
        """Why the run ended early."""
        self.verdicts: list[Verdict] = []
        self.safe_state = SafeState(reached=True, how="")

    def run(self, checks: Sequence[BenchCheck]) -> None:
        """Judge by each of ``checks``, and leave the device safe and closed.

        It does not raise: a person's Ctrl-C, a lost device and a defect all end in ``stopped`` or a verdict.
        """
        try:
            for verdict in self._verdicts(checks):
                self._tell(verdict)
        except KeyboardInterrupt:
            self.stopped = STOPPED_BY_OPERATOR
        finally:
            self._leave()
        for check in checks[len(self.verdicts) :]:
            self._tell(not_run(check, self._device.level, Reason.STOPPED, self.stopped))

    def why_not_applicable(self, check: BenchCheck) -> str:
        """Return why ``check`` makes no sense at this connection, or an empty text; sends nothing."""
        return check.applies(self._session(check))

    def why_not_ready(self, check: BenchCheck) -> str:
        """Return what ``check`` misses at this connection, or an empty text; sends nothing."""
        return check.precondition(self._session(check))

    def _tell(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self._options.on_verdict(verdict)

    def _verdicts(self, checks: Sequence[BenchCheck]) -> Iterator[Verdict]:
        for check in checks:
            session = self._session(check)
            skipped = self._why_not(check, session)
            if skipped is not None:
                yield skipped
                continue
            self._options.on_start(check)
            yield self._judged(check, session)
            if self.stopped:
                return

    def _session(self, check: BenchCheck) -> Session:
        return Session(
            device=self._device,
            random=random.Random(f"{self._options.seed}:{check.name}"),  # noqa: S311  # chance to be repeated, no secret
            progress=lambda share: self._options.on_progress(check, share),
            files=dict(self._options.files),
            corpus=Corpus(None if self._options.corpus is None else self._options.corpus / check.name),
        )

    def _why_not(self, check: BenchCheck, session: Session) -> Verdict | None:
        """Return the verdict on a check that is not run; None when it is."""
        level = self._device.level
        if why := check.applies(session):
            return not_run(check, level, Reason.NOT_APPLICABLE, why)
        if not level.counts_for(check.lowest_level):
            why = f"counts only on {check.lowest_level} or better; this is {level}"
            return not_run(check, level, Reason.LEVEL, why)
        if check.changes_device and level.is_real and not self._options.armed:
            return not_run(check, level, Reason.NOT_ARMED, "could change the device; --armed allows that")
        if why := check.precondition(session):
            return not_run(check, level, Reason.PRECONDITION, why)
        return None

    def _judged(self, check: BenchCheck, session: Session) -> Verdict:
        device = self._device
        recorder, clock = device.transport.recorder, device.transport.clock
        recorder.event("check", f"{check.id} {check.name}")
        first, start_s = recorder.count, clock.now_s()
        result, detail, excerpt, reason = Result.ERROR, "", "", Reason.NONE
        try:
            with device.within(check.most_seconds):
                outcome = check.run(session)
            result, detail, excerpt = _result(outcome), outcome.detail, outcome.excerpt
        except NotTested as error:
            result, reason, detail = Result.NOT_TESTED, Reason.PRECONDITION, str(error)
        except MedhardenError as error:
            detail = str(error)
        except KeyboardInterrupt:
            result, reason, detail = Result.NOT_TESTED, Reason.STOPPED, STOPPED_BY_OPERATOR
            self.stopped = detail
        except Exception as error:  # noqa: BLE001  # a defect in one check must not hide the verdicts of the others
            detail = f"a defect in the check ({type(error).__name__}: {error})"
        clean_up = self._cleaned_up(check, session)
        verdict = Verdict(
            id=check.id,
            check=check.name,
            question=check.question,
            result=result,
            reason=reason,
            detail=recorder.masked(detail.encode()).decode(),
            excerpt=recorder.masked(excerpt.encode()).decode(),
            level=device.level,
            lowest_level=check.lowest_level,
            changes_device=check.changes_device,
            seconds=round(clock.now_s() - start_s, 3),
            first_entry=first,
            last_entry=recorder.count,
            clean_up=clean_up,
            controls=check.controls.rows(),
        )
        recorder.event("verdict", f"{check.id} {check.name}: {result}")
        return verdict

    def _cleaned_up(self, check: BenchCheck, session: Session) -> str:
        """Clean up and make sure that the device is there for the next check; return what went wrong."""
        problem = ""
        try:
            with self._device.within(CLEAN_UP_S):
                check.clean_up(session)
        except BenchError as error:
            problem = str(error)
        except KeyboardInterrupt:
            self.stopped = STOPPED_BY_OPERATOR
        except Exception as error:  # noqa: BLE001  # as above
            problem = f"a defect in the clean-up ({type(error).__name__}: {error})"
        if self._device.transport.recorder.is_full:
            self.stopped = "the record of the session is full"
        if self.stopped:
            return problem
        recovery = self._recovered()
        return "; ".join(filter(None, (problem, recovery)))

    def _recovered(self) -> str:
        """Make sure that the device answers, by switching it off and on if need be; return what had to be done."""
        device = self._device
        try:
            if not device.transport.is_open:
                device.reconnect(RECONNECT_S)
            else:
                device.identify()
        except BenchError as error:
            return self._restarted(error)
        return ""

    def _restarted(self, error: BenchError) -> str:
        device = self._device
        problem = f"the device did not answer afterwards ({error})"
        if device.power.is_automatic:
            try:
                device.power_cycle()
                device.transport.clock.sleep(BOOT_S)
                device.reconnect(RECONNECT_S)
            except BenchError as again:
                problem = f"{problem}; switching it off and on did not help ({again})"
            else:
                return f"{problem}; it was switched off and on"
        self.stopped = problem
        return problem

    def _leave(self) -> None:
        try:
            self.safe_state = self._device.make_safe()
        except (MedhardenError, KeyboardInterrupt) as error:
            self.safe_state = SafeState(reached=False, how=str(error) or STOPPED_BY_OPERATOR)
        finally:
            self._device.close()


def not_run(check: BenchCheck, level: EvidenceLevel | None, reason: Reason, detail: str) -> Verdict:
    """Return the verdict on a check that did not run."""
    return Verdict(
        id=check.id,
        check=check.name,
        question=check.question,
        result=Result.NOT_TESTED,
        reason=reason,
        detail=detail,
        level=level,
        lowest_level=check.lowest_level,
        changes_device=check.changes_device,
        controls=check.controls.rows(),
    )


def _result(outcome: Outcome) -> Result:
    return Result.PASS if outcome.ok else Result.FAIL
