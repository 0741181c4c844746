"""U2: an update without a signature is refused."""

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
    taken, answer = judge(session, {"an update without a signature": built(replace(good, key_words=None))})
    if taken:
        return failed(f"taken: {taken}", answer)
    return passed("an update without a signature was refused", answer)


CHECK = BenchCheck(
    name="update-unsigned",
    id="U2",
    question="Is an update without a signature refused?",
    title="The device takes updates that nobody has signed.",
    remedy=(
        "Do not let updates onto the device that did not come from the manufacturer's own hands; ask for "
        "firmware that demands a signature."
    ),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("D",),
        iec_62443=("EDR 3.10", "CR 3.4"),
        iec_81001=("6.3",),
        cra=("I.2c", "I.2f"),
        mds2=("CSUP",),
        cwe=("347",),
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=accepts-unsigned",),
)
