"""pytest on the bench: the device fixture, and pytest-embedded with our addresses, as a user would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("serial", reason="needs pyserial")
import serial  # noqa: E402

from hil.pyserial_door import TransportPort, register  # noqa: E402

OWN = """
import pytest

def test_it_says_who_it_is(device):
    device.ask(b"version\\r", b"=2.1.0 7")

def test_the_next_test_starts_afresh(device):
    assert device.receive(0.0) == b""
    device.transport.close()

def test_it_is_connected_again(device):
    device.ask(b"id\\r", b"=demo-pump")

@pytest.mark.lowest_level("qemu")
def test_that_counts_on_firmware_only(device):
    raise AssertionError("not on a model")

@pytest.mark.changes_device
def test_that_changes_the_device(device):
    device.ask(b"logout\\r", b"=ok")

def test_that_fails(device):
    device.ask(b"dance\\r", b"=ok")
"""

EMBEDDED = """
def test_dut(dut):
    dut.expect("ready", timeout=5)
    dut.write("id\\r")
    dut.expect("demo-pump medharden", timeout=5)
"""


def run_pytest(folder: Path, content: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_own.py").write_text(content, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE"))}
    clean["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", "-p", "no:medharden"]
    return subprocess.run(
        [*command, "-p", "hil.pytest_plugin", *options, "test_own.py"],
        cwd=folder, env=clean, capture_output=True, text=True, check=False, encoding="utf-8", timeout=120,
    )  # fmt: skip


PUMP = ("-p", "no:pytest_embedded", "--bench-device", "medemu://demo-pump", "--bench-profile", "demo-pump")


def test_tests_of_ones_own_get_a_device_that_has_proven_who_it_is(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, OWN, *PUMP, "--bench-record", "session.jsonl")
    assert "4 passed, 1 skipped" in done.stdout.replace("1 failed, ", ""), done.stdout
    assert "not tested: counts only on qemu or better; this is model" in done.stdout
    assert "device, evidence level model" in done.stdout
    assert "->  dance" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "session.jsonl").read_text(encoding="utf-8").splitlines()]
    names = [row.get("name") for row in rows]
    assert names.count("test") == 5
    assert names[-2:] == ["safe-state", "closed"]


def test_a_real_device_is_changed_only_when_armed(tmp_path: Path, served: object) -> None:
    url = served().url  # type: ignore[operator]  # the fixture of this folder
    options = ("-p", "no:pytest_embedded", "--bench-device", url, "--bench-profile", "demo-pump", "-k", "changes")
    done = run_pytest(tmp_path, OWN, *options)
    assert "not tested: could change the device; --bench-armed allows that" in done.stdout
    assert "1 passed" in run_pytest(tmp_path, OWN, *options, "--bench-armed").stdout


def test_without_a_device_nothing_is_tested_and_nothing_passes(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, OWN, "-p", "no:pytest_embedded")
    assert "6 skipped" in done.stdout
    assert "not tested: no device; name one with --bench-device and --bench-profile" in done.stdout


def test_pytest_embedded_uses_our_addresses_unmodified(tmp_path: Path) -> None:
    pytest.importorskip("pytest_embedded_serial", reason="needs pytest-embedded-serial")
    options = ("--embedded-services", "serial", "--port", "medemu://demo-pump")
    done = run_pytest(tmp_path, EMBEDDED, *options)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


# The same through pyserial alone


@pytest.fixture
def port() -> TransportPort:
    register()
    register()
    opened = serial.serial_for_url("medemu://demo-pump", timeout=2)
    assert isinstance(opened, TransportPort)
    return opened


def test_a_program_that_opens_a_port_by_address_gets_our_device(port: TransportPort) -> None:
    with port:
        assert port.read_until(b"ready\r\n").endswith(b"ready\r\n")
        assert port.write(b"id\r") == 3
        assert port.read(10) == b"=demo-pump"
        assert port.in_waiting == len(b" medharden 00000001\r\n")
        port.flush()
        port.reset_input_buffer()
        port.reset_output_buffer()
        port.baudrate = 9600
        port.dtr = port.rts = True
        port.break_condition = True
        port.timeout = 0.01
        assert port.read(1) == b""
    with pytest.raises(serial.PortNotOpenError):
        port.read(1)
    with pytest.raises(serial.PortNotOpenError):
        port.write(b"x")


def test_a_port_without_a_time_limit_waits_for_the_bytes() -> None:
    register()
    with serial.serial_for_url("medemu://demo-pump") as port:
        assert port.timeout is None
        assert port.read(16) == b"demo-pump boot\r\n"


def test_an_open_port_is_not_opened_twice_and_a_wrong_address_is_told(port: TransportPort) -> None:
    with port, pytest.raises(serial.SerialException, match="open already"):
        port.open()
    with pytest.raises(serial.SerialException, match="no such device"):
        serial.serial_for_url("medemu://toaster")
    unopened = serial.serial_for_url("medemu://demo-pump", do_not_open=True)
    unopened.close()


def test_a_real_device_is_only_listened_to_unless_its_profile_is_named(served: object) -> None:
    register()
    url = served().url  # type: ignore[operator]
    with (
        serial.serial_for_url(url, timeout=1) as port,
        pytest.raises(serial.SerialException, match="no device profile, so it is only listened to"),
    ):
        port.write(b"id\r")
    with serial.serial_for_url(f"{url}?profile=demo-pump&interface=console", timeout=1) as port:
        port.write(b"version\r")
        assert port.read_until(b"\n") == b"=2.1.0 7\r\n"
    with pytest.raises(serial.SerialException, match="has no interface telepathy"):
        serial.serial_for_url(f"{url}?profile=demo-pump&interface=telepathy", timeout=1)


def test_a_wrong_device_is_told_and_let_go(served: object) -> None:
    register()
    url = served("hangs-on-long-line").url  # type: ignore[operator]
    with serial.serial_for_url(f"{url}?profile=demo-pump", timeout=1) as port:
        port.write(b"x" * 70 + b"\r")
    with pytest.raises(serial.SerialException, match="this is not demo-pump"):
        serial.serial_for_url(f"{url}?profile=demo-pump", timeout=1)


def test_a_connection_that_is_lost_is_told(served: object) -> None:
    register()
    server = served()  # type: ignore[operator]
    with serial.serial_for_url(server.url, timeout=5) as port:
        server.hang_up()
        with pytest.raises(serial.SerialException):
            port.read(1)
