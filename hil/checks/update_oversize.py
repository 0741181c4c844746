"""U8: an update that is larger than the memory, or lies about its lengths, is refused."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power
from hil.demo_image import built
from hil.demo_update import begin, judge, next_recipe, settle
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

SIZES: Final = (0, 1 << 16, (1 << 16) + 1, 999_999)
LENGTHS: Final = {"protected records": 10, "program": 12, "header": 8}
"""Fields of the header by their place in bytes."""


def _run(session: Session) -> Outcome:
    for size in SIZES:
        answer = begin(session, size)
        if answer.startswith(b"="):
            return failed(f"an update of {size} bytes was begun", answer)
    good = built(next_recipe(session))
    images = {f"length of the {name} too large": _longer(good, at) for name, at in LENGTHS.items()}
    taken, answer = judge(session, images)
    if taken:
        return failed(f"taken: {taken}", answer)
    return passed(f"{len(SIZES)} impossible sizes and {len(LENGTHS)} lengths that lie were refused", answer)


def _longer(image: bytes, place: int) -> bytes:
    return image[:place] + b"\xff\xff" + image[place + 2 :]


CHECK = BenchCheck(
    name="update-oversize",
    id="U8",
    question="Are updates refused that are too large or lie about their lengths?",
    title="The device begins updates that are larger than its memory.",
    remedy=(
        "Do not let updates onto the device that did not come from the manufacturer's own hands; ask for "
        "firmware that checks lengths."
    ),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("D",),
        iec_62443=("EDR 3.10", "CR 3.5"),
        iec_81001=("6.3",),
        cra=("I.2f",),
        mds2=("CSUP",),
        cwe=("787", "190"),
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=accepts-oversize",),
)
