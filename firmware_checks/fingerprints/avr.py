"""The functions in a piece of AVR code: where they are, and what identifies each.

The linker writes the bytes of addresses into ``LDI``, ``SUBI`` and ``SBCI``, and an image does not tell which of them
hold one; so the values of these three never count. Calls and jumps out of a function count as such, however they are
encoded, since linkers shorten them. Source: AVR Instruction Set Manual (DS40002198).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import xxhash

from firmware_checks.fingerprints.functions import LONGEST, SHORTEST, Code, Function
from firmware_checks.fingerprints.instructions import (
    LOAD,
    STORE,
    Flow,
    Instruction,
    access_feature,
    constant_feature,
)

__all__ = ["AvrCode"]

CALL_MASKED, JUMP_MASKED = 0x940E, 0x940C
RETURNS = (0x9508, 0x9518)
INDIRECT_JUMPS = (0x9409, 0x9419)
NEAR = 256
"""Words that a jump ahead may go and still be of the same function."""
ENCODINGS = (
    # mask, value, kind; the first that fits counts
    *((0xFFFF, value, "return") for value in RETURNS),
    *((0xFFFF, value, "jump-to") for value in INDIRECT_JUMPS),
    *((0xFFFF, value, "call-to") for value in (0x9509, 0x9519)),
    (0xFE0E, 0x940C, "jmp"), (0xFE0E, 0x940E, "call"), (0xFC0F, 0x9000, "lds"), (0xFE0F, 0x900F, "pop"),
    (0xFE0F, 0x920F, "push"), (0xFE0C, 0x9004, "lpm"), (0xFE00, 0x9000, "ld"), (0xFE00, 0x9200, "st"),
    (0xFE0F, 0x9400, "com"), (0xFE0F, 0x9401, "neg"), (0xFE0F, 0x9402, "swap"), (0xFE0F, 0x9403, "inc"),
    (0xFE0F, 0x9405, "asr"), (0xFE0F, 0x9406, "lsr"), (0xFE0F, 0x9407, "ror"), (0xFE0F, 0x940A, "dec"),
    (0xFE00, 0x9400, "system"), (0xFF00, 0x9600, "adiw"), (0xFF00, 0x9700, "sbiw"), (0xFD00, 0x9800, "cbi-sbi"),
    (0xFD00, 0x9900, "skip-io"), (0xFC00, 0x9C00, "mul"), (0xFF00, 0x0100, "movw"), (0xFE00, 0x0200, "mul"),
    (0xFC00, 0x0C00, "add"), (0xFC00, 0x1C00, "adc"), (0xFC00, 0x1800, "sub"), (0xFC00, 0x0800, "sbc"),
    (0xFC00, 0x2000, "and"), (0xFC00, 0x2800, "or"), (0xFC00, 0x2400, "eor"), (0xFC00, 0x2C00, "mov"),
    (0xFC00, 0x1400, "cp"), (0xFC00, 0x0400, "cpc"), (0xFC00, 0x1000, "skip-equal"), (0xF000, 0x3000, "cpi"),
    (0xF000, 0x4000, "sbci"), (0xF000, 0x5000, "subi"), (0xF000, 0x6000, "ori"), (0xF000, 0x7000, "andi"),
    (0xF000, 0xE000, "ldi"), (0xF000, 0xC000, "rjmp"), (0xF000, 0xD000, "rcall"), (0xD200, 0x8000, "ldd"),
    (0xD200, 0x8200, "std"), (0xF800, 0xB000, "in"), (0xF800, 0xB800, "out"), (0xF800, 0xF000, "branch"),
    (0xFC00, 0xF800, "bit-copy"), (0xFC00, 0xFC00, "skip-bit"),
)  # fmt: skip
KINDS = ("other", *dict.fromkeys(kind for _, _, kind in ENCODINGS))
"""Kinds of instructions; the index is written in signatures, so the order must not change."""
_KIND = {name: index for index, name in enumerate(KINDS)}
_CALLS, _JUMPS, _WIDE = frozenset({"call", "rcall"}), frozenset({"jmp", "rjmp"}), frozenset({"call", "jmp", "lds"})
_MASKED, _VALUED = frozenset({"ldi", "subi", "sbci"}), frozenset({"cpi", "ori", "andi"})
_SKIPS = frozenset({"skip-io", "skip-equal", "skip-bit"})


class AvrInstructions(dict[int, Instruction]):
    """Instructions by their first word; each is decoded once."""

    __slots__ = ()

    def __missing__(self, word: int) -> Instruction:
        """Decode an instruction that was not seen before."""
        made = self[word] = decode(word)
        return made


def decode(word: int) -> Instruction:
    """Return the instruction with this first word; a value leads to bytes counted from its start.

    Where an absolute jump or call leads to stands in the second word, so the value of those is 0.
    """
    name = next((kind for mask, value, kind in ENCODINGS if word & mask == value), "other")
    kind, size, immediate = _KIND[name], 2 if name in _WIDE else 1, word >> 4 & 0xF0 | word & 0xF
    if name in _CALLS:
        return Instruction(size, CALL_MASKED, _KIND["call"], flow=Flow.CALL, value=_distance(word, name))
    if name in _JUMPS:
        return Instruction(size, word, _KIND["jmp"], flow=Flow.JUMP, value=_distance(word, name))
    if name in _MASKED:
        return Instruction(1, word & 0xF0F0, kind)
    if name in _VALUED:
        return Instruction(1, word, kind, constant_feature(immediate))
    if name in {"ldd", "std"}:
        place = word & 7 | word >> 7 & 0x18 | word >> 8 & 0x20
        return Instruction(1, word, kind, access_feature(STORE if name == "std" else LOAD, 1, place))
    if name == "branch":
        distance = (word >> 3 & 0x7F ^ 0x40) - 0x40
        return Instruction(1, word, kind, flow=Flow.BRANCH, value=2 * distance + 2)
    return Instruction(size, word, kind, flow=_flow(name), value=1)


def _flow(name: str) -> Flow:
    if name in {"return", "jump-to"}:
        return Flow.END
    return Flow.IF_THEN if name in _SKIPS else Flow.NEXT


def _distance(word: int, name: str) -> int:
    return 2 * ((word & 0xFFF ^ 0x800) - 0x800) + 2 if name in {"rcall", "rjmp"} else 0


@dataclass(slots=True, kw_only=True)
class AvrCode(Code):
    """A piece of AVR code; addresses are those of bytes."""

    decoded: AvrInstructions = field(default_factory=AvrInstructions)

    def walk(self, start: int, limit: int | None = None) -> Function | None:
        """Return the function at offset ``start``, which ends before ``limit``; None when it is too short to tell."""
        last = 2 * len(self.halves)
        steps = _Walk(self, start, last if limit is None else min(last, limit))
        steps.go()
        if len(steps.taken) < SHORTEST:
            return None
        return Function(
            start=start,
            end=steps.end,
            count=len(steps.taken),
            exact=xxhash.xxh64_intdigest(_little_endian(steps.masked)),
            calls=tuple(steps.calls),
            instructions=steps.taken,
        )

    def starts(self, entries: Iterable[int]) -> Iterator[Iterable[int]]:
        """Yield the offsets of functions that are called, that are jumped to, and that follow the end of another."""
        called: set[int] = set()
        jumped: set[int] = set()
        after: list[int] = []
        position, count = 0, len(self.halves)
        while position < count:
            word = self.halves[position]
            instruction = self.decoded[word]
            target = self.target(position, instruction)
            if target is not None and 0 <= target < len(self.view):
                (called if instruction.flow is Flow.CALL else jumped).add(target)
            position += instruction.size
            if word in RETURNS:
                after.append(2 * position)
        yield called | {e - self.base for e in entries if self.base <= e < self.end}
        yield jumped
        yield after

    def target(self, position: int, instruction: Instruction) -> int | None:
        """Return the offset that the call or jump at word ``position`` leads to; None where it is neither."""
        if instruction.flow not in {Flow.CALL, Flow.JUMP}:
            return None
        if instruction.size == 1:
            return 2 * position + instruction.value
        word = self.halves[position]
        low = self.halves[position + 1] if position + 1 < len(self.halves) else 0
        return 2 * (((word & 0x1F0) >> 3 | word & 1) << 16 | low) - self.base


def _little_endian(words: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(2, "little") for word in words)


@dataclass(slots=True)
class _Walk:
    """One walk through a function, instruction by instruction."""

    code: AvrCode
    start: int
    limit: int
    taken: list[Instruction] = field(default_factory=list)
    masked: array[int] = field(default_factory=lambda: array("H"))
    calls: list[int] = field(default_factory=list)
    furthest: int = 0
    """Highest word position that a branch of this function goes to."""
    is_skipped: bool = False
    end: int = 0

    def go(self) -> None:
        """Walk to the last instruction."""
        halves, position = self.code.halves, self.start // 2
        for _ in range(LONGEST):
            if 2 * position >= self.limit:
                break
            instruction = self.code.decoded[halves[position]]
            following = position + instruction.size
            masked, ends = self._follow(instruction, position, following)
            self.taken.append(instruction)
            self.masked.append(masked)
            position = following
            if ends and not self.is_skipped and position > self.furthest:
                break
            self.is_skipped = instruction.flow is Flow.IF_THEN
        self.end = min(2 * position, len(self.code.view))

    def _follow(self, instruction: Instruction, position: int, following: int) -> tuple[int, bool]:
        """Return what counts of the instruction's bits, and whether the function may end with it."""
        if instruction.flow is Flow.BRANCH:
            self.furthest = max(self.furthest, position + instruction.value // 2)
        target = self.code.target(position, instruction)
        if target is None:
            return instruction.masked, instruction.flow is Flow.END
        if instruction.flow is Flow.CALL:
            self.calls.append(target)
            return CALL_MASKED, False
        place = target // 2
        if self.start <= target < self.limit and place < max(self.furthest, following) + NEAR:
            self.furthest = max(self.furthest, place)
            return (place - position) & 0xFFFF, True
        self.calls.append(target)
        return JUMP_MASKED, True
