"""The vector table at the start of every Cortex-M program: initial stack pointer, then the addresses of the handlers.

Source: Arm v7-M Architecture Reference Manual (DDI 0403), B1.5.2-B1.5.3: word 0 is the initial stack pointer, words 1
to 15 the system exceptions, of which 7 to 10 and 13 are reserved; every handler address has bit 0 set (Thumb).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from firmware_checks.texture import Stretch, Texture

__all__ = ["RAM_RANGES", "VectorTable", "find_tables", "in_ram", "little_words", "read_table"]


RAM_RANGES = (
    (0x0100_0000, 0x0104_0000),  # MSP432, seen by the instruction bus
    (0x0200_0000, 0x0201_0000),  # LPC54 SRAMX
    (0x0400_0000, 0x0401_0000),  # LPC55 SRAMX
    (0x0800_0000, 0x0810_0000),  # PSoC 6
    (0x1000_0000, 0x1010_0000),  # LPC, CCM of STM32F3/F4, XMC
    (0x1FFE_0000, 0x2080_0000),  # on-chip SRAM of nearly all
    (0x2100_0000, 0x2101_0000),  # nRF5340 network core
    (0x2400_0000, 0x2410_0000),  # STM32H7 AXI SRAM
    (0x2800_0000, 0x2801_0000),  # STM32U5 SRAM4
    (0x3000_0000, 0x3008_0000),  # STM32H7 SRAM1-3, secure aliases
    (0x3800_0000, 0x3802_0000),  # STM32H7 SRAM4
    (0x6000_0000, 0x7000_0000),  # external memory
    (0x8000_0000, 0x8200_0000),  # i.MX RT SDRAM
    (0xC000_0000, 0xE000_0000),  # STM32 SDRAM
)
"""Where an initial stack pointer may point; both ends included, as a stack starts one past the last byte."""

EXTERNAL = 0x6000_0000
COPIED, COPIED_END = 0x1FFE_0000, 0x4000_0000
SYSTEM_WORDS = 16
MAXIMUM_INTERRUPTS = 480
"""Architectural limit is 496; no part has more than 480."""
MAXIMUM_UNUSED = 16
"""Zero entries in a row that may be a gap in the table and not its end."""
HEADER_BYTES = 0x1000
"""A table is looked for at every word of the first 4 KiB, behind a header of any size, ..."""
MAXIMUM_TABLES = 64
STEP_BYTES = 0x100
"""... and at every multiple of this elsewhere: flash pages are never smaller."""
_RESERVED = (7, 8, 9, 10, 13)
_OPTIONAL = (2, 4, 5, 6, 11, 12, 14, 15)


@dataclass(frozen=True, slots=True)
class VectorTable:
    """A vector table at byte ``offset``; addresses of handlers without the Thumb bit."""

    offset: int
    stack: int
    reset: int
    handlers: tuple[int, ...]
    """Distinct handlers in the same memory as the reset handler, ascending."""
    interrupts: int
    """Entries after the sixteen of the processor."""
    reserved_clear: bool
    """Whether all reserved entries are zero."""
    checksum: int
    """Entry 7: on LPC parts it makes the first eight words sum up to zero."""
    checksum_valid: bool

    @property
    def size(self) -> int:
        """Number of bytes."""
        return 4 * (SYSTEM_WORDS + self.interrupts)

    def load_range(self, image_bytes: int) -> tuple[int, int]:
        """Return the lowest and highest address of byte 0 that put all handlers inside ``image_bytes`` bytes."""
        return max(0, self.handlers[-1] + 2 - image_bytes), max(0, self.handlers[0])


def little_words(data: bytes | memoryview) -> Sequence[int]:
    """Return ``data`` as little-endian 32-bit words, without a copy where the machine is little-endian too."""
    whole = memoryview(data)[: len(data) & ~3]
    if sys.byteorder == "little":
        return whole.cast("I")
    words = array("I", whole.tobytes())  # pragma: no cover - big-endian machines
    words.byteswap()  # pragma: no cover
    return words  # pragma: no cover


def in_ram(address: int) -> bool:
    """Tell whether ``address`` lies in a range where some Cortex-M part has memory to write to."""
    return any(low <= address <= high for low, high in RAM_RANGES)


def find_tables(view: memoryview, stretches: Sequence[Stretch]) -> Iterator[VectorTable]:
    """Yield what looks like vector tables in ``view``, by offset; none in noise, which has everything by chance.

    Who wants the first alone pays for no more.
    """
    return islice(_tables(view, stretches), MAXIMUM_TABLES)


def _tables(view: memoryview, stretches: Sequence[Stretch]) -> Iterator[VectorTable]:
    size = len(view)
    words = little_words(view)
    end = 0
    for offset in _candidates(words, stretches):
        table = read_table(words, offset) if offset >= end else None
        if table is not None and table.handlers[-1] - table.handlers[0] < size:
            end = offset + table.size
            yield table


def _candidates(words: Sequence[int], stretches: Sequence[Stretch]) -> Iterator[int]:
    header = words[: HEADER_BYTES // 4 + 3]
    starts = enumerate(
        zip(header, header[1:], header[3:], strict=False)
    )  # stack, reset, fault: a glance rules out most
    offsets = {4 * index for index, (stack, reset, fault) in starts if reset & 1 and fault & 1 and not stack & 3}
    for stretch in stretches:
        if stretch.texture is Texture.PLAIN:  # zeros in front may be the low bytes of the stack pointer
            offsets.update((stretch.start & ~3, stretch.start + 3 & ~3))
    step = STEP_BYTES // 4
    pairs = zip(words[::step], words[1::step], strict=False)
    further = (
        index * STEP_BYTES
        for index, (stack, reset) in enumerate(pairs)
        if reset & 1 and not stack & 3 and in_ram(stack)
    )
    noise = [s for s in stretches if s.texture is Texture.NOISE]
    return (offset for offset in merge(sorted(offsets), further) if not any(s.start <= offset < s.end for s in noise))


def read_table(words: Sequence[int], offset: int) -> VectorTable | None:
    """Return the table at byte ``offset`` (a multiple of 4), or None when there is none."""
    first = offset // 4
    system = list(words[first : first + SYSTEM_WORDS])
    if len(system) < SYSTEM_WORDS or not _plausible(system, offset):
        return None
    reset = system[1] & ~1
    handlers = {word & ~1 for index, word in enumerate(system) if index and word & 1 and _near(word, reset)}
    if len(handlers) < 2 and not _runs_from_ram(system[3]):  # the reset handler never is the fault handler as well
        return None
    interrupts = _count_interrupts(words, first + SYSTEM_WORDS, reset, handlers)
    total = sum(system[:8]) & 0xFFFF_FFFF
    return VectorTable(
        offset=offset,
        stack=system[0],
        reset=reset,
        handlers=tuple(sorted(handlers)),
        interrupts=interrupts,
        reserved_clear=not any(system[index] for index in _RESERVED),
        checksum=system[7],
        checksum_valid=bool(system[7]) and total == 0,
    )


def _plausible(system: Sequence[int], offset: int) -> bool:
    """Tell whether sixteen words can be a table; a stack outside RAM is believed only at the start of the image."""
    stack, reset, fault = system[0], system[1], system[3]
    if stack & 3 or not reset & 1 or not fault & 1 or not _executable(reset):
        return False
    if any(system[index] and not system[index] & 1 for index in _OPTIONAL):
        return False
    reserved = [system[index] for index in _RESERVED]
    if in_ram(stack):
        if stack >= EXTERNAL and stack & 0xFF:
            return False
        return sum(bool(word) and not word & 1 for word in reserved) <= 2  # a check value, an image length
    return offset == 0 and 0 < stack < 0x1_0000 and not any(reserved)


def _runs_from_ram(address: int) -> bool:
    """Tell whether code at ``address`` was copied to RAM; where some part has flash is left out."""
    return COPIED <= address < COPIED_END


def _executable(address: int) -> bool:
    """Tell whether code can stand at ``address``: not in peripheral or system space, not on the table itself."""
    return 0x40 < address < 0x4000_0000 or EXTERNAL <= address < 0xA000_0000


def _near(word: int, reset: int) -> bool:
    """Tell whether both addresses lie in one memory of a microcontroller."""
    return abs(word - reset) < 0x100_0000


def _count_interrupts(words: Sequence[int], first: int, reset: int, handlers: set[int]) -> int:
    """Return how many entries follow; entries in the same memory are added to ``handlers``."""
    used = 0
    for index, word in enumerate(words[first : first + MAXIMUM_INTERRUPTS]):
        if word & 1 and (_near(word, reset) or _runs_from_ram(word)):
            used = index + 1
            if _near(word, reset):
                handlers.add(word & ~1)
        elif word or index - used >= MAXIMUM_UNUSED:
            break
    return used
