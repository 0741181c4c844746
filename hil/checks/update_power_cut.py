"""U10: a power cut at any moment of an update leaves a device that starts."""

from __future__ import annotations

import contextlib
from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, log_in, needs_power, reply
from hil.demo_image import built
from hil.demo_loader import FLASH_BYTES
from hil.demo_update import install, next_recipe, settle, some, version
from hil.errors import BenchError, NotTested
from hil.level import EvidenceLevel
from hil.transport import FlashPort
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

BOOT_S: Final = 1.0
TORN_BYTES: Final = (0, 7, None)
"""Of the write that is cut: nothing, a few bytes, all."""
NEVER: Final = 1 << 30
MOST_CUTS: Final = 60
"""More of them are for benchmarks/bench_power_cuts.py; here some are chosen."""
SOME_CUTS: Final = 6
LAST_PART: Final = 6


def _needs(session: Session) -> str:
    if session.device.transport.flash is None:
        return "the power cannot be cut in a write to flash here"
    return needs_power(session)


def _run(session: Session) -> Outcome:
    flash = session.device.transport.flash
    if flash is None:
        raise NotTested(_needs(session))
    before = flash.read(0, FLASH_BYTES)
    try:
        return _all_cuts(session, flash)
    finally:
        flash.cut_power_at(NEVER)
        flash.write(0, before)  # as a programmer would: a bricked device does not help itself


def _all_cuts(session: Session, flash: FlashPort) -> Outcome:
    start = flash.writes
    if not _updated(session):
        raise NotTested("a good update does not work, so none can be cut")
    writes = flash.writes - start
    every = [(write, torn_bytes) for write in range(1, writes + 1) for torn_bytes in TORN_BYTES]
    cuts = _chosen(every)
    for number, (write, torn_bytes) in enumerate(cuts):
        session.progress(number / len(cuts))
        _start(session)  # an update that the last cut has left on trial is gone then
        flash.cut_power_at(write, torn_bytes)
        with contextlib.suppress(BenchError):  # the power goes in the middle of it
            _updated(session)
        flash.cut_power_at(NEVER)
        _start(session)
        if not is_alive(session):
            done = "all" if torn_bytes is None else str(torn_bytes)
            return failed(f"does not start after a power cut in write {write} of {writes}, {done} bytes of it done")
    return passed(f"started after {len(cuts)} of {len(every)} power cuts: {writes} writes, {len(TORN_BYTES)} ways each")


def _chosen(every: list[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    """Return all cuts where they are few; else some of the blocks, and as many of the end, where things are decided."""
    if len(every) <= MOST_CUTS:
        return every
    last = len(every) // LAST_PART
    return [*some(every[:-last], SOME_CUTS), *some(every[-last:], SOME_CUTS)]


def _updated(session: Session) -> bool:
    """Bring an update all the way: install, start, confirm."""
    recipe = next_recipe(session)
    install(session, built(recipe))
    _start(session)
    if version(session)[0] != recipe.version:
        return False
    log_in(session)
    return reply(session, b"confirm").startswith(b"=")


def _start(session: Session) -> None:
    session.device.power_cycle()
    session.device.wait(BOOT_S)


CHECK = BenchCheck(
    name="update-power-cut",
    id="U10",
    question="Does the device start after a power cut at any moment of an update?",
    title="A power cut during an update leaves a device that does not start.",
    remedy=(
        "Update this device only on a supply that is backed up, never in use; ask the manufacturer for an "
        "update that keeps the old program until the new one runs."
    ),
    severity=Severity.CRITICAL,
    controls=Controls(
        fda=("F",), iec_62443=("EDR 3.10", "CR 7.4"), iec_81001=("6.3",), cra=("I.2h",), mds2=("CSUP",), cwe=("1277",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=3600,
    applies=applies,
    precondition=_needs,
    run=_run,
    clean_up=settle,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=in-place-update",),
)
