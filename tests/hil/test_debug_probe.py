"""A debug probe only looks: what it is told, how its answers are read, and what is said when it is not there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.bench_check import checks
from hil.debug_probe import EmulatedProbe, NoProbe, OpenOcdProbe, PortState, PyocdProbe, debug_probe
from hil.device import Device
from hil.errors import BenchError, NotTested
from hil.run import CheckRun, RunOptions
from hil.verdict import Result
from toolkit.core.errors import InputError

FORBIDDEN = ("halt", "reset", "unlock", "erase", "program", "write", "flash", "load", "mww")
DUMP = "0x00000000: 20001000 000000c1 00000123 deadbeef \n"


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Return a maker of programs that say a text, whatever they are asked."""

    def make(said: str) -> str:
        path = tmp_path / "probe.py"
        path.write_text(f"#!{sys.executable}\nprint({said!r})\n", encoding="utf-8")
        path.chmod(0o700)
        return str(path)

    return make


def test_neither_program_is_told_to_change_anything() -> None:
    for probe in (OpenOcdProbe(["interface/stlink.cfg", "target/stm32f4x.cfg"]), PyocdProbe(["stm32f407"])):
        for read in (None, (0x08000000, 16)):
            words = " ".join(probe.command(read)).replace("auto_unlock=false", "")
            assert not [word for word in FORBIDDEN if word in words.replace("no-wait", "")]


def test_pyocd_is_kept_from_unlocking_and_from_halting() -> None:
    command = PyocdProbe(["nrf52840"]).command((0x20, 4))
    assert "auto_unlock=false" in command
    assert command[command.index("--connect") + 1] == "attach"
    assert command[-4:] == ["-c", "read32 0x20 16", "-c", "exit"]


def test_openocd_opens_no_port_for_anybody_else() -> None:
    command = OpenOcdProbe(["a.cfg"]).command((0, 2))
    assert command[:2] == ["-f", "a.cfg"]
    assert {"gdb_port disabled", "tcl_port disabled", "telnet_port disabled", "mdw 0x0 2"} < set(command)
    assert command[-1] == "shutdown"


NEEDS_SCRIPTS = pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")


@NEEDS_SCRIPTS
@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("Info : SWD DPIDR 0x2ba01477\nInfo : [cpu] Cortex-M4 r0p1 processor detected", PortState.OPEN),
        ("Info : SWD DPIDR 0x2ba01477\nError: Could not find MEM-AP to control the core", PortState.CLOSED),
        ("Error: Error connecting DP: cannot read IDR", PortState.SILENT),
    ],
)
def test_what_openocd_says_is_understood(said: str, state: PortState, program: Callable[[str], str]) -> None:
    assert OpenOcdProbe(["a.cfg"], program(said)).state() is state


@NEEDS_SCRIPTS
def test_words_of_memory_are_read_from_a_dump(program: Callable[[str], str]) -> None:
    probe = OpenOcdProbe(["a.cfg"], program(DUMP))
    assert probe.read(0, 16) == bytes.fromhex("00100020 c1000000 23010000 efbeadde")
    assert probe.read(0, 64) is None
    assert probe.read(0, 0) is None
    assert PyocdProbe(["x"], program("00000000:  20001000 000000c1    | ...|")).read(0, 8) is not None


@NEEDS_SCRIPTS
def test_no_probe_is_told_and_is_no_verdict(program: Callable[[str], str]) -> None:
    with pytest.raises(NotTested, match="no probe is connected"):
        OpenOcdProbe(["a.cfg"], program("Error: open failed")).state()
    with pytest.raises(NotTested, match="is not installed"):
        PyocdProbe(["x"], "/nowhere/pyocd").state()
    for look in (NoProbe().state, lambda: NoProbe().read(0, 4)):
        with pytest.raises(NotTested, match="--probe"):
            look()


@NEEDS_SCRIPTS
def test_a_program_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o700)
    with pytest.raises(BenchError, match="did not come back"):
        OpenOcdProbe(["a.cfg"], str(path)).state()


def test_a_probe_has_a_name_of_the_command_line() -> None:
    assert debug_probe("none").name == ""
    assert debug_probe("openocd:a.cfg,target/b.cfg").name == "openocd:a.cfg,target/b.cfg"
    assert debug_probe("pyocd:nrf52840").name == "pyocd:nrf52840"
    for wrong in ("openocd:", "openocd:-c", "pyocd:a,b", "jlink:x", "openocd:a;b"):
        with pytest.raises(InputError, match="is no probe"):
            debug_probe(wrong)


@pytest.mark.parametrize(
    ("probe", "port", "flash"),
    [
        (EmulatedProbe(PortState.SILENT, None), Result.NOT_TESTED, Result.NOT_TESTED),
        (EmulatedProbe(PortState.CLOSED, b"\xff" * 64), Result.PASS, Result.PASS),
        (EmulatedProbe(PortState.OPEN, bytes(range(64))), Result.FAIL, Result.FAIL),
        (None, Result.PASS, Result.PASS),
    ],
)
def test_verdicts_follow_what_the_probe_saw(
    probe: EmulatedProbe | None, port: Result, flash: Result, pump: Callable[..., Device]
) -> None:
    device = pump()
    device.probe = device.probe if probe is None else probe
    device.connect()
    run = CheckRun(device, RunOptions())
    run.run([checks()["debug-port"], checks()["flash-read-out"]])
    assert [v.result for v in run.verdicts] == [port, flash]


def test_without_a_probe_nothing_is_said_about_the_port(pump: Callable[..., Device]) -> None:
    device = pump()
    device.probe = NoProbe()
    device.connect()
    run = CheckRun(device, RunOptions())
    run.run([checks()["debug-port"], checks()["flash-read-out"]])
    assert {v.detail for v in run.verdicts} == {"no probe is connected to the debug port (--probe)"}
