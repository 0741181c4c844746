"""Frames from a grammar - right ones, ones at the edge, broken ones - and the smallest that still does harm."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hil.protocol import Protocol as Language
from toolkit.core.errors import FormatError

__all__ = ["FrameGrammar", "Grammar", "LineGrammar", "minimised"]

MOST_TRIES: Final = 300
"""Each try may cost a restart of the device."""
MOST_FRAME_BYTES: Final = 1 << 16
MOST_LEAVES: Final = 64
BITS, ASCII_BITS = 8, 7
MOST_WORDS: Final = 32
"""With more of them, halving is quicker than leaving out one after the other."""
ENCODE_TRIES: Final = 8
NUMBERS: Final = (0, 1, 2, 0x1F, 0x20, 0x7E, 0x7F, 0x80, 0xFE, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0xFFFF_FFFF)
LENGTHS: Final = (0, 1, 63, 64, 65, 127, 128, 255, 256, 257, 1023, 1025, 2000, 4097)
FILLS: Final = (b"A", b"0", b" ", b"%n", b"\xff", b"\0", b"9")
EDGES: Final = (b"\0", b"\xff", b"\x7f", b"\x80", b"\x01")
"""Of one byte; a number of several is made of the first and the others, in both orders."""


class Grammar(Protocol):
    """Makes up frames."""

    def frame(self, chance: random.Random) -> bytes:
        """Return one frame; the same for the same state of ``chance``."""

    def varied(self, frame: bytes, chance: random.Random) -> bytes:
        """Return ``frame`` with one bit turned over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineGrammar:
    """Lines of words: a command, then arguments, some of them wrong on purpose."""

    commands: tuple[bytes, ...]
    arguments: tuple[bytes, ...]
    most_arguments: int
    most_bytes: int
    """Longer lines are cut: what a device does with those is asked by a check of its own."""

    def line(self, chance: random.Random) -> bytes:
        """Return one line without its end."""
        words = [chance.choice(self.commands)]
        words += chance.choices(self.arguments, k=chance.randint(0, self.most_arguments))
        return b" ".join(words)[: self.most_bytes]

    def frame(self, chance: random.Random) -> bytes:
        """Return one line."""
        return self.line(chance)

    def varied(self, frame: bytes, chance: random.Random) -> bytes:
        """Return ``frame`` with one bit turned over; a line stays ASCII, what is not is noise."""
        return _one_bit_over(frame, chance, ASCII_BITS)


class FrameGrammar:
    """Frames of a protocol, made from its messages and from the layouts of its records.

    A third are right. A third stand at an edge: one field of a message, or one part of a record on the wire, has the
    least or the greatest value, or one beside it. A third are broken: cut, doubled, or with bits turned over. Of those
    that are not right, half get the right check value again, so that what is behind it is reached too.
    """

    def __init__(self, language: Language[Any]) -> None:
        self._language = language

    def frame(self, chance: random.Random) -> bytes:
        """Return one frame."""
        made = chance.choice((self._right, self._at_the_edge, self._broken))(chance)
        return made[:MOST_FRAME_BYTES]

    def varied(self, frame: bytes, chance: random.Random) -> bytes:
        """Return ``frame`` with one bit turned over."""
        return _one_bit_over(frame, chance, BITS)

    def sealed(self, frame: bytes) -> bytes:
        """Return ``frame`` with the right check value, where the protocol has one."""
        seal = self._language.seal
        return frame if seal is None else seal(frame)

    def _right(self, chance: random.Random) -> bytes:
        return self._language.encode(self._language.sample(chance))

    def _at_the_edge(self, chance: random.Random) -> bytes:
        if self._language.layouts and chance.random() < 0.5:
            return self._perhaps_sealed(self._part_changed(chance), chance)
        for _ in range(ENCODE_TRIES):
            try:
                return self._language.encode(_field_changed(self._language.sample(chance), chance))
            except FormatError:
                continue  # this value cannot be said in the protocol; another one may
        return self._right(chance)

    def _part_changed(self, chance: random.Random) -> bytes:
        """Return a right frame in which one part of a record has a value at the edge."""
        frame = bytearray(self._right(chance))
        offset, layout = chance.choice(self._language.layouts)
        part = chance.choice(layout.parts())
        first, rest = chance.choice(EDGES), chance.choice((b"\0", b"\xff"))
        value = first + rest * (part.size - 1)
        place = offset + part.offset
        frame[place : place + part.size] = value if chance.random() < 0.5 else value[::-1]
        return bytes(frame)

    def _broken(self, chance: random.Random) -> bytes:
        frame = bytearray(self._right(chance))
        first = chance.randrange(len(frame) + 1)
        end = min(len(frame), first + chance.choice((1, 2, 4, 16, 64)))
        what = chance.randrange(4)
        if what == 0:
            del frame[first:]
        elif what == 1:
            del frame[first:end]
        elif what == 2:
            frame[first:first] = frame[first:end] * chance.choice((1, 2, 40))
        else:
            for place in range(first, end):
                frame[place] ^= 1 << chance.randrange(8)
        return self._perhaps_sealed(bytes(frame), chance)

    def _perhaps_sealed(self, frame: bytes, chance: random.Random) -> bytes:
        return self.sealed(frame) if chance.random() < 0.5 else frame


def _one_bit_over(frame: bytes, chance: random.Random, bits: int) -> bytes:
    changed = bytearray(frame)
    if changed:
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(bits)
    return bytes(changed)


def _field_changed(message: Any, chance: random.Random) -> Any:
    """Return ``message`` with one value in it, however deep, changed to one at the edge of its kind."""
    leaves = list(_leaves(message))[:MOST_LEAVES]
    return _with(message, chance.choice(leaves), chance) if leaves else message


Path = tuple[str | int, ...]


def _leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the way to each number, text and list inside ``value``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _leaves(getattr(value, field.name), (*path, field.name))
        return
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    if isinstance(value, int | float | bytes | str | tuple):
        yield path


def _with(value: Any, path: Path, chance: random.Random) -> Any:
    """Return ``value`` with what stands at ``path`` changed."""
    if not path:
        return _edge(value, chance)
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return (*value[:step], _with(value[step], rest, chance), *value[step + 1 :])
    return dataclasses.replace(value, **{step: _with(getattr(value, step), rest, chance)})


def _edge(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice(NUMBERS)
    if isinstance(value, float):
        return chance.choice((0.0, -1.0, 1e9))
    if isinstance(value, tuple):
        return chance.choice(((), value * 2, value[:-1]))
    fill = chance.choice(FILLS)
    made = fill * (chance.choice(LENGTHS) // len(fill))
    return made if isinstance(value, bytes) else made.decode("latin-1")


def minimised(frame: bytes, does_harm: Callable[[bytes], bool]) -> bytes:
    """Return a shorter ``frame`` for which ``does_harm`` is still true: no word and no byte of it can be left out.

    Gives up after 300 tries and returns the shortest until then.
    """
    tries = 0

    def harms(candidate: bytes) -> bool:
        nonlocal tries
        tries += 1
        return tries <= MOST_TRIES and bool(candidate) and does_harm(candidate)

    place = 0
    while place < len(frame.split(b" ")) <= MOST_WORDS and tries < MOST_TRIES:
        words = frame.split(b" ")
        shorter = b" ".join(words[:place] + words[place + 1 :])
        frame, place = (shorter, place) if harms(shorter) else (frame, place + 1)
    size = len(frame) // 2
    while size and tries < MOST_TRIES:
        place = 0
        while place < len(frame) and tries < MOST_TRIES:
            shorter = frame[:place] + frame[place + size :]
            frame, place = (shorter, place) if harms(shorter) else (frame, place + size)
        size //= 2
    return frame
