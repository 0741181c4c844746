"""``medharden bench``, as a person and as another program use it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.conversation import readable, shown_entry
from hil.record import Entry
from signing.keyring import create_key
from toolkit.app.cli import run

ROOT = Path(__file__).resolve().parents[2]
PUMP = "medemu://demo-pump"


def test_out_of_the_box_everything_runs_on_the_emulated_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "run", "--profile", "demo-pump", "--level", "model", "--check", "C"]) == 0  # all: a minute
    shown = capsys.readouterr()
    assert "medemu://demo-pump: used" in shown.out
    assert "This was no real device" in shown.out
    assert "C1   login-prompt" in shown.err


def test_a_weak_device_fails_and_the_exit_code_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "run", "--profile", "demo-pump", "--device", f"{PUMP}?weak=no-login", "--check", "C1", "--json"]
    assert run(command) == 1
    (verdict,) = json.loads(capsys.readouterr().out)["verdicts"]
    assert (verdict["check"], verdict["result"], verdict["level"]) == ("login-prompt", "fail", "model")


def test_without_a_device_the_exit_code_is_2_and_nothing_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "run", "--profile", "demo-pump", "--device", "tcp://127.0.0.1:9"]) == 2
    shown = capsys.readouterr()
    assert "Stopped: no device could be reached" in shown.out
    assert "Not proven: U1" in shown.out
    assert "pass " not in shown.err


def test_with_fallback_the_emulated_device_is_used_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "run", "--profile", "demo-pump", "--device", "tcp://127.0.0.1:9", "--fallback", "--check", "C"]
    assert run([*command, "--json"]) in (0, 1)
    result = json.loads(capsys.readouterr().out)
    assert result["device"].endswith("demo-pump")
    assert result["attempts"][0]["problem"]
    assert result["level"] != "remote"


def test_a_run_writes_signed_evidence_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Words:
        def existing(self, _purpose: str) -> str:
            return "correct horse battery"

        new = existing

    key = f"file:{tmp_path / 'bench.pem'}"
    public = tmp_path / "bench.pub"
    public.write_bytes(create_key(key, "ed25519", Words()).pem())
    (tmp_path / "word").write_text("correct horse battery\n", encoding="utf-8")
    folder = tmp_path / "evidence"
    command = ["bench", "run", "--profile", "demo-pump", "--device", f"{PUMP}?weak=unauthenticated-set"]
    sign = ["--output", str(folder), "--sign", key, "--passphrase-file", str(tmp_path / "word")]
    assert run([*command, *sign]) == 1
    assert f"written     {folder}" in capsys.readouterr().out
    names = {"evidence.json", "junit.xml", "record.jsonl", "report.html", "report.json"}
    assert {path.name for path in folder.iterdir()} == names
    evidence = str(folder / "evidence.json")
    for form in ("junit", "html", "text", "json", "report"):
        assert run(["bench", "export", evidence, "--format", form, "--key", str(public)]) == 0
        shown = capsys.readouterr().out
        assert "set-without-authentication" in shown or "Anybody on the line can change settings" in shown
    assert run(["bench", "export", evidence, "--output", str(tmp_path / "copy.json")]) == 0
    assert b'"fail"' in (tmp_path / "copy.json").read_bytes()
    other = tmp_path / "other.pub"
    other.write_bytes(create_key(f"file:{tmp_path / 'other.pem'}", "ed25519", Words()).pem())
    assert run(["bench", "export", evidence, "--key", str(other)]) == 1
    assert "refused [evidence.unsigned]" in capsys.readouterr().err
    capture = ["bench", "export", str(folder / "record.jsonl"), "--format", "pcapng"]
    assert run(capture) == 2
    assert "name a file with --output" in capsys.readouterr().err
    assert run([*capture, "--output", str(tmp_path / "usb.pcapng")]) == 0
    assert run([*command, "--output", str(folder)]) == 2
    assert "a record is never overwritten" in capsys.readouterr().err
    assert run(["bench", "export", str(tmp_path / "none.json")]) == 2


BENCH = """
schema_version = "1.0"
[[places]]
id = "ward-pump"
profile = "demo-pump"
interface = "console"
devices = ["medemu://demo-pump"]
"""


def test_a_bench_file_names_the_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(BENCH, encoding="utf-8")
    assert run(["bench", "run", "--bench", str(path), "--place", "ward-pump", "--level", "model"]) == 0
    assert run(["bench", "list", "--bench", str(path)]) == 0
    assert "ward-pump" in capsys.readouterr().out
    assert run(["bench", "run", "--bench", str(path)]) == 2
    assert "--bench and --place belong together" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Name its profile with --profile"),
        (["--profile", "cpap"], "names no emulated device"),
        (["--profile", "demo-pump", "--check", "X9"], "no check is called X9"),
        (["--profile", "demo-pump", "--sign", "file:x.pem"], "--sign needs --output"),
        (["--profile", "demo-pump", "--file", "image"], "write NAME=PATH"),
        (["--profile", "demo-pump", "--file", "image=no-such-file"], "no such file"),
        (["--profile", "demo-pump", "--power", "magic"], "is no power switch"),
        (["--profile", "demo-pump", "--interface", "telepathy"], "has no interface telepathy"),
    ],
)
def test_what_cannot_be_run_is_explained_in_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "run", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_file_and_a_switch_reach_the_checks(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    options = ["--file", f"image={tmp_path / 'a.bin'}", "--power", "none", "--check", "login-prompt"]
    assert run(["bench", "run", "--profile", "demo-pump", "--device", PUMP, *options]) == 0


def test_devices_connections_and_checks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "list"]) == 0
    shown = capsys.readouterr().out
    assert PUMP in shown
    assert "serial://COM3" in shown
    assert run(["bench", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"url": PUMP, "title": "demo pump with a serial console", "level": "model"} in listed["devices"]
    assert run(["bench", "list", "--checks"]) == 0
    assert "C1   login-prompt" in capsys.readouterr().out
    assert run(["bench", "list", "--checks", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["id"]


def test_one_talks_with_a_device_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "talk.jsonl"
    assert run(["bench", "talk", "--device", PUMP, "--send", "id", "--send", "status", "--output", str(record)]) == 0
    shown = capsys.readouterr().out
    assert "=demo-pump medharden 00000001\n=idle rate=0" in shown
    assert run(["bench", "replay", str(record)]) == 0
    assert "->  id" in capsys.readouterr().out
    assert run(["bench", "replay", str(record), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["header"]["device"] == PUMP
    monkeypatch.setattr(sys, "stdin", io.StringIO("version\nstart\n"))
    assert run(["bench", "talk", "--device", PUMP, "--profile", "demo-pump", "--json"]) == 0
    heard = json.loads(capsys.readouterr().out)["heard"]
    assert "=2.1.0 7" in heard
    assert "[not sent, the profile forbids it: start (Delivers fluid.)]" in heard


def test_a_real_device_is_talked_to_only_when_armed_and_confirmed(
    served: Callable[..., Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = ["bench", "talk", "--device", served().url, "--profile", "demo-pump", "--send", "version"]
    assert run(talk) == 0
    assert "not sent" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert run([*talk, "--armed"]) == 2
    assert "not confirmed" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO("YES\n"))
    assert run([*talk, "--armed"]) == 0
    assert "=2.1.0 7" in capsys.readouterr().out


def test_a_device_that_speaks_without_end_is_talked_to_all_the_same(tmp_path: Path) -> None:
    rows = [{"format": "medharden-bench-record-1", "device": "x"}]
    rows += [{"n": n, "t": n * 0.01, "what": "in", "hex": "2e"} for n in range(1, 2000)]
    path = tmp_path / "stream.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert run(["bench", "talk", "--device", f"replay://{path}", "--send", "x"]) == 2  # nothing was sent in it


def test_what_a_device_says_is_recorded_without_a_word_from_us(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "boot.jsonl"
    assert run(["bench", "record", "--device", PUMP, "--output", str(path), "--seconds", "3"]) == 0
    assert "33 bytes heard in 3 s" in capsys.readouterr().err
    assert '"out"' not in path.read_text(encoding="utf-8")
    again = tmp_path / "again.jsonl"
    assert run(["bench", "record", "--device", PUMP, "--output", str(again), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == 33


def test_a_terminal_is_not_commanded_by_what_a_device_says() -> None:
    assert readable(b"a\r\n\x1b[2J\xff\x00") == "a\n\\x1b[2J\\xff\\x00"
    event = Entry(n=1, t=1.0, what="event", name="lost", detail="\x1b[2J")
    assert shown_entry(event) == "    1.000000  --  lost: \\x1b[2J"
    assert shown_entry(Entry(n=1, t=0.0, what="event", name="closed")) == "    0.000000  --  closed"
    long = shown_entry(Entry(n=1, t=0.0, what="usb", endpoint=0x81, setup="00", hex="41" * 300))
    assert "<> ep81 00 0" in long
    assert long.endswith("A ... 300 bytes")


def child(*arguments: str) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", "from toolkit.app.cli import main; main()", "bench", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_on_a_hung_device_ends_at_once_when_told_and_leaves_a_report(number: int, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections and never says a word
        server.settimeout(60)  # a program that dies at its start must not hold up the tests
        port = server.getsockname()[1]
        output = tmp_path / "out"
        running = child("run", "--profile", "demo-pump", "--device", f"tcp://127.0.0.1:{port}", "--output", str(output))
        link, _ = server.accept()
        assert link.recv(3) == b"id\r"
        time.sleep(0.1)
        running.send_signal(number)
        out, error = running.communicate(timeout=20)
        link.close()
    assert running.returncode == 130, error
    assert b"Stopped: stopped by the operator" in out
    assert (output / "evidence.json").is_file()
    assert b"stopped by the operator" in (output / "junit.xml").read_bytes()


def test_a_hung_device_is_told_in_time() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        start_s = time.perf_counter()
        assert run(["bench", "run", "--profile", "demo-pump", "--device", url]) == 2
        assert time.perf_counter() - start_s < 20


def test_a_cold_list_of_the_bench_is_quick() -> None:
    best_s = 9.0
    for _ in range(3):
        before = os.times()
        listing = child("list")
        assert listing.communicate(timeout=20)[0]
        assert listing.returncode == 0
        after = os.times()
        best_s = min(
            best_s, after.children_user + after.children_system - before.children_user - before.children_system
        )
    assert best_s < 0.4
