"""What every fact reader must hold, with no edit here when one is added."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.fact_reader import Content, Fact, FactReader, Statement
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.registry import discover
from toolkit.core.window import Window

READERS = discover("firmware_checks.facts", attribute="READER", kind=FactReader, group=None)
every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))


def _content(path: str, data: bytes) -> Content:
    return Content(Span(f"image.bin!{path}", Window.of(data)))


def _facts(reader: FactReader, path: str, data: bytes) -> list[Fact]:
    content = _content(path, data)
    facts: list[Fact] = []
    if reader.wants(content):
        with suppress(FormatError):
            facts.extend(reader.read(content))
    return facts


@every_reader
def test_a_reader_tells_what_it_reads_and_where_that_is_written_down(reader: FactReader) -> None:
    assert re.fullmatch(r"[a-z][a-z-]+", reader.name)
    assert reader.title
    assert reader.source


@every_reader
def test_the_example_states_what_the_reader_says_it_states(reader: FactReader) -> None:
    path, data = reader.example()
    assert reader.wants(_content(path, data))
    facts = _facts(reader, path, data)
    statements = [fact for fact in facts if isinstance(fact, Statement)]
    assert [(s.name, s.version) for s in statements] == list(reader.states)
    for statement in statements:
        assert 0 <= statement.offset <= len(data)
        assert statement.excerpt


@every_reader
def test_an_example_cut_short_anywhere_is_no_defect(reader: FactReader) -> None:
    path, data = reader.example()
    for size in range(len(data)):
        _facts(reader, path, data[:size])


@every_reader
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_example_is_no_defect(reader: FactReader, data: st.DataObject) -> None:
    path, whole = reader.example()
    damaged = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    _facts(reader, path, bytes(damaged))


@every_reader
@pytest.mark.parametrize("filler", [b"", b"\0", b"\xff" * 4096, b"a" * 4096, b"\n" * 4096, b"[" * 4096, b"{" * 4096])
def test_other_content_under_the_same_name_states_nothing(reader: FactReader, filler: bytes) -> None:
    path, _ = reader.example()
    assert not [fact for fact in _facts(reader, path, filler) if isinstance(fact, Statement)]
