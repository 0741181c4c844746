"""The memory that the emulated board shares with the bench: its flash, and a few words about power and time.

The same for QEMU and unicorn; ``hil/firmware/bench/control.h`` describes it for the board. The board lets time pass
only as far as the bench says, and only when neither has said something that the other has not heard. So waiting costs
nothing, and a busy computer makes no answer late.
"""

from __future__ import annotations

import mmap
import struct
from enum import IntEnum
from typing import Final

from hil.demo_loader import FLASH_BYTES, factory_flash

__all__ = ["MEMORY_ADDRESS", "MEMORY_BYTES", "BoardFlash", "BoardMemory", "Word"]

MEMORY_ADDRESS: Final = 0x2100_0000
"""Of the board's PSRAM. Source: Arm Application Note 385, 3.2."""
FLASH_AT: Final = 0x1_0000
PAGE_BYTES: Final = 0x1000
MEMORY_BYTES: Final = FLASH_AT + -(-FLASH_BYTES // PAGE_BYTES) * PAGE_BYTES
WORD: Final = struct.Struct("<I")
ALL: Final = 0xFFFF_FFFF
MS_PER_S: Final = 1000


class Word(IntEnum):
    """The shared words by their place."""

    FLASH_WRITES = 4
    CUT_AT = 5
    TORN_BYTES = 6
    IS_CUT = 7
    IS_DRIVEN = 8
    UNTIL_MS = 9
    HEARD = 10
    SENT = 11
    NOW_MS = 12
    SAID = 13
    RECEIVED = 14


SINCE_POWER_ON: Final = (Word.IS_CUT, Word.UNTIL_MS, Word.HEARD, Word.SENT, Word.NOW_MS, Word.SAID, Word.RECEIVED)


class BoardMemory:
    """The shared memory; ``buffer`` is where it is at the moment."""

    def __init__(self, program: bytes) -> None:
        self.buffer: bytearray | mmap.mmap = bytearray(MEMORY_BYTES)
        self.buffer[FLASH_AT : FLASH_AT + FLASH_BYTES] = factory_flash(program)

    def get(self, word: Word) -> int:
        """Return a shared word."""
        (value,) = WORD.unpack_from(self.buffer, word * WORD.size)
        return int(value)

    def set(self, word: Word, value: int) -> None:
        """Set a shared word."""
        WORD.pack_into(self.buffer, word * WORD.size, value & ALL)

    def power_on(self) -> None:
        """Forget what does not outlive a loss of power."""
        for word in SINCE_POWER_ON:
            self.set(word, 0)

    def now_s(self) -> float:
        """Return how long the board has lived since power-on, in its own time."""
        return self.get(Word.NOW_MS) / MS_PER_S

    def allow_until(self, moment_s: float) -> None:
        """Let the board's time go on to ``moment_s`` since power-on."""
        self.set(Word.UNTIL_MS, round(moment_s * MS_PER_S))

    def has_come_to(self, moment_s: float) -> bool:
        """Tell whether the board lives at ``moment_s`` since power-on, or later."""
        return self.get(Word.NOW_MS) >= round(moment_s * MS_PER_S)


class BoardFlash:
    """The flash as ``FlashPort`` sees it."""

    def __init__(self, memory: BoardMemory) -> None:
        self._memory = memory

    @property
    def writes(self) -> int:
        """How many writes and erasures there were since the device was made."""
        return self._memory.get(Word.FLASH_WRITES)

    def cut_power_at(self, write: int, torn_bytes: int | None = None) -> None:
        """Lose power in write number ``write``, counted from now, of which ``torn_bytes`` are done; None: all."""
        self._memory.set(Word.CUT_AT, self.writes + write)
        self._memory.set(Word.TORN_BYTES, ALL if torn_bytes is None else torn_bytes)

    def read(self, address: int, size: int) -> bytes:
        """Return what stands there."""
        start = FLASH_AT + min(address, FLASH_BYTES)
        return bytes(self._memory.buffer[start : FLASH_AT + min(address + size, FLASH_BYTES)])

    def write(self, address: int, data: bytes) -> None:
        """Put ``data`` there, as a programmer would."""
        part = data[: max(0, FLASH_BYTES - address)]
        self._memory.buffer[FLASH_AT + address : FLASH_AT + address + len(part)] = part
