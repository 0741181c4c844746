"""The debug port of a processor (SWD or JTAG), looked at and never changed: who can get in, and who can read the flash.

A probe only attaches and reads. It never halts, resets, writes, erases or unlocks: to unlock a protected processor is
to erase it. The programs are those of a probe's maker, run as processes of their own. Sources: OpenOCD User's Guide,
"Server Configuration" and "General Commands"; pyOCD documentation, "Session options" and "Security and protection".
"""

from __future__ import annotations

import enum
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Protocol

from hil.errors import BenchError, NotTested
from toolkit.core.errors import InputError

__all__ = ["DebugProbe", "EmulatedProbe", "NoProbe", "OpenOcdProbe", "PortState", "PyocdProbe", "debug_probe"]

TIMEOUT_S: Final = 30.0
WORD_BYTES: Final = 4
MOST_READ_BYTES: Final = 256
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./\\ -]*")
"""File of a configuration, or a target: nothing that a program could take for an option or a command."""
WORDS: Final = re.compile(rb"^\s*(?:0x)?([0-9a-fA-F]{8}):?((?:\s+[0-9a-fA-F]{8})+)", re.MULTILINE)
"""A line of a memory dump, as both programs print it."""


class PortState(enum.Enum):
    """What the debug port does when somebody knocks."""

    OPEN = "lets us attach to the processor"
    CLOSED = "answers, and keeps us out of the processor"
    SILENT = "does not answer: shut for good, or not wired"


class DebugProbe(Protocol):
    """A probe at the debug port of the device."""

    @property
    def name(self) -> str:
        """What it is, for the evidence; empty where there is none."""

    def state(self) -> PortState:
        """Knock; ``NotTested`` when there is no probe, ``BenchError`` when the probe itself fails."""

    def read(self, address: int, size: int) -> bytes | None:
        """Return ``size`` bytes at ``address`` (at most 256, whole words); None when the port does not give them."""


class NoProbe:
    """Nothing is connected to the debug port."""

    name = ""

    def state(self) -> PortState:
        """Refuse."""
        raise NotTested("no probe is connected to the debug port: name one with --probe")

    def read(self, address: int, size: int) -> bytes | None:  # noqa: ARG002  # as the seam demands
        """Refuse."""
        raise NotTested("no probe is connected to the debug port: name one with --probe")


class EmulatedProbe:
    """The debug port of a model."""

    name = "model"

    def __init__(self, state: PortState, memory: bytes | None) -> None:
        self._state = state
        self._memory = memory

    def state(self) -> PortState:
        """Return how the model was made."""
        return self._state

    def read(self, address: int, size: int) -> bytes | None:
        """Return the model's memory, from address 0 on, where it can be read at all."""
        return None if self._memory is None else self._memory[address : address + size]


class _ProgramProbe(ABC):
    """What the two programs have in common."""

    program: str
    no_probe: tuple[bytes, ...]
    """What it says when the probe itself is missing."""
    answers: tuple[bytes, ...]
    """What it says when the port answers, whatever comes then."""
    attached: tuple[bytes, ...]
    """What it says when it has reached the processor."""

    def __init__(self, arguments: Sequence[str], program: str | None = None) -> None:
        self._arguments = tuple(arguments)
        self._program = program or self.program
        self.name = f"{self.program}:{','.join(arguments)}"

    @abstractmethod
    def command(self, read: tuple[int, int] | None) -> list[str]:
        """Return the arguments; ``read`` is address and number of words."""

    def state(self) -> PortState:
        """Attach without halting or resetting, and leave again."""
        said = self._said(None)
        if any(words in said for words in self.attached):
            return PortState.OPEN
        return PortState.CLOSED if any(words in said for words in self.answers) else PortState.SILENT

    def read(self, address: int, size: int) -> bytes | None:
        """Attach and read."""
        words = min(size, MOST_READ_BYTES) // WORD_BYTES
        numbers = [int(n, 16) for line in WORDS.finditer(self._said((address, words))) for n in line[2].split()]
        data = b"".join(number.to_bytes(WORD_BYTES, "little") for number in numbers[:words])
        return data if len(data) == words * WORD_BYTES and words else None

    def _said(self, read: tuple[int, int] | None) -> bytes:
        program = shutil.which(self._program)
        if program is None:
            raise NotTested(f"{self.name}: the program {self._program} is not installed")
        try:
            done = subprocess.run(  # noqa: S603  # the probe's own program, by its full path, with checked arguments
                [program, *self.command(read)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"{self.name}: {self._program} did not come back") from error
        missing = next((words for words in self.no_probe if words in done.stdout), None)
        if missing is not None:
            raise NotTested(f"{self.name}: no probe is connected ({missing.decode()})")
        return done.stdout


class OpenOcdProbe(_ProgramProbe):
    """Through the program OpenOCD; the arguments are its configuration files."""

    program = "openocd"
    no_probe = (
        b"open failed",
        b"unable to find a matching",
        b"unable to open CMSIS-DAP device",
        b"no device found",
        b"libusb_open() failed",
        b"Can't find",
        b"Debug adapter doesn't exist",
    )
    answers = (b"SWD DPIDR", b"tap/device found")
    attached = (b"processor detected", b"Examination succeed")
    """The second is of versions after 0.12."""

    def command(self, read: tuple[int, int] | None) -> list[str]:
        """Open no port for anybody else, attach, read, and end."""
        steps = ["gdb_port disabled", "tcl_port disabled", "telnet_port disabled", "init"]
        steps += [] if read is None else [f"mdw {read[0]:#x} {read[1]}"]
        files = [part for name in self._arguments for part in ("-f", name)]
        return files + [part for step in (*steps, "shutdown") for part in ("-c", step)]


class PyocdProbe(_ProgramProbe):
    """Through the program pyOCD; the argument is its name of the processor.

    By its own default pyOCD unlocks a protected processor, which erases it: that is switched off here.
    """

    program = "pyocd"
    no_probe = (b"No available debug probes", b"Waiting for a debug probe")
    answers = (b"DP IDR", b"No cores were discovered")
    attached = (b"CPU core #",)

    def command(self, read: tuple[int, int] | None) -> list[str]:
        """Attach without halting, unlock nothing, read, and end."""
        step = "status" if read is None else f"read32 {read[0]:#x} {read[1] * WORD_BYTES}"
        target = [part for name in self._arguments for part in ("--target", name)]
        return [
            "commander",
            *("--no-config", "-O", "auto_unlock=false", "--connect", "attach", "--no-wait"),
            *(*target, "-v", "-c", step, "-c", "exit"),
        ]


def debug_probe(text: str) -> DebugProbe:
    """Return what ``none``, ``openocd:FILE,FILE`` or ``pyocd:TARGET`` stands for."""
    kind, _, rest = text.partition(":")
    names = rest.split(",") if rest else []
    if text == "none":
        return NoProbe()
    if names and all(NAME.fullmatch(name) for name in names):
        if kind == "openocd":
            return OpenOcdProbe(names)
        if kind == "pyocd" and len(names) == 1:
            return PyocdProbe(names)
    raise InputError(
        f"{text!r} is no probe; write none, openocd:FILE,FILE such as "
        "openocd:interface/stlink.cfg,target/stm32f4x.cfg, or pyocd:TARGET"
    )
