"""Whatever engine searches, the hits are the same: each one of them, in the same order."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hyperscan
import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_checks.component_rules import load_rules
from firmware_checks.format_index import load_formats
from firmware_checks.patterns import Hit, Pattern, PatternSet
from firmware_checks.patterns.native import (
    HYPERSCAN,
    KEPT_IS_WORTH,
    NATIVE,
    RE2,
    Native,
    NativeEngine,
    best_engine,
    engine_in_words,
)
from firmware_checks.patterns.search import STRETCH_BYTES
from firmware_checks.patterns.with_hyperscan import HyperscanSieve
from firmware_checks.patterns.with_re2 import Re2Sieve
from toolkit.core.cache import DIGEST_BYTES, Cache

RULES = load_rules()
FORMATS = load_formats()
ALL = [
    *(pattern for rule in RULES for pattern in rule.patterns),
    *(magic.pattern(name) for name, f in FORMATS.items() for magic in f.magics if magic.anywhere),
]
TEXTS = [example.text.encode("latin-1") for rule in RULES for example in rule.example if example.text]
TEXTS += [text.encode("latin-1") for rule in RULES for text in rule.not_example]
AT_ONCE = [replace(native, worth_bytes=0) for native in NATIVE]
IN_PYTHON = PatternSet(ALL)
IN_NATIVE = [PatternSet(ALL, NativeEngine(native)) for native in AT_ONCE]

TRICKY = [
    Pattern.of("number", rb"(?<!\w)Ker V(?P<version>\d+)(?!\.)", enough=3),
    Pattern.of("behind", rb"\d{1,9} of Ker"),
    Pattern.of("overlapping", rb"aba", anchor=b"ab"),
    Pattern.of("same anchor", rb"ab+1", anchor=b"ab"),
    Pattern.of("caseless", rb"(?i)ker v\d", anchor=b"er"),
    Pattern.of("caseless part", rb"Ker(?i: v)1", anchor=b"Ker"),
    Pattern.of("refused by Hyperscan", rb"(b)\1a+", anchor=b"ba"),
    Pattern.of("matches nothing but the anchor", rb"(?=1\.1)", anchor=b"1.1"),
    Pattern.of("fill", rb"\x00{4}a\x00{5}", anchor=b"\0\0\0\0a"),
    Pattern.of("end", rb"Ker$"),
    Pattern.of("any", rb"(?s)V1.{0,600}?Ker", anchor=b"V1"),
    Pattern.of("far behind", rb"1[^\n]{0,505}KER!"),
    Pattern.of("empty", rb"(?:Ker)?", anchor=b"Ker"),
]
PIECES = st.sampled_from(
    [b"Ker V1", b"Ker V12.", b"kER v7", b"KER V1", b"ab", b"aba", b"bba", b"1 of Ker", b"1.1", b"\0", b"\0\0\0\0a",
     b"Ker", b"\0\0\0\0\0", b"x" * 500, b"KER!", b"\n", b" ", b"1"]
)  # fmt: skip
TRICKY_NATIVE = [PatternSet(TRICKY, NativeEngine(native)) for native in AT_ONCE]
TRICKY_PYTHON = PatternSet(TRICKY)


def _hits(patterns: PatternSet, data: bytes) -> Sequence[Hit]:
    return list(patterns.search(memoryview(data)))


def _agree(native: Sequence[PatternSet], in_python: PatternSet, data: bytes) -> None:
    expected = _hits(in_python, data)
    for patterns in native:
        assert _hits(patterns, data) == expected


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_engines_agree_on_texts_that_overlap_touch_and_differ_in_case(data: bytes) -> None:
    _agree(TRICKY_NATIVE, TRICKY_PYTHON, data)


@given(st.binary(max_size=3000))
def test_engines_agree_on_random_bytes(data: bytes) -> None:
    _agree(IN_NATIVE, IN_PYTHON, data)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(-700, 700), st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12))
def test_engines_agree_on_examples_of_rules_around_the_border_of_a_stretch(
    seed: int, at: int, texts: list[bytes]
) -> None:
    noise = random.Random(seed)  # noqa: S311  # filler
    data = bytearray(noise.randbytes(700).rjust(STRETCH_BYTES + at, noise.choice([b"\0", b"\xff", b"a", b"1"])))
    for text in texts:
        data += noise.choice([b"\0", b"", b" "]) + text + noise.randbytes(noise.choice([0, 0, 1, 300]))
    _agree(IN_NATIVE, IN_PYTHON, bytes(data))


def test_engines_agree_on_every_example_of_every_rule_and_format() -> None:
    noise = random.Random(4)  # noqa: S311  # the same in every run
    data = b"".join(b"\0" + text + b"\0" + noise.randbytes(90) for text in noise.sample(TEXTS, len(TEXTS)))
    data += b"".join(image_format.example()[:20_000] for image_format in FORMATS.values())
    proven = {rule.name for rule in RULES if rule.patterns and any(example.text for example in rule.example)}
    assert {hit.pattern.owner for hit in _hits(IN_PYTHON, data)} >= proven
    _agree(IN_NATIVE, IN_PYTHON, data)


@pytest.mark.parametrize("before", range(STRETCH_BYTES - 30, STRETCH_BYTES + 4))
def test_a_text_across_the_border_of_a_stretch_is_found_once(before: int) -> None:
    data = b"-" * before + b"Ker V12 " + b"-" * 40
    expected = [match.span() for match in re.finditer(rb"Ker V12", data)]
    for patterns in (*TRICKY_NATIVE, TRICKY_PYTHON):
        assert [(h.start, h.end) for h in _hits(patterns, data) if h.pattern.owner == "number"] == expected


def test_all_versions_in_a_file_are_found_with_their_places() -> None:
    texts = [b"Ker V%d" % n for n in range(200)]
    data = b"\0".join([b"", *texts, *texts])
    for patterns in (*TRICKY_NATIVE, TRICKY_PYTHON):
        found = [h for h in _hits(patterns, data) if h.pattern.owner == "number"]
        assert [data[h.start : h.end] for h in found] == [*texts, *texts]


def test_no_patterns_find_nothing_with_any_engine() -> None:
    for native in AT_ONCE:
        assert _hits(PatternSet([], NativeEngine(native)), b"anything") == []


def test_hyperscan_takes_over_when_enough_was_searched_and_is_kept(tmp_path: Path) -> None:
    engine = NativeEngine(replace(HYPERSCAN, worth_bytes=3 * STRETCH_BYTES * KEPT_IS_WORTH), Cache(tmp_path))
    data = (b"Ker V1 " + b"\0" * 4000) * (6 * STRETCH_BYTES // 4007)
    assert _hits(PatternSet(TRICKY, engine), data[:STRETCH_BYTES]) == _hits(TRICKY_PYTHON, data[:STRETCH_BYTES])
    assert list(tmp_path.iterdir()) == []
    assert _hits(PatternSet(TRICKY, engine), data) == _hits(TRICKY_PYTHON, data)
    (kept,) = tmp_path.iterdir()
    content = kept.read_bytes()
    again = PatternSet(TRICKY, NativeEngine(HYPERSCAN, Cache(tmp_path)))
    assert _hits(again, data) == _hits(TRICKY_PYTHON, data)
    assert kept.read_bytes() == content


def test_other_patterns_do_not_use_what_was_kept(tmp_path: Path) -> None:
    for patterns in (TRICKY, TRICKY[1:], TRICKY[::-1]):
        found = PatternSet(patterns, NativeEngine(AT_ONCE[0], Cache(tmp_path)))
        assert _hits(found, b"1 of Ker V1") == _hits(PatternSet(patterns), b"1 of Ker V1")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, -1), (1, None), (40, None)])
def test_a_damaged_database_is_compiled_again(tmp_path: Path, start: int, end: int | None) -> None:
    data = b"1 of Ker V1"
    _hits(PatternSet(TRICKY, NativeEngine(AT_ONCE[0], Cache(tmp_path))), data)
    (kept,) = tmp_path.iterdir()
    good = kept.read_bytes()
    kept.write_bytes(good[start:end])
    again = PatternSet(TRICKY, NativeEngine(AT_ONCE[0], Cache(tmp_path)))
    assert _hits(again, data) == _hits(TRICKY_PYTHON, data)
    assert kept.read_bytes() == good


def test_a_database_of_another_version_of_hyperscan_is_compiled_again(tmp_path: Path) -> None:
    data = b"1 of Ker V1"
    _hits(PatternSet(TRICKY, NativeEngine(AT_ONCE[0], Cache(tmp_path))), data)
    (kept,) = tmp_path.iterdir()
    good = kept.read_bytes()
    other = bytearray(good[DIGEST_BYTES:])
    other[4] ^= 1  # the version stands behind the magic number
    kept.write_bytes(hashlib.sha256(other).digest() + other)
    again = PatternSet(TRICKY, NativeEngine(AT_ONCE[0], Cache(tmp_path)))
    assert _hits(again, data) == _hits(TRICKY_PYTHON, data)
    assert kept.read_bytes() == good


@pytest.mark.parametrize("sieve", [native.sieve() for native in NATIVE])
def test_an_expression_that_is_refused_is_replaced_by_the_simpler_one(sieve: type[HyperscanSieve | Re2Sieve]) -> None:
    made = sieve.compile([b"(", b"abc"], [b"x", b"never"])
    assert made is not None
    assert sorted(made.may_match(memoryview(b"xabc"))) == [0, 1]
    assert list(made.may_match(memoryview(b"never"))) == []
    assert sieve.compile([b"("], [b"("]) is None


def test_where_hyperscan_cannot_search_all_patterns_are_looked_for() -> None:
    for_streams = hyperscan.Database(mode=hyperscan.HS_MODE_STREAM)
    for_streams.compile(expressions=[b"abc", b"def"], ids=[0, 1], flags=[0, 0])
    assert list(HyperscanSieve(for_streams, 2).may_match(memoryview(b"xdefx"))) == [0, 1]


def test_where_a_search_of_re2_finds_not_even_what_always_matches_all_patterns_are_looked_for() -> None:
    failing = re2.Set.SearchSet()
    failing.Add(b"abc")
    failing.Compile()
    assert list(Re2Sieve(failing, 2).may_match(memoryview(b"xabcx"))) == [0, 1]


def _does_not_load() -> type[HyperscanSieve]:
    raise ImportError


BROKEN = replace(HYPERSCAN, sieve=_does_not_load, worth_bytes=0)
MISSING = Native(name="None", package="no_such_package_here", distribution="none", sieve=_does_not_load, worth_bytes=0)


def test_where_a_library_is_installed_and_does_not_run_python_goes_on(tmp_path: Path) -> None:
    data = b"1 of Ker V1"
    patterns = PatternSet(TRICKY, NativeEngine(BROKEN, Cache(tmp_path)))
    assert _hits(patterns, data) == _hits(TRICKY_PYTHON, data)
    _hits(PatternSet(TRICKY, NativeEngine(AT_ONCE[0], Cache(tmp_path))), data)
    patterns = PatternSet(TRICKY, NativeEngine(BROKEN, Cache(tmp_path)))
    assert _hits(patterns, data) == _hits(TRICKY_PYTHON, data)


def test_the_best_engine_is_the_one_that_doctor_names() -> None:
    for natives in (NATIVE, [RE2], [MISSING, RE2], [MISSING]):
        assert engine_in_words(natives).startswith(best_engine(natives=natives).name)
    assert "not installed" in engine_in_words([MISSING])
    assert "does not run" in engine_in_words([BROKEN])


def test_re2_keeps_nothing(tmp_path: Path) -> None:
    _hits(PatternSet(TRICKY, NativeEngine(replace(RE2, worth_bytes=0), Cache(tmp_path))), b"1 of Ker V1")
    assert list(tmp_path.iterdir()) == []
    assert Re2Sieve.load(b"", 1) is None
