"""``unicorn://demo-pump``: the compiled demo pump in the processor emulator unicorn; ``?weak=A`` takes a weak one.

The same program as in QEMU, and each run is the same to the last byte: time goes on by a microsecond whenever the
program looks at its timer, and else as far as the bench lets it (``hil/bench_board.py``). Only what the program uses of
its board is there: timer, UART, and the reset; no watchdog. Unicorn is under the GPL-2 and therefore an extra. Sources:
Arm Application Note 385, Cortex-M System Design Kit TRM (registers).
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from hil.bench_board import MEMORY_ADDRESS, MEMORY_BYTES, BoardFlash, BoardMemory, Word
from hil.bench_image import PUMP, BenchImage, bench_image
from hil.clock import VirtualClock
from hil.errors import LinkLost
from hil.level import EvidenceLevel
from hil.transport import Attached, Transport, TransportScheme
from hil.transport_url import TransportUrl
from toolkit.core.errors import MissingExtra

__all__ = ["SCHEME", "UnicornTransport"]

TICKS_PER_LOOK: Final = 25
"""Of the timer with 25 MHz: each time the program looks at it, a microsecond has passed."""
MOST_INSTRUCTIONS: Final = 200_000_000
"""A program that needs more without coming to rest has run away: a few seconds of the computer."""
MOST_WAITING_BYTES: Final = 1 << 20
CODE_BYTES: Final = 0x10000
RAM: Final = 0x2000_0000
RAM_BYTES: Final = 0x40000
DEVICES: Final = 0x4000_0000
DEVICES_BYTES: Final = 0x9000
TIMER_VALUE: Final = 0x0004
UART_DATA: Final = 0x4000
UART_STATE: Final = 0x4004
RECEIVE_FULL: Final = 2
PROCESSOR: Final = 0xE000_E000
PROCESSOR_BYTES: Final = 0x1000
RESET_NOW: Final = (0xD0C, 0x05FA_0004)
"""Place and value. Source: Armv7-M Architecture Reference Manual, B3.2.6 (AIRCR)."""
WAIT_VECTOR: Final = 7
"""A reserved entry of the vector table: there the program says where it waits."""
WORD: Final = 4
THUMB: Final = 1


class UnicornTransport(Transport):
    """The program runs while somebody reads or writes, up to the moment it has nothing to do."""

    def __init__(self, url: TransportUrl, image: BenchImage) -> None:
        self._virtual = VirtualClock()
        super().__init__(url, EvidenceLevel.UNICORN, self._virtual)
        self.power = UnicornPower(self)
        self._image = image
        self._memory = BoardMemory(image.program)
        self._memory.set(Word.IS_DRIVEN, 1)
        self.flash = BoardFlash(self._memory)
        self._board: _Board | None = None
        self._started_s = 0.0

    def settings(self) -> dict[str, str]:
        """Return which program ran."""
        return {"image": self._image.name, "image_sha256": self._image.sha256}

    def switch_on(self) -> None:
        """Start the program."""
        if self._board is None:
            self._started_s = self._virtual.now_s()
            self._memory.power_on()
            self._board = _Board(self._image.loader, self._memory)
            self._live(self._virtual.now_s())

    def switch_off(self) -> None:
        """Take the power away; only what the board retains stays."""
        self._board = None

    def _open(self) -> None:
        self.switch_on()

    def _close(self) -> None:
        if self._board is not None:
            self._board.said.clear()

    def _write(self, data: bytes) -> None:
        self._live(self._virtual.now_s())
        if self._board is not None:
            self._board.to_hear.extend(data)
            self._memory.set(Word.SENT, self._memory.get(Word.SENT) + len(data))
            self._live(self._virtual.now_s())

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        self._live(self._virtual.now_s())
        if self._board is None or not self._board.said:
            self._live(self._virtual.now_s() + timeout_s)
        if self._board is None:
            return b""
        data = bytes(self._board.said[:most_bytes])
        del self._board.said[:most_bytes]
        return data

    def _live(self, end_s: float) -> None:
        """Let the program live on to ``end_s``, or until it says something."""
        board = self._board
        if board is not None and not board.said:
            self._memory.set(Word.HEARD, self._memory.get(Word.SAID))
            self._memory.allow_until(end_s - self._started_s)
            if not board.run():
                raise LinkLost(f"{self.url}: the program has run away at {board.address():#x}")
            if self._memory.get(Word.IS_CUT):
                self.switch_off()
            elif board.said:
                end_s = 0.0
            self._virtual.advance_to(self._started_s + self._memory.now_s())
        if board is None or not board.said:
            self._virtual.advance_to(end_s)


class _Board:
    """Processor, memory, timer and UART."""

    def __init__(self, loader: bytes, memory: BoardMemory) -> None:
        try:
            unicorn: Any = importlib.import_module("unicorn")  # an extra, and slow to load
            arm_const: Any = importlib.import_module("unicorn.arm_const")
        except ImportError as error:
            raise MissingExtra(feature="unicorn://", extra="unicorn") from error
        self.said = bytearray()
        self.to_hear: deque[int] = deque()
        self._ticks = 0
        self._error = unicorn.UcError
        self._pc, self._lr, self._sp = (getattr(arm_const, f"UC_ARM_REG_{name}") for name in ("PC", "LR", "SP"))
        self._cpu: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._cpu.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M3)
        for address, size in ((0, CODE_BYTES), (RAM, RAM_BYTES)):
            self._cpu.mem_map(address, size)
        self._cpu.mem_write(0, loader)
        self._shared = (ctypes.c_char * MEMORY_BYTES).from_buffer(memory.buffer)
        self._cpu.mem_map_ptr(MEMORY_ADDRESS, MEMORY_BYTES, unicorn.UC_PROT_ALL, ctypes.addressof(self._shared))
        self._cpu.mmio_map(DEVICES, DEVICES_BYTES, self._device_read, None, self._device_write, None)
        self._cpu.mmio_map(PROCESSOR, PROCESSOR_BYTES, lambda *_: 0, None, self._processor_write, None)
        stack, self._start, wait = (int.from_bytes(loader[n * WORD :][:WORD], "little") for n in (0, 1, WAIT_VECTOR))
        self._stack, self._wait = stack, wait & ~THUMB
        self._is_reset = True

    def run(self) -> bool:
        """Run to where the program has nothing to do; tell whether it came there."""
        try:
            while True:
                if self._is_reset:
                    self._is_reset = False
                    self._cpu.reg_write(self._sp, self._stack)
                    self._next = self._start
                self._cpu.emu_start(self._next | THUMB, self._wait, count=MOST_INSTRUCTIONS)
                if not self._is_reset:
                    break
        except self._error:
            return False
        self._next = self._cpu.reg_read(self._lr)
        return self.address() == self._wait

    def address(self) -> int:
        """Return where the program is."""
        return int(self._cpu.reg_read(self._pc))

    def _device_read(self, _cpu: Any, offset: int, _size: int, _data: object) -> int:
        if offset == TIMER_VALUE:
            self._ticks += TICKS_PER_LOOK
            return ~self._ticks & 0xFFFF_FFFF
        if offset == UART_STATE:
            return RECEIVE_FULL if self.to_hear else 0
        return self.to_hear.popleft() if offset == UART_DATA and self.to_hear else 0

    def _device_write(self, _cpu: Any, offset: int, _size: int, value: int, _data: object) -> None:
        if offset == UART_DATA and len(self.said) < MOST_WAITING_BYTES:
            self.said.append(value & 0xFF)

    def _processor_write(self, cpu: Any, offset: int, _size: int, value: int, _data: object) -> None:
        if (offset, value) == RESET_NOW:
            self._is_reset = True
            cpu.emu_stop()


class UnicornPower:
    """Switches an emulated device."""

    name = "unicorn"
    is_automatic = True

    def __init__(self, transport: UnicornTransport) -> None:
        self._transport = transport

    def off(self) -> None:
        """Take the power away."""
        self._transport.switch_off()

    def on(self) -> None:
        """Give it back."""
        self._transport.switch_on()


def make(url: TransportUrl) -> UnicornTransport:
    """Return the transport to the emulated device that ``url`` names."""
    url.only("weak")
    return UnicornTransport(url, bench_image(url))


def attached() -> Iterator[Attached]:
    """Yield the demo pump where unicorn is installed."""
    if importlib.util.find_spec("unicorn") is not None:
        yield Attached(url=f"unicorn://{PUMP}", title="demo pump, compiled, in unicorn")


SCHEME = TransportScheme(
    name="unicorn",
    title="firmware in the processor emulator unicorn",
    example="unicorn://demo-pump",
    level=EvidenceLevel.UNICORN,
    make=make,
    attached=attached,
)
