import pytest

from toolkit.core.errors import LimitExceeded
from toolkit.core.limits import Budget, Limits


def test_a_tiny_entry_may_grow_to_a_mebibyte_and_a_large_one_by_the_ratio() -> None:
    budget = Budget(Limits(ratio=10))
    assert budget.allowance(1) == 1 << 20
    assert budget.allowance(1 << 20) == 10 << 20


def test_what_was_unpacked_before_shrinks_what_may_follow() -> None:
    budget = Budget(Limits(unpacked_bytes=1000))
    budget.spend_unpacked(900)
    assert budget.allowance(10_000) == 100
    budget.spend_unpacked(900)
    assert budget.allowance(10_000) == 0


def test_the_entry_after_the_last_allowed_is_refused_and_remembered_once() -> None:
    budget = Budget(Limits(entries=1))
    budget.spend_entry("a.zip")
    for _ in range(2):
        with pytest.raises(LimitExceeded) as caught:
            budget.spend_entry("a.zip")
        assert caught.value.limit == "entries"
    assert budget.hits == ["a.zip: more than 1 files, the rest was not read"]


def test_false_starts_are_counted() -> None:
    budget = Budget(Limits(attempts=2))
    budget.spend_attempt("x")
    budget.spend_attempt("x")
    with pytest.raises(LimitExceeded, match="false starts"):
        budget.spend_attempt("x")
