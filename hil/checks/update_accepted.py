"""U1: a good, signed update is taken, so that the device can be kept up to date at all."""

from __future__ import annotations

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power
from hil.demo_image import built
from hil.demo_update import install, next_recipe, settle
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _run(session: Session) -> Outcome:
    answer = install(session, built(next_recipe(session)))
    if answer.startswith(b"="):
        return passed("a good update was taken", answer)
    return failed("a good update was refused", answer)


CHECK = BenchCheck(
    name="update-accepted",
    id="U1",
    question="Is a good update taken?",
    title="The device takes no update.",
    remedy=("Ask the manufacturer how the device is kept up to date."),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("1329",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=refuses-updates",),
)
