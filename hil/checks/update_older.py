"""U6: an update that is older than what runs, or the same, is refused."""

from __future__ import annotations

from dataclasses import replace

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power
from hil.demo_image import built
from hil.demo_update import judge, next_recipe, settle, version
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _run(session: Session) -> Outcome:
    good = next_recipe(session)
    taken, answer = judge(
        session,
        {
            "a signed update with a lower security counter": built(replace(good, counter=0)),
            "a signed update of version 1.0.0": built(replace(good, version=(1, 0, 0))),
            "the version that runs": built(replace(good, version=version(session)[0])),
        },
    )
    if taken:
        return failed(f"taken: {taken}", answer)
    return passed("older updates and the version that runs were refused", answer)


CHECK = BenchCheck(
    name="update-older",
    id="U6",
    question="Is an older update refused, and the same one again?",
    title="The device takes older updates, with the weaknesses that were mended since.",
    remedy=(
        "Do not let updates onto the device that did not come from the manufacturer's own hands; ask for "
        "firmware that goes forward only."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("1328",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=no-rollback-check",),
)
