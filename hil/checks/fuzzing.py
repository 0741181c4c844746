"""P5: no frame made from the grammar of its protocol stops the device.

The console is given lines of words; a medical protocol frames made from its messages and from the layouts of its
records (``hil/fuzz.py``). Forbidden ones the transport holds back, and they are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_checks.controls import NOT_APPLICABLE, Controls
from hil.bench_check import BenchCheck, Session
from hil.demo_client import is_alive, needs_power, restart
from hil.demo_console import LONGEST_LINE_BYTES, PROTOCOL
from hil.errors import NoAnswer, WriteRefused
from hil.fuzz import FrameGrammar, Grammar, LineGrammar
from hil.fuzz_run import fuzz
from hil.level import EvidenceLevel
from hil.protocol import Alive, protocols
from hil.verdict import Outcome, failed, passed
from toolkit.core.findings import Severity

FRAMES: Final = 500
CONSOLE: Final = LineGrammar(
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
SETTLE_S: Final = 0.01


@dataclass(slots=True)
class _Fuzzed:
    """The device as the fuzzer sees it."""

    session: Session
    alive: Alive | None
    """None for the demo pump's console."""
    held_back: int = 0

    def send(self, frame: bytes) -> bytes:
        try:
            self.session.device.send(frame if self.alive else frame + b"\r")
        except WriteRefused:
            self.held_back += 1
            return b""
        return self.session.device.receive(0.0)

    def is_alive(self) -> bool:
        device = self.session.device
        device.wait(SETTLE_S)
        if self.alive is None:
            return is_alive(self.session)
        device.drain()
        try:
            if self.alive.ask:
                device.send(self.alive.ask)
            device.expect(self.alive.answer)
        except NoAnswer:
            return False
        if self.alive.afterwards:
            device.send(self.alive.afterwards)
        return True

    def restart(self) -> None:
        restart(self.session)


def _alive(session: Session) -> Alive | None:
    language = protocols().get(session.interface.protocol or "")
    return None if language is None else language.alive


def _applies(session: Session) -> str:
    name = session.interface.protocol
    if name == PROTOCOL or _alive(session) is not None:
        return ""
    return f"no question is known that a device which speaks {name or 'this protocol'} must always answer"


def _grammar(session: Session) -> Grammar:
    name = session.interface.protocol or ""
    return CONSOLE if name == PROTOCOL else FrameGrammar(protocols()[name])


def _run(session: Session) -> Outcome:
    target = _Fuzzed(session, _alive(session))
    crash = fuzz(
        target,
        _grammar(session),
        session.random,
        frames=FRAMES,
        corpus=session.corpus,
        progress=session.progress,
    )
    held_back = f"; {target.held_back} forbidden ones were held back" if target.held_back else ""
    if crash is None:
        return passed(f"alive after {FRAMES} frames, {len(session.corpus.frames)} kept{held_back}")
    if crash.is_certain:
        source = "one frame" if crash.is_alone else "several frames together"
        detail = f"no answer any more after {len(crash.frame)} bytes, made from {source} as short as it can be"
    else:
        detail = "no answer any more after several frames, which do not do so every time"
    return failed(f"{detail}; found with frame {crash.after}{held_back}", crash.frame)


CHECK = BenchCheck(
    name="fuzzing",
    id="P5",
    question="Does the device live through frames made from its grammar?",
    title="A frame made from the grammar of its protocol stops the device.",
    remedy=(
        "Ask the manufacturer for a fix of the parser; the frame that does it stands in the evidence. Until "
        "then connect nothing but what the maker supplies."
    ),
    severity=Severity.HIGH,
    controls=Controls(
        fda=("F",), iec_62443=("CR 3.5", "CR 7.1"), iec_81001=("5.7",), cra=("I.2h",), mds2=NOT_APPLICABLE, cwe=("20",)
    ),
    changes_device=True,
    lowest_level=EvidenceLevel.MODEL,
    most_seconds=1200,
    applies=_applies,
    precondition=needs_power,
    run=_run,
    clean_up=restart,
    good_devices=("medemu://demo-pump", "medemu://oximeter"),
    weak_devices=("medemu://demo-pump?weak=hangs-on-many-words", "medemu://oximeter?weak=hangs-on-long-line"),
)
