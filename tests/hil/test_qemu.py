"""The compiled demo pump in QEMU: found weak, passed good, quick, and no process is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device_profiles.loader import load
from hil.bench_check import BenchCheck, checks
from hil.bench_image import bench_image
from hil.detection import address
from hil.device import Device, interface_of
from hil.errors import LinkLost
from hil.run import CheckRun, RunOptions
from hil.transport import make_transport
from hil.transport_url import TransportUrl
from hil.transports.qemu import SCHEME, QemuTransport
from hil.verdict import Result

NEEDS_QEMU = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed")
CHOSEN = ("no-login", "boot-log", "replayable-set", "accepts-unsigned")
"""benchmarks/bench_detection.py measures all of them."""
CASES = [(check, weak) for check in checks().values() for weak in CHOSEN if address(weak) in check.weak_devices]
PARENT = """
import sys, time
from hil.transport import make_transport
pump = make_transport("qemu://demo-pump")
pump.open()
print(pump.process.pid, flush=True)
time.sleep(60)
"""


def judged(check: BenchCheck, url: str) -> tuple[Result, str]:
    profile = load("demo-pump")
    device = Device(profile, make_transport(url), interface_of(profile, None))
    device.connect()
    run = CheckRun(device, RunOptions(seed=1))
    run.run([check])
    device.close()
    return run.verdicts[0].result, run.verdicts[0].detail


def until_line(pump: QemuTransport) -> bytes:
    said = b""
    while not said.endswith(b"\n"):
        more = pump.read(5.0)
        assert more
        said += more
    return said


def pump_in_qemu(*, as_on_windows: bool = False) -> QemuTransport:
    url = TransportUrl("qemu", "demo-pump", {"weak": "no-login"})
    return QemuTransport(url, bench_image(url), as_on_windows=as_on_windows)


@NEEDS_QEMU
@pytest.mark.parametrize(("check", "weak"), CASES, ids=[weak for _, weak in CASES])
def test_a_check_finds_its_weakness_and_passes_the_good_pump(check: BenchCheck, weak: str) -> None:
    assert judged(check, f"qemu://demo-pump?weak={weak}")[0] is Result.FAIL
    result, detail = judged(check, "qemu://demo-pump")
    assert result is Result.PASS, detail


@NEEDS_QEMU
@pytest.mark.parametrize("as_on_windows", [False, True])
def test_it_answers_with_shared_memory_and_without_as_on_windows(as_on_windows: bool) -> None:
    with pump_in_qemu(as_on_windows=as_on_windows) as pump:
        assert until_line(pump) == b"demo-pump boot\r\n"
        assert until_line(pump) == b"demo-pump ready\r\n"
        pump.write(b"version\r")
        assert until_line(pump) == b"=2.1.0 7\r\n"
        pump.power.off()
        assert pump.read(0.01) == b""
        assert (pump.flash is None) is as_on_windows
        assert (pump.settings()["time"] == "real") is as_on_windows


@NEEDS_QEMU
def test_cutting_the_power_ends_the_process_and_keeps_what_the_board_retains() -> None:
    with pump_in_qemu() as pump:
        until_line(pump), until_line(pump)
        pump.write(b"nonce\r")
        first = until_line(pump)
        process = pump.process
        assert process is not None
        pump.power.off()
        pump.power.off()
        assert process.returncode == -9
        pump.write(b"id\r")
        assert pump.read(0.01) == b""
        pump.power.on()
        pump.power.on()
        until_line(pump), until_line(pump)
        pump.write(b"nonce\r")
        assert until_line(pump) != first
        assert pump.settings()["qemu"]


@NEEDS_QEMU
def test_an_emulator_that_ends_by_itself_is_a_lost_link() -> None:
    pump = pump_in_qemu()
    pump.open()
    assert pump.process is not None
    pump.process.kill()
    with pytest.raises(LinkLost, match="emulator has ended"):
        while True:
            pump.read(5.0)


@NEEDS_QEMU
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_when_we_are_killed_the_emulator_ends_too() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="ascii"):
            return
        time.sleep(0.02)
    pytest.fail("QEMU lives on")


def test_without_qemu_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LinkLost, match="apt-get install qemu-system-arm"):
        make_transport("qemu://demo-pump").open()
    assert list(SCHEME.attached()) == []


@NEEDS_QEMU
def test_it_is_listed() -> None:
    assert [one.url for one in SCHEME.attached()] == ["qemu://demo-pump"]
