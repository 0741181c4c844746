"""U3: an update that is signed with another key is refused."""

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
    taken, answer = judge(
        session, {"an update with the signature of a stranger": built(replace(good, key_words="a stranger"))}
    )
    if taken:
        return failed(f"taken: {taken}", answer)
    return passed("an update with the signature of a stranger was refused", answer)


CHECK = BenchCheck(
    name="update-wrong-key",
    id="U3",
    question="Is an update refused that somebody else has signed?",
    title="The device takes updates that anybody has signed.",
    remedy=(
        "Do not let updates onto the device that did not come from the manufacturer's own hands; ask for "
        "firmware that knows whose signature it takes."
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
    weak_devices=("medemu://demo-pump?weak=accepts-any-key",),
)
