"""One run on the bench from end to end: find the device, ask the operator, run the checks, and say what came out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO

from device_profiles.schema import DeviceProfile, Interface
from hil.bench import one_run_at_a_time
from hil.bench_check import BenchCheck
from hil.debug_probe import DebugProbe
from hil.device import Device, SafeState
from hil.errors import WrongDevice
from hil.fallback import Candidates, first_that_answers
from hil.level import EvidenceLevel
from hil.power import PowerPort
from hil.record import Header, Recorder
from hil.result import Attempt, BenchResult, RecordFile
from hil.run import NO_PATIENT, STOPPED_BY_OPERATOR, CheckRun, RunOptions, not_run
from hil.verdict import Reason, Verdict
from toolkit import __version__
from toolkit.core.errors import InputError
from toolkit.report.model import Tool

__all__ = ["BenchRun", "Operator", "Target", "new_record"]

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The person at the bench."""

    confirm: Callable[[str], bool]
    """Show a sentence and return whether the person says yes; False where nobody can be asked."""
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One way into the device, and the addresses to try there, in this order."""

    interface: Interface
    urls: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class BenchRun:
    """What is to be run, and on what; ``run`` does it once.

    A check runs at the first of ``targets`` to which it applies; there is one target for each connection of the device.
    """

    profile: DeviceProfile
    targets: tuple[Target, ...]
    checks: Sequence[BenchCheck]
    options: RunOptions
    operator: Operator
    power: PowerPort | None = None
    probe: DebugProbe | None = None
    serial_number: str | None = None
    bench_file: Path | None = None
    record: Path | None = None
    """File for the record of the session; None keeps none."""

    def run(self) -> BenchResult:
        """Return the result; ``InputError`` when the bench is in use or the record cannot be written.

        A wrong device, none at all, a lost one and Ctrl-C are results: their verdicts are ``not-tested`` with a reason.
        """
        urls = [url for target in self.targets for url in target.urls]
        started = f"{self.operator.now():{TIME_FORMAT}}"
        with ExitStack() as stack:
            stack.enter_context(one_run_at_a_time(urls, self.bench_file))
            recorder = Recorder(stack.enter_context(new_record(self.record)) if self.record else None)
            recorder.begin(Header(device=" ".join(urls), profile=self.profile.id, started=started))
            visits = _Visits(self, recorder)
            visits.make()
        return visits.result(started)


class _Visits:
    """The way through the targets of one run."""

    def __init__(self, run: BenchRun, recorder: Recorder) -> None:
        self._run = run
        self._recorder = recorder
        self._left = list(run.checks)
        """Checks without a verdict."""
        self._why_left: dict[str, tuple[Reason, str]] = {}
        self._verdicts: list[Verdict] = []
        self._attempts: list[Attempt] = []
        self._devices: list[Device] = []
        self._left_states: list[SafeState] = []
        self._settings: dict[str, str] = {}
        self._confirmation = ""
        self._stopped = ""

    def make(self) -> None:
        """Visit each target, as long as nothing speaks against going on."""
        for target in self._run.targets:
            self._make_one(target)
            if self._stopped:
                break
        if not self._devices:
            self._stopped = self._stopped or "no device could be reached"
        level = self._level
        for check in self._left:
            reason, detail = self._why_left.get(check.name, (Reason.PRECONDITION, "no device could be reached"))
            if self._stopped:
                reason, detail = Reason.STOPPED, self._stopped
            self._tell(not_run(check, level, reason, detail))

    def _make_one(self, target: Target) -> None:
        """Visit the first device of ``target``; an emulated one leaves to the next what it misses something for."""
        urls = target.urls
        while urls and self._left and not self._stopped:
            tried = len(self._attempts)
            device = self._reached(replace(target, urls=urls))
            if device is None:
                return
            urls = () if device.level.is_real else urls[len(self._attempts) - tried :]
            self._devices.append(device)
            self._settings |= device.transport.settings()
            self._visit(device, is_last=not urls)
            if not any(reason is Reason.PRECONDITION for reason, _ in self._why_left.values()):
                return

    def _reached(self, target: Target) -> Device | None:
        candidates = Candidates(
            profile=self._run.profile,
            interface=target.interface,
            urls=target.urls,
            recorder=self._recorder,
            power=self._run.power,
            probe=self._run.probe,
            serial_number=self._run.serial_number,
            attempts=self._attempts,
        )
        try:
            return first_that_answers(candidates)
        except WrongDevice:
            self._stopped = "the wrong device is connected; nothing but the questions of the profile was sent"
        except KeyboardInterrupt:
            self._stopped = STOPPED_BY_OPERATOR
        return None

    def _visit(self, device: Device, *, is_last: bool) -> None:
        checked = CheckRun(device, replace(self._run.options, on_verdict=self._tell))
        if self._may_run(device):
            checked.run(self._applying(checked, is_last=is_last))
        else:
            self._stopped = "the operator did not confirm that no patient is connected"
            checked.run(())
        self._left_states.append(checked.safe_state)
        self._stopped = self._stopped or checked.stopped

    def _applying(self, checked: CheckRun, *, is_last: bool) -> list[BenchCheck]:
        """Return the checks that make sense here, and remember why the others do not."""
        applying: list[BenchCheck] = []
        self._why_left.clear()
        for check in self._left:
            if why := checked.why_not_applicable(check):
                self._why_left[check.name] = (Reason.NOT_APPLICABLE, why)
            elif not is_last and (why := checked.why_not_ready(check)):
                self._why_left[check.name] = (Reason.PRECONDITION, why)
            else:
                applying.append(check)
        return applying

    def _tell(self, verdict: Verdict) -> None:
        self._verdicts.append(verdict)
        self._left = [check for check in self._left if check.name != verdict.check]
        self._run.options.on_verdict(verdict)

    def _may_run(self, device: Device) -> bool:
        """Return whether the run may go on; an armed one on a real device needs a person's word."""
        if not (self._run.options.armed and device.level.is_real) or self._confirmation:
            return True
        try:
            said = self._run.operator.confirm(NO_PATIENT)
        except KeyboardInterrupt:  # no answer is no
            said = False
        self._confirmation = NO_PATIENT if said else ""
        self._recorder.event("confirmed" if said else "not-confirmed", NO_PATIENT)
        return said

    @property
    def _level(self) -> EvidenceLevel | None:
        """The weakest level of the devices that were reached."""
        return min((device.level for device in self._devices), key=lambda level: level.rank, default=None)

    def result(self, started: str) -> BenchResult:
        """Return all that came out."""
        run, profile = self._run, self._run.profile
        order = {check.name: number for number, check in enumerate(run.checks)}
        proofs = [device.proof for device in self._devices if device.proof is not None]
        return BenchResult(
            tool=Tool(name="medharden", version=__version__),
            profile=profile.id,
            profile_title=profile.title,
            profile_sha256=profile.digest,
            interface=", ".join(target.interface.id for target in run.targets),
            attempts=tuple(self._attempts),
            device=", ".join(str(device.transport.url) for device in self._devices),
            level=self._level,
            proof=tuple(answer.hex() for proof in proofs for answer in proof.answers),
            settings=self._settings,
            confirmation=self._confirmation,
            not_enforced=_not_enforced(profile),
            safe_state="; ".join(state.how for state in self._left_states) or "nothing but questions was sent",
            left_safe=all(state.reached for state in self._left_states),
            stopped=self._stopped,
            seed=run.options.seed,
            started=started,
            record=_record_file(run.record),
            verdicts=tuple(sorted(self._verdicts, key=lambda verdict: order[verdict.check])),
        )


def _not_enforced(profile: DeviceProfile) -> tuple[str, ...]:
    return tuple(entry.command for entry in profile.hil.never_send if entry.pattern is None)


def new_record(path: Path) -> IO[bytes]:
    """Open the new record ``path``, which grows while the run lasts and so cannot be written in one piece."""
    if path.exists():
        raise InputError(f"{path}: exists already; a record is never overwritten")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _record_file(path: Path | None) -> RecordFile | None:
    if path is None:
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return RecordFile(name=path.name, size=file.tell(), sha256=digest)
