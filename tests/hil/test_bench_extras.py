"""What else the bench verb can do: protocols, corpora, probes; and what an interrupted run in an emulator leaves."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hil.bench_check import checks
from hil.bench_report import report_of
from hil.bench_run import BenchRun, Operator, Target
from hil.device import Device, interface_of
from hil.faults import as_heard_at
from hil.protocol import protocols
from hil.result import BenchResult
from hil.run import CheckRun, RunOptions
from hil.transport import make_transport
from hil.verdict import Result
from toolkit.app.cli import run
from toolkit.report.text import to_text

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_the_list_of_protocols_says_what_is_not_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "list"]) == 0
    said = capsys.readouterr().out
    assert run(["bench", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["protocols"]
    assert [row["name"] for row in rows] == sorted(protocols())
    assert all(row["source"] for row in rows)
    for row in rows:
        assert row["title"] in said
        assert all(f"not verified: {text}" in said for text in row["unverified"])


def test_a_corpus_is_kept_for_the_next_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "corpus"
    command = ["bench", "run", "--profile", "demo-pump", "--check", "P5", "--level", "model", "--corpus", str(folder)]
    assert run([*command, "--device", "medemu://demo-pump?weak=hangs-on-many-words"]) == 1
    (crash,) = (folder / "fuzzing").glob("crash-*.bin")
    assert len(crash.read_bytes().split()) == 9
    assert list((folder / "fuzzing").glob("frame-*.bin"))
    capsys.readouterr()
    assert run([*command, "--device", "medemu://demo-pump"]) == 0


def test_a_probe_is_named_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "run", "--profile", "demo-pump", "--check", "D1", "--level", "model"]
    command += ["--device", "medemu://demo-pump", "--probe"]
    assert run([*command, "jlink:x"]) == 2
    assert "is no probe" in capsys.readouterr().err
    assert run([*command, "none"]) == 0


@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_a_report_on_a_bench_run_is_called_so(language: str) -> None:
    result = bench_result("medemu://demo-pump?weak=no-login")
    said = to_text(report_of(result, checks()), language=language).decode()
    words = {"en": "Bench report", "fr": "Rapport de banc d'essai", "es": "Informe del banco de pruebas"}
    assert words[language] in said
    assert "irmware report" not in said


def bench_result(url: str) -> BenchResult:
    from device_profiles.loader import load

    profile = load("demo-pump")
    return BenchRun(
        profile=profile,
        targets=(Target(interface=interface_of(profile, "console"), urls=(url,)),),
        checks=[checks()["login-prompt"]],
        options=RunOptions(),
        operator=Operator(confirm=lambda _s: False, now=lambda: NOW),
    ).run()


def test_a_model_hears_another_speed_and_a_break() -> None:
    with make_transport("medemu://demo-pump") as transport:
        line = transport.line
        assert line is not None
        while transport.read(1.0):
            pass
        line.set_baud(9600)
        transport.write(b"id\r")
        line.set_baud(115_200)
        assert as_heard_at(b"id\r", 9600, 115_200) != b"id\r"
        line.set_lines(dtr=True)
        assert set(line.lines().values()) == {False}
        line.send_break(0.1)
        transport.write(b"id\r")
        assert transport.read(1.0).endswith(b"=demo-pump medharden 00000001\r\n")
        transport.power.off()
        line.send_break(0.1)
        assert transport.read(0.1) == b""


def test_a_line_without_speed_gets_what_a_receiver_would_make_of_it(pump: Callable[..., Device]) -> None:
    device = pump("hangs-on-noise")
    device.connect()
    device.transport.line = None
    checked = CheckRun(device, RunOptions())
    checked.run([checks()["line-noise"], checks()["line-break"]])
    assert [v.result for v in checked.verdicts] == [Result.FAIL, Result.NOT_TESTED]
    good = pump()
    good.connect()
    good.transport.line = None
    checked = CheckRun(good, RunOptions())
    checked.run([checks()["line-noise"]])
    assert [v.result for v in checked.verdicts] == [Result.PASS]


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_interrupted_run_in_the_emulator_leaves_a_report_and_no_process(tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = [
        sys.executable,
        "-c",
        "from toolkit.app.cli import main; main()",
        "bench",
        "run",
        "--profile",
        "demo-pump",
    ]
    command += ["--device", "qemu://demo-pump", "--interface", "console", "--output", str(output)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stderr is not None
    first = running.stderr.readline()  # the first verdict: the emulator runs
    emulators = children(running.pid)
    running.send_signal(signal.SIGINT)
    out, error = running.communicate(timeout=60)
    assert first, error
    assert emulators
    assert running.returncode == 130, error
    assert b"Stopped: stopped by the operator" in out
    assert json.loads((output / "evidence.json").read_bytes())
    assert (output / "junit.xml").is_file()
    end_s = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in emulators) and time.monotonic() < end_s:
        time.sleep(0.05)
    assert not [pid for pid in emulators if Path(f"/proc/{pid}").exists()]


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []
