"""The bill of materials."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.report.cyclonedx import to_cyclonedx
from toolkit.report.exchange import standard_cpe
from toolkit.report.model import Component, Confidence, Report

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def _document(report: Report) -> dict[str, Any]:
    written = to_cyclonedx(report).decode()
    assert VALIDATOR.validate_str(written) is None
    document: dict[str, Any] = json.loads(written)
    return document


def _properties(thing: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in thing.get("properties", []):
        found.setdefault(item["name"], []).append(item["value"])
    return found


def test_the_image_is_the_subject_with_its_digest(sample_report: Report) -> None:
    image = _document(sample_report)["metadata"]["component"]
    assert image["type"] == "firmware"
    assert image["name"] == "pump-update-4.2.zip"
    assert image["hashes"] == [{"alg": "SHA-256", "content": sample_report.subject.sha256}]
    assert _properties(image)["medharden:load-address"] == ["0x8004000"]
    assert _properties(image)["medharden:mcu-family"] == ["STM32F4"]


def test_a_component_says_how_sure_it_is_and_where_it_shows(sample_report: Report) -> None:
    (tls,) = [c for c in _document(sample_report)["components"] if c["name"] == "Mbed TLS"]
    assert tls["version"] == "2.16.1"
    assert tls["purl"] == "pkg:github/mbed-tls/mbedtls@2.16.1"
    assert tls["cpe"] == "cpe:2.3:a:arm:mbed_tls:2.16.1:*:*:*:*:*:*:*"
    assert {identity["field"]: identity["confidence"] for identity in tls["evidence"]["identity"]} == {
        "name": 1.0,
        "version": 1.0,
        "purl": 1.0,
        "cpe": 1.0,
    }
    assert [(o["location"], o["offset"], o["additionalContext"]) for o in tls["evidence"]["occurrences"]] == [
        ("pump-update-4.2.zip!main/pump-main.hex", 640_112, "address 0x8032200"),
        ("pump-update-4.2.zip!radio.dfu", 70_001, "address 0x15000"),
    ]


def test_versions_it_could_be_are_kept(sample_report: Report) -> None:
    (kernel,) = [c for c in _document(sample_report)["components"] if c["name"] == "FreeRTOS kernel"]
    assert "version" not in kernel
    assert _properties(kernel)["medharden:version-candidate"] == ["10.2.1", "10.3.0"]


def test_names_that_are_no_purl_or_cpe_do_not_spoil_the_document(sample_report: Report) -> None:
    (odd,) = [c for c in _document(sample_report)["components"] if c["name"].startswith("Odd")]
    assert "purl" not in odd
    assert "cpe" not in odd
    assert _properties(odd)["medharden:purl"] == ["not a purl"]
    assert _properties(odd)["medharden:cpe"] == ["not a cpe"]


def test_what_was_not_understood_goes_along(sample_report: Report) -> None:
    about = _properties(_document(sample_report)["metadata"])
    assert about["medharden:coverage-ratio"] == ["0.7670"]
    assert about["medharden:unread-bytes"] == ["32064"]
    assert about["medharden:findings-critical"] == ["1"]
    assert set(about["medharden:not-examined"]) == set(sample_report.not_examined)


def test_the_tool_is_named(sample_report: Report) -> None:
    (tool,) = _document(sample_report)["metadata"]["tools"]["components"]
    assert (tool["name"], tool["version"]) == ("medharden", "0.1.0")


def test_the_bytes_are_the_same_each_time_and_carry_no_time(sample_report: Report) -> None:
    written = {to_cyclonedx(sample_report) for _ in range(5)}
    assert len(written) == 1
    assert b"timestamp" not in written.pop()


def test_another_report_has_another_serial_number(sample_report: Report, empty_report: Report) -> None:
    numbers = {_document(report)["serialNumber"] for report in (sample_report, empty_report)}
    assert len(numbers) == 2


def test_the_image_depends_on_every_component(sample_report: Report) -> None:
    links = {link["ref"]: link.get("dependsOn", []) for link in _document(sample_report)["dependencies"]}
    assert links["image"] == ["component-0", "component-1", "component-2"]


@settings(max_examples=8)
@given(st.data())
def test_any_report_becomes_a_valid_document(reports: st.SearchStrategy[Report], data: st.DataObject) -> None:
    report = data.draw(reports)
    subject = msgspec.structs.replace(report.subject, sha256="0" * 64)
    _document(msgspec.structs.replace(report, subject=subject))


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("cpe:2.3:a:arm:mbed_tls:2.16.1:*:*:*:*:*:*:*", True),
        (r"cpe:2.3:o:zephyrproject:zephyr:2.2.0\-rc1:*:*:*:*:*:*:*", True),
        ("cpe:2.3:a:x:y:1:*:*:en-us:*:*:*:*", True),
        ("cpe:2.3:a:x:y:1:*:*:*:*:*:*", False),
        ("cpe:2.3:z:x:y:1:*:*:*:*:*:*:*", False),
        ("cpe:2.3:a:x:y:1 2:*:*:*:*:*:*:*", False),
        ("cpe:/a:x:y", False),
    ],
)
def test_our_reading_of_cpe_is_the_schema_s(empty_report: Report, name: str, *, good: bool) -> None:
    component = Component(name="n", title="N", category="c", version="1", cpe=name, confidence=Confidence.LOW)
    assert (standard_cpe(component) == name) is good
    (written,) = _document(msgspec.structs.replace(empty_report, components=(component,)))["components"]
    assert ("cpe" in written) is good
