"""T2: a wrong proof is refused as quickly whether its first digits are right or not. A hint, and not a proof."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Final

from firmware_checks.controls import Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, log_in, reply, restart
from hil.demo_console import MAC_DIGITS, PASSWORD, set_proof
from hil.errors import NotTested
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

TIMES: Final = 30
NAME, VALUE = b"backlight", 20
MOST_DEVIATIONS: Final = 5.0
"""Of the rank sum from what chance gives: less than once in a million runs."""
INDICATIVE: Final = "indicative only: other causes of a difference, and differences too small to see, are possible"


def _timed(session: Session, digits_right: int) -> float:
    """Send a set-command with so many right digits in its proof; return how long the refusal took, in seconds."""
    nonce = reply(session, b"nonce").removeprefix(b"=")
    right = set_proof(PASSWORD, nonce, NAME, b"%d" % VALUE)
    wrong = bytes(ord("1") if digit == ord("0") else ord("0") for digit in right)
    proof = right[:digits_right] + wrong[digits_right:]
    clock = session.device.transport.clock
    start_s = clock.now_s()
    answer = reply(session, b"set %s %d %s" % (NAME, VALUE, proof))
    took_s = clock.now_s() - start_s
    if not answer.startswith(b"!"):
        raise NotTested("a set-command with a wrong proof is obeyed, so that no time says anything")
    return took_s


def deviations(first: Sequence[float], second: Sequence[float]) -> float:
    """Return by how many standard deviations the ranks of ``second`` lie above chance (Mann-Whitney, with ties)."""
    above = sum((b > a) + 0.5 * (b == a) for a in first for b in second)
    count = len(first) * len(second)
    return (above - count / 2) / math.sqrt(count * (len(first) + len(second) + 1) / 12)


def _run(session: Session) -> Outcome:
    log_in(session)
    none: list[float] = []
    nearly_all: list[float] = []
    for number in range(1, TIMES + 1):
        none.append(_timed(session, 0))
        nearly_all.append(_timed(session, MAC_DIGITS - 1))
        session.progress(number / TIMES)
    difference_s = statistics.median(nearly_all) - statistics.median(none)
    found = deviations(none, nearly_all)
    detail = (
        f"{MAC_DIGITS - 1} right digits instead of 0 make a refusal {difference_s * 1e6:.1f} us longer (median of "
        f"{TIMES} each, {found:.1f} standard deviations); {INDICATIVE}"
    )
    return failed(detail) if found > MOST_DEVIATIONS and difference_s > 0 else passed(detail)


CHECK = BenchCheck(
    name="compare-time",
    id="T2",
    question="Does a refusal take as long whether a proof is nearly right or all wrong (an indication only)?",
    title="The time of a refusal hints at how much of a proof was right; this is indicative only.",
    remedy=("Ask the manufacturer whether secrets are compared in constant time; the numbers stand in the evidence."),
    severity=Severity.LOW,
    controls=Controls(
        fda=("D",), iec_62443=("CR 4.3",), iec_81001=("5.7",), cra=("I.2e",), mds2=("AUTH",), cwe=("208",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=120,
    applies=applies,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=compares-digit-wise",),
)
