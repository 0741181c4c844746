"""Whether an advisory means a device: names, versions, and what they come to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.vulnerabilities.advisories import AdvisoryMatch, AdvisoryStatus, match_assets
from firmware_checks.vulnerabilities.advisory_names import compare_names
from firmware_checks.vulnerabilities.advisory_output import as_openvex, as_table
from firmware_checks.vulnerabilities.advisory_versions import compare_version
from firmware_checks.vulnerabilities.assets import Asset, AssetList, BrokenRow
from firmware_checks.vulnerabilities.feed import CsafAdvisory
from toolkit.report.model import Confidence

BD = "Becton, Dickinson and Company (BD)"

NAMES = [
    ("Contec Medical Systems Co., Ltd.", "CMS-8000", "Contec Health", "CMS8000 Patient Monitor", "high"),
    ("Contec", "cms8000", "Contec", "CMS 8000", "certain"),
    ("BD", "8015 Alaris PC Unit", BD, "Alaris 8015 PC unit", "high"),
    ("BD", "Alaris PC unit", BD, "Alaris 8015 PC unit", "low"),
    ("CareFusion", "Alaris 8000", BD, "Alaris 8000 PC unit", "high"),
    ("B. Braun Melsungen AG", "SpaceCom", "B. Braun Medical", "SpaceCom", "certain"),
    ("Dräger", "Infinity Delta", "Draeger", "Infinity Delta", "high"),
    ("Philips", "IntelliVue MP30", "Philips", "IntelliVue patient monitor MP2-MP90", "high"),
    ("Philips", "IntelliVue MX450", "Philips", "IntelliVue Patient Monitors MX (MX400-550)", "medium"),
    ("Philips", "IntelliVue MX950", "Philips", "IntelliVue Patient Monitors MX (MX400-550)", None),
    ("Philips", "IntelliVue MX40", "Philips", "IntelliVue MX40 Patient Worn Monitor (WLAN only)", "medium"),
    ("Medtronic", "MiniMed Paradigm 722", "Medtronic", "MiniMed Paradigm 522/722 pumps", "high"),
    ("Medtronic", "MiniMed 530G", "Medtronic", "MiniMed 508 pump", None),
    ("", "SpaceCom", "B. Braun Medical", "SpaceCom", "medium"),
    ("Epsimed", "CMS8000", "Contec Health", "CMS8000", "low"),
    ("Maquet", "Servo-i", "Philips", "IntelliVue X2", None),
    ("Silex", "SD-320AN", "GE", "Silex SD-320AN", "medium"),
    ("Fresenius Kabi", "Agila Partner", "Fresenius Kabi", "Agilia Partner", "low"),
    ("Phillips", "IntelliVue X3", "Philips", "IntelliVue X3", "medium"),
    ("Baxter", "Infusion pump", "Baxter", "Infusion system", None),
    ("Acme", "Zygomat", "Acme", "Zygomate", "low"),
    ("GE Medical", "Alpha Gamma Eta", "GE Healthcare", "Alpha Delta Zeta", None),
    ("Medtronic", "Evera MRI", "Medtronic", "Evera ICD", "low"),
    ("Orthanc", "Orthanc", "Orthanc", "Orthanc server", "high"),
    ("CME", "BodyGuard 323", BD, "CME BodyGuard 323", "high"),
    ("GE Medical", "Alpha Beta Eta Gamma", "GE Healthcare", "Alpha Beta Eta Delta", "low"),
]


@pytest.mark.parametrize(("maker", "model", "vendor", "product", "expected"), NAMES)
def test_names_that_mean_the_same_and_how_sure_that_is(
    maker: str, model: str, vendor: str, product: str, expected: str | None
) -> None:
    found = compare_names(maker, model, vendor, product)
    assert (found and found.confidence) == expected
    assert found is None or found.reason


VERSIONS = [
    ("8.2.1", "< 8.2.2", "inside"),
    ("8.2.2", "< 8.2.2", "later"),
    ("2.3.1", "<= 2.3.1", "inside"),
    ("2.3.2", "<= 2.3.1", "outside"),
    ("V9.5", "9.5", "inside"),
    ("9.6", "9.5", "unclear"),
    ("1.3", "1.1 | 1.2 | 1.3", "inside"),
    ("6.0", ">= 5.01 | <= 6.4.0", "inside"),
    ("5.0", ">= 5.01 | <= 6.4.0", "outside"),
    ("U60", "<= U61 |<= L81", "inside"),
    ("L81", "<= U61 |<= L81", "inside"),
    ("L82", "<= U61 |<= L81", "unclear"),
    ("12.7", "12.x", "inside"),
    ("13.0", "12.X", "unclear"),
    ("2.9", "< 3.x", "inside"),
    ("2.3.5", "2.3.6 and  below", "inside"),
    ("2.3.7", "2.3.6 and below", "outside"),
    ("1.0", "versions prior to 1.1", "inside"),
    ("9.02", "9.x model 35700BAX3", "inside"),
    ("B.06.10", "< B.06.18", "inside"),
    ("C.06.10", "< B.06.18", "unclear"),
    ("4.0", "<=N", "unclear"),
    ("4.0", "2nd Edition", "unclear"),
    ("2023.1", "<May 2018", "unclear"),
    (None, "< 3", "no_version"),
    (None, "vers:all/*", "inside"),
    (None, "* (end-of-life 2011)", "inside"),
    ("1", "", "inside"),
    ("1", "(with module)", "unclear"),
]


@pytest.mark.parametrize(("version", "text", "place"), VERSIONS)
def test_versions_against_the_text_of_an_advisory(version: str | None, text: str, place: str) -> None:
    assert compare_version(version, text).place == place


def test_a_model_number_in_the_place_of_a_version_counts() -> None:
    assert compare_version("4.11", "MMT-1740 | MMT-1780", "MiniMed 670G MMT-1780").place == "inside"


def _asset(**more: str | None) -> Asset:
    fields = {"tag": "A1", "manufacturer": "Acme", "model": "Pump 7", "version": "1.5", "location": "ICU"} | more
    return Asset(row=2, **fields)  # type: ignore[arg-type]


def _advisory(*rows: tuple[str, str, str, str, str], released: str = "2026-01-01") -> CsafAdvisory:
    return CsafAdvisory(id="ICSMA-1", title="T", released=released, url="https://a.example/1", products=rows)


def _row(
    status: str, version: str, product: str = "Pump 7", cve: str = "CVE-2024-0001"
) -> tuple[str, str, str, str, str]:
    return (cve, status, "Acme", product, version)


def _ask(asset: Asset, *rows: tuple[str, str, str, str, str]) -> list[AdvisoryMatch]:
    answer = match_assets(AssetList((asset,), ()), [_advisory(*rows)])
    return list(answer.assets[0].matches)


@pytest.mark.parametrize(
    ("rows", "version", "status"),
    [
        ([("known_affected", "< 2")], "1.5", "affected"),
        ([("known_affected", "< 2")], "2", "fixed"),
        ([("known_affected", "<= 2")], "3", "not_affected"),
        ([("known_affected", "< 2")], None, "unknown_version"),
        ([("known_affected", "some")], "1.5", "under_investigation"),
        ([("known_affected", "vers:all/*"), ("fixed", "1.5")], "1.5", "fixed"),
        ([("known_affected", "< 2"), ("fixed", ">= 2")], "1.5", "affected"),
        ([("known_not_affected", "1.5")], "1.5", "not_affected"),
        ([("known_not_affected", "1.4")], "1.5", "under_investigation"),
        ([("under_investigation", "1.5")], "1.5", "under_investigation"),
    ],
)
def test_statements_of_an_advisory_come_to_one_status(
    rows: list[tuple[str, str]], version: str | None, status: str
) -> None:
    (match,) = _ask(_asset(version=version), *(_row(*row) for row in rows))
    assert match.status == status


def test_a_name_that_is_not_sure_is_never_affected_nor_cleared() -> None:
    (match,) = _ask(_asset(model="Zygomat"), _row("known_affected", "< 1", product="Zygomat Wombat"))
    assert (match.status, match.product_confidence) == (AdvisoryStatus.UNDER_INVESTIGATION, Confidence.LOW)
    assert match.version_reason.startswith("if it is this product, it is fixed: ")


def test_a_sure_name_answers_instead_of_a_vague_one() -> None:
    found = _ask(
        _asset(model="Zygomat"),
        _row("known_affected", "*", product="Zygomat Wombat"),
        _row("known_affected", "*", product="Zygomat"),
    )
    assert [match.product for match in found] == ["Zygomat"]


def test_the_newest_edition_of_an_advisory_counts() -> None:
    old = _advisory(_row("known_affected", "*"), released="2025-01-01")
    new = _advisory(_row("known_affected", "< 1"))
    answer = match_assets(AssetList((_asset(),), ()), [new, old])
    assert answer.advisories == 1
    assert answer.assets[0].matches[0].status == "fixed"


def test_vex_says_what_its_specification_asks_for() -> None:
    rows = [
        _row("known_affected", "< 2"),
        _row("known_affected", "<= 1", cve="CVE-2024-0002"),
        _row("fixed", "1.5", cve="CVE-2024-0003"),
        _row("known_affected", "text", cve="CVE-2024-0004"),
    ]
    answer = match_assets(AssetList((_asset(tag="A 1/2"), _asset(tag="")), ()), [_advisory(*rows)])
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    document = as_openvex(answer, moment)
    assert document == as_openvex(answer, moment)
    assert document["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert document["timestamp"] == "2026-11-24T00:00:00Z"
    by_cve = {entry["vulnerability"]["name"]: entry for entry in document["statements"][:4]}
    assert [by_cve[name]["status"] for name in sorted(by_cve)] == [
        "affected", "not_affected", "fixed", "under_investigation",
    ]  # fmt: skip
    assert "action_statement" in by_cve["CVE-2024-0001"]
    assert "impact_statement" in by_cve["CVE-2024-0002"]
    products = {entry["products"][0]["@id"] for entry in document["statements"]}
    assert products == {"urn:medharden:asset:A%201%2F2", "urn:medharden:asset:row-2"}


def test_the_table_has_a_line_for_every_device_and_row_and_no_formulas() -> None:
    listed = AssetList(
        (_asset(location="=1+1"), _asset(model="Zebra")), (BrokenRow(row=9, problem="it names no model"),)
    )
    lines = as_table(match_assets(listed, [_advisory(_row("known_affected", "*"))])).splitlines()
    assert [line.split(",")[6] for line in lines] == ["status", "affected", "no_advisory", "not_read"]
    assert ",'=1+1," in lines[1]


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_text_is_too_strange_to_compare(one: str, other: str, third: str) -> None:
    assert compare_version(one, other, third).reason
    compare_names(third, one, third, other)


@given(st.text(alphabet="ABc 12-", min_size=2, max_size=20))
def test_a_name_is_always_itself(model: str) -> None:
    found = compare_names("Acme Inc.", model, "ACME", model.lower())
    assert found is None or found.confidence is Confidence.CERTAIN
