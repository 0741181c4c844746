"""A place of a labgrid lab is acquired while its device is open; coordinator and exporter run on loopback."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from device_profiles.schema import DeviceProfile
from hil.device import Device, interface_of
from hil.errors import LinkLost
from hil.transport import make_transport
from toolkit.core.errors import InputError, MissingExtra

HAS_LABGRID = importlib.util.find_spec("labgrid") is not None
needs_labgrid = pytest.mark.skipif(not HAS_LABGRID, reason="needs labgrid, which cannot share pyserial's place")
EXPORT = "lab:\n  NetworkSerialPort:\n    host: 127.0.0.1\n    port: {port}\n    protocol: raw\n    speed: 115200\n"


@pytest.mark.parametrize("coordinator", ["192.0.2.7:20408", "lab:20408", "20408"])
def test_a_coordinator_elsewhere_is_reached_through_ssh_only(coordinator: str) -> None:
    with pytest.raises(InputError, match="labgrid has no authentication: reach its coordinator through ssh"):
        make_transport(f"labgrid://ward-pump?coordinator={coordinator}")


@pytest.mark.skipif(HAS_LABGRID, reason="is about what is told without it")
def test_without_labgrid_it_is_said_what_to_install() -> None:
    with pytest.raises(MissingExtra, match=r"labgrid needs an optional part: install medharden\[lab\]"):
        make_transport("labgrid://ward-pump?coordinator=[::1]:20408")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def lab(tmp_path: Path, served: Callable[..., Any]) -> Iterator[Callable[..., str]]:
    """Return the address of a coordinator that knows the place ward-pump with a demo pump behind it."""
    programs = Path(sys.executable).parent
    coordinator = f"127.0.0.1:{free_port()}"
    export = tmp_path / "export.yaml"
    export.write_text(EXPORT.format(port=served().url.rpartition(":")[2]), encoding="utf-8")

    def client(*words: str) -> str:
        command = [shutil.which("labgrid-client", path=str(programs)) or "labgrid-client", "-x", coordinator, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout

    running = [subprocess.Popen([str(programs / "labgrid-coordinator"), "-l", coordinator], cwd=tmp_path)]
    try:
        time.sleep(1.5)
        exporter = [str(programs / "labgrid-exporter"), "-c", coordinator, "--name", "bench", str(export)]
        running.append(subprocess.Popen(exporter, cwd=tmp_path))
        for _ in range(40):
            if "bench/lab/NetworkSerialPort" in client("resources"):
                break
            time.sleep(0.25)
        client("-p", "ward-pump", "create")
        client("-p", "ward-pump", "add-match", "bench/lab/*")
        yield lambda *words: client(*words) if words else coordinator
    finally:
        for program in reversed(running):
            program.terminate()
            program.wait(10)


@needs_labgrid
def test_a_place_is_ours_while_its_device_is_open(lab: Callable[..., str], pump_profile: DeviceProfile) -> None:
    url = f"labgrid://ward-pump?coordinator={lab()}"
    transport = make_transport(url)
    with Device(pump_profile, transport, interface_of(pump_profile, None)) as device:
        assert device.ask(b"version\r", b"=2.1.0 7")
        assert device.transport.settings()["place"] == "ward-pump"
        assert "acquired: " in lab("-p", "ward-pump", "show")
    assert "acquired: None" in lab("-p", "ward-pump", "show")
    lab("-p", "ward-pump", "acquire")
    with pytest.raises(LinkLost, match=r"the place cannot be had: .*already acquired"):
        make_transport(url).open()


@needs_labgrid
def test_a_place_that_does_not_exist_is_told(lab: Callable[..., str]) -> None:
    with pytest.raises(LinkLost, match="cannot be had"):
        make_transport(f"labgrid://nowhere?coordinator={lab()}").open()
