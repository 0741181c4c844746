"""Frames made from messages and layouts reach the edges, find a planted crash, and leave the shortest one behind."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hil.bench_check import checks
from hil.corpus import MOST_FRAMES, Corpus
from hil.device import Device
from hil.fuzz import FrameGrammar
from hil.fuzz_run import fuzz
from hil.model import DeviceModel, model_named
from hil.protocol import protocol_named, protocols
from hil.protocols import astm, medibus
from hil.run import CheckRun, RunOptions
from hil.verdict import Result
from toolkit.core.errors import FormatError, InputError
from toolkit.core.layout import U8, U16BE, Layout, const, raw, wire

SPEAKS = {"ventilator": "medibus", "analyser": "astm-e1381", "monitor": "hl7v2-mllp", "oximeter": "cms50"}
FRAMES = 1500
"""The budget within which a planted crash must be found."""


class Modelled:
    """A model without a transport, as the fuzzer sees it."""

    def __init__(self, name: str, weak: str) -> None:
        self.alive = protocol_named(SPEAKS[name]).alive
        self.model: DeviceModel = model_named(name).device(weak)
        self.now_s = 0.0
        self.restarts = -1
        self.restart()

    def restart(self) -> None:
        self.restarts += 1
        self.model.power_off()
        self.model.power_on(self.now_s)

    def send(self, frame: bytes) -> bytes:
        self.now_s += 0.01
        return self.model.receive(frame, self.now_s)

    def is_alive(self) -> bool:
        assert self.alive is not None
        heard = self.send(self.alive.ask)
        self.now_s += 0.2
        heard += self.model.tick(self.now_s)
        self.send(self.alive.afterwards)
        return self.alive.answer.search(heard) is not None


def chance(seed: object) -> random.Random:
    return random.Random(repr(seed))  # noqa: S311  # chance to be repeated, no secret


@pytest.mark.parametrize("name", protocols())
def test_frames_of_a_protocol_are_right_at_the_edge_and_broken(name: str) -> None:
    language: Any = protocol_named(name)
    grammar = FrameGrammar(language)
    read = refused = 0
    for number in range(300):
        frame = grammar.frame(chance((name, number)))
        assert frame == grammar.frame(chance((name, number)))
        try:
            language.decode(frame)
            read += 1
        except FormatError:
            refused += 1
    assert read > 50
    assert refused > 20


def test_every_part_of_every_layout_is_reached() -> None:
    for language in protocols().values():
        for offset, layout in language.layouts:
            parts = layout.parts()
            assert sum(part.size for part in parts) == layout.size
            assert offset + layout.size <= language.most_bytes


def test_a_layout_says_where_its_fields_stand() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Head:
        magic: int = wire(const(0x7E, U8))
        size: int = wire(U16BE)
        rest: bytes = wire(raw(5))

    parts = Layout(Head, size=8).parts()
    assert [(p.name, p.offset, p.size, p.is_constant) for p in parts] == [
        ("magic", 0, 1, True),
        ("size", 1, 2, False),
        ("rest", 3, 5, False),
    ]


@pytest.mark.parametrize("name", SPEAKS)
@pytest.mark.parametrize("seed", range(3))
def test_a_good_model_lives_through_its_grammar(name: str, seed: int) -> None:
    target = Modelled(name, "")
    corpus = Corpus()
    assert fuzz(target, FrameGrammar(protocol_named(SPEAKS[name])), chance(seed), frames=400, corpus=corpus) is None
    assert corpus.frames
    assert target.restarts == 0


@pytest.mark.parametrize("name", SPEAKS)
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_crash_is_found_within_the_budget_and_made_short(name: str, seed: int, tmp_path: Path) -> None:
    target = Modelled(name, "hangs-on-long-line")
    grammar = FrameGrammar(protocol_named(SPEAKS[name]))
    crash = fuzz(target, grammar, chance(seed), frames=FRAMES, corpus=Corpus(tmp_path))
    assert crash is not None
    assert crash.is_certain
    shortest = {"ventilator": 70, "analyser": 209, "monitor": 1050, "oximeter": 64}[name]
    assert len(crash.frame) <= shortest * 1.1 + 32
    target.restart()
    target.send(crash.frame)
    assert not target.is_alive()
    (kept,) = tmp_path.glob("crash-*.bin")
    assert kept.read_bytes() == crash.frame
    again = fuzz(Modelled(name, "hangs-on-long-line"), grammar, chance(seed + 9), frames=0, corpus=Corpus(tmp_path))
    assert again is not None, "the next run begins with what this one has found"


def test_what_no_frame_does_alone_is_told_so() -> None:
    class Once:
        """Stops after ten frames, and never again."""

        sent = 0

        def send(self, _frame: bytes) -> bytes:
            self.sent += 1
            return b""

        def is_alive(self) -> bool:
            return not 10 <= self.sent < 100

        def restart(self) -> None:
            self.sent = 100

    grammar = FrameGrammar(protocol_named("medibus"))
    crash = fuzz(Once(), grammar, chance(1), frames=20, corpus=Corpus())
    assert crash is not None
    assert not crash.is_alone
    assert not crash.is_certain
    assert crash.after == 10


def test_a_corpus_is_bounded_and_its_folder_is_looked_at_with_care(tmp_path: Path) -> None:
    corpus = Corpus()
    for number in range(MOST_FRAMES + 5):
        corpus.keep(b"%d" % number)
        corpus.keep(b"%d" % number)
    assert len(corpus.frames) == MOST_FRAMES
    assert Corpus(tmp_path / "new").frames == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is no folder"):
        Corpus(tmp_path / "file")
    (tmp_path / "frame-1.bin").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        Corpus(tmp_path)


def test_a_code_or_state_out_of_range_cannot_be_said() -> None:
    with pytest.raises(FormatError, match="MEDIBUS code"):
        medibus.encode(medibus.Command(code=300))
    assert astm.PROTOCOL.alive is not None


def test_a_check_that_finds_no_single_culprit_says_so(pump: Callable[..., Device]) -> None:
    device = pump("hangs-on-many-words")
    device.connect()
    run = CheckRun(device, RunOptions(seed=3))
    run.run([checks()["fuzzing"]])
    (verdict,) = run.verdicts
    assert verdict.result is Result.FAIL
    assert "made from one frame as short as it can be; found with frame" in verdict.detail


def test_forbidden_frames_are_held_back_and_counted(pump: Callable[..., Device], tmp_path: Path) -> None:
    device = pump()
    device.connect()
    (tmp_path / "fuzzing").mkdir()
    (tmp_path / "fuzzing" / "frame-1.bin").write_bytes(b"start")
    run = CheckRun(device, RunOptions(corpus=tmp_path))
    run.run([checks()["fuzzing"]])
    assert [v.result for v in run.verdicts] == [Result.PASS]
    assert "forbidden ones were held back" in run.verdicts[0].detail


def test_a_device_of_an_unknown_protocol_is_not_fuzzed(pump: Callable[..., Device]) -> None:
    device = pump()
    device.connect()
    device.interface = msgspec.structs.replace(device.interface, protocol="smp-console")
    said = CheckRun(device, RunOptions()).why_not_applicable(checks()["fuzzing"])
    assert said == "no question is known that a device which speaks smp-console must always answer"
