"""What a Cortex-M or AVR program does about its own memory: protects it, guards its stack, rewrites its code."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.readers.elf_file import MAGIC
from firmware_checks.structure import thumb

__all__ = ["OBSERVER", "MemoryGuards", "SelfProgramming", "example_firmware"]

CORTEX_M, AVR = "arm-cortex-m", "avr"
ARM_MACHINE: Final = 40
MOST_BYTES: Final = 2 << 20
FEWEST: Final = 3
"""Places that must agree before they are no accident."""
MPU: Final = range(0xE000_ED90, 0xE000_EDC8)
"""Registers of the memory protection unit. Source: Armv7-M ARM (DDI 0403) B3.5, Armv8-M ARM (DDI 0553) D1.2."""
_MPU_STORE = re.compile(rb"[\xc0-\xcf]\xf8(?:[\x94\x9c\xa0][\x00-\xff])")
"""``str.w rX, [rY, #imm]`` whose low byte of the distance is that of MPU_CTRL, MPU_RBAR or MPU_RASR."""
_BASES = re.compile(rb"\x4f\xf0\xe0[\x20-\x2e]")
"""``mov.w rX, #0xE000E000``."""
_SECOND_KEY = re.compile(rb"[\x00-\x0f]\xf1\x88[\x30-\x3e]")
"""``add.w rX, rY, #0x88888888``, by which compilers make the second key of STM32 out of the first."""
SYSTEM_SPACE, SYSTEM_BLOCK = 0xE000_E000, 0xE000_ED00
_GUARD_TEST = re.compile(
    rb"[\x40-\xbf][\x40\x42](?:..){0,4}?[\x01\x03]\xd0(?=[\x00-\xff][\xf0-\xf7][\x00-\xff][\xd0-\xff])", re.DOTALL
)
"""``eors`` or ``cmp`` of two registers, then ``beq`` over a ``bl``: how GCC leaves for __stack_chk_fail."""
RAM: Final = range(0x1000_0000, 0x4000_0000)
GUARD_NAMES: Final = (b"__stack_chk_fail", b"stack smashing detected")

UNLOCKS: Final[tuple[tuple[str, frozenset[int], frozenset[int]], ...]] = (
    ("STM32", frozenset({0x4567_0123, 0xCDEF_89AB}), frozenset()),
    ("STM32L0 or L1", frozenset({0x89AB_CDEF, 0x0203_0405}), frozenset({0x8C9D_AEBF, 0x1314_1516})),
    ("nRF51 or nRF52", frozenset({0x4001_E504}), frozenset()),
    ("nRF51 or nRF52", frozenset({0x4001_E000}), frozenset({0x504, 0x508, 0x4001_E508})),
    ("Tiva or Stellaris", frozenset({0x400F_D000}), frozenset({0xA442_0001, 0xA442_0002, 0x71D5_0001})),
    ("Tiva or Stellaris", frozenset({0x400F_D008}), frozenset({0xA442_0001, 0xA442_0002, 0x71D5_0001})),
    ("SAM3 or SAM4", frozenset({0x400E_0A00}), frozenset({0x5A00_0001, 0x5A00_0003, 0x5A00_0007})),
    ("SAM D", frozenset({0x4100_4000}), frozenset({0xFFFF_A502, 0xFFFF_A504, 0xA502, 0xA504})),
    ("LPC", frozenset({0x1FFF_1FF1}), frozenset()),
    ("EFM32", frozenset({0x400C_0000}), frozenset({0x1B71})),
)
"""Family, constants that must all be loaded, and constants of which one must be, to write program memory.

Sources: ST RM0008 and RM0090 (FLASH_KEYR), RM0038 (FLASH_PEKEYR, FLASH_PRGKEYR); Nordic nRF52832 PS (NVMC); TI TM4C123
data sheet (FMC); Microchip SAM4S (EEFC_FCR) and SAM D21 (NVMCTRL CTRLA) data sheets; NXP UM10360 (IAP); EFM32 RM (MSC).
"""
_SEVENS, _TENS = bytes(range(0x07, 0x100, 0x10)), bytes(range(0x00, 0x100, 0x10))
_AVR_STORE = re.compile(
    rb"(?:["
    + re.escape(_SEVENS)
    + rb"][\xbe\xbf]|["
    + re.escape(_TENS)
    + rb"][\x92\x93][\x57\x68]\x00)(?:..){0,3}?\xe8\x95",
    re.DOTALL,
)
"""``out SPMCSR, rX`` or ``sts SPMCSR, rX`` and ``spm`` close behind it. Source: ATmega328P data sheet, 26.2."""

PROOFS: Final[tuple[tuple[bytes, str], ...]] = (
    (bytes.fromhex("512563fcc2cab9f3"), "ECDSA"),
    (bytes.fromhex("bce6faada7179e84"), "ECDSA"),
    (bytes.fromhex("4b60d2273e3cce3b"), "ECDSA"),
    (bytes.fromhex("96c298d84539a1f4"), "ECDSA"),
    (bytes.fromhex("a3785913ca4deb75"), "Ed25519"),
    (bytes.fromhex("3031300d060960864801650304020105000420"), "RSA"),
)
"""Constants of signature schemes. Sources: SEC 2 v2.0, 2.4.2 (order, b and base point of P-256); RFC 8032; RFC 8017."""
DIGESTS: Final[tuple[tuple[bytes, str], ...]] = (
    (bytes.fromhex("982f8a4291443771"), "SHA-256"),
    (bytes.fromhex("428a2f9871374491"), "SHA-256"),
    (bytes.fromhex("67e6096a85ae67bb"), "SHA-256"),
    (bytes.fromhex("22ae28d7982f8a42"), "SHA-512"),
)
"""Constants of hashes. Source: FIPS 180-4, 4.2 and 5.3."""
_UPDATES = re.compile(rb"(?i)[xyz]modem|boot ?loader|firmware|upgrade|\bdfu\b|\bfota\b|\bota\b|fw ?update")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryGuards(Observation):
    """One Cortex-M program."""

    functions: int
    is_wide: bool
    """Whether it is for a Cortex-M3 or larger, of which most have a memory protection unit."""
    uses_mpu: bool
    has_stack_guard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfProgramming(Observation):
    """Code that writes the memory programs stand in."""

    family: str
    proofs: tuple[str, ...]
    """Signature schemes whose constants are in the program."""
    digests: tuple[str, ...]
    speaks_of_updates: bool


def _read(content: Content) -> Iterator[Observation]:
    data = bytes(content.span.window.view[:MOST_BYTES])
    if content.program is not None and content.program.arch == AVR:
        yield from _avr(data)
        return
    words = thumb.constants(data)
    functions = len(thumb.function_starts(data))
    yield MemoryGuards(
        offset=0,
        excerpt=f"program with about {functions} functions",
        functions=functions,
        is_wide=thumb.is_wide(data),
        uses_mpu=_uses_mpu(data, words),
        has_stack_guard=any(name in data for name in GUARD_NAMES) or _is_guarded(data),
    )
    if 0x4567_0123 in words and _SECOND_KEY.search(data) is not None:
        words |= {0xCDEF_89AB}
    for family, needed, one_of in UNLOCKS:
        if needed <= words and (not one_of or one_of & words):
            yield _self_programming(data, family, max(0, data.find(min(needed).to_bytes(4, "little"))))
            return


def _uses_mpu(data: bytes, words: frozenset[int]) -> bool:
    """Tell whether a register of the memory protection unit is written: by its address, or by its distance."""
    if any(word in MPU for word in words):
        return True
    near = {0xD} if SYSTEM_SPACE in words or _BASES.search(data) is not None else set()
    near |= {0x0} if SYSTEM_BLOCK in words else set()
    return any(found.start() % 2 == 0 and found.group()[3] & 0xF in near for found in _MPU_STORE.finditer(data))


def _avr(data: bytes) -> Iterator[Observation]:
    for found in _AVR_STORE.finditer(data):
        if found.start() % 2 == 0:
            yield _self_programming(data, "AVR", found.start())
            return


def _self_programming(data: bytes, family: str, place: int) -> SelfProgramming:
    return SelfProgramming(
        offset=place,
        excerpt=f"what opens the program memory of {family} for writing",
        family=family,
        proofs=tuple(dict.fromkeys(name for constant, name in PROOFS if constant in data)),
        digests=tuple(dict.fromkeys(name for constant, name in DIGESTS if constant in data)),
        speaks_of_updates=_UPDATES.search(data) is not None,
    )


def _is_guarded(data: bytes) -> bool:
    """Tell whether functions end in a test that leads to one and the same place, or keep one word of RAM on the stack.

    Neither is proof; together they find what GCC and Clang make at every level of optimisation.
    """
    targets = Counter(
        next(thumb.calls(data[found.end() : found.end() + 4], found.end()), -1)
        for found in _GUARD_TEST.finditer(data)
        if found.start() % 2 == 0 and (found.end() - found.start()) % 2 == 0
    )
    del targets[-1]
    if any(count >= FEWEST for count in targets.values()):
        return True
    kept = Counter(_kept_words(data))
    return any(count >= FEWEST for count in kept.values())


def _kept_words(data: bytes) -> Iterator[int]:
    """Yield the addresses in RAM whose content a function puts on its stack right after loading it."""
    for position, place in thumb.literal_loads(data):
        address = int.from_bytes(data[place : place + 4], "little")
        if address in RAM:
            count = min(KEPT_WITHIN, (len(data) - position) // 2 - 1)
            if _is_kept(struct.unpack_from(f"<{count}H", data, position + 2), data[position + 1] & 7):
                yield address


KEPT_WITHIN: Final = 9
"""Instructions."""


def _is_kept(halves: tuple[int, ...], register: int) -> bool:
    """Tell whether what ``register`` points to is loaded, and stored on the stack, in these instructions."""
    value = next((half & 7 for half in halves if half & 0xFFF8 == 0x6800 | register << 3), None)
    if value is None:
        return False
    on_stack, in_frame = 0x9000 | value << 8, 0x6038 | value
    return any(half & 0xFF00 == on_stack or half & 0xF83F == in_frame for half in halves)


def _wants(content: Content) -> bool:
    if content.elf is not None:
        return not content.elf.is_hosted and content.elf.header.machine == ARM_MACHINE
    if content.program is not None:
        return content.program.arch in (CORTEX_M, AVR)
    return _starts_like_a_table(content.head)


def _starts_like_a_table(head: bytes) -> bool:
    """Tell whether a whole file starts like a vector table: a stack in RAM, handlers in Thumb code below it."""
    if len(head) < 16:
        return False
    stack, *handlers = struct.unpack("<4I", head)
    return stack in RAM and not stack & 3 and all(handler & 1 and 0 < handler < RAM.start for handler in handlers)


def example_firmware(*, words: tuple[int, ...] = (), is_guarded: bool = False, texts: bytes = b"") -> bytes:
    """Build a program for a Cortex-M at 0x08000000 whose functions call each other, and whose last loads ``words``."""
    count, size, base, first = 40, 16, 0x0800_0000, 0x48
    code = bytearray()
    for index in range(count):
        here, target = first + size * index, first + size * ((index + 7) % count)
        code += struct.pack("<H", 0xB510) + _call(here + 2, target)
        if is_guarded:  # eors r3, r2; beq over bl
            code += struct.pack("<HH", 0x4053, 0xD001) + _call(here + 10, first) + struct.pack("<H", 0xBD10)
        else:  # ldr.w r0, [r3]
            code += struct.pack("<HHHHH", 0xF8D3, 0x0000, 0x2000, 0xBF00, 0xBD10)
    loads = len(words) + (len(words) & 1)
    code += b"".join(struct.pack("<H", 0x4800 | (2 * loads - 4 + 4 * n - (2 * n & ~3)) // 4) for n in range(len(words)))
    code += b"\x00\xbf" * (loads - len(words)) + struct.pack(f"<{len(words)}I", *words)
    loop = base + 0x40 + 1
    handlers = [base + first + 1, *[loop] * 5, 0, 0, 0, 0, loop, loop, 0, loop, loop]
    return struct.pack("<16I", 0x2000_5000, *handlers) + b"\xfe\xe7" + b"\x00\xbf" * 3 + bytes(code) + texts


def _call(here: int, target: int) -> bytes:
    """Return the BL instruction at ``here`` that calls ``target``; encoding T1."""
    distance = target - here - 4
    sign = int(distance < 0)
    first = 0xF000 | sign << 10 | distance >> 12 & 0x3FF
    return struct.pack("<HH", first, 0xF800 | distance >> 1 & 0x7FF)


def _example() -> tuple[str, bytes]:
    """Return such a program as an ELF file. Source: System V ABI, chapter 4; ELF for the Arm Architecture."""
    program = example_firmware(words=(0x4567_0123, 0xCDEF_89AB))
    ident = MAGIC + bytes((1, 1, 1)) + bytes(9)
    head = struct.pack("<HHIIIIIHHHHHH", 2, ARM_MACHINE, 1, 0x0800_0049, 52, 0, 0x0500_0000, 52, 32, 1, 40, 0, 0)
    row = struct.pack("<8I", 1, 0x80, 0x0800_0000, 0x0800_0000, len(program), len(program), 5, 0x80)
    return "pump.elf", (ident + head + row).ljust(0x80, b"\0") + program


OBSERVER = Observer(
    name="microcontroller-guards",
    title="How microcontroller programs guard their memory",
    source="Arm DDI 0403 and DDI 0553; GCC manual, -fstack-protector; reference manuals of the families named above",
    wants=_wants,
    read=_read,
    example=_example,
    shows=2,
)
