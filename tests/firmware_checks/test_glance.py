"""What a glance at a content tells, in whatever thread it is asked."""

import gzip
import random

import pytest

from firmware_checks.format import Entry, ImageFormat, Magic, Opened, Part
from firmware_checks.glance import HELD_BYTES, OPENED_AHEAD_BYTES, Glance, Inside
from firmware_checks.patterns import PatternSet
from firmware_checks.recognise import Recogniser
from firmware_checks.span import Span
from firmware_checks.unread import UnreadList
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Budget, Limits
from toolkit.core.registry import discover
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

FORMATS = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
NOISE = random.Random(3).randbytes(40_000)  # noqa: S311  # filler, not a secret


def _glance(formats: dict[str, ImageFormat] = FORMATS) -> tuple[Glance, UnreadList]:
    unread = UnreadList(10)
    recogniser = Recogniser(formats, Budget(Limits()), unread)
    return Glance(recogniser, PatternSet(list(recogniser.patterns))), unread


def _at(data: bytes) -> Inside | None:
    return _glance()[0].at(Span("file", Window.of(data)))


@pytest.mark.parametrize("name", ["png", "jpeg", "gettext", "pdf"])
def test_nothing_is_inside_a_file_that_is_nothing_but_data(name: str) -> None:
    assert _at(FORMATS[name].example()) is None


@pytest.mark.parametrize("name", ["png", "jpeg", "gettext"])
def test_what_is_appended_to_data_is_looked_at(name: str) -> None:
    inside = _at(FORMATS[name].example() + FORMATS["squashfs"].example())
    assert inside is not None


def test_texts_hold_nothing_whatever_their_alphabet() -> None:
    assert _at(b"rate = 5 ml/h\n" * 100) is None
    assert _at("Nährlösung, 5 мл/ч\n".encode() * 100) is None


def test_a_text_with_a_container_behind_it_is_looked_into() -> None:
    assert _at("# Nährlösung\n".encode() + gzip.compress(NOISE[:100], mtime=0)) is not None


@pytest.mark.parametrize("size", [0, 4096, 30_000])
def test_a_container_in_other_bytes_is_seen_and_left_closed(size: int) -> None:
    inside = _at(NOISE[:size] + b"\0" + FORMATS["squashfs"].example())
    assert inside is not None
    assert inside.first is None


def test_a_small_container_is_opened_at_once_and_a_large_one_in_its_turn() -> None:
    small = _at(gzip.compress(b"x" * 100, mtime=0))
    assert small is not None
    assert small.first is not None
    assert (small.first.format.name, small.held_bytes) == ("gzip", 100)
    large = gzip.compress(NOISE, mtime=0)
    assert len(large) > OPENED_AHEAD_BYTES
    assert _at(large) == Inside(Span("file", Window.of(large)))


def test_no_more_is_opened_ahead_than_memory_allows() -> None:
    glance, _ = _glance()
    packed = Span("file", Window.of(gzip.compress(bytes(HELD_BYTES // 2 + 1), mtime=0)))
    first, second, third = (glance.at(packed) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.first is None, second.first is None, third.first is None) == (False, False, True)
    glance.taken(first)
    fourth = glance.at(packed)
    assert fourth is not None
    assert fourth.first is not None


def _broken(error: Exception) -> ImageFormat:
    def opens(_span: Span, _limits: Limits) -> Opened:
        raise error

    magics = (Magic(b"BROKEN"),)
    return ImageFormat(
        name="broken", title="Broken", source="test", limits="all", open=opens, magics=magics, example=bytes
    )


@pytest.mark.parametrize("error", [FormatError("no"), LimitExceeded("entry_bytes", "too much"), ValueError("defect")])
def test_what_cannot_be_opened_is_left_to_be_told_in_its_turn(error: Exception) -> None:
    glance, unread = _glance({"broken": _broken(error)})
    span = Span("file", Window.of(b"BROKEN"))
    assert glance.at(span) == Inside(span)
    assert unread.named == []


def _steady(*, entries: bool, parts: bool) -> ImageFormat:
    def opens(span: Span, _limits: Limits) -> Opened:
        listed = (Entry(name="a", packed_bytes=1, unpacked_bytes=1) for _ in range(1)) if entries else ()
        part = Part(start=0, end=span.size, title="all", kind=RegionKind.DATA)
        return Opened(
            size=span.size, kind=RegionKind.DATA, title="Steady", entries=listed, parts=(part,) if parts else ()
        )

    return ImageFormat(
        name="steady", title="Steady", source="test", limits="", open=opens, magics=(Magic(b"STEADY"),), example=bytes
    )


@pytest.mark.parametrize(("entries", "parts"), [(True, False), (False, True), (False, False)])
def test_only_what_has_neither_entries_nor_parts_is_passed_over(*, entries: bool, parts: bool) -> None:
    glance, _ = _glance({"steady": _steady(entries=entries, parts=parts)})
    inside = glance.at(Span("file", Window.of(b"STEADY")))
    assert (inside is not None) is (entries or parts)
    assert inside is None or inside.held_bytes == 0
