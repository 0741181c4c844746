"""U4: an update with one flipped bit, wherever that is, is refused."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power
from hil.demo_image import built
from hil.demo_update import judge, next_recipe, settle
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

FLIPS: Final = {"version in the header": 20, "program": 40, "security counter": 105, "signature": -2}
"""Where in the image a bit is flipped; negative: from its end."""


def _run(session: Session) -> Outcome:
    good = built(next_recipe(session))
    taken, answer = judge(session, {f"one bit flipped, {name}": _flipped(good, at) for name, at in FLIPS.items()})
    if taken:
        return failed(f"taken: {taken}", answer)
    return passed(f"refused with one bit flipped in each of {len(FLIPS)} places", answer)


def _flipped(image: bytes, place: int) -> bytes:
    changed = bytearray(image)
    changed[place] ^= 1
    return bytes(changed)


CHECK = BenchCheck(
    name="update-altered",
    id="U4",
    question="Is an update with one wrong bit refused?",
    title="The device takes updates that were altered after they were signed.",
    remedy=(
        "Do not let updates onto the device that did not come from the manufacturer's own hands; ask for "
        "firmware that verifies every byte."
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
    weak_devices=("medemu://demo-pump?weak=accepts-altered",),
)
