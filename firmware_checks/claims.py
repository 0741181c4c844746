"""Which finds in some bytes stand for themselves, and which are embedded in a program that surrounds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from firmware_checks.recognise import Found
from firmware_checks.region import Region

__all__ = ["Carved", "Claim", "ProgramAt", "claims"]


@dataclass(frozen=True, slots=True)
class Carved:
    """A format found at ``[start, end)`` of the bytes that were searched."""

    start: int
    end: int
    found: Found

    @property
    def may_be_embedded(self) -> bool:
        """Whether a program may carry it: not what stands at the start, nor what runs by itself."""
        return self.start > 0 and not self.found.format.stands_alone


@dataclass(frozen=True, slots=True)
class ProgramAt:
    """A program at ``[start, end)``, as it looks when nothing is known of what is embedded in it."""

    start: int
    end: int
    region: Region


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes ``[start, end)`` that are one find, or a program with finds embedded in it."""

    start: int
    end: int
    finds: tuple[Carved, ...]
    program: Region | None = None


def claims(finds: Iterable[Carved], programs_there: Callable[[], Sequence[ProgramAt]]) -> Iterator[Claim]:
    """Yield what is certain, in order; ``finds`` are in order and apart, and so are the programs.

    Finds are held back only while the program around them may hold more: each keeps what it unpacked in memory. The
    programs are asked for when the first find may be embedded in one. A program is claimed when all that touches it
    lies inside it, or follows it: without knowing of a find, its size was a guess.
    """
    programs: Sequence[ProgramAt] | None = None
    around: ProgramAt | None = None
    held: list[Carved] = []
    free_from = 0
    for find in finds:
        if programs is None and find.may_be_embedded:
            programs = programs_there()
        surrounding = _program_of(programs or (), find)
        if around is not None and surrounding is not around:
            yield from _settled(around, held, spoiled=find.start < around.end)
            free_from = held[-1].end
            around, held = None, []
        if surrounding is not None and (surrounding is around or surrounding.start >= free_from):
            if find.end <= surrounding.end:
                around = surrounding
                held.append(find)
                continue
            yield Claim(surrounding.start, find.start, tuple(held), surrounding.region)
            around, held = None, []
        yield Claim(find.start, find.end, (find,))
        free_from = find.end
    if around is not None:
        yield from _settled(around, held, spoiled=False)


def _program_of(programs: Sequence[ProgramAt], find: Carved) -> ProgramAt | None:
    """Return the program that surrounds ``find``, or whose second half it cuts off."""
    if not find.may_be_embedded:
        return None
    return next((p for p in programs if p.start < find.start < p.end and _leaves_a_program(p, find)), None)


def _leaves_a_program(program: ProgramAt, find: Carved) -> bool:
    return find.end <= program.end or find.start - program.start >= program.end - find.start


def _settled(program: ProgramAt, finds: Sequence[Carved], *, spoiled: bool) -> Iterator[Claim]:
    if spoiled:
        for find in finds:
            yield Claim(find.start, find.end, (find,))
    else:
        yield Claim(program.start, program.end, tuple(finds), program.region)
