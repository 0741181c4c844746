"""How a device is switched off and on: not at all, by hand, by a USB hub, or because it is emulated."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Protocol

from hil.errors import BenchError
from toolkit.core.errors import InputError

__all__ = ["ManualPower", "NoPower", "PowerPort", "UhubctlPower", "power_port"]

SWITCH_TIMEOUT_S = 30.0


class PowerPort(Protocol):
    """The switch of one device."""

    @property
    def name(self) -> str:
        """What it is, for the evidence; empty where nothing can be switched."""

    @property
    def is_automatic(self) -> bool:
        """Whether it switches without a person, so that it can be used many times."""

    def off(self) -> None:
        """Take the power away, all at once; ``BenchError`` when that fails."""

    def on(self) -> None:
        """Give it back; ``BenchError`` when that fails."""


class NoPower:
    """Nothing can be switched."""

    name = ""
    is_automatic = False

    def off(self) -> None:
        """Refuse."""
        raise BenchError("there is no way to switch this device off: name one with `power` in the bench file")

    def on(self) -> None:
        """Refuse."""
        self.off()


class ManualPower:
    """A person pulls the plug; ``ask`` shows a sentence and returns True when it is done."""

    name = "manual"
    is_automatic = False

    def __init__(self, ask: Callable[[str], bool]) -> None:
        self._ask = ask

    def off(self) -> None:
        """Ask for it."""
        self._do("Switch the device OFF, or pull its plug and its battery.")

    def on(self) -> None:
        """Ask for it."""
        self._do("Switch the device ON.")

    def _do(self, sentence: str) -> None:
        if not self._ask(sentence):
            raise BenchError("the operator did not switch the device")


class UhubctlPower:
    """A USB hub that can switch its ports, through the program ``uhubctl``. Source: uhubctl README (mvp/uhubctl)."""

    is_automatic = True

    def __init__(self, hub: str, port: str, program: str = "uhubctl") -> None:
        self.name = f"uhubctl:{hub}:{port}"
        self._hub, self._port, self._program = hub, port, program

    def off(self) -> None:
        """Take the power of the port away."""
        self._switch("off")

    def on(self) -> None:
        """Give it back."""
        self._switch("on")

    def _switch(self, action: str) -> None:
        program = shutil.which(self._program)
        if program is None:
            raise BenchError(f"{self.name}: the program {self._program} is not installed")
        command = [program, "--location", self._hub, "--ports", self._port, "--action", action]
        try:
            done = subprocess.run(  # noqa: S603  # the hub's own program, by its full path, with checked arguments
                command, capture_output=True, check=False, timeout=SWITCH_TIMEOUT_S, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"{self.name}: {self._program} did not switch the port {action}") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise BenchError(f"{self.name}: {said[-1]}")


def power_port(text: str, ask: Callable[[str], bool]) -> PowerPort:
    """Return what ``none``, ``manual`` or ``uhubctl:HUB:PORT`` of a bench file stands for."""
    kind, _, rest = text.partition(":")
    if text == "none":
        return NoPower()
    if text == "manual":
        return ManualPower(ask)
    hub, _, port = rest.partition(":")
    if kind == "uhubctl" and port.isdecimal() and hub and all(c in "0123456789-." for c in hub):
        return UhubctlPower(hub, port)
    raise InputError(f"{text!r} is no power switch; write none, manual, or uhubctl:HUB:PORT such as uhubctl:1-1.4:2")
