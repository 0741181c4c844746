"""U15: after an update the new version runs; what the device says of itself while updating is not believed."""

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
    if after == (recipe.version, recipe.counter):
        return passed(f"version {after[0]} runs after {before[0]}")
    return failed(f"version {after[0]} runs and not {recipe.version}, which the device said it took", answer)


CHECK = BenchCheck(
    name="update-really-runs",
    id="U15",
    question="Does the new version run after the device said that it took the update?",
    title="The device says that it took an update, and the old program still runs.",
    remedy=("After each update look at the version that the device shows; ask the manufacturer for a fix."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("684",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=claims-update",),
)
