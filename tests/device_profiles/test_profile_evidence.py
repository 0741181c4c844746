from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.evidence import assign, idle_paths

FACTS = ["update.channels", "update.integrity", "interfaces.usb.authentication", "interfaces.ble.authentication"]


def entry(*fields: str) -> dict[str, object]:
    return {"fields": list(fields), "status": "assumed", "source": "a test"}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry("*")], [0, 0, 0, 0]),
        ([entry("*"), entry("update")], [1, 1, 0, 0]),
        ([entry("*"), entry("update.*")], [1, 1, 0, 0]),
        ([entry("update", "interfaces"), entry("interfaces.*.authentication")], [0, 0, 1, 1]),
        ([entry("*"), entry("interfaces.*.authentication"), entry("interfaces.usb")], [0, 0, 1, 1]),
        ([entry("*"), entry("interfaces.*.authentication"), entry("interfaces.usb.authentication")], [0, 0, 2, 1]),
        ([entry("*.*.authentication", "*"), entry("interfaces.usb.*")], [0, 0, 0, 0]),
        ([entry("*.channels", "*"), entry("update")], [0, 1, 0, 0]),
    ],
)
def test_the_longest_path_counts_and_among_equals_the_one_spelt_out(
    entries: list[dict[str, object]], expected: list[int]
) -> None:
    assigned, _ = assign(FACTS, entries)
    assert [assigned[fact] for fact in FACTS] == expected


def test_a_fact_without_evidence_is_named() -> None:
    assigned, problems = assign(FACTS, [entry("update")])
    assert set(assigned) == set(FACTS[:2])
    assert [problem.path for problem in problems] == FACTS[2:]
    assert "has no evidence" in str(problems[0])


def test_a_path_that_covers_nothing_is_named_with_what_may_have_been_meant() -> None:
    (line,) = [problem.with_suggestion() for problem in idle_paths(FACTS, [entry("*", "update.chanels")])]
    assert line == (
        "evidence[0].fields: update.chanels covers nothing that this file states; did you mean update.channels?"
    )


def test_two_entries_cannot_cover_the_same_path() -> None:
    _, problems = assign(FACTS, [entry("*"), entry("update"), entry("update.*")])
    assert [str(p) for p in problems] == ["evidence[2].fields: update.* is covered by evidence[1] already"]


def test_one_entry_may_say_the_same_twice() -> None:
    _, problems = assign(FACTS, [entry("*", "update", "update.*")])
    assert problems == []


names = st.sampled_from(["a", "b", "c"])
paths = st.lists(st.lists(names, min_size=1, max_size=4).map(".".join), max_size=6, unique=True)
patterns = st.lists(st.one_of(names, st.just("*")), min_size=1, max_size=4).map(".".join)
some_entries = st.lists(st.lists(patterns, min_size=1, max_size=3).map(lambda fields: entry(*fields)), max_size=4)


def fits(pattern: str, path: str) -> bool:
    wanted, parts = pattern.split("."), path.split(".")
    while len(wanted) > 1 and wanted[-1] == "*":
        wanted.pop()
    return len(wanted) <= len(parts) and all(w in ("*", p) for w, p in zip(wanted, parts, strict=False))


@given(paths, some_entries)
def test_every_fact_is_either_covered_by_a_fitting_entry_or_reported(
    facts: list[str], entries: list[dict[str, list[str]]]
) -> None:
    assigned, problems = assign(facts, entries)
    gaps = {problem.path for problem in problems if "has no evidence" in problem.message}
    assert set(assigned) | gaps == set(facts)
    assert not set(assigned) & gaps
    for fact in facts:
        assert (fact in assigned) == any(fits(p, fact) for e in entries for p in e["fields"])
    for fact, index in assigned.items():
        assert any(fits(pattern, fact) for pattern in entries[index]["fields"])
    idle = {str(problem).split(": ")[1].split()[0] for problem in idle_paths(facts, entries)}
    for pattern in (p for e in entries for p in e["fields"]):
        shortest = pattern.removesuffix(".*").removesuffix(".*").removesuffix(".*")
        assert (shortest in idle) == (not any(fits(pattern, fact) for fact in facts))
