from __future__ import annotations

from pathlib import Path

import pytest

from signing.attacks.package_bench import PackageBench
from signing.attacks.packages import SUITE
from signing.attacks.suite import CASES, Attack, outcome


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> PackageBench:
    return SUITE.bench(tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize("attack", SUITE.attacks, ids=lambda attack: f"{attack.case} {attack.what}")
def test_a_package_is_refused_by_the_right_rule(attack: Attack[PackageBench], bench: PackageBench) -> None:
    came_of_it = outcome(attack, bench)
    assert came_of_it.rule in attack.rules, came_of_it.message


def test_every_case_of_the_list_is_tried_or_said_to_be_elsewhere() -> None:
    tried = {attack.case for attack in SUITE.attacks}
    assert tried | set(SUITE.elsewhere) == set(CASES)
    assert not tried & set(SUITE.elsewhere)


def test_tests_that_are_named_for_a_case_exist() -> None:
    root = Path(__file__).parents[2]
    for reason in SUITE.elsewhere.values():
        if reason.startswith("`"):
            assert (root / reason.strip("`")).exists(), reason
