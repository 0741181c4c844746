import pytest

from toolkit.core.errors import LimitExceeded
from toolkit.core.limits import Budget, Limits


def test_a_tiny_entry_may_grow_to_a_mebibyte_and_a_large_one_by_the_ratio() -> None:
    budget = Budget(Limits(ratio=10), input_bytes=1 << 30)
    assert budget.allowance(1, "a.zip") == 1 << 20
    assert budget.allowance(1 << 20, "a.zip") == 10 << 20


def test_what_was_unpacked_before_shrinks_what_may_follow() -> None:
    budget = Budget(Limits(unpacked_bytes=1000))
    budget.spend_unpacked(900)
    assert budget.allowance(10_000, "a.zip") == 100
    budget.spend_unpacked(900)
    with pytest.raises(LimitExceeded, match="more than 1000 bytes unpacked"):
        budget.allowance(10_000, "a.zip")


def test_the_entry_after_the_last_allowed_is_refused_and_remembered() -> None:
    budget = Budget(Limits(entries=1))
    budget.spend_entry("a.zip")
    for _ in range(2):
        with pytest.raises(LimitExceeded) as caught:
            budget.spend_entry("a.zip")
        assert caught.value.limit == "entries"
    assert budget.hits.sentences() == ("more than 1 files, the rest was not read: 'a.zip', 'a.zip'",)


def test_false_starts_are_counted() -> None:
    budget = Budget(Limits(attempts=2))
    budget.spend_attempt("x")
    budget.spend_attempt("x")
    with pytest.raises(LimitExceeded, match="false starts"):
        budget.spend_attempt("x")


def test_all_content_together_may_not_be_out_of_proportion_to_the_file() -> None:
    budget = Budget(Limits(total_ratio=100), input_bytes=25_000)
    assert budget.allowance(1 << 20, "a.zip") == 64 << 20
    budget.spend_unpacked(64 << 20)
    with pytest.raises(LimitExceeded):
        budget.allowance(1 << 20, "a.zip")
