"""Which formats are tried where: none that could open may be left out by a glance."""

import random

import pytest

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.recognise import Recogniser
from firmware_checks.span import Span
from firmware_checks.unread import UnreadList
from toolkit.core.limits import Budget, Limits
from toolkit.core.registry import discover
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

FORMATS = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
AT_START = [f for f in FORMATS.values() if not f.fallback]


def _candidates(data: bytes, formats: dict[str, ImageFormat] = FORMATS) -> list[str]:
    recogniser = Recogniser(formats, Budget(Limits()), UnreadList(1))
    return [f.name for f in recogniser.candidates(Span("file", Window.of(data)))]


@pytest.mark.parametrize("image_format", AT_START, ids=[f.name for f in AT_START])
def test_every_example_is_a_candidate_for_its_own_format(image_format: ImageFormat) -> None:
    assert image_format.name in _candidates(image_format.example())


def _of(name: str, *magics: Magic, **more: bool | int) -> ImageFormat:
    def opens(span: Span, _limits: Limits) -> Opened:
        return Opened(size=span.size, kind=RegionKind.DATA, title=name)

    return ImageFormat(
        name=name, title=name, source="test", limits="", open=opens, magics=magics, example=bytes, **more
    )


@pytest.mark.parametrize(
    ("expression", "data"),
    [
        (rb"a", b"a"),
        (rb"[a-c]x", b"bx"),
        (rb"\x00\x01", b"\0\1"),
        (rb"(?s).{3}x", b"\n\n\nx"),
        (rb"a?b", b"b"),
        (rb"[ab]*c", b"c"),
        (rb"[ab]{0,2}c", b"c"),
        (rb"a|b", b"b"),
        (rb"(?:a|b)c", b"bc"),
        (rb"(?i)a", b"A"),
        (rb"\d", b"7"),
        (rb"[^a]b", b"bb"),
        (rb"[\]]x", b"]x"),
    ],
)
def test_what_an_expression_may_start_with_is_not_narrowed_too_far(expression: bytes, data: bytes) -> None:
    magic = Magic(expression, anchor=b"x", anywhere=False)
    assert _candidates(data, {"one": _of("one", magic)}) == ["one"]


def test_a_magic_may_be_told_from_the_end_of_a_file() -> None:
    formats = {"tail": _of("tail", Magic(b"END", offset=-3, anywhere=False), whole_file_only=True)}
    assert _candidates(b"anything END", formats) == ["tail"]
    assert _candidates(b"END", formats) == ["tail"]
    assert _candidates(b"END of it", formats) == []
    assert _candidates(b"ND", formats) == []


def test_candidates_come_in_the_order_they_are_tried() -> None:
    late, early = _of("a", Magic(b"MAGIC"), try_order=5), _of("b", Magic(b"GIC", offset=2), try_order=-5)
    assert _candidates(b"MAGIC", {"a": late, "b": early}) == ["b", "a"]


def test_ordinary_bytes_are_held_against_few_formats() -> None:
    noise = random.Random(5).randbytes(5003)  # noqa: S311  # filler, not a secret
    assert len(_candidates(b"\x23" + noise)) <= 2
