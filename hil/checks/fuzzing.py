"""P5: no line of words, right or wrong, stops the device."""

from __future__ import annotations

from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import applies, is_alive, needs_power, restart
from hil.demo_console import LONGEST_LINE_BYTES
from hil.fuzz import LineGrammar, minimised
from hil.level import EvidenceLevel
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

LINES: Final = 400
ALIVE_EVERY: Final = 10
GRAMMAR: Final = LineGrammar(
    commands=(
        b"id",
        b"version",
        b"status",
        b"stop",
        b"log",
        b"logout",
        b"login",
        b"nonce",
        b"set",
        b"silence",
        b"",
        b"x",
    ),
    arguments=(
        b"0",
        b"1",
        b"-1",
        b"65536",
        b"99999999999",
        b"%s%n",
        b"backlight",
        b"*",
        b"*00",
        b"=",
        b"!",
        b"a" * 20,
        b"",
        b"\t",
    ),
    most_arguments=12,
    most_bytes=LONGEST_LINE_BYTES,
)
"""Nothing of it delivers, erases or sets what matters; the transport would refuse that."""


def _does_harm(session: Session, lines: list[bytes]) -> bool:
    for line in lines:
        session.device.send(line + b"\r")
    session.device.wait(0.01)
    return not is_alive(session)


def _run(session: Session) -> Outcome:
    sent: list[bytes] = []
    for number in range(1, LINES + 1):
        sent.append(GRAMMAR.line(session.random))
        if number % ALIVE_EVERY:
            continue
        session.progress(number / LINES)
        if _does_harm(session, sent):
            return _judged(session, sent)
        sent.clear()
    return passed(f"alive after {LINES} lines, asked after every {ALIVE_EVERY}")


def _judged(session: Session, sent: list[bytes]) -> Outcome:
    """Find the one line that did it, and make it as short as it can be."""

    def alone(line: bytes) -> bool:
        restart(session)
        return _does_harm(session, [line])

    for line in sent:
        if alone(line):
            shortest = minimised(line, alone)
            detail = f"no answer any more after one line of {len(shortest)} bytes, made as short as it can be"
            return failed(detail, shortest)
    return failed(f"no answer any more after {len(sent)} lines, none of which does it alone", b" / ".join(sent))


CHECK = BenchCheck(
    name="fuzzing",
    id="P5",
    question="Does the device live through lines made from its grammar?",
    title="A line of words stops the device.",
    remedy=(
        "Ask the manufacturer for a fix of the parser; the line that does it stands in the evidence. Until "
        "then connect nothing but what the maker supplies."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("F",), iec_62443=("CR 3.5", "CR 7.1"), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("20",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=1200,
    applies=applies,
    precondition=needs_power,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump",),
    weak_devices=("medemu://demo-pump?weak=hangs-on-many-words",),
)
