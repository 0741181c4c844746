"""Decisions of users: read strictly from three formats, kept for the next firmware, never dropped in silence."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.vulnerabilities.triage import Decisions, TriageFile, name_of
from firmware_checks.vulnerabilities.triage_files import MOST_BYTES, MOST_DECISIONS, MOST_DEPTH, read_triage
from firmware_checks.vulnerabilities.versions import SchemeName
from toolkit.core.errors import InputError
from toolkit.report.model import Component, Confidence
from toolkit.report.vulnerability import Justification, Match, MatchStatus, Provenance, Triage

TODAY = date(2026, 11, 24)
BUSYBOX = Component(
    name="busybox",
    title="BusyBox",
    category="tool",
    version="1.31.1",
    purl="pkg:generic/busybox@1.31.1",
    cpe="cpe:2.3:a:busybox:busybox:1.31.1:*:*:*:*:*:*:*",
    confidence=Confidence.CERTAIN,
)


def _match(name: str = "CVE-2021-42374", status: MatchStatus = MatchStatus.AFFECTED) -> Match:
    said = Provenance(source="nvd", record=name, product="a:busybox:busybox", range="<1.34.0")
    return Match(
        id=name,
        status=status,
        confidence=Confidence.MEDIUM,
        reason="1.31.1 is in <1.34.0",
        range="<1.34.0",
        provenance=(said,),
        evidence=("seen",),
    )


def _vex(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "urn:x", "version": 1}
    return {
        **head,
        "author": "Clinical engineering",
        "timestamp": "2026-01-31T08:00:00.123456789+01:00",
        "statements": list(statements),
        **more,
    }


def _statement(product: Any = "pkg:generic/busybox", **more: Any) -> dict[str, Any]:
    return {
        "vulnerability": {"name": "CVE-2021-42374"},
        "products": [product],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
        "impact_statement": "unlzma is never called.",
        **more,
    }


def _bom(analysis: dict[str, Any] | None, ref: str = "bb", **more: Any) -> dict[str, Any]:
    inner = {"bom-ref": "bb", "type": "library", "name": "BusyBox", "version": "1.31.1"}
    vulnerability = {"id": "CVE-2021-42374", "affects": [{"ref": ref}], **more}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"timestamp": "2026-02-01T00:00:00Z", "authors": [{"name": "Ada"}]},
        "components": [{"name": "firmware", "type": "firmware", "components": [inner]}],
        "vulnerabilities": [vulnerability if analysis is None else {**vulnerability, "analysis": analysis}],
    }


def _csaf(status: str = "known_not_affected", product: str = "FW-BB", **more: Any) -> dict[str, Any]:
    version = {
        "category": "product_version",
        "name": "1.31.1",
        "product": {"product_id": "BB", "name": "BusyBox 1.31.1"},
    }
    branches = [
        {"category": "vendor", "name": "busybox", "branches": [
            {"category": "product_name", "name": "BusyBox", "branches": [version]}]},
    ]  # fmt: skip
    part = {
        "category": "installed_on",
        "full_product_name": {"product_id": "FW-BB", "name": "BusyBox in the monitor"},
        "product_reference": "BB",
        "relates_to_product_reference": "FW",
    }
    helped = {"product_id": "Z", "name": "zlib", "product_identification_helper": {"purl": "pkg:generic/zlib@1.2.11"}}
    return {
        "document": {
            "csaf_version": "2.0",
            "category": "csaf_vex",
            "publisher": {"name": "Hospital"},
            "tracking": {"current_release_date": "2026-03-01T00:00:00Z", "id": "1"},
        },
        "product_tree": {"branches": branches, "full_product_names": [helped], "relationships": [part]},
        "vulnerabilities": [
            {
                "cve": "CVE-2021-42374",
                "product_status": {status: [product], "recommended": ["Z"]},
                "flags": [{"label": "vulnerable_code_not_present", "product_ids": [product]}],
                "threats": [{"category": "impact", "details": "The applet is left out.", "product_ids": [product]}],
                **more,
            }
        ],
    }


def _read(document: Any, folder: Path) -> TriageFile:
    path = folder / "decisions.json"
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return read_triage(path)


def _applied(
    file: TriageFile, match: Match | None = None, component: Component = BUSYBOX
) -> tuple[Match, Triage | None, list[str]]:
    decisions = Decisions(file, TODAY)
    found, triage = decisions.apply(match or _match(), component, SchemeName.GENERIC)
    decisions.see([component])
    return found, triage, [row.reason for row in decisions.unused]


@pytest.mark.parametrize(
    ("document", "source", "statement", "decided", "justification"),
    [
        (_vex(_statement()), "OpenVEX, Clinical engineering", "unlzma is never called.", "2026-01-31",
         "vulnerable_code_not_in_execute_path"),
        (
            _bom({"state": "not_affected", "justification": "code_not_reachable", "detail": "Never called."}),
            "CycloneDX, Ada", "Never called.", "2026-02-01", "vulnerable_code_not_in_execute_path",
        ),
        (_csaf(), "CSAF, Hospital", "The applet is left out.", "2026-03-01", "vulnerable_code_not_present"),
    ],
)  # fmt: skip
def test_three_formats_say_the_same(
    document: Any, source: str, statement: str, decided: str, justification: str, tmp_path: Path
) -> None:
    found, triage, unused = _applied(_read(document, tmp_path))
    assert (found.status, found.justification, found.confidence) == ("not_affected", justification, "high")
    assert found.reason == f"decided: {statement} (without the decision: 1.31.1 is in <1.34.0)"
    assert found.provenance == _match().provenance
    assert triage == Triage(source=source, statement=statement, decided=decided)
    assert unused == []


@pytest.mark.parametrize(
    "product",
    [
        "pkg:generic/busybox",
        "pkg:generic/BusyBox@1.31.1?arch=arm",
        "cpe:2.3:a:busybox:busybox:*:*:*:*:*:*:*:*",
        "Busy Box",
        {"@id": "pkg:generic/monitor@4.2", "subcomponents": [{"@id": "pkg:generic/busybox"}]},
        {"@id": "urn:other", "identifiers": {"cpe23": "cpe:2.3:a:busybox:busybox:1.31.1:*:*:*:*:*:*:*"}},
        {"@id": "urn:other", "identifiers": {"purl": "pkg:deb/debian/busybox@1.31.1"}},
    ],
)
def test_a_component_is_known_by_any_of_its_names_whatever_the_firmware(product: Any, tmp_path: Path) -> None:
    found, _, unused = _applied(_read(_vex(_statement(product)), tmp_path))
    assert found.status is MatchStatus.NOT_AFFECTED
    assert unused == []


def test_a_decision_survives_the_next_firmware_but_not_another_version_of_the_component(tmp_path: Path) -> None:
    named = _read(_vex(_statement("pkg:generic/busybox@1.30.0")), tmp_path)
    found, triage, unused = _applied(named)
    assert (found, triage) == (_match(), None)
    assert unused == ["it was made for version 1.30.0, the image has 1.31.1"]
    nameless = Component(name="busybox", title="BusyBox", category="", version=None, confidence=Confidence.LOW)
    assert _applied(named, component=nameless)[2] == [
        "it was made for version 1.30.0, the image has one that is not known"
    ]


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        ("affected", {"action_statement": "Close the port."}, MatchStatus.AFFECTED),
        ("under_investigation", {}, MatchStatus.UNDER_INVESTIGATION),
        ("fixed", {}, MatchStatus.NOT_AFFECTED),
    ],
)
def test_the_user_has_the_last_word_also_against_what_the_image_shows(
    status: str, more: dict[str, Any], expected: MatchStatus, tmp_path: Path
) -> None:
    statement = {**_statement(status=status, **more), "justification": None, "impact_statement": ""}
    before = _match(status=MatchStatus.NOT_AFFECTED)
    found, triage, _ = _applied(_read(_vex(statement), tmp_path), before)
    assert found.status is expected
    assert triage is not None
    assert "without the decision" in found.reason
    assert found.justification is (Justification.CODE_NOT_PRESENT if expected is MatchStatus.NOT_AFFECTED else None)
    assert found.evidence == (before.evidence if expected is MatchStatus.NOT_AFFECTED else ())


def test_the_later_decision_counts_and_the_earlier_is_told(tmp_path: Path) -> None:
    late = _statement(status="affected", timestamp="2026-05-01T00:00:00Z", justification=None, impact_statement="")
    early = _statement(timestamp="2026-05-01T00:30:00+01:00")
    found, _, unused = _applied(_read(_vex(late, early), tmp_path))
    assert found.status is MatchStatus.AFFECTED
    assert unused == ["a later decision of the file says affected"]


@pytest.mark.parametrize(
    "document",
    [
        _vex(_statement(status_notes="Expires: 2026-11-24, then look again.")),
        _bom({"state": "false_positive"}, properties=[{"name": "medharden:triage-expires", "value": "2026-11-24"}]),
        _csaf(notes=[{"category": "other", "text": "expires 2026-11-24"}]),
    ],
)
def test_an_expired_decision_is_told_and_does_not_count(document: Any, tmp_path: Path) -> None:
    file = _read(document, tmp_path)
    found, triage, unused = _applied(file)
    assert (found, triage) == (_match(), None)
    assert unused == ["it expired on 2026-11-24"]
    earlier = Decisions(file, date(2026, 11, 23))
    _, valid = earlier.apply(_match(), BUSYBOX, SchemeName.GENERIC)
    assert valid is not None
    assert valid.expires == "2026-11-24"


def test_what_is_not_about_the_image_is_told(tmp_path: Path) -> None:
    other = _statement(vulnerability={"name": "CVE-1999-0001"})
    file = _read(_vex(_statement("pkg:generic/zlib"), other), tmp_path)
    found, triage, unused = _applied(file)
    assert (found, triage) == (_match(), None)
    assert unused == ["the image has no such component", "the data does not have this vulnerability for the component"]


def test_old_openvex_and_listed_without_a_decision_are_read(tmp_path: Path) -> None:
    old = _statement(vulnerability="CVE-2021-42374", last_updated="2026-06-01T00:00:00")
    file = _read(_vex(old), tmp_path)
    assert file.decisions[0].day == "2026-06-01"
    assert _read(_bom(None), tmp_path).decisions == ()
    undated = _bom({"state": "resolved"}) | {"metadata": {}}
    (decision,) = _read(undated, tmp_path).decisions
    assert (decision.day, decision.source, decision.status) == (None, "CycloneDX", "fixed")
    linked = _bom({"state": "exploitable"}, ref="urn:cdx:1/1#pkg:generic/busybox@1.31.1")
    assert _read(linked, tmp_path).decisions[0].component.purl == "pkg:generic/busybox"
    sbom = "urn:cdx:93762674-60e6-50df-bcde-0ee393c12297/1"
    apart = _bom({"state": "exploitable"}, ref=f"{sbom}#bb")
    assert _read(apart, tmp_path).decisions[0].component.name == "bb"
    apart["metadata"]["component"] = {"name": "image", "externalReferences": [{"type": "bom", "url": sbom}]}
    assert _read(apart, tmp_path).decisions[0].component.name == "BusyBox"
    assert _read(_csaf("fixed", "Z"), tmp_path).decisions[0].component.version == "1.2.11"
    bare = {"cve": "", "ids": [{"system_name": "x", "text": "VU-1"}]}
    assert _read(_csaf(**bare), tmp_path).decisions[0].id == "VU-1"
    whole = _csaf()
    whole["product_tree"]["relationships"][0]["product_reference"] = "not there"
    assert _read(whole, tmp_path).decisions[0].component.name == "BusyBox in the monitor"


def test_what_is_nested_too_deeply_is_not_followed(tmp_path: Path) -> None:
    component: dict[str, Any] = {"bom-ref": "bb", "name": "deep"}
    leaf = {"product_id": "FW-BB", "name": "x"}
    product: dict[str, Any] = {"category": "product_version", "name": "1", "product": leaf}
    for _ in range(MOST_DEPTH + 1):
        component = {"name": "outer", "components": [component]}
        product = {"category": "product_family", "name": "f", "branches": [product]}
    deep = _bom({"state": "in_triage"}) | {"components": [component]}
    assert _read(deep, tmp_path).decisions[0].component.name == "bb"
    tree = _csaf() | {"product_tree": {"branches": [product]}}
    with pytest.raises(InputError, match="not in the product tree"):
        _read(tree, tmp_path)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"{", "cannot be read as decisions"),
        (b"[" * 100_000, "cannot be read as decisions"),
        (b"\xff{}", "cannot be read as decisions"),
        ({"a": 1}, "neither OpenVEX nor CSAF nor CycloneDX"),
        (_vex(_statement(), **{"@context": "https://example.org"}), "is not OpenVEX"),
        (_vex(_statement(status="ignored")), "Invalid enum value"),
        (_vex(_statement(justification="because")), "Invalid enum value"),
        (_vex(_statement(justification=None, impact_statement="")), "needs a justification or an impact_statement"),
        (_vex({**_statement(), "products": []}), "names no product"),
        (_vex(_statement(timestamp="yesterday")), "'yesterday' of CVE-2021-42374 is no time"),
        (_vex(_statement(status_notes="expires 2026-13-01")), r"s\[0\] .*: expires 2026-13-01 is no day"),
        (_bom({"state": "unknown"}), "Invalid enum value"),
        (_bom({"state": "not_affected", "justification": "because"}), "is no justification of CycloneDX"),
        (_bom({"state": "not_affected"}, affects=[]), "affects nothing"),
        (_csaf("perhaps"), "'perhaps' is no product status of CSAF"),
        (_csaf(product="nobody"), "'nobody' is not in the product tree"),
        (_csaf(flags=[], threats=[]), "needs a flag or a threat"),
        (_csaf(cve=""), "has neither a cve nor an id"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_as_it_is_is_one_clear_line(document: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as caught:
        _read(document, tmp_path)
    assert "\n" not in str(caught.value)
    assert "decisions.json" in str(caught.value)


def test_what_is_too_large_or_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        read_triage(tmp_path / "missing")
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="larger than 64 MiB"):
        read_triage(huge)


def test_more_decisions_than_anybody_makes_are_refused(tmp_path: Path) -> None:
    statement = _statement() | {"products": ["x"] * (MOST_DECISIONS + 1)}
    with pytest.raises(InputError, match="more than 100000 decisions"):
        _read(_vex(statement), tmp_path)


KEYS = ["statements", "document", "bomFormat", "vulnerabilities", "products", "status", "a"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)


@given(ANY_JSON)
def test_no_json_is_too_strange(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        assert isinstance(_read(document, folder), TriageFile)
    except InputError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "purl", "name", "version"),
    [
        ("pkg:npm/%40scope/x@1.0%2B2", "pkg:npm/%40scope/x", "x", "1.0+2"),
        ("pkg:generic/x", "pkg:generic/x", "x", ""),
        ("pkg:npm/@scope/x", "pkg:npm/@scope/x", "x", ""),
        ("pkg:npm/@scope/x@2?os=a#b", "pkg:npm/@scope/x", "x", "2"),
        ("pkg:", "pkg:", "pkg:", ""),
        ("cpe:2.3:nonsense", "", "cpe:2.3:nonsense", ""),
        ("zlib", "", "zlib", ""),
    ],
)
def test_names_are_read(text: str, purl: str, name: str, version: str) -> None:
    named = name_of(text)
    assert (named.purl, named.name, named.version) == (purl, name, version)
