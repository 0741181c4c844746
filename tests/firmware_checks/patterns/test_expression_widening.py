"""A widened expression matches inside every match of the original: no engine can miss what it is asked for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.component_rules import load_rules
from firmware_checks.format_index import load_formats
from firmware_checks.patterns import Pattern
from firmware_checks.patterns.expression import quoted, widened

SEARCHED = [
    *(pattern for rule in load_rules() for pattern in rule.patterns),
    *(
        magic.pattern(name)
        for name, image_format in load_formats().items()
        for magic in image_format.magics
        if magic.anywhere
    ),
]

ATOMS = st.sampled_from(
    [b"a", b"b", b"1", rb"\.", rb"\x00", rb"\xff", rb"\0", b".", b"[ab]", b"[^a]", rb"[\w.-]", rb"\d", rb"\w", rb"\s",
     rb"\S", rb"\W", rb"\D", b"[]a]", b"[^]b1]", rb"[\]\b\s]", rb"\n", b" ", rb"\x00{5}", rb"\xff{2}", rb"\0\0\0\0"]
)  # fmt: skip
LOOKS = st.sampled_from(
    [b"(?<!a)", b"(?=b)", rb"(?!\d)", b"(?<=1)", rb"\b", rb"\B", b"^", b"$", b"(?=a(b)?)", b"(?!(?:a|b))+"]
)
TIMES = st.sampled_from([b"", b"", b"", b"*", b"+", b"?", b"{2}", b"{1,3}", b"{,2}", b"{2,}", b"*?", b"{0,2}?", b"++"])
FLAGS = st.sampled_from([b"", b"", b"", b"(?i)", b"(?s)", b"(?is)", b"(?m)"])
BYTES = st.lists(st.sampled_from(b"abAB1. \0\0\0\xff\xff\n-_]\x08\x0b"), max_size=30).map(bytes)


def _repeated(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    groups = st.sampled_from([b"(?:%s)", b"(%s)", b"(?>%s)", b"(?i:%s)", b"(?s:%s)"])
    group = st.tuples(groups, inner, TIMES).map(lambda t: t[0] % t[1] + t[2])
    choice = st.tuples(inner, inner).map(lambda t: b"(?:%s|%s)" % t)
    return st.one_of(st.lists(st.one_of(inner, group, choice), min_size=1, max_size=4).map(b"".join))


EXPRESSIONS = st.tuples(
    FLAGS, st.recursive(st.one_of(st.tuples(ATOMS, TIMES).map(b"".join), LOOKS), _repeated, max_leaves=6)
).map(b"".join)


@given(EXPRESSIONS, BYTES)
def test_every_match_holds_a_match_of_the_widened_expression(source: bytes, data: bytes) -> None:
    wide = widened(source)
    assert wide is not None
    assert wide.isascii()
    for match in re.finditer(source, data):
        assert re.search(wide, match.group()), (source, wide)


@pytest.mark.parametrize(
    "source",
    [rb"(a)\1", rb"(?P<x>a)(?P=x)", rb"(?x) a", rb"[[:alpha:]]", rb"(a)?(?(1)b|c)", rb"a(?#no)b", rb"[\S]", rb"\07",
     rb"a{}", rb"(?L)a", rb"a{,}", rb"\x4"],
)  # fmt: skip
def test_what_engines_do_not_share_is_left_to_the_anchor(source: bytes) -> None:
    assert widened(source) is None


@pytest.mark.parametrize(
    ("source", "wide"),
    [
        (rb"(?<![\w(])Ker V(?P<version>\d+\.\d+[\w.]{0,20})(?!x)", rb"Ker\x20V(?:[0-9]+\x2e[0-9])"),
        (rb"\x40\x00{15}", rb"\x40\x00{3}"),
        (rb"ab\x00{89}[\x00-\xff]{57}tar", rb"ab\x00{3}[\x00-\xff]{86}[\x00-\xff]{57}tar"),
        (rb"a\xff\xff\xff\xff\xffb", rb"a\xff\xff\xff[\x00-\xff][\x00-\xff]b"),
        (rb"(?i)Boa/\d", rb"(?i)Boa\x2f[0-9]"),
        (rb"", rb""),
    ],
)
def test_what_matters_to_speed_is_widened_as_intended(source: bytes, wide: bytes) -> None:
    assert widened(source) == wide


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_a_quoted_literal_matches_itself_alone(literal: bytes, other: bytes) -> None:
    assert re.fullmatch(quoted(literal), literal)
    assert (re.fullmatch(quoted(literal), other) is not None) == (literal == other)


@pytest.mark.parametrize("pattern", SEARCHED, ids=lambda pattern: f"{pattern.owner}-{pattern.source!r}"[:60])
def test_every_pattern_that_is_searched_for_can_be_widened(pattern: Pattern) -> None:
    assert widened(pattern.source)
