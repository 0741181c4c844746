"""OpenVEX, CSAF VEX and CycloneDX VEX: valid for any report, and what they say is what the report says."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import vexipy
from csaf.csaf.v20._validator import validate
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.core.errors import InputError
from toolkit.report import renderer
from toolkit.report.csaf_vex import to_csaf_vex
from toolkit.report.cyclonedx import to_cyclonedx
from toolkit.report.cyclonedx_vex import to_cyclonedx_vex
from toolkit.report.exchange import NO_DAY, document_day, source_url
from toolkit.report.model import Report
from toolkit.report.openvex import to_openvex
from toolkit.report.vulnerability import DataAge, Justification, MatchStatus

CYCLONEDX = JsonStrictValidator(SchemaVersion.V1_6)
MADE = {"openvex": to_openvex, "csaf-vex": to_csaf_vex, "cyclonedx-vex": to_cyclonedx_vex, "cyclonedx": to_cyclonedx}


def _openvex(report: Report) -> dict[str, Any]:
    """Return the document, read by the reference library, and held to what the schema asks beyond that."""
    written = to_openvex(report).decode()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The use of an impact statement")  # allowed, as there is no word
        vexipy.Document.from_json(written)
    document: dict[str, Any] = json.loads(written)
    assert set(document) <= {"@context", "@id", "author", "timestamp", "version", "tooling", "statements"}
    for statement in document["statements"]:
        assert set(statement) <= {
            "vulnerability", "products", "status", "status_notes", "justification", "impact_statement",
            "action_statement",
        }  # fmt: skip
        says_why = ("justification" in statement) + ("impact_statement" in statement)
        assert says_why == (statement["status"] == "not_affected")
        assert ("action_statement" in statement) == (statement["status"] == "affected")
        for product in statement["products"]:
            assert set(product) <= {"@id", "hashes", "subcomponents"}
    return document


def _csaf(report: Report) -> dict[str, Any]:
    """Return the document, held against the schema and each mandatory test of CSAF 2.0, section 6.1."""
    document: dict[str, Any] = json.loads(to_csaf_vex(report))
    results = validate(document, preset="basic").results
    assert len(results) > 30
    assert [(r.id, [str(e) for e in r.errors]) for r in results if not r.passed and not r.skipped] == []
    assert document["document"]["category"] == "csaf_vex"
    return document


def _cyclonedx(report: Report, make: Callable[[Report], bytes] = to_cyclonedx_vex) -> dict[str, Any]:
    written = make(report).decode()
    assert CYCLONEDX.validate_str(written) is None
    document: dict[str, Any] = json.loads(written)
    return document


def _of(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in rows if name in (row.get("id"), row.get("cve")))


def test_openvex_names_image_component_and_action(vulnerable_report: Report) -> None:
    document = _openvex(vulnerable_report)
    assert document["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert document["timestamp"] == "2026-11-20T00:00:00Z"
    first = document["statements"][0]
    assert first["vulnerability"]["name"] == "CVE-2024-0001"
    (product,) = first["products"]
    assert product["@id"].startswith("pkg:generic/pump-update-4.2.zip?checksum=sha256:9f86d081")
    assert product["subcomponents"][0]["identifiers"] == {"purl": "pkg:github/mbed-tls/mbedtls@2.16.1"}
    assert "Act now" in first["action_statement"]
    assert len(document["statements"]) == len(vulnerable_report.vulnerabilities)


def test_openvex_gives_each_of_the_five_reasons_with_its_evidence(vulnerable_report: Report) -> None:
    statements = _openvex(vulnerable_report)["statements"]
    justified = [s for s in statements if "justification" in s]
    assert {s["justification"] for s in justified} == set(Justification)
    assert all("CONFIG_NET is not set" in s["status_notes"] for s in justified)
    (decided,) = [s for s in statements if s["vulnerability"]["name"] == "CVE-2022-7777"]
    assert "clinical engineering" in decided["status_notes"]
    assert decided["impact_statement"] == "2.16.1 is among the affected versions"


def test_what_has_no_package_url_goes_under_its_place(vulnerable_report: Report) -> None:
    statements = _openvex(vulnerable_report)["statements"]
    (odd,) = [s for s in statements if s["status"] == "not_affected" and s["vulnerability"]["name"] == "CVE-2024-0001"]
    assert odd["products"][0]["subcomponents"] == [{"@id": "urn:medharden:component:2"}]
    (unnamed,) = [s for s in statements if s["vulnerability"]["name"] == "PWNED-2021-1"]
    assert "subcomponents" not in unnamed["products"][0]


def test_csaf_tells_products_status_flags_and_actions(vulnerable_report: Report) -> None:
    document = _csaf(vulnerable_report)
    worst = _of(document["vulnerabilities"], "CVE-2024-0001")
    assert worst["product_status"] == {
        "known_affected": ["image:component-1"],
        "known_not_affected": ["image:component-2"],
    }
    assert worst["remediations"][0]["product_ids"] == ["image:component-1"]
    assert worst["threats"][0]["product_ids"] == ["image:component-2"]
    flags = [flag for row in document["vulnerabilities"] for flag in row.get("flags", ())]
    assert {flag["label"] for flag in flags} == set(Justification)
    open_question = _of(document["vulnerabilities"], "CVE-2024-0002")
    assert open_question["product_status"] == {"under_investigation": ["image:component-0"]}
    unnamed = next(row for row in document["vulnerabilities"] if "ids" in row)
    assert unnamed["product_status"] == {"known_affected": ["image"]}
    notes = document["document"]["notes"]
    assert notes[0]["category"] == "legal_disclaimer"
    assert "not complete" in notes[0]["text"]


def test_csaf_says_the_worst_where_a_product_is_spoken_of_twice(vulnerable_report: Report) -> None:
    affected = vulnerable_report.vulnerabilities[0]
    spared = msgspec.structs.replace(affected, status=MatchStatus.NOT_AFFECTED)
    for rows in ((affected, spared), (spared, affected)):
        document = _csaf(msgspec.structs.replace(vulnerable_report, vulnerabilities=rows))
        assert document["vulnerabilities"][0]["product_status"] == {"known_affected": ["image:component-1"]}


def test_an_image_without_name_digest_or_components_is_spoken_of_all_the_same(
    empty_report: Report, vulnerable_report: Report
) -> None:
    subject = msgspec.structs.replace(empty_report.subject, name="", sha256="")
    report = msgspec.structs.replace(
        empty_report, subject=subject, vulnerabilities=vulnerable_report.vulnerabilities[:1]
    )
    document = _csaf(report)
    assert document["product_tree"] == {"full_product_names": [{"name": "image", "product_id": "image"}]}
    assert document["vulnerabilities"][0]["product_status"] == {"known_affected": ["image"]}
    assert _openvex(report)["statements"][0]["products"][0]["@id"].startswith("pkg:generic/image?")


def test_csaf_and_openvex_cannot_be_empty_and_say_so(sample_report: Report) -> None:
    for name in ("openvex", "csaf-vex"):
        with pytest.raises(InputError, match=r"pump-update-4\.2\.zip: .* needs a vulnerability, and none is known"):
            renderer(name).render(sample_report)


def test_the_cyclonedx_vex_refers_to_the_bill_of_materials(vulnerable_report: Report) -> None:
    bom = _cyclonedx(vulnerable_report, to_cyclonedx)
    vex = _cyclonedx(vulnerable_report)
    assert {c["bom-ref"]: c.get("purl") for c in vex["components"]} == {
        "component-0": "pkg:github/freertos/freertos-kernel",
        "component-1": "pkg:github/mbed-tls/mbedtls@2.16.1",
        "component-2": None,
    }
    number = bom["serialNumber"].removeprefix("urn:uuid:")
    references = {component["bom-ref"] for component in bom["components"]} | {"image"}
    used = {place["ref"] for row in vex["vulnerabilities"] for place in row["affects"]}
    assert {ref.partition("#")[0] for ref in used} == {f"urn:cdx:{number}/1"}
    assert {ref.partition("#")[2] for ref in used} <= references
    assert {place["ref"] for row in bom["vulnerabilities"] for place in row["affects"]} <= references
    strip = [{**row, "affects": []} for row in bom["vulnerabilities"]]
    assert strip == [{**row, "affects": []} for row in vex["vulnerabilities"]]


def test_cyclonedx_gives_ratings_analysis_and_advice(vulnerable_report: Report) -> None:
    worst = _cyclonedx(vulnerable_report)["vulnerabilities"][0]
    assert worst["source"]["url"] == "https://nvd.nist.gov/vuln/detail/CVE-2024-0001"
    assert worst["ratings"][0]["score"] == 9.8
    assert worst["ratings"][0]["method"] == "CVSSv31"
    assert {row["method"] for row in worst["ratings"]} == {"CVSSv31", "SSVC", "other"}
    assert worst["cwes"] == [787, 125]
    assert worst["analysis"]["state"] == "exploitable"
    assert worst["analysis"]["response"] == ["update"]
    assert worst["recommendation"].startswith("Act now")
    assert worst["affects"][0]["versions"] == [{"version": "2.16.1", "status": "affected"}]
    assert worst["references"] == [{"id": "OSV-2024-17", "source": {"name": "OSV", "url": "https://osv.dev/"}}]


def test_cyclonedx_gives_the_five_reasons_in_its_own_words_and_in_ours(vulnerable_report: Report) -> None:
    rows = _cyclonedx(vulnerable_report)["vulnerabilities"]
    spared = [row for row in rows if "justification" in row["analysis"]]
    assert len({row["analysis"]["justification"] for row in spared}) == 5
    ours = [p["value"] for row in spared for p in row["properties"] if p["name"] == "medharden:justification"]
    assert set(ours) == set(Justification)


def test_support_and_day_stand_in_the_bill_of_materials(vulnerable_report: Report) -> None:
    document = _cyclonedx(vulnerable_report, to_cyclonedx)
    assert document["metadata"]["timestamp"] == "2026-11-20T00:00:00Z"
    assert document["metadata"]["lifecycles"] == [{"phase": "post-build"}]
    (mbedtls,) = [c for c in document["components"] if c["name"] == "Mbed TLS"]
    assert {"name": "cdx:lifecycle:milestone:endOfSupport", "value": "2021-12-31"} in mbedtls["properties"]


@pytest.mark.parametrize("name", MADE)
def test_the_same_report_gives_the_same_bytes_and_another_report_others(name: str, vulnerable_report: Report) -> None:
    make = MADE[name]
    assert make(vulnerable_report) == make(msgspec.structs.replace(vulnerable_report))
    other = msgspec.structs.replace(vulnerable_report, vulnerabilities=vulnerable_report.vulnerabilities[:1])
    assert make(other) != make(vulnerable_report)


def test_without_a_day_in_the_data_the_document_has_the_first_day_of_all(vulnerable_report: Report) -> None:
    data = msgspec.structs.replace(vulnerable_report.data, vulnerabilities=(DataAge(name="x", date="last week"),))
    report = msgspec.structs.replace(vulnerable_report, data=data)
    assert document_day(report) == NO_DAY
    assert "timestamp" not in _cyclonedx(report)["metadata"]
    assert _openvex(report)["timestamp"] == "1970-01-01T00:00:00Z"


def test_what_is_no_cve_is_looked_up_elsewhere() -> None:
    assert source_url("GHSA-a b") == "https://osv.dev/vulnerability/GHSA-a%20b"


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_report_becomes_valid_documents(vulnerable_reports: st.SearchStrategy[Report], data: st.DataObject) -> None:
    report = data.draw(vulnerable_reports)
    _openvex(report)
    _csaf(report)
    _cyclonedx(report)
    _cyclonedx(report, to_cyclonedx)
