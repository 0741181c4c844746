"""``qemu://demo-pump``: the compiled demo pump in the emulator QEMU; ``?weak=A`` takes a variant with a weakness.

Needs the program ``qemu-system-arm`` (Debian package of the same name). It runs as a child process: its console is a
pair of sockets, a second pair carries QMP, QEMU's control protocol. Cutting the power is killing the process; the flash
and what else the board keeps without power is a file that the next process maps again, and through which the bench
tells the board how far its time may go (``hil/bench_board.py``). On Windows the pairs are connections over loopback,
time is real, and nothing outlives a power cut. Sources: QEMU documentation "QEMU Machine Protocol", "Arm MPS2 boards",
"Generic Loader", and the manual page qemu(1).
"""

from __future__ import annotations

import json
import mmap
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hil.bench_board import MEMORY_ADDRESS, MEMORY_BYTES, BoardFlash, BoardMemory, Word
from hil.bench_image import PUMP, BenchImage, bench_image
from hil.clock import VirtualClock
from hil.errors import LinkLost
from hil.level import EvidenceLevel
from hil.transport import Attached, Transport, TransportScheme
from hil.transport_url import TransportUrl

__all__ = ["SCHEME", "QemuTransport"]

PROGRAM: Final = "qemu-system-arm"
MACHINE: Final = "mps2-an385"
PSRAM: Final = "mps.ram"
"""QEMU's name for that memory of the board."""
PSRAM_BYTES: Final = 16 << 20
NS_SHIFT: Final = 4
"""An instruction takes 2 to this power nanoseconds: a processor of about 60 MHz."""
LOADER: Final = "loader.bin"
MEMORY: Final = "memory.bin"
MOST_READ_BYTES: Final = 1 << 16
LEAST_LIFE_S: Final = 0.001
"""Of board time after power-on: less than that is no start."""
LOOK_EVERY_S: Final = 0.0005
PATIENCE_S: Final = 2.0
"""Of real time: so long a program may compute without coming to wait for us."""
START_TIMEOUT_S: Final = 20.0
WRITE_TIMEOUT_S: Final = 10.0
END_TIMEOUT_S: Final = 10.0
LONGEST_QMP_BYTES: Final = 1 << 16


class QemuTransport(Transport):
    """One child process while the device has power."""

    def __init__(self, url: TransportUrl, image: BenchImage, *, as_on_windows: bool = sys.platform == "win32") -> None:
        self._virtual = None if as_on_windows else VirtualClock()
        super().__init__(url, EvidenceLevel.QEMU, self._virtual)
        self.power = QemuPower(self)
        self._image = image
        self._memory = BoardMemory(image.program)
        self._shared: mmap.mmap | None = None
        if self._virtual is not None:
            self._memory.set(Word.IS_DRIVEN, 1)
            self.flash = BoardFlash(self._memory)
        self._waiting = bytearray()
        self._started_s = 0.0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._console: socket.socket | None = None
        self._end: weakref.finalize[[ExitStack], QemuTransport] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        """The emulator; None without power."""
        self._version = ""

    def settings(self) -> dict[str, str]:
        """Return which program ran on which emulator."""
        passes = "real" if self._virtual is None else "counted in instructions, and passed over while nothing happens"
        return {"image": self._image.name, "image_sha256": self._image.sha256, "qemu": self._version, "time": passes}

    def switch_on(self) -> None:
        """Start the emulator; ``LinkLost`` when it cannot be started."""
        if self.process is not None:
            return
        folder = self._prepared()
        self._memory.power_on()
        self._started_s = self.clock.now_s()
        with ExitStack() as held:
            try:
                process, console, control = self._start(held, folder)
                self._version = _let_go(control)
            except (OSError, ValueError, KeyError) as error:
                raise LinkLost(f"{self.url}: {PROGRAM} did not start: {error}") from error
            self.process, self._console = process, console
            self._end = weakref.finalize(self, ExitStack.close, held.pop_all())

    def switch_off(self) -> None:
        """Kill the emulator, as a loss of power would."""
        end, self._end, self.process, self._console = self._end, None, None, None
        self._waiting.clear()
        if end is not None:
            end()

    def _prepared(self) -> Path:
        """Return the folder with the files that the emulator maps or loads."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="medharden-qemu-", ignore_cleanup_errors=True)
            folder = Path(self._folder.name)
            (folder / LOADER).write_bytes(self._image.loader)
            (folder / MEMORY).write_bytes(self._memory.buffer[:])
            if self._virtual is not None:
                self._share(folder / MEMORY)
        return Path(self._folder.name)

    def _share(self, path: Path) -> None:
        """Make the board's memory the file that the emulator maps, too."""
        with path.open("r+b") as file:
            file.truncate(PSRAM_BYTES)
            self._shared = self._memory.buffer = mmap.mmap(file.fileno(), MEMORY_BYTES)

    def _open(self) -> None:
        self.switch_on()

    def _close(self) -> None:
        self.switch_off()
        shared, self._shared = self._shared, None
        if shared is not None:
            self._memory.buffer = bytearray(shared)
            shared.close()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        if self._virtual is None:
            self._hear(timeout_s)
        elif not self._waiting:
            self._pass_time(self._virtual, timeout_s)
        data = bytes(self._waiting[:most_bytes])
        del self._waiting[:most_bytes]
        return data

    def _write(self, data: bytes) -> None:
        if self._virtual is not None:
            self._live(self._virtual, self._virtual.now_s())
        if self._console is None:
            return
        self._memory.set(Word.SENT, self._memory.get(Word.SENT) + len(data))
        try:
            self._console.settimeout(WRITE_TIMEOUT_S)
            self._console.sendall(data)
        except OSError as error:
            raise LinkLost(f"{self.url}: the emulator takes nothing: {error.strerror or error}") from error

    def _hear(self, timeout_s: float) -> None:
        """Take in what the program says within ``timeout_s`` of real time."""
        if self._console is None:
            self.clock.sleep(timeout_s)
            return
        try:
            self._console.settimeout(timeout_s)
            data = self._console.recv(MOST_READ_BYTES)
        except (BlockingIOError, TimeoutError):
            return
        except OSError as error:
            raise LinkLost(f"{self.url}: {error.strerror or error}") from error
        if not data:
            raise LinkLost(f"{self.url}: the emulator has ended")
        self._waiting += data
        self._memory.set(Word.UNTIL_MS, 0)  # before it learns that it was heard: we may not want to wait any longer
        self._memory.set(Word.HEARD, self._memory.get(Word.HEARD) + len(data))

    # Time of the board

    def _pass_time(self, clock: VirtualClock, timeout_s: float) -> None:
        """Let time go on until the program says something, or for ``timeout_s``."""
        self._live(clock, clock.now_s())
        if not self._waiting:
            self._live(clock, clock.now_s() + timeout_s, until_heard=True)

    def _live(self, clock: VirtualClock, end_s: float, *, until_heard: bool = False) -> None:
        """Let the board's time go on to ``end_s``; what it says meanwhile is waiting then."""
        patience_s = time.perf_counter() + end_s - clock.now_s() + PATIENCE_S
        board_end_s, pause_s = max(end_s - self._started_s, LEAST_LIFE_S), 0.0
        while self._console is not None:
            self._memory.allow_until(board_end_s)
            self._hear(pause_s)
            pause_s = LOOK_EVERY_S
            if self._memory.get(Word.IS_CUT):
                self.switch_off()
            elif self._is_all_heard() and until_heard and self._waiting:
                clock.advance_to(self._started_s + self._memory.now_s())
                return
            elif (self._is_all_heard() and self._memory.has_come_to(board_end_s)) or time.perf_counter() > patience_s:
                break
        clock.advance_to(max(end_s, self._started_s + self._memory.now_s()))

    def _is_all_heard(self) -> bool:
        return self._memory.get(Word.SAID) == self._memory.get(Word.HEARD)

    def _start(self, held: ExitStack, folder: Path) -> tuple[subprocess.Popen[bytes], socket.socket, socket.socket]:
        """Return the process, its console and its control; ``held`` ends and closes them."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise LinkLost(f"{self.url}: {PROGRAM} is not installed (Debian: apt-get install {PROGRAM})")
        ends = [_LoopbackEnd(held) if self._virtual is None else _PairEnd(held) for _ in range(2)]
        command = [
            *_dies_with_us(),
            *(program, "-display", "none", "-nodefaults", "-nic", "none", "-S", "-kernel", str(folder / LOADER)),
            *("-chardev", f"socket,id=console,{ends[0].address}", "-serial", "chardev:console"),
            *("-chardev", f"socket,id=control,{ends[1].address}", "-mon", "chardev=control,mode=control"),
            *(_loaded_memory(folder) if self._virtual is None else _shared_memory(folder)),
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


def _shared_memory(folder: Path) -> list[str]:
    """Return the arguments for a PSRAM that is a file, and for time that is counted in instructions."""
    path = str(folder / MEMORY).replace(",", ",,")
    backend = f"memory-backend-file,id={PSRAM},size={PSRAM_BYTES},mem-path={path},share=on"
    return ["-machine", f"{MACHINE},memory-backend={PSRAM}", "-object", backend, "-icount", f"shift={NS_SHIFT}"]


def _loaded_memory(folder: Path) -> list[str]:
    """Return the arguments for a PSRAM that is filled at each start: on Windows QEMU has no memory that is a file."""
    path = str(folder / MEMORY).replace(",", ",,")
    return ["-machine", MACHINE, "-device", f"loader,file={path},addr={MEMORY_ADDRESS:#x},force-raw=on"]


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
