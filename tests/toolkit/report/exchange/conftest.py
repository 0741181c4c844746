"""A report with vulnerabilities of every status, and any such report, for the documents that other programs read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from toolkit.report.model import Confidence, DataVersions, Report
from toolkit.report.vulnerability import (
    ComponentSupport,
    DataAge,
    Decision,
    Exploitation,
    Exposure,
    HumanImpact,
    Justification,
    MatchStatus,
    Provenance,
    Triage,
    Urgency,
    Vulnerability,
)

NVD = Provenance(source="nvd", record="CVE-2024-0001", product="a:arm:mbed_tls", node="0/0", range=">=2.0.0 <2.16.4")
OSV = Provenance(source="osv", record="OSV-2024-17", product="a:arm:mbed_tls", range="<2.16.4")


def entry(name: str, status: MatchStatus = MatchStatus.AFFECTED, **more: Any) -> Vulnerability:
    """Return a vulnerability of Mbed TLS 2.16.1."""
    fields: dict[str, Any] = {
        "component": "mbedtls",
        "component_version": "2.16.1",
        "confidence": Confidence.HIGH,
        "reason": "2.16.1 is among the affected versions",
        "range": ">=2.0.0 <2.16.4",
        "provenance": (NVD,),
    }
    return Vulnerability(id=name, status=status, **{**fields, **more})


def vulnerabilities() -> tuple[Vulnerability, ...]:
    """Return one of each: affected and exploited, open, and not affected for each of the five reasons."""
    urgency = Urgency(
        decision=Decision.IMMEDIATE,
        exploitation=Exploitation.ACTIVE,
        automatable=True,
        exposure=Exposure.CONTROLLED,
        human_impact=HumanImpact.HIGH,
        reachable=True,
        score=8.8,
        vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/MAV:A",
        sentence="It applies and has been used in attacks since 2025-01-02; a therapy may depend on it.",
        action="Act now; ask the maker for software with version 2.16.4 or later of the part.",
    )
    worst = entry(
        "CVE-2024-0001",
        score=9.8,
        severity="critical",
        vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        cwes=(787, 125),
        exploited_since="2025-01-02",
        epss=0.91,
        summary="A crafted certificate runs code on the device.",
        families=("amnesia-33",),
        provenance=(NVD, OSV),
        versions=("2.16.1",),
        urgency=urgency,
    )
    open_question = entry(
        "CVE-2024-0002",
        MatchStatus.UNDER_INVESTIGATION,
        component="freertos",
        component_version=None,
        versions=("10.2.1",),
        severity="medium",
        score=5.0,
        vector="AV:N/AC:L/Au:N/C:N/I:N/A:P",
    )
    elsewhere = entry("CVE-2024-0001", MatchStatus.NOT_AFFECTED, component="odd", component_version=None)
    spared = tuple(
        entry(
            f"CVE-2023-100{number}",
            MatchStatus.NOT_AFFECTED,
            justification=why,
            reason=f"It does not apply ({why})",
            evidence=("CONFIG_NET is not set",),
        )
        for number, why in enumerate(Justification)
    )
    decided = entry(
        "CVE-2022-7777",
        MatchStatus.NOT_AFFECTED,
        triage=Triage(source="OpenVEX, clinical engineering", statement="Port closed.", decided="2026-11-01"),
    )
    unnamed = entry("PWNED-2021-1", component="not in the list", severity="high", range="*")
    return (worst, unnamed, open_question, elsewhere, *spared, decided)


@pytest.fixture(scope="session")
def vulnerable_report(sample_report: Report) -> Report:
    """The update package with vulnerability data of 2026-11-20 asked."""
    data = msgspec.structs.replace(
        sample_report.data,
        vulnerabilities=(
            DataAge(name="facts shipped with medharden", date="2026-11-20"),
            DataAge(name="nvd", date="2026-08-17"),
            DataAge(name="epss", date=None),
        ),
    )
    support = (
        ComponentSupport(
            component="mbedtls",
            component_version="2.16.1",
            state="ended",
            until="2021-12-31",
            line="2.16",
            basis="announced",
            source="endoflife.date",
        ),
        ComponentSupport(
            component="freertos", component_version=None, state="supported", line="10", basis="practice", source="own"
        ),
    )
    return msgspec.structs.replace(sample_report, data=data, vulnerabilities=vulnerabilities(), support=support)


@pytest.fixture(scope="session")
def vulnerable_reports(sample_report: Report) -> st.SearchStrategy[Report]:
    """Any report with vulnerabilities: hostile words wherever words can stand."""
    words = st.text(max_size=12)
    names = st.sampled_from(("mbedtls", "freertos", "odd", "none of them")) | words
    versions = st.none() | st.sampled_from(("2.16.1", "")) | words
    identifiers = st.sampled_from(("CVE-2024-0001", "CVE-2024-12345", "CVE-1", "GHSA-x")) | words
    scores = st.none() | st.floats(0, 10)
    provenance = st.builds(Provenance, source=words, record=words, product=words, node=words, range=words)
    urgency = st.builds(
        Urgency,
        decision=st.sampled_from(Decision),
        exploitation=st.sampled_from(Exploitation),
        automatable=st.booleans(),
        exposure=st.sampled_from(Exposure),
        human_impact=st.sampled_from(HumanImpact),
        score=scores,
        vector=st.none() | words,
        sentence=words,
        action=words,
    )
    triage = st.builds(Triage, source=words, statement=words, decided=st.none() | words)
    vulnerability = st.builds(
        Vulnerability,
        id=identifiers,
        status=st.sampled_from(MatchStatus),
        confidence=st.sampled_from(Confidence),
        justification=st.none() | st.sampled_from(Justification),
        reason=words,
        evidence=st.lists(words, max_size=2).map(tuple),
        range=words,
        versions=st.lists(words, max_size=2).map(tuple),
        score=scores,
        severity=st.sampled_from(("critical", "low", "unknown")) | words,
        exploited_since=st.none() | words,
        epss=scores,
        summary=words,
        families=st.lists(words, max_size=2).map(tuple),
        provenance=st.lists(provenance, min_size=1, max_size=2).map(tuple),
        component=names,
        component_version=versions,
        vector=st.none() | words,
        cwes=st.lists(st.integers(-1, 10_000), max_size=2).map(tuple),
        urgency=st.none() | urgency,
        triage=st.none() | triage,
    )
    support = st.builds(
        ComponentSupport,
        component=names,
        component_version=versions,
        state=words,
        until=st.none() | st.just("2020-02-30") | words,
        line=words,
        basis=words,
        source=words,
    )
    age = st.builds(DataAge, name=words, date=st.none() | st.sampled_from(("2026-11-20", "2026-99-99")) | words)
    data = st.builds(
        DataVersions,
        component_rules=st.just(1),
        component_rules_sha256=words,
        formats=st.just(1),
        checks=st.just(1),
        vulnerabilities=st.lists(age, max_size=2).map(tuple),
    )
    rows = st.lists(vulnerability, min_size=1, max_size=4).map(tuple)
    rests = st.lists(support, max_size=2).map(tuple)
    replace = msgspec.structs.replace
    return st.builds(
        lambda data, rows, rests: replace(sample_report, data=data, vulnerabilities=rows, support=rests),
        data,
        rows,
        rests,
    )
