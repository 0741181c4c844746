"""What the shipped knowledge base must hold at least: enough products, enough vulnerabilities, whole families."""

from __future__ import annotations

import itertools
from importlib import resources

import pytest

from firmware_checks.vulnerabilities.knowledge import FOLDER, Family, KnowledgeBase, shipped_knowledge

LEAST_PRODUCTS = 60
LEAST_VULNERABILITIES = 600
MOST_BYTES = 3_000_000


def _run(first: str, last: int) -> set[str]:
    """Return the identifiers from ``first`` on, counting up to the number ``last``."""
    head, number = first.rsplit("-", 1)
    return {f"{head}-{each}" for each in range(int(number), last + 1)}


def _years(**numbers: str) -> set[str]:
    """Return identifiers from ``y2020="1 2"``."""
    return {f"CVE-{year[1:]}-{number}" for year, each in numbers.items() for number in each.split()}


FAMILIES = {
    Family.URGENT_11: _run("CVE-2019-12255", 12265),
    Family.RIPPLE20: _run("CVE-2020-11896", 11914),
    Family.AMNESIA_33: (
        _run("CVE-2020-13984", 13988)
        | _run("CVE-2020-17437", 17445)
        | _run("CVE-2020-17467", 17470)
        | _run("CVE-2020-24334", 24341)
        | _run("CVE-2020-25107", 25112)
        | {"CVE-2020-24383"}
    ),
    Family.NUMBER_JACK: _years(y2020="27213 27630 27631 27632 27633 27634 27635 27636 28388"),
    Family.NUCLEUS_13: _run("CVE-2021-31344", 31346) | _run("CVE-2021-31881", 31890),
    Family.INFRA_HALT: _years(
        y2020="25767 25926 25927 25928 35683 35684 35685", y2021="27565 31226 31227 31228 31400 31401 36762"
    ),
    Family.BADALLOC: _years(
        y2020="13603 28895 35198",
        y2021="3420 22156 22636 22680 22684 26461 26706 27411 27417 27419 27421 27425 27427 27429 27431 27433 27435 "
        "27439 27502 27504 30636 31571 31572",
    ),
    Family.ACCESS_7: _run("CVE-2022-25246", 25252),
    Family.SWEYNTOOTH: _years(
        y2019="16336 17060 17061 17517 17518 17519 17520 19192 19193 19194 19195 19196",
        y2020="10061 10068 10069 13593 13594 13595",
    ),
    Family.BRAKTOOTH: _years(
        y2021="28135 28136 28139 28155 30348 31609 31610 31611 31612 31613 31785 31786 33139 33155 34143 34144 34145 "
        "34146 34147 34148 34149 34150 35093"
    ),
    Family.PWNEDPIPER: _run("CVE-2021-37160", 37167),
    Family.LOG4SHELL: _years(y2021="44228 44832 45046 45105"),
}
"""Members as their finders and CISA list them; AMNESIA:33 and URGENT/11 carry their number in the name."""


@pytest.fixture(scope="module")
def knowledge() -> KnowledgeBase:
    return shipped_knowledge()


def test_it_holds_enough_products_and_vulnerabilities(knowledge: KnowledgeBase) -> None:
    identifiers = {row.id for product in knowledge.products for row in product.vulnerability}
    assert len(knowledge.products) >= LEAST_PRODUCTS
    assert len(identifiers) >= LEAST_VULNERABILITIES


def test_it_is_small_enough_for_the_wheel() -> None:
    files = resources.files("firmware_checks").joinpath(FOLDER).iterdir()
    assert sum(len(file.read_bytes()) for file in files if file.is_file()) < MOST_BYTES


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_a_family_is_whole(knowledge: KnowledgeBase, family: Family) -> None:
    marked = {row.id for product in knowledge.products for row in product.vulnerability if family in row.families}
    assert marked == FAMILIES[family]


def test_the_families_named_after_a_number_have_that_many_members() -> None:
    assert len(FAMILIES[Family.URGENT_11]) == 11
    assert len(FAMILIES[Family.AMNESIA_33]) == 33
    assert len(FAMILIES[Family.NUCLEUS_13]) == 13
    assert len(FAMILIES[Family.ACCESS_7]) == 7


def test_every_product_that_devices_are_known_for_is_there(knowledge: KnowledgeBase) -> None:
    names = {product.name for product in knowledge.products}
    assert names >= {
        "freertos", "zephyr", "threadx", "vxworks", "nucleus", "qnx", "treck", "lwip", "nichestack", "windows-ce",
        "windows-xp", "windows-7", "busybox", "dropbear", "openssl", "mbedtls", "wolfssl", "u-boot", "linux", "dcmtk",
        "orthanc", "mirth-connect", "axeda", "sqlite", "zlib", "expat",
    }  # fmt: skip


def test_the_range_of_every_lifecycle_stands_alone(knowledge: KnowledgeBase) -> None:
    for product in knowledge.products:
        spans = sorted(row.range.keys(product.scheme) for row in product.lifecycle)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans)), product.name


def test_no_range_is_empty(knowledge: KnowledgeBase) -> None:
    for product in knowledge.products:
        for row in product.vulnerability:
            for span in row.ranges:
                start, end = span.keys(product.scheme)
                assert start < end, (product.name, row.id, str(span))
