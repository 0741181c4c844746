"""Damaged programs, packages and records never stop the collection of facts."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from firmware_checks.component_rules import load_rules
from firmware_checks.fact_collection import FactCollector
from firmware_checks.fact_reader import Content, FactReader
from firmware_checks.fusion import EvidenceOfImage, fuse
from firmware_checks.identity import Identities
from firmware_checks.span import Span
from toolkit.core.registry import discover
from toolkit.core.window import Window

INPUTS = 1_000
READERS = discover("firmware_checks.facts", attribute="READER", kind=FactReader, group=None)


def _edge(chance: random.Random) -> bytes:
    """Return a number as a wrong offset, size or count would be."""
    number = chance.choice([0, 1, 0x7F, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, chance.getrandbits(32)])
    return struct.pack(chance.choice("<>") + "I", number)


def _overwritten(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + _edge(chance) + data[place + 4 :]


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def _doubled(chance: random.Random, data: bytes) -> bytes:
    start, end = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    return data[:end] + data[start:end] * chance.randrange(1, 40) + data[end:]


def _shuffled(chance: random.Random, data: bytes) -> bytes:
    mixed = bytearray(data)
    for _ in range(chance.randrange(1, 9)):
        mixed[chance.randrange(len(mixed))] = chance.getrandbits(8)
    return bytes(mixed)


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (_overwritten, _cut, _doubled, _shuffled)


def test_a_thousand_mutated_inputs_are_read_and_fused_without_a_defect() -> None:
    chance = random.Random(4)  # noqa: S311  # the same inputs in every run
    rules = load_rules()
    identities = Identities(rules)
    readers = list(READERS.values())
    collector = FactCollector(READERS, identities, lambda what, span, error: pytest.fail(f"{what}: {span}: {error!r}"))
    for number in range(INPUTS):
        path, data = readers[number % len(readers)].example()
        for _ in range(chance.randrange(1, 4)):
            data = chance.choice(MUTATIONS)(chance, data) or b"\x7fELF"
        collector.collect(Content(Span(f"root.tar!{number}/{path}", Window.of(data))))
    assert fuse(EvidenceOfImage(files=collector.files), rules, identities) is not None
