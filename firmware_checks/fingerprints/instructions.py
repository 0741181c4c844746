"""What a Thumb instruction tells about the source it was compiled from, whatever registers and addresses it uses.

Read by our own tables, as a scan sees hundreds of thousands of instructions and needs only length, kind, operand values
and where the flow goes. Source: Arm v7-M Architecture Reference Manual (DDI 0403), chapter A5 and A7.7.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FIRST_WIDE", "KINDS", "Flow", "Instruction", "constant_feature", "decode"]

FIRST_WIDE = 0xE800
"""First halfwords from here on belong to 32-bit instructions."""
MASK_32 = 0xFFFF_FFFF
MIX = 0x9E37_79B1
"""The golden ratio as a 32-bit fraction: multiplying by it spreads values; Knuth, TAOCP volume 3, 6.4."""
CONSTANT, ACCESS = 0x1000_0000, 0x0800_0000
SMALL = 1 << 24
STORE, LOAD = 0, 1

KINDS = (
    *("other", "mov", "mov-imm", "add", "add-imm", "sub", "sub-imm", "cmp", "cmp-imm", "and", "eor", "orr", "bic"),
    *("mvn", "tst", "lsl", "lsr", "asr", "shift-reg", "carry", "neg", "mul", "mla", "mul-long", "div"),
    *("ldr", "ldrb", "ldrh", "ldr-signed", "str", "strb", "strh", "ldr-sp", "str-sp", "ldm", "stm", "push", "pop"),
    *("ldr-literal", "adr", "add-sp", "extend", "rev", "b", "b-cond", "cbz", "bl", "blx", "bx", "it", "movw", "movt"),
    *("ldrd", "strd", "bitfield", "clz", "dsp", "fp-memory", "fp-arith", "fp-move", "table", "system", "exclusive"),
    "trap",
)
"""Kinds of instructions; the index is written in signatures, so the order must not change."""
_KIND = {name: index for index, name in enumerate(KINDS)}


class Flow(enum.IntEnum):
    """Where the processor goes after an instruction, and which instructions refer to something else."""

    NEXT = 0
    BRANCH = 1
    """Maybe to ``value`` (bytes from the instruction)."""
    JUMP = 2
    """Always to ``value``."""
    END = 3
    """Out of the function, or to where a register says."""
    CALL = 4
    LITERAL = 5
    """Loads the word at ``value`` bytes from the instruction's own word."""
    TABLE = 6
    """Jumps by a table that follows; ``value`` is the size of its entries."""
    MOVW = 7
    MOVT = 8
    IF_THEN = 9
    """The next ``value`` instructions run only sometimes."""
    COMPARE = 10
    """Compares with ``value``."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: ``size`` in halfwords, its bits without addresses, and what it says."""

    size: int
    masked: int
    kind: int
    feature: int = 0
    """What is left when another compiler made it: a constant, or width and place of a memory access; 0 for nothing."""
    flow: Flow = Flow.NEXT
    value: int = 0
    register: int = 0


def constant_feature(value: int) -> int:
    """Return the feature of a constant: the same wherever an instruction takes it from."""
    value &= MASK_32
    return CONSTANT | (value if value < SMALL else SMALL | (value * MIX & MASK_32) >> 9)


def access_feature(direction: int, width: int, offset: int) -> int:
    """Return the feature of a load or store of ``width`` bytes at ``offset`` of what a register points to."""
    return ACCESS | direction << 20 | width << 16 | offset & 0xFFFF


def decode(word: int) -> Instruction:
    """Return the instruction: a halfword, or two with the first in the upper half."""
    if word < FIRST_WIDE:
        return _NARROW[word >> 11](word)
    return _WIDE[(word >> 25) - (FIRST_WIDE >> 9)](word >> 16, word & 0xFFFF)


def _narrow(word: int, kind: str, feature: int = 0) -> Instruction:
    return Instruction(1, word, _KIND[kind], feature)


def _shift_immediate(word: int) -> Instruction:
    kind = ("lsl", "lsr", "asr")[word >> 11]
    amount = word >> 6 & 0x1F
    return _narrow(word, kind if amount or kind != "lsl" else "mov")


def _add_subtract(word: int) -> Instruction:
    kind = ("add", "sub", "add-imm", "sub-imm")[word >> 9 & 3]
    return _narrow(word, kind, constant_feature(word >> 6 & 7) if word & 0x0400 else 0)


def _immediate(word: int) -> Instruction:
    kind = ("mov-imm", "cmp-imm", "add-imm", "sub-imm")[word >> 11 & 3]
    value = word & 0xFF
    flow = Flow.COMPARE if kind == "cmp-imm" else Flow.NEXT
    return Instruction(1, word, _KIND[kind], constant_feature(value), flow, value)


_ALU = [
    "and",
    "eor",
    "shift-reg",
    "shift-reg",
    "shift-reg",
    "carry",
    "carry",
    "shift-reg",
    "tst",
    "neg",
    "cmp",
    "cmp",
    "orr",
    "mul",
    "bic",
    "mvn",
]


def _data_or_special(word: int) -> Instruction:
    if word < 0x4400:
        return _narrow(word, _ALU[word >> 6 & 0xF])
    operation = word >> 8 & 3
    if operation < 3:
        if operation == 2 and word & 0x87 == 0x87:  # mov pc, rX
            return Instruction(1, word, _KIND["bx"], flow=Flow.END)
        return _narrow(word, ("add", "cmp", "mov")[operation])
    if word & 0x80:
        return Instruction(1, word, _KIND["blx"])
    return Instruction(1, word, _KIND["bx"], flow=Flow.END)


def _literal(word: int) -> Instruction:
    register = word >> 8 & 7
    return Instruction(1, word & 0xFF00, _KIND["ldr-literal"], 0, Flow.LITERAL, 4 + 4 * (word & 0xFF), register)


_BY_REGISTER = ["str", "strh", "strb", "ldr-signed", "ldr", "ldrh", "ldrb", "ldr-signed"]


def _register_access(word: int) -> Instruction:
    return _narrow(word, _BY_REGISTER[word >> 9 & 7])


def _immediate_access(word: int) -> Instruction:
    family = word >> 12 & 0xF
    width = {6: 4, 7: 1, 8: 2}[family]
    load = word >> 11 & 1
    kind = ("str", "ldr")[load] + {4: "", 1: "b", 2: "h"}[width]
    return _narrow(word, kind, access_feature(load, width, (word >> 6 & 0x1F) * width))


def _stack_access(word: int) -> Instruction:
    return _narrow(word, "ldr-sp" if word & 0x0800 else "str-sp")


def _address(word: int) -> Instruction:
    if word & 0x0800:
        return _narrow(word, "add-sp")
    return Instruction(1, word & 0xFF00, _KIND["adr"])


_EXTENDED = {0xB2: "extend", 0xBA: "rev", 0xBE: "trap", 0xB6: "system"}


def _miscellaneous(word: int) -> Instruction:
    high = word >> 8
    if high in (0xB1, 0xB3, 0xB9, 0xBB):
        distance = (word >> 9 & 1) << 6 | (word >> 3 & 0x1F) << 1
        return Instruction(1, word, _KIND["cbz"], flow=Flow.BRANCH, value=4 + distance)
    if high in (0xB4, 0xB5):
        return _narrow(word, "push")
    if high in (0xBC, 0xBD):
        return Instruction(1, word, _KIND["pop"], flow=Flow.END if high == 0xBD else Flow.NEXT)
    if high == 0xBF and word & 0xF:
        count = 4 - ((word & -word & 0xF).bit_length() - 1)
        return Instruction(1, word, _KIND["it"], flow=Flow.IF_THEN, value=count)
    if high == 0xB0:
        return _narrow(word, "add-sp")
    return _narrow(word, _EXTENDED.get(high, "other"))


def _multiple(word: int) -> Instruction:
    return _narrow(word, "ldm" if word & 0x0800 else "stm")


def _conditional(word: int) -> Instruction:
    condition = word >> 8 & 0xF
    if condition >= 14:
        return Instruction(1, word, _KIND["trap"], flow=Flow.END if condition == 14 else Flow.NEXT)
    distance = (word & 0xFF) - (0x100 if word & 0x80 else 0)
    return Instruction(1, word, _KIND["b-cond"], flow=Flow.BRANCH, value=4 + 2 * distance)


def _unconditional(word: int) -> Instruction:
    distance = (word & 0x7FF) - (0x800 if word & 0x400 else 0)
    return Instruction(1, 0xE000, _KIND["b"], flow=Flow.JUMP, value=4 + 2 * distance)


_NARROW: tuple[Callable[[int], Instruction], ...] = (
    *(_shift_immediate,) * 3,
    _add_subtract,
    *(_immediate,) * 4,
    _data_or_special,
    _literal,
    *(_register_access,) * 2,
    *(_immediate_access,) * 6,
    *(_stack_access,) * 2,
    *(_address,) * 2,
    *(_miscellaneous,) * 2,
    *(_multiple,) * 2,
    *(_conditional,) * 2,
    _unconditional,
)


def _wide(first: int, second: int, kind: str, feature: int = 0) -> Instruction:
    return Instruction(2, first << 16 | second, _KIND[kind], feature)


def _multiple_or_double(first: int, second: int) -> Instruction:
    """Decode load and store of several registers, of two, exclusive ones, and jumps by table: E800-E9FF."""
    load = first >> 4 & 1
    if not first & 0x0040:
        kind = {0xE92D: "push", 0xE8BD: "pop"}.get(first, "ldm" if load else "stm")
        ends = load and second & 0x8000
        return Instruction(2, first << 16 | second, _KIND[kind], flow=Flow.END if ends else Flow.NEXT)
    if first & 0xFFF0 == 0xE8D0 and second & 0xFFE0 == 0xF000:
        width = 1 + (second >> 4 & 1)
        return Instruction(2, first << 16 | second, _KIND["table"], flow=Flow.TABLE, value=width)
    if not first & 0x0120 and first & 0x00C0 in (0x0040, 0x00C0):
        return _wide(first, second, "exclusive")
    offset = 4 * (second & 0xFF)
    feature = 0 if first & 0xF in (13, 15) else access_feature(load, 4, offset if first & 0x0080 else -offset)
    return _wide(first, second, "ldrd" if load else "strd", feature)


_SHIFTED = {
    0: "and",
    1: "bic",
    2: "orr",
    3: "mvn",
    4: "eor",
    6: "dsp",
    8: "add",
    10: "carry",
    11: "carry",
    13: "sub",
    14: "neg",
}
_SHIFTS = ("lsl", "lsr", "asr", "shift-reg")


def _data_name(operation: int, target: int, source: int) -> str:
    """Return the kind of a data-processing operation, whose meaning the registers 15 change."""
    if target == 15 and operation in (0, 4):
        return "tst"
    if target == 15 and operation in (8, 13):
        return "cmp"
    if source == 15 and operation in (2, 3):
        return "mov" if operation == 2 else "mvn"
    return _SHIFTED.get(operation, "other")


def _shifted_register(first: int, second: int) -> Instruction:
    name = _data_name(first >> 5 & 0xF, second >> 8 & 0xF, first & 0xF)
    amount = (second >> 12 & 7) << 2 | second >> 6 & 3
    if name == "mov" and (amount or second >> 4 & 3):
        name = _SHIFTS[second >> 4 & 3]
    return _wide(first, second, name)


def _coprocessor(first: int, second: int) -> Instruction:
    """Decode what the floating-point unit does: EC00-EFFF and FC00-FFFF."""
    if first & 0x0200:
        return _wide(first, second, "fp-arith" if not second & 0x0010 else "fp-move")
    if first & 0xF == 15:  # vldr from a literal pool
        return Instruction(2, first << 16 | second & 0xFF00, _KIND["fp-memory"])
    load = first >> 4 & 1
    offset = 4 * (second & 0xFF)
    plain = first & 0x0120 == 0x0100 and first & 0xF != 13
    return _wide(first, second, "fp-memory", access_feature(load, 4, offset) if plain else 0)


def _expanded(first: int, second: int) -> int:
    """Return the modified immediate constant; DDI 0403, A5.3.2."""
    code = (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    value = code & 0xFF
    if code < 0x400:
        return (value, value * 0x0001_0001, value * 0x0100_0100, value * 0x0101_0101)[code >> 8]
    value, turn = value | 0x80, code >> 7
    return (value >> turn | value << 32 - turn) & MASK_32


def _plain_immediate(first: int, second: int) -> Instruction:
    operation = first >> 4 & 0x1F
    value = (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    target = second >> 8 & 0xF
    if operation in (0, 10):
        if first & 0xF == 15:
            return Instruction(2, (first & 0xFBFF) << 16 | second & 0x8F00, _KIND["adr"])
        return _wide(first, second, "sub-imm" if operation else "add-imm", constant_feature(value))
    if operation in (4, 12):
        whole = (first & 0xF) << 12 | value
        masked = (first & 0xFBF0) << 16 | second & 0x8F00
        high = operation == 12
        flow = Flow.MOVT if high else Flow.MOVW
        return Instruction(2, masked, _KIND["movt" if high else "movw"], 0, flow, whole, target)
    return _wide(first, second, "bitfield" if operation & 0b10100 == 0b10100 else "dsp")


_IMMEDIATE = {"mov": "mov-imm", "add": "add-imm", "sub": "sub-imm", "cmp": "cmp-imm"}


def _branch_or_immediate(first: int, second: int) -> Instruction:
    """Decode F000-F7FF."""
    if second & 0x8000:
        return _branch(first, second)
    if first & 0x0200:
        return _plain_immediate(first, second)
    value = _expanded(first, second)
    name = _data_name(first >> 5 & 0xF, second >> 8 & 0xF, first & 0xF)
    name = _IMMEDIATE.get(name, name)
    flow = Flow.COMPARE if name == "cmp-imm" else Flow.NEXT
    return Instruction(2, first << 16 | second, _KIND[name], constant_feature(value), flow, value)


def _branch(first: int, second: int) -> Instruction:
    sign = first >> 10 & 1
    if second & 0x5000 == 0:  # conditional, or a system instruction
        if first >> 7 & 7 == 7:
            return Instruction(2, first << 16 | second, _KIND["system"])
        distance = (second >> 11 & 1) << 19 | (second >> 13 & 1) << 18 | (first & 0x3F) << 12 | (second & 0x7FF) << 1
        distance -= sign << 20
        masked = (first & 0xFBC0) << 16 | 0x8000
        return Instruction(2, masked, _KIND["b-cond"], 0, Flow.BRANCH, 4 + distance)
    i1, i2 = 1 ^ second >> 13 & 1 ^ sign, 1 ^ second >> 11 & 1 ^ sign
    distance = i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
    distance -= sign << 24
    if second & 0x4000:
        return Instruction(2, 0xF000_D000, _KIND["bl"], 0, Flow.CALL, 4 + distance)
    return Instruction(2, 0xF000_9000, _KIND["b"], 0, Flow.JUMP, 4 + distance)


def _single_access(first: int, second: int) -> Instruction:
    """Decode load and store of one item: F800-F9FF."""
    load, width = first >> 4 & 1, 1 << (first >> 5 & 3)
    base = first & 0xF
    if load and base == 15:
        offset = second & 0xFFF if first & 0x0080 else -(second & 0xFFF)
        masked = (first & 0xFF7F) << 16 | second & 0xF000
        flow = Flow.LITERAL if width == 4 else Flow.NEXT
        return Instruction(2, masked, _KIND["ldr-literal"], 0, flow, 4 + offset, second >> 12)
    signed = first & 0x0100
    kind = "ldr-signed" if signed else ("str", "ldr")[load] + {4: "", 1: "b", 2: "h"}.get(width, "")
    if base == 13:
        kind = "ldr-sp" if load else "str-sp"
    ends = load and width == 4 and second >> 12 == 15
    feature = 0
    if base != 13 and first & 0x0080:
        feature = access_feature(load, width, second & 0xFFF)
    elif base != 13 and second & 0x0800:
        feature = access_feature(load, width, second & 0xFF if second & 0x0200 else -(second & 0xFF))
    return Instruction(2, first << 16 | second, _KIND[kind], feature, Flow.END if ends else Flow.NEXT)


def _register_operation(first: int, second: int) -> Instruction:
    """Decode shifts by register, extensions, multiplications and divisions: FA00-FBFF."""
    operation = first >> 4 & 0x1F
    if operation < 8:
        return _wide(first, second, "extend" if second & 0x0080 else "shift-reg")
    if operation < 16:
        return _wide(first, second, {9: "rev", 11: "clz"}.get(operation, "dsp"))
    if operation < 24:
        return _wide(first, second, "mul" if second & 0xF0F0 == 0xF000 else "mla")
    return _wide(first, second, "div" if second & 0xF0 == 0xF0 else "mul-long")


_WIDE: tuple[Callable[[int, int], Instruction], ...] = (
    _multiple_or_double,
    _shifted_register,
    _coprocessor,
    _coprocessor,
    *(_branch_or_immediate,) * 4,
    _single_access,
    _register_operation,
    _coprocessor,
    _coprocessor,
)
