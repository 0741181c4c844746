"""``qemu://demo-pump``: the compiled demo pump in the emulator QEMU; ``?weak=A`` takes a variant with a weakness.

Needs the program ``qemu-system-arm`` (Debian package of the same name). It runs as a child process: its console is a
pair of sockets, a second pair carries QMP, QEMU's control protocol. Cutting the power is killing the process; what the
board keeps without power (its PSRAM) is a file that the next process maps again. On Windows the pairs are connections
over loopback, and nothing outlives a power cut. Sources: QEMU documentation "QEMU Machine Protocol", "Arm MPS2 boards",
and the manual page qemu(1).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hil.bench_image import PUMP, BenchImage, bench_image
from hil.errors import LinkLost
from hil.level import EvidenceLevel
from hil.transport import Attached, Transport, TransportScheme
from hil.transport_url import TransportUrl

__all__ = ["SCHEME", "QemuTransport"]

PROGRAM: Final = "qemu-system-arm"
MACHINE: Final = "mps2-an385"
RETAINED_MEMORY: Final = "mps.ram"
"""QEMU's name for the PSRAM of the board, 16 MiB at 0x21000000."""
START_TIMEOUT_S: Final = 20.0
WRITE_TIMEOUT_S: Final = 10.0
END_TIMEOUT_S: Final = 10.0
LONGEST_QMP_BYTES: Final = 1 << 16


class QemuTransport(Transport):
    """One child process while the device has power."""

    def __init__(self, url: TransportUrl, image: BenchImage, *, over_tcp: bool = sys.platform == "win32") -> None:
        super().__init__(url, EvidenceLevel.QEMU)
        self.power = QemuPower(self)
        self._image = image
        self._over_tcp = over_tcp
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._console: socket.socket | None = None
        self._end: weakref.finalize[[ExitStack], QemuTransport] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        """The emulator; None without power."""
        self._version = ""

    def settings(self) -> dict[str, str]:
        """Return which program ran on which emulator."""
        return {"image": self._image.path.name, "image_sha256": self._image.sha256, "qemu": self._version}

    def switch_on(self) -> None:
        """Start the emulator; ``LinkLost`` when it cannot be started."""
        if self.process is not None:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="medharden-qemu-", ignore_cleanup_errors=True)
        with ExitStack() as held:
            try:
                process, console, control = self._start(held, Path(self._folder.name))
                self._version = _let_go(control)
            except (OSError, ValueError, KeyError) as error:
                raise LinkLost(f"{self.url}: {PROGRAM} did not start: {error}") from error
            self.process, self._console = process, console
            self._end = weakref.finalize(self, ExitStack.close, held.pop_all())

    def switch_off(self) -> None:
        """Kill the emulator, as a loss of power would."""
        end, self._end, self.process, self._console = self._end, None, None, None
        if end is not None:
            end()

    def _open(self) -> None:
        self.switch_on()

    def _close(self) -> None:
        self.switch_off()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        if self._console is None:
            self.clock.sleep(timeout_s)
            return b""
        try:
            self._console.settimeout(timeout_s)
            data = self._console.recv(most_bytes)
        except (BlockingIOError, TimeoutError):
            return b""
        except OSError as error:
            raise LinkLost(f"{self.url}: {error.strerror or error}") from error
        if not data:
            raise LinkLost(f"{self.url}: the emulator has ended")
        return data

    def _write(self, data: bytes) -> None:
        if self._console is None:
            return
        try:
            self._console.settimeout(WRITE_TIMEOUT_S)
            self._console.sendall(data)
        except OSError as error:
            raise LinkLost(f"{self.url}: the emulator takes nothing: {error.strerror or error}") from error

    def _start(self, held: ExitStack, folder: Path) -> tuple[subprocess.Popen[bytes], socket.socket, socket.socket]:
        """Return the process, its console and its control; ``held`` ends and closes them."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise LinkLost(f"{self.url}: {PROGRAM} is not installed (Debian: apt-get install {PROGRAM})")
        ends = [_LoopbackEnd(held) if self._over_tcp else _PairEnd(held) for _ in range(2)]
        command = [
            *_dies_with_us(),
            *(program, "-machine", self._machine(), "-display", "none", "-nodefaults", "-nic", "none", "-S"),
            *("-kernel", str(self._image.path)),
            *("-chardev", f"socket,id=console,{ends[0].address}", "-serial", "chardev:console"),
            *("-chardev", f"socket,id=control,{ends[1].address}", "-mon", "chardev=control,mode=control"),
            *_retained(folder),
        ]
        process = subprocess.Popen(  # noqa: S603  # QEMU by its full path, with arguments of our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=tuple(end.passed for end in ends if isinstance(end, _PairEnd)),
            start_new_session=True,  # a Ctrl-C is for us: we end it when the report is safe
        )
        held.callback(_kill, process)
        console, control = (end.connected() for end in ends)
        return process, console, control

    def _machine(self) -> str:
        return MACHINE if sys.platform == "win32" else f"{MACHINE},memory-backend={RETAINED_MEMORY}"


class _PairEnd:
    """A pair of sockets, of which the child gets one: nobody else can reach it."""

    def __init__(self, held: ExitStack) -> None:
        self._ours, self._theirs = socket.socketpair()
        held.callback(self._ours.close)
        held.callback(self._theirs.close)
        self.passed = self._theirs.fileno()
        self.address = f"fd={self.passed}"

    def connected(self) -> socket.socket:
        """Return our end."""
        self._theirs.close()
        return self._ours


class _LoopbackEnd:
    """A connection over loopback, for systems where a child cannot inherit a socket."""

    def __init__(self, held: ExitStack) -> None:
        self._held = held
        self._server = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._server.settimeout(START_TIMEOUT_S)
        self.address = f"host=127.0.0.1,port={self._server.getsockname()[1]},nodelay=on"

    def connected(self) -> socket.socket:
        """Wait for the child and return our end."""
        ours, _ = self._server.accept()
        self._held.callback(ours.close)
        self._server.close()
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return ours


class QemuPower:
    """Switches an emulated device by starting and killing its emulator."""

    name = "qemu"
    is_automatic = True

    def __init__(self, transport: QemuTransport) -> None:
        self._transport = weakref.proxy(transport)  # no ring: the emulator ends with the last use of its transport

    def off(self) -> None:
        """Take the power away."""
        self._transport.switch_off()

    def on(self) -> None:
        """Give it back."""
        self._transport.switch_on()


def _let_go(control: socket.socket) -> str:
    """Say over QMP that the processor may run; return the version of QEMU."""
    control.settimeout(START_TIMEOUT_S)
    with control.makefile("rwb") as lines:
        greeting = json.loads(lines.readline(LONGEST_QMP_BYTES))
        for command in ("qmp_capabilities", "cont"):
            lines.write(json.dumps({"execute": command}).encode() + b"\n")
            lines.flush()
            while "return" not in (answer := json.loads(lines.readline(LONGEST_QMP_BYTES))):
                if "error" in answer:
                    raise ValueError(f"it refuses {command}")
        version = greeting["QMP"]["version"]["qemu"]
    return f"{version['major']}.{version['minor']}.{version['micro']}"


def _retained(folder: Path) -> list[str]:
    if os.name == "nt":  # there QEMU has no memory that is a file
        return []
    path = str(folder / "retained.bin").replace(",", ",,")
    return ["-object", f"memory-backend-file,id={RETAINED_MEMORY},size=16M,mem-path={path},share=on"]


def _dies_with_us() -> list[str]:
    """Return what lets Linux kill the child when the thread that started it ends, however that happens."""
    program = shutil.which("setpriv") if sys.platform == "linux" else None
    return [] if program is None else [program, "--pdeathsig", "KILL", "--"]


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(END_TIMEOUT_S)


def make(url: TransportUrl) -> QemuTransport:
    """Return the transport to the emulated device that ``url`` names."""
    url.only("weak")
    return QemuTransport(url, bench_image(url))


def attached() -> Iterator[Attached]:
    """Yield the demo pump where QEMU is installed."""
    if shutil.which(PROGRAM) is not None:
        yield Attached(url=f"qemu://{PUMP}", title="demo pump, compiled, in QEMU")


SCHEME = TransportScheme(
    name="qemu",
    title="firmware in the emulator QEMU",
    example="qemu://demo-pump",
    level=EvidenceLevel.QEMU,
    make=make,
    attached=attached,
)
