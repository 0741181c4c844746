"""U7: an update for another device is refused."""

from __future__ import annotations

from dataclasses import replace

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power
from hil.demo_image import built
from hil.demo_update import judge, next_recipe, settle
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _run(session: Session) -> Outcome:
    good = next_recipe(session)
    taken, answer = judge(session, {"a signed update for another device": built(replace(good, model="other-pump"))})
    if taken:
        return failed(f"taken: {taken}", answer)
    return passed("a signed update for another device was refused", answer)


CHECK = BenchCheck(
    name="update-other-model",
    id="U7",
    question="Is an update for another device refused?",
    title="The device takes updates that are for another device.",
    remedy=(
        "Do not let updates onto the device that did not come from the manufacturer's own hands; ask for "
        "firmware that knows which updates are for it."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("345",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=no-model-check",),
)
