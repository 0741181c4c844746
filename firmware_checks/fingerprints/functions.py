"""The functions in a piece of Cortex-M code: where they are, and what identifies each.

Nothing here knows symbols: a signature is made from an object file by the same steps as a stripped image is read.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress, islice, pairwise

import xxhash

from firmware_checks.fingerprints.instructions import FIRST_WIDE, Flow, Instruction, constant_feature, decode
from firmware_checks.structure.thumb import calls
from firmware_checks.structure.vector_table import in_ram

__all__ = ["Code", "Function", "find_functions", "functions_by_trust", "text_at"]

LONGEST = 6_000
"""Instructions in one function; a longer one is told by its first ones."""
SHORTEST = 4
"""Instructions: getters and stubs are the same in every program."""
TEXT_BYTES = 200
SHORTEST_TEXT = 5
GRAM = 5
"""Kinds of instructions in a row; the trial in which 5 did best also tried 3 and 4."""
KIND_BITS = 6
GRAM_MASK = (1 << KIND_BITS * GRAM) - 1
ENOUGH = 40
"""Features of how code is written that are kept of one function, 20 to 40."""
TAG_GRAM, TAG_PAIR, TAG_TEXT = 1 << 30, 2 << 30, 3 << 30
LOW_30 = (1 << 30) - 1
MIX_A, MIX_B = 0x9E37_79B1, 0x85EB_CA6B
"""Odd numbers that spread bits: the golden ratio, and a constant of MurmurHash3."""
NEAR = 512
"""Halfwords a jump over code that is not known yet to be of the same function may go."""
_PUSH = re.compile(rb"\xb5|\xe9(?=[\x40-\x5f])")
_TEXT = re.compile(rb"[\t\n\r\x1b -~]{5,200}(?=\x00)")


class Instructions(dict[int, Instruction]):
    """Instructions by their bits; each is decoded once."""

    __slots__ = ()

    def __missing__(self, word: int) -> Instruction:
        """Decode an instruction that was not seen before."""
        made = self[word] = decode(word)
        return made


@dataclass(slots=True, kw_only=True)
class Code:
    """A piece of code whose place in memory is known."""

    view: memoryview
    base: int
    """Address of the first byte."""
    halves: Sequence[int] = field(init=False)
    known: Instructions = field(default_factory=Instructions)
    texts: dict[int, int] = field(default_factory=dict)
    """Feature of the text at an offset, 0 where there is none."""

    def __post_init__(self) -> None:
        even = self.view[: len(self.view) & ~1]
        if sys.byteorder == "little" and even.contiguous:
            self.halves = even.cast("H")
            return
        halves = array("H", even.tobytes())  # pragma: no cover - big-endian machines
        halves.byteswap()  # pragma: no cover
        self.halves = halves  # pragma: no cover

    @property
    def end(self) -> int:
        """One past the last address."""
        return self.base + len(self.view)

    def walk(self, start: int, limit: int | None = None) -> Function | None:
        """Return the function at offset ``start``, which ends before ``limit``; None when it is too short to tell."""
        return walk(self, start, limit)

    def starts(self, entries: Iterable[int]) -> Iterator[Iterable[int]]:
        """Yield offsets of functions: what is called or among ``entries``, what is pointed to, what looks like one."""
        data = bytes(self.view)
        yield _called(data) | {e - self.base & ~1 for e in entries if self.base <= e < self.end}
        yield _pointed(self, data)
        yield _saving(data)

    def word(self, offset: int) -> int | None:
        """Return the 32-bit word at ``offset``, None where there is none."""
        if not 0 <= offset <= len(self.view) - 4:
            return None
        return int.from_bytes(self.view[offset : offset + 4], "little")

    def text_feature(self, address: int) -> int:
        """Return the feature of the text at ``address``; 0 when none stands there."""
        offset = address - self.base
        feature = self.texts.get(offset)
        if feature is None:
            text = text_at(self.view, offset)
            feature = TAG_TEXT | xxhash.xxh32_intdigest(text) & LOW_30 if text else 0
            self.texts[offset] = feature
        return feature


def text_at(view: memoryview, offset: int) -> bytes:
    """Return the printable text that ends with a zero byte at ``offset``, empty when there is none worth it."""
    found = _TEXT.match(view[offset : offset + TEXT_BYTES + 1]) if 0 <= offset < len(view) else None
    return found.group() if found else b""


@dataclass(slots=True, kw_only=True)
class Function:
    """A function: ``[start, end)`` as offsets, and what identifies it."""

    start: int
    end: int
    count: int
    """Instructions."""
    exact: int
    """64-bit hash over its instructions without addresses."""
    calls: tuple[int, ...] = ()
    """Offsets it calls or jumps to, in order."""
    pointers: tuple[int, ...] = ()
    """Addresses it loads."""
    instructions: Sequence[Instruction] = ()
    loaded: Sequence[tuple[int, int]] = ()
    """Features of constants and texts it loads, each with the number of instructions up to there."""
    _style: frozenset[int] | None = None
    _values: tuple[int, ...] | None = None

    @property
    def values(self) -> tuple[int, ...]:
        """Constants, memory accesses and texts, in order; told only when they are asked for, as all of the style."""
        if self._values is None:
            found: list[int] = []
            done = 0
            for count, feature in self.loaded:
                found += [i.feature for i in self.instructions[done:count] if i.feature]
                found.append(feature)
                done = count
            found += [i.feature for i in self.instructions[done:] if i.feature]
            self._values = tuple(found)
        return self._values

    @property
    def style(self) -> frozenset[int]:
        """Features of how its code is written: values that follow each other, and kinds of instructions in a row."""
        if self._style is None:
            self._style = style_of([i.kind for i in self.instructions], self.values)
        return self._style

    @property
    def features(self) -> frozenset[int]:
        """What another compiler leaves alike: the values, and the style."""
        return self.style.union(self.values)

    @property
    def level(self) -> int:
        """How often the style must be halved so that about ``ENOUGH`` features are left of it."""
        return (len(self.style) // ENOUGH).bit_length()

    def sample(self, level: int) -> frozenset[int]:
        """Return the values and what is kept of the style at ``level``.

        Two functions are as alike in a sample that is drawn by a hash of each feature as they are in all features.
        """
        return frozenset(self.values).union(in_sample(self.style, level))


def in_sample(style: Iterable[int], level: int) -> Iterable[int]:
    """Return the features of ``style`` that are kept at ``level``."""
    if not level:
        return style
    mask = (1 << level) - 1 << 16
    return [feature for feature in style if not feature * MIX_B & mask]


@dataclass(slots=True)
class _Walk:
    """One walk through a function, instruction by instruction."""

    code: Code
    start: int
    limit: int
    taken: list[Instruction] = field(default_factory=list)
    loaded: list[tuple[int, int]] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    pointers: list[int] = field(default_factory=list)
    skipped: dict[int, int] = field(default_factory=dict)
    """Halfword positions where data stands, and how many halfwords."""
    furthest: int = 0
    """Highest halfword position that a branch of this function goes to."""
    conditional: int = 0
    compared: int = 0
    low_half: dict[int, int] = field(default_factory=dict)
    end: int = 0

    def go(self) -> None:
        """Walk to the last instruction; most of the time of a search for functions is spent here."""
        halves, known, skipped, taken = self.code.halves, self.code.known, self.skipped, self.taken
        position, limit = self.start // 2, self.limit // 2
        following = 0
        for _ in range(LONGEST):
            while position in skipped:
                position += skipped[position]
            if position >= limit:
                break
            word = halves[position]
            if word >= FIRST_WIDE:
                word = word << 16 | (halves[position + 1] if position + 1 < limit else 0)
            instruction = known[word]
            taken.append(instruction)
            following = position + instruction.size
            if instruction.flow and self._follow(instruction, position, following):
                break
            if self.conditional:
                self.conditional -= 1
            position = following
        self.end = 2 * following

    def _follow(self, instruction: Instruction, position: int, following: int) -> bool:
        """Note where an instruction leads; return whether the function ends with it."""
        flow, value = instruction.flow, instruction.value
        if flow is Flow.COMPARE:
            self.compared = value
        elif flow is Flow.BRANCH:
            self.furthest = max(self.furthest, position + value // 2)
        elif flow is Flow.CALL:
            self.calls.append(2 * position + value)
        elif flow is Flow.IF_THEN:
            self.conditional = value + 1
        elif flow in _ENDING:
            return self._ends(instruction, position, following)
        else:
            self._refer(instruction, position, following)
        return False

    def _ends(self, instruction: Instruction, position: int, following: int) -> bool:
        if instruction.flow is Flow.JUMP:
            target = position + instruction.value // 2
            inside = self.start // 2 <= target < min(self.limit // 2, max(self.furthest + 1, following + NEAR))
            if inside and target >= following:
                self.furthest = max(self.furthest, target)
            elif not inside:
                self.calls.append(2 * target)
        return self.conditional == 0 and following > self.furthest

    def _refer(self, instruction: Instruction, position: int, following: int) -> None:
        flow, value = instruction.flow, instruction.value
        if flow is Flow.LITERAL:
            self._literal((2 * position & ~3) + value)
        elif flow is Flow.TABLE:
            entries = min(self.compared + 1, 512)
            self.skipped[following] = (entries * value + 1) // 2
            self.furthest = max(self.furthest, following + self.skipped[following])
        elif flow is Flow.MOVW:
            self.low_half[instruction.register] = value
        else:
            low = self.low_half.pop(instruction.register, 0)
            self._constant(value << 16 | low)

    def _literal(self, place: int) -> None:
        if place < self.start:
            return
        self.skipped[place // 2] = 2
        word = self.code.word(place)
        if word is not None:
            self._constant(word)

    def _constant(self, value: int) -> None:
        """Note a 32-bit value: an address, a text, or a number that is the same in every build."""
        code = self.code
        if code.base <= value < code.end:
            self.pointers.append(value)
            feature = code.text_feature(value)
            if feature:
                self.loaded.append((len(self.taken), feature))
        elif not in_ram(value):
            self.loaded.append((len(self.taken), constant_feature(value)))


_ENDING = frozenset((Flow.END, Flow.JUMP))


def walk(code: Code, start: int, limit: int | None = None) -> Function | None:
    """Return the function at offset ``start``, which ends before ``limit``; None when it is too short to tell."""
    steps = _Walk(code, start, len(code.view) if limit is None else limit)
    steps.go()
    count = len(steps.taken)
    if count < SHORTEST:
        return None
    words = array("I", [instruction.masked for instruction in steps.taken])
    if sys.byteorder != "little":  # pragma: no cover
        words.byteswap()
    for register, value in steps.low_half.items():
        if value and register < 15:
            steps.loaded.append((count, constant_feature(value)))
    return Function(
        start=start,
        end=steps.end,
        count=count,
        exact=xxhash.xxh64_intdigest(words.tobytes()),
        calls=tuple(steps.calls),
        pointers=tuple(steps.pointers),
        instructions=steps.taken,
        loaded=steps.loaded,
    )


def style_of(kinds: Sequence[int], values: Sequence[int]) -> frozenset[int]:
    """Return the features of how code with these kinds of instructions and these values is written."""
    found = {TAG_PAIR | ((one * MIX_A ^ other * MIX_B) & 0xFFFF_FFFF) >> 2 for one, other in pairwise(values)}
    gram = 0
    for kind in kinds[: GRAM - 1]:
        gram = gram << KIND_BITS | kind
    for kind in kinds[GRAM - 1 :]:
        gram = (gram << KIND_BITS | kind) & GRAM_MASK
        found.add(TAG_GRAM | gram)
    return frozenset(found)


def find_functions(code: Code, entries: Iterable[int] = (), *, most: int = 20_000) -> Iterator[Function]:
    """Yield the functions of ``code``, the surest starts first, at most ``most``."""
    return chain.from_iterable(functions_by_trust(code, entries, most=most))


def functions_by_trust(code: Code, entries: Iterable[int] = (), *, most: int = 20_000) -> Iterator[list[Function]]:
    """Yield the functions that are called, those that are pointed to, and those that only begin like one.

    There are ``most`` in all. ``entries`` are addresses known to be code. A start inside a function that was walked
    already is none.
    """
    covered = bytearray(len(code.halves) + 1)
    for starts in code.starts(entries):
        found = list(islice(_walked(code, sorted(starts), covered), most))
        yield found
        most -= len(found)


def _walked(code: Code, starts: Iterable[int], covered: bytearray) -> Iterator[Function]:
    """Yield the functions that begin at ``starts``, and mark what they cover."""
    group = [start for start in starts if not covered[start // 2]]
    for start, limit in pairwise([*group, len(code.view)]):
        if covered[start // 2] or limit - start < 2 * SHORTEST:
            continue
        function = code.walk(start, limit)
        if function is None:
            continue
        first, last = start // 2, function.end // 2
        covered[first:last] = b"\1" * (last - first)
        yield function


def _called(data: bytes) -> set[int]:
    """Return the offsets that are called."""
    size = len(data) & ~1
    return {target for target in calls(data, 0) if 0 <= target < size}


def _saving(data: bytes) -> list[int]:
    """Return the offsets of instructions that save the return address."""
    low, high = data[0::2], data[1::2]
    saved = (m.start() for m in _PUSH.finditer(high))
    return [2 * i for i in saved if high[i] == 0xB5 or low[i] == 0x2D]


def _pointed(code: Code, data: bytes) -> set[int]:
    """Return where odd words of the code point into itself."""
    base, end = code.base, code.end
    if base & 1:
        return set()
    whole = data[: len(data) & ~3]
    high = range(base >> 24, (end - 1 >> 24) + 1)
    near = whole[3::4].translate(bytes(value in high for value in range(256)))
    words = compress(memoryview(whole).cast("I"), near)
    return {word - base & ~1 for word in words if word & 1 and base <= word < end}
