"""The shipped facts are strict: a wrong field is named with its file and place, and names belong to one product."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from firmware_checks.indexes import TOML_FOLDERS
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase, shipped_knowledge
from firmware_checks.vulnerabilities.ranges import VersionRange, parse_range
from firmware_checks.vulnerabilities.versions import SchemeName, compare
from toolkit.core.errors import RuleError

PUMP = """name = "pump"
title = "Pump"
scheme = "generic"
reviewed = 2026-11-24
cpes = ["a:acme:pump"]
purls = ["pkg:generic/pump"]
aliases = ["acme pump"]

[[lifecycle]]
versions = "<2.0"
until = 2020-01-31
source = "the makers"

[[vulnerability]]
id = "CVE-2024-12345"
affected = [">=1.0 <1.5"]
severity = "high"
cvss = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
summary = "A crafted message lets code of the sender run."
source = "the makers"
"""

WRONG = [
    ('title = "Pump"\n', "", "missing required field `title`"),
    ('scheme = "generic"', 'scheme = "semver"', "$.scheme"),
    ("a:acme:pump", "acme:pump", "$.cpes[0]"),
    ("pkg:generic/pump", "pkg:generic/pump@1.0", "$.purls[0]"),
    ("acme pump", "Acme Pump", "lower case"),
    ("until = 2020-01-31\n", "", "either until or state"),
    ("until = 2020-01-31", 'until = 2020-01-31\nstate = "ended"', "either until or state"),
    ('versions = "<2.0"', 'versions = "< 2.0"', "$.lifecycle[0].versions"),
    (">=1.0 <1.5", "1.0 - 1.5", "$.vulnerability[0].affected[0]"),
    ('affected = [">=1.0 <1.5"]', "affected = []", "$.vulnerability[0].affected"),
    ("CVE-2024-12345", "CVE-24-1", "$.vulnerability[0].id"),
    ('severity = "high"', 'severity = "bad"', "$.vulnerability[0].severity"),
    ("CVSS:3.1/AV:N", "CVSS:3.1/XX", "$.vulnerability[0].cvss"),
    ("of the sender run.", "of the sender run", "$.vulnerability[0].summary"),
    ('source = "the makers"\n', 'source = "the makers"\nfamilies = ["ripple21"]\n', "$.vulnerability[0].families[0]"),
    ('source = "the makers"\n', 'source = "the makers"\nunheard = 1\n', "unknown field `unheard`"),
    ('name = "pump"', 'name = "punp"', "named like its file"),
]


@pytest.mark.parametrize(("part", "instead", "message"), WRONG)
def test_what_is_wrong_is_named_with_file_and_place(tmp_path: Path, part: str, instead: str, message: str) -> None:
    from firmware_checks.vulnerabilities.knowledge import load_knowledge

    head, _, tail = PUMP.rpartition(part)
    (tmp_path / "pump.toml").write_text(head + instead + tail, encoding="utf-8")
    with pytest.raises(RuleError, match=r"^pump\.toml: ") as error:
        load_knowledge(tmp_path)
    assert message in str(error.value)


def test_a_vulnerability_stands_once_in_a_file(lab: Any) -> None:
    block = PUMP[PUMP.index("[[vulnerability]]") :]
    with pytest.raises(RuleError, match="stands twice"):
        lab.knowledge(PUMP + block)


@pytest.mark.parametrize("name", ["acme pump", "a:acme:pump", "pkg:generic/pump"])
def test_a_name_belongs_to_one_product(lab: Any, name: str) -> None:
    others = {"acme pump": "aliases", "a:acme:pump": "cpes", "pkg:generic/pump": "purls"}
    values = {"cpes": '["a:x:x"]', "purls": "[]", "aliases": "[]", others[name]: f'["{name}"]'}
    other = 'name = "x"\ntitle = "Xx"\nscheme = "generic"\nreviewed = 2026-11-24\n'
    with pytest.raises(RuleError, match="is a name of pump too"):
        lab.knowledge(PUMP, other + "".join(f"{key} = {value}\n" for key, value in values.items()))


def test_a_good_file_is_read_with_its_date_and_digest(lab: Any) -> None:
    knowledge = lab.knowledge(PUMP)
    assert str(knowledge.date) == "2026-11-24"
    assert len(knowledge.sha256) == 64
    assert KnowledgeBase((), "").date is None


def test_what_is_shipped_is_read_and_has_an_index() -> None:
    knowledge = shipped_knowledge()
    assert knowledge.products
    assert "vulnerabilities/products" in TOML_FOLDERS


def test_shipped_ranges_hold_something_and_lines_of_support_do_not_overlap() -> None:
    for product in shipped_knowledge().products:
        for row in product.vulnerability:
            for versions in row.ranges:
                low, high = versions.keys(product.scheme)
                assert low < high, f"{product.name} {row.id} {versions}"
        lines = sorted(row.range.keys(product.scheme) for row in product.lifecycle)
        assert all(a[1] <= b[0] for a, b in pairwise(lines)), product.name


@pytest.mark.parametrize("text", ["*", "=1.2", ">=1.2", ">1.2", "<1.2", "<=1.2", ">=1.2 <1.5", ">1.2 <=1.5"])
def test_a_range_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_range(text)) == text


@pytest.mark.parametrize("text", ["", "1.2", ">= 1.2", "<1.2 >1.0", ">=1.2  <1.5", "=1.2 <1.5", "~1.2"])
def test_anything_else_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="no range"):
        parse_range(text)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("*", ["0", "99"], []),
        ("=1.2", ["1.2", "1.2.0"], ["1.2.1", "1.1"]),
        (">1.2 <=1.5", ["1.2.1", "1.5"], ["1.2", "1.5.1"]),
        (">=1.2", ["1.2", "9"], ["1.1"]),
    ],
)
def test_bounds_are_inside_or_not_as_written(text: str, inside: list[str], outside: list[str]) -> None:
    versions = parse_range(text)
    assert all(versions.holds(version, SchemeName.GENERIC) for version in inside)
    assert not any(versions.holds(version, SchemeName.GENERIC) for version in outside)


def test_a_range_knows_whether_it_is_one_version_or_all() -> None:
    assert parse_range("=1.2").is_exact
    assert parse_range("*").is_unbounded
    assert not VersionRange(low="1").is_exact
    assert compare("1", "2") == -1
