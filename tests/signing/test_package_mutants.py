from __future__ import annotations

import pytest

from signing.attacks.lab import Lab, Offer
from signing.attacks.package_mutants import PackageMutants
from signing.refusal import Refusal

COUNT = 700
"""`benchmarks/updates.py --mutants` tries ten thousand."""


@pytest.fixture(scope="module")
def offer(tmp_path_factory: pytest.TempPathFactory) -> Offer:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    return lab.offer(lab.package())


def test_no_mutant_of_a_package_is_accepted_and_each_is_refused_in_words(offer: Offer) -> None:
    mutants = PackageMutants(offer.package)
    rules: set[str] = set()
    for number in range(COUNT):
        with pytest.raises(Refusal) as caught:
            offer.having(package=mutants.make(number)).verify()
        assert "." in caught.value.rule
        assert str(caught.value)
        rules.add(caught.value.rule)
    assert len(rules) > 15
    assert "verify.failed" not in rules


def test_a_mutant_is_the_same_for_the_same_number(offer: Offer) -> None:
    assert PackageMutants(offer.package).make(7) == PackageMutants(offer.package).make(7)
