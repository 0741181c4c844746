"""U9: an update that was recorded when it was new is refused when it is played again after a newer one.

That a manifest has expired can be judged only where there is a clock: the demo pump has none, so that its signed
counter is all that stands between it and a recording. Expiry is refused on the computer, by ``medharden verify``.
"""

from __future__ import annotations

from dataclasses import replace

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, log_in, needs_power, reply, restart
from hil.demo_image import built
from hil.demo_update import install, next_recipe, settle, version
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity


def _made_to_stay(session: Session, image: bytes) -> None:
    """Install a good update and confirm it; ``NotTested`` when the device takes none."""
    before = version(session)
    answer = install(session, image)
    restart(session)
    log_in(session)
    if not answer.startswith(b"=") or version(session) == before or not reply(session, b"confirm").startswith(b"="):
        raise NotTested(f"a good update does not come to run: {answer.decode('latin-1')}")


def _run(session: Session) -> Outcome:
    first = next_recipe(session)
    if install(session, built(replace(first, version=(1, 0, 0), counter=0))).startswith(b"="):
        raise NotTested("an older update is taken anyway, recorded or not")
    recorded = built(first)
    _made_to_stay(session, recorded)
    newer = replace(first, version=(*first.version[:2], first.version[2] + 1), counter=first.counter + 1)
    _made_to_stay(session, built(newer))
    answer = install(session, recorded)
    now = "now version {}.{}.{} runs".format(*newer.version)
    if answer.startswith(b"="):
        return failed(f"an update was taken again after a newer one; {now}", answer)
    return passed(f"an update that was recorded was refused after a newer one; {now}", answer)


CHECK = BenchCheck(
    name="update-replayed",
    id="U9",
    question="Is an update that was recorded refused after a newer one was confirmed?",
    title="A recorded update can be played again, with the weaknesses that were mended since.",
    remedy=(
        "Keep old update files away from the device and its tools; ask the manufacturer for firmware that remembers "
        "the newest version it ever ran."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2c",), mds2=("CSUP",), cwe=("294", "1328")
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=600,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=forgets-updates",),
)
