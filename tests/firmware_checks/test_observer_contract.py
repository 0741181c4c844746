"""What every observer must hold, with no edit here when one is added."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.registry import discover
from toolkit.core.window import Window

OBSERVERS = discover("firmware_checks.observers", attribute="OBSERVER", kind=Observer, group=None)
every_observer = pytest.mark.parametrize("observer", OBSERVERS.values(), ids=list(OBSERVERS))


def _seen(observer: Observer, path: str, data: bytes) -> list[Observation]:
    content = Content(Span(f"image.bin!{path}", Window.of(data)))
    seen: list[Observation] = []
    if observer.wants(content):
        with suppress(FormatError):
            seen.extend(observer.read(content))
    return seen


@every_observer
def test_an_observer_tells_what_it_reads_and_where_that_is_written_down(observer: Observer) -> None:
    assert re.fullmatch(r"[a-z][a-z-]+", observer.name)
    assert observer.title
    assert observer.source


@every_observer
def test_the_example_shows_as_much_as_the_observer_says(observer: Observer) -> None:
    path, data = observer.example()
    seen = _seen(observer, path, data)
    assert len(seen) == observer.shows > 0
    for what in seen:
        assert 0 <= what.offset < len(data)
        assert what.excerpt


@every_observer
def test_an_example_cut_short_anywhere_is_no_defect(observer: Observer) -> None:
    path, data = observer.example()
    for size in range(1, len(data), max(1, len(data) // 500)):
        _seen(observer, path, data[:size])


@every_observer
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_example_is_no_defect(observer: Observer, data: st.DataObject) -> None:
    path, whole = observer.example()
    damaged = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    _seen(observer, path, bytes(damaged))


@every_observer
@pytest.mark.parametrize("filler", [b"\0", b"\xff" * 4096, b"a" * 4096, b"\n" * 4096, b"[" * 4096, b"{" * 4096])
def test_other_content_under_the_same_name_shows_nothing(observer: Observer, filler: bytes) -> None:
    path, _ = observer.example()
    assert not _seen(observer, path, filler)
