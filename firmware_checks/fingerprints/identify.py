"""Names the libraries in a program of a microcontroller, where no text is left that would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import xxhash

from firmware_checks.fingerprints.avr import AvrCode
from firmware_checks.fingerprints.components import FoundComponent, Votes
from firmware_checks.fingerprints.functions import Code, Function, functions_by_trust
from firmware_checks.fingerprints.matching import Index
from firmware_checks.fingerprints.pack import HEAD_BYTES
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.limits import Budget

__all__ = ["READERS", "components_in", "examine"]

READERS: Mapping[str, tuple[type[Code], int]] = {"arm-cortex-m": (Code, 0x0800_0000), "avr": (AvrCode, 0)}
"""What reads programs for each processor, and where they are taken to lie when their load address is not known: calls
of a Cortex-M are relative, so only texts and tables are not found then; an AVR starts at 0."""

ENOUGH = 100
"""Functions none of which is known: there is no library."""


def examine(span: Span, program: Program, budget: Budget, index: Index) -> list[FoundComponent]:
    """Return the libraries in the program whose bytes are ``span``, for a processor that is in ``READERS``."""
    base = span.address if program.load_address is None else program.load_address
    kind, assumed = READERS[program.arch]
    if base is None or base % 4:
        base = assumed
    entries = [] if program.entry_address is None else [program.entry_address]
    code = kind(view=span.window.view, base=base)
    groups = functions_by_trust(code, entries, most=budget.limits.functions - budget.functions)
    return components_in(code, index, _counted(groups, budget, span.path))


def _counted(groups: Iterable[list[Function]], budget: Budget, path: str) -> Iterator[list[Function]]:
    for functions in groups:
        budget.spend_functions(len(functions), path)
        yield functions


def components_in(code: Code, index: Index, groups: Iterable[Sequence[Function]]) -> list[FoundComponent]:
    """Return the libraries that functions of ``code`` belong to, which come in ``groups``, the surest first.

    Where nothing of many functions is known, the less sure ones are not looked at: libraries call their own functions
    and those that compilers add, and those are in the first group.
    """
    functions: list[Function] = []
    votes = Votes(index)
    for group in groups:
        functions += group
        votes.add(group)
        if len(functions) >= ENOUGH and not votes.gathered:
            return []
    return votes.components(functions, _tables(code, index, functions))


def _tables(code: Code, index: Index, functions: Iterable[Function]) -> Mapping[str, int]:
    """Return how many constant tables that only one component has the functions refer to, by component."""
    heads: dict[int, set[tuple[int, int]]] = defaultdict(set)
    owners: dict[int, set[str]] = defaultdict(set)
    for pack in index.packs:
        for head, whole, size, name in pack.tables():
            heads[head].add((whole, size))
            owners[whole].add(pack.meta.components[pack.component_of(name)].name)
    seen: dict[str, set[int]] = defaultdict(set)
    for address in {pointer for function in functions for pointer in function.pointers}:
        start = address - code.base
        for whole, size in heads.get(xxhash.xxh64_intdigest(code.view[start : start + HEAD_BYTES]), ()):
            if len(owners[whole]) == 1 and xxhash.xxh64_intdigest(code.view[start : start + size]) == whole:
                seen[next(iter(owners[whole]))].add(whole)
    return {component: len(wholes) for component, wholes in seen.items()}
