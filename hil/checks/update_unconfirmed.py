"""U13: an update that nobody confirms makes way for the old program at the next start."""

from __future__ import annotations

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power, restart
from hil.demo_image import built
from hil.demo_update import install, next_recipe, settle, version
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _run(session: Session) -> Outcome:
    before, recipe = version(session), next_recipe(session)
    answer = install(session, built(recipe))
    if not answer.startswith(b"="):
        raise NotTested(f"a good update was refused: {answer.decode('latin-1')}")
    restart(session)
    after = version(session)
    if after[0] != recipe.version:
        raise NotTested("the update does not run, so it cannot make way")
    restart(session)
    last = version(session)
    if last == before:
        return passed(f"version {before[0]} runs again after {after[0]} was not confirmed")
    return failed(f"version {last[0]} still runs, and nobody has confirmed it")


CHECK = BenchCheck(
    name="update-unconfirmed",
    id="U13",
    question="Does an update that nobody has confirmed make way for the old program?",
    title="An update that does not work stays: nothing brings the old program back.",
    remedy=("Keep a second device at hand while updating; ask the manufacturer for an update on trial."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10", "CR 7.4"), iec_81001=("6.3",), cra=("I.2h",), mds2=("CSUP",), cwe=("1277",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=never-reverts",),
)
