"""U12: blocks of an update that come twice, late or early are refused."""

from __future__ import annotations

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, needs_power, reply
from hil.demo_image import built
from hil.demo_update import BLOCK_BYTES, begin, next_recipe, send_blocks, settle
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _run(session: Session) -> Outcome:
    image = built(next_recipe(session))
    first, third = image[:BLOCK_BYTES], image[2 * BLOCK_BYTES : 3 * BLOCK_BYTES]
    begin(session, len(image))
    if not send_blocks(session, first).startswith(b"="):
        raise NotTested("the first block of a good update was refused")
    for what, offset, data in (("twice", 0, first), ("early", 2 * BLOCK_BYTES, third)):
        answer = reply(session, b"block %d %s" % (offset, data.hex().encode()))
        if answer.startswith(b"="):
            return failed(f"a block that came {what} was taken", answer)
    return passed("blocks that came twice or early were refused", answer)


CHECK = BenchCheck(
    name="update-block-order",
    id="U12",
    question="Are blocks of an update refused that come out of order?",
    title="The device takes the blocks of an update in any order.",
    remedy=(
        "Do not let updates onto the device that did not come from the manufacturer's own hands; ask for "
        "firmware that takes blocks in order."
    ),
    severity=Severity.MEDIUM,
    controls=Controls(
        fda=("D",), iec_62443=("EDR 3.10", "CR 3.5"), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("696",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=accepts-any-order",),
)
