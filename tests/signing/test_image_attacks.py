"""Every attack case that concerns signed images is refused by the right rule, in every format it applies to."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from signing.attacks.image_lab import LAB
from signing.attacks.suite import CASES, Attack, Suite, outcome
from signing.image import signed_image_formats

MODULES = ("mcuboot", "suit", "minisign", "signify", "esp_secure_boot", "fit", "swupdate", "rauc")
SUITES: tuple[Suite[Any], ...] = tuple(importlib.import_module(f"signing.attacks.{name}").SUITE for name in MODULES)
ATTACKS = [(suite, attack) for suite in SUITES for attack in suite.attacks]


@pytest.mark.parametrize(("suite", "attack"), ATTACKS, ids=[f"{s.name} {a.case} {a.what}" for s, a in ATTACKS])
def test_an_attack_on_an_image_is_refused_by_the_right_rule(
    suite: Suite[Any], attack: Attack[Any], tmp_path: Path
) -> None:
    good = suite.bench(tmp_path)
    good.verify()
    came_of_it = outcome(attack, good)
    assert came_of_it.rule in attack.rules, f"{came_of_it.rule}: {came_of_it.message}"


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_every_case_is_tried_or_said_to_be_elsewhere(suite: Suite[Any]) -> None:
    tried = {attack.case for attack in suite.attacks}
    assert tried | set(suite.elsewhere) == set(CASES)
    assert not tried & set(suite.elsewhere)
    root = Path(__file__).parents[2]
    for reason in suite.elsewhere.values():
        if "`" in reason:
            assert (root / reason.split("`")[1]).exists(), reason


def test_every_format_has_a_suite_and_a_good_image() -> None:
    assert {suite.name for suite in SUITES} == set(signed_image_formats()) == set(LAB.formats())
