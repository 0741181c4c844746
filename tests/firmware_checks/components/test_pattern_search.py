"""The search over many patterns finds what each of them would find alone, wherever it stands."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.patterns import DISTINCT_HITS, Pattern, PatternSet
from toolkit.core.errors import RuleError

LETTERS = st.lists(st.sampled_from(b"ab1."), max_size=40).map(bytes)


def _hits(patterns: list[Pattern], data: bytes) -> list[tuple[str, int, int]]:
    return [(h.pattern.owner, h.start, h.end) for h in PatternSet(patterns).search(memoryview(data))]


@pytest.mark.parametrize(
    ("source", "anchor", "leads"),
    [
        (rb"(?<!\w)FreeRTOS V(?P<version>\d+)", b"FreeRTOS V", True),
        (rb"\x7fELF[\x01\x02]", b"\x7fELF", True),
        (rb"ab\ncd\t\x00\0", b"ab\ncd\t\x00\0", True),
        (rb"a\.b\-c", b"a.b-c", True),
        (rb"a(?=b)bcd", b"abcd", True),
        (rb"\bword", b"word", True),
        (rb"V(?P<version>\d+) of kernel", b" of kernel", False),
        (rb"x{128}abc", b"abc", False),
        (rb"\012abc", b"abc", False),
        (rb"\\x41abc", b"\\x41abc", True),
        (rb"abc?defg", b"defg", False),
        (rb"(?:abc|def)ghi", b"ghi", False),
        (rb"(abc)?ghi", b"ghi", False),
        (rb"[\]abc|x]yyy", b"yyy", False),
        (rb"abc.longer literal", b"longer literal", False),
        (rb"lead.longer literal", b"lead", True),
    ],
)
def test_a_literal_of_every_match_is_read_from_the_expression(source: bytes, anchor: bytes, leads: bool) -> None:
    pattern = Pattern.of("x", source)
    assert (pattern.anchor, pattern.leads) == (anchor, leads)


@pytest.mark.parametrize("source", [rb"abc|def", rb"(?i)abcdef", rb"\d+", rb"ab", rb"a[bc]d", rb"(abcdef)"])
def test_an_expression_without_a_plain_literal_wants_a_named_anchor(source: bytes) -> None:
    with pytest.raises(RuleError, match="name an anchor"):
        Pattern.of("x", source)


def test_a_named_anchor_may_be_short() -> None:
    assert _hits([Pattern.of("x", rb"[Aa]\xe9|\xe9", anchor=b"\xe9")], b"..a\xe9..\xe9") == [("x", 2, 4), ("x", 6, 7)]


def test_what_is_not_a_regular_expression_is_said_with_its_owner() -> None:
    with pytest.raises(RuleError, match=r"pump: .*abc\(.* is not a regular expression"):
        _ = Pattern.of("pump", rb"abc(").expression


def test_no_patterns_find_nothing() -> None:
    assert _hits([], b"anything") == []


def test_anchors_that_start_or_hold_each_other_are_all_found() -> None:
    patterns = [Pattern.of(text, text.encode()) for text in ("zephyr", "zephyr-v", "phyr", "zephyr-v2")]
    owners = sorted(owner for owner, _, _ in _hits(patterns, b"a zephyr-v2 b"))
    assert owners == ["phyr", "zephyr", "zephyr-v", "zephyr-v2"]


@pytest.mark.parametrize("before", [0, 1, 3, (1 << 20) - 5, (1 << 20) - 1, 1 << 20])
def test_a_match_is_found_once_at_any_offset(before: int) -> None:
    patterns = [Pattern.of("x", rb"(?<!\w)Ker V(?P<version>\d+)"), Pattern.of("y", rb"\d+ of kernel")]
    data = b"\0" * before + b"Ker V12\0" + b"345 of kernel" + b"\xff" * 9
    assert _hits(patterns, data) == [("x", before, before + 7), ("y", before + 8, before + 21)]


def test_named_groups_that_took_part_come_as_text() -> None:
    pattern = Pattern.of("x", rb"name=(?P<version>\d+)?(?P<rest>\xe9)?")
    (hit,) = PatternSet([pattern]).search(memoryview(b"name=\xe9"))
    assert hit.groups == (("rest", "\xe9"),)


@given(LETTERS, st.sampled_from([rb"ab1", rb"(?<!b)ab1\d*", rb"aba", rb"ab[.1]+b1b"]))
def test_where_every_match_starts_with_its_anchor_all_matches_are_found(data: bytes, source: bytes) -> None:
    pattern = Pattern.of("x", source, anchor=b"ab")
    expected = [m.span() for i in range(len(data)) if (m := re.compile(source).match(data, i))]
    assert [(start, end) for _, start, end in _hits([pattern], data)] == expected


@given(LETTERS, st.sampled_from([rb"[ab]1ba", rb"(?:a|bb)\.*1ba", rb"[a.]+1ba1?"]))
def test_where_the_anchor_stands_inside_the_leftmost_match_over_it_is_found(data: bytes, source: bytes) -> None:
    pattern = Pattern.of("x", source)
    expected = [m.span() for m in re.finditer(source, data)]
    assert [(start, end) for _, start, end in _hits([pattern], data)] == expected


def test_an_anchor_that_a_match_does_not_hold_gives_no_hit() -> None:
    pattern = Pattern.of("x", rb"\d+ kernel \d+")
    assert _hits([pattern], b"kernel 5, 7 kernels, kernel 9") == []
    assert _hits([pattern], b"no kernel; later 12 kernel 5") == [("x", 17, 28)]


def test_a_file_full_of_one_banner_gives_a_few_hits_and_every_version() -> None:
    pattern = Pattern.of("x", rb"Kernel V(?P<version>\d+)", enough=3)
    data = b"Kernel V1 " * 5000 + b"Kernel V2 "
    versions = [dict(h.groups)["version"] for h in PatternSet([pattern]).search(memoryview(data))]
    assert versions == ["1", "1", "1", "2"]


def test_a_file_full_of_different_versions_is_cut_short() -> None:
    pattern = Pattern.of("x", rb"Kernel V(?P<version>\d+)", enough=3)
    data = b"".join(b"Kernel V%d " % n for n in range(DISTINCT_HITS + 50))
    assert len(_hits([pattern], data)) == DISTINCT_HITS


def test_a_pattern_that_wants_all_gets_all() -> None:
    assert len(_hits([Pattern.of("x", rb"UF2\n")], b"UF2\n" * 3000)) == 3000


def test_random_bytes_are_searched_without_a_hit() -> None:
    data = random.Random(7).randbytes(1 << 16)  # noqa: S311  # the same in every run
    assert _hits([Pattern.of("x", rb"FreeRTOS V\d"), Pattern.of("y", rb"\d ThreadX ")], data) == []
