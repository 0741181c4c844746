"""U11: after the cable was pulled in the middle of an update, the old program runs and a new update can be begun."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, log_in, reply
from hil.demo_image import built
from hil.demo_update import begin, next_recipe, send_blocks, settle
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

RECONNECT_S: Final = 10.0


def _run(session: Session) -> Outcome:
    image = built(next_recipe(session))
    begin(session, len(image))
    send_blocks(session, image[: len(image) // 2])
    answer = reply(session, b"update %d" % len(image))
    if not answer.startswith(b"="):
        return failed("no update can be begun after one that the host has broken off", answer)
    send_blocks(session, image[: len(image) // 2])
    session.device.transport.close()  # an emulator starts anew by that, a device on a cable does not
    session.device.reconnect(RECONNECT_S)
    log_in(session)
    answer = reply(session, b"update %d" % len(image))
    if answer.startswith(b"="):
        return passed("the old program answers, and a new update can be begun", answer)
    return failed("no update can be begun after the cable was pulled", answer)


CHECK = BenchCheck(
    name="update-unplugged",
    id="U11",
    question="Can an update be begun anew after the cable was pulled?",
    title="An update that was broken off keeps the device from taking another.",
    remedy=("Switch the device off and on after an update that was broken off; ask the manufacturer for a fix."),
    severity=Severity.MEDIUM,
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10", "CR 7.4"), iec_81001=("6.3",), cra=("I.2h",), mds2=("CSUP",), cwe=("459",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=300,
    applies=applies,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=stuck-after-abort",),
)
