"""U5: an update that ends early, at any block, is refused."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power, reply
from hil.demo_image import built
from hil.demo_update import BLOCK_BYTES, begin, install, next_recipe, send_blocks, settle, some
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

MOST_ENDS: Final = 5
"""Evenly spread, as every block of a large image would take minutes."""


def _run(session: Session) -> Outcome:
    image = built(next_recipe(session))
    blocks = range(BLOCK_BYTES, len(image), BLOCK_BYTES)
    ends = some(blocks, MOST_ENDS)
    for end in ends:
        session.progress(end / len(image))
        begin(session, len(image))
        send_blocks(session, image[:end])
        answer = reply(session, b"install")
        if answer.startswith(b"="):
            return failed(f"taken after {end} of {len(image)} bytes", answer)
        answer = install(session, image[:end])
        if answer.startswith(b"="):
            return failed(f"taken although only its first {end} of {len(image)} bytes were announced and sent", answer)
    return passed(f"refused when it ended after each of {len(ends)} of {len(blocks)} blocks", answer)


CHECK = BenchCheck(
    name="update-truncated",
    id="U5",
    question="Is an update refused of which the end is missing?",
    title="The device takes updates of which the end is missing.",
    remedy=(
        "Do not let updates onto the device that did not come from the manufacturer's own hands; ask for "
        "firmware that takes whole updates only."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("D",), iec_62443=("EDR 3.10", "CR 3.5"), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("354",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=accepts-truncated",),
)
