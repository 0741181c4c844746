"""``unicorn://demo-pump``: the compiled demo pump in the processor emulator unicorn; ``?weak=A`` takes a weak variant.

The same image as in QEMU, but the time is counted in executed code, so that each run is the same to the last byte and
waiting costs next to nothing. Only what the program uses of its board is there: timer and UART. Unicorn is under the
GPL-2 and therefore an extra. Sources: Arm Application Note 385, Cortex-M System Design Kit TRM (registers).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from hil.bench_image import PUMP, BenchImage, bench_image
from hil.clock import VirtualClock
from hil.errors import LinkLost
from hil.level import EvidenceLevel
from hil.transport import Attached, Transport, TransportScheme
from hil.transport_url import TransportUrl
from toolkit.core.errors import MissingExtra

__all__ = ["SCHEME", "UnicornTransport"]

TICKS_PER_S: Final = 25_000_000
IDLE_S: Final = 0.01
"""How long the program sleeps when no byte comes; its SysTick wakes it."""
MOST_BLOCKS_AWAKE: Final = 2_000_000
"""A program that runs so many stretches of code without sleeping has run away: a few seconds of the computer."""
MOST_WAITING_BYTES: Final = 1 << 20
MEMORY_BYTES: Final = 0x10000
RAM: Final = 0x2000_0000
RETAINED: Final = 0x2100_0000
DEVICES: Final = 0x4000_0000
DEVICES_BYTES: Final = 0x5000
TIMER_VALUE: Final = 0x0004
UART_DATA: Final = 0x4000
UART_STATE: Final = 0x4004
RECEIVE_FULL: Final = 2
PROCESSOR_REGISTERS: Final = 0xE000_E000
WAIT_VECTOR: Final = 7
"""A reserved entry of the vector table: there the program says where it sleeps."""
WORD: Final = 4
BLOCK_BYTES_PER_TICK: Final = 2
THUMB: Final = 1


class UnicornTransport(Transport):
    """The program runs while somebody reads or writes, up to the moment it sleeps."""

    def __init__(self, url: TransportUrl, image: BenchImage) -> None:
        self._virtual = VirtualClock()
        super().__init__(url, EvidenceLevel.UNICORN, self._virtual)
        self.power = UnicornPower(self)
        self._image = image
        self._retained = bytes(MEMORY_BYTES)
        self._board: _Board | None = None
        self._started_s = 0.0

    def settings(self) -> dict[str, str]:
        """Return which program ran."""
        return {"image": self._image.path.name, "image_sha256": self._image.sha256}

    def switch_on(self) -> None:
        """Start the program."""
        if self._board is None:
            self._started_s = self._virtual.now_s()
            self._board = _Board(self._image.content, self._retained)
            self._run(self._board)

    def switch_off(self) -> None:
        """Take the power away; only what the board retains stays."""
        board, self._board = self._board, None
        if board is not None:
            self._retained = board.retained()

    def _open(self) -> None:
        self.switch_on()

    def _close(self) -> None:
        if self._board is not None:
            self._board.said.clear()

    def _write(self, data: bytes) -> None:
        if self._board is not None:
            self._catch_up(self._board)
            self._board.to_hear.extend(data)
            self._run(self._board)

    def _read(self, most_bytes: int, timeout_s: float) -> bytes:
        board = self._board
        if board is None:
            self._virtual.sleep(timeout_s)
            return b""
        self._catch_up(board)
        end_s = self._virtual.now_s() + timeout_s
        while not board.said and self._virtual.now_s() < end_s:
            self._sleep(board, end_s)
        data = bytes(board.said[:most_bytes])
        del board.said[:most_bytes]
        return data

    def _catch_up(self, board: _Board) -> None:
        """Let the program live through the time that others have let pass."""
        now_s = self._virtual.now_s()
        while self._board_s(board) < now_s:
            self._sleep(board, now_s)

    def _sleep(self, board: _Board, end_s: float) -> None:
        """Let the program sleep, at most until ``end_s``, and wake up."""
        wake_s = min(self._board_s(board) + IDLE_S, end_s)
        board.ticks = max(board.ticks + 1, round((wake_s - self._started_s) * TICKS_PER_S))
        self._run(board)

    def _board_s(self, board: _Board) -> float:
        return self._started_s + board.ticks / TICKS_PER_S

    def _run(self, board: _Board) -> None:
        if not board.run():
            raise LinkLost(f"{self.url}: the program has run away at {board.address():#x}")
        self._virtual.advance_to(self._board_s(board))


class _Board:
    """Processor, memory, timer and UART."""

    def __init__(self, image: bytes, retained: bytes) -> None:
        try:
            unicorn: Any = importlib.import_module("unicorn")  # an extra, and slow to load
            arm_const: Any = importlib.import_module("unicorn.arm_const")
        except ImportError as error:
            raise MissingExtra(feature="unicorn://", extra="unicorn") from error
        self.ticks = 0
        """Of the 25 MHz clock since power-on."""
        self.said = bytearray()
        self.to_hear: deque[int] = deque()
        self._error = unicorn.UcError
        self._pc, self._lr = arm_const.UC_ARM_REG_PC, arm_const.UC_ARM_REG_LR
        self._blocks_awake = 0
        self._cpu: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._cpu.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M3)
        for address, content in ((0, image), (RAM, b""), (RETAINED, retained), (PROCESSOR_REGISTERS, b"")):
            self._cpu.mem_map(address, MEMORY_BYTES if address < DEVICES else 0x1000)
            self._cpu.mem_write(address, content)
        self._cpu.mmio_map(DEVICES, DEVICES_BYTES, self._device_read, None, self._device_write, None)
        self._cpu.hook_add(unicorn.UC_HOOK_BLOCK, self._count)
        stack, self._next, wait = (int.from_bytes(image[n * WORD :][:WORD], "little") for n in (0, 1, WAIT_VECTOR))
        self._cpu.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._wait = wait & ~THUMB

    def run(self) -> bool:
        """Run to where the program sleeps; tell whether it came there."""
        self._blocks_awake = 0
        try:
            self._cpu.emu_start(self._next | THUMB, self._wait)
        except self._error:
            return False
        self._next = self._cpu.reg_read(self._lr)
        return self.address() == self._wait

    def address(self) -> int:
        """Return where the program is."""
        return int(self._cpu.reg_read(self._pc))

    def retained(self) -> bytes:
        """Return the memory that outlives a loss of power."""
        return bytes(self._cpu.mem_read(RETAINED, MEMORY_BYTES))

    def _count(self, cpu: Any, _address: int, size: int, _data: object) -> None:
        self.ticks += size // BLOCK_BYTES_PER_TICK
        self._blocks_awake += 1
        if self._blocks_awake > MOST_BLOCKS_AWAKE:
            cpu.emu_stop()

    def _device_read(self, _cpu: Any, offset: int, _size: int, _data: object) -> int:
        if offset == TIMER_VALUE:
            return ~self.ticks & 0xFFFF_FFFF
        if offset == UART_STATE:
            return RECEIVE_FULL if self.to_hear else 0
        return self.to_hear.popleft() if offset == UART_DATA and self.to_hear else 0

    def _device_write(self, _cpu: Any, offset: int, _size: int, value: int, _data: object) -> None:
        if offset == UART_DATA and len(self.said) < MOST_WAITING_BYTES:
            self.said.append(value & 0xFF)


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
