"""Lines for a SIEM are read back by parsers that follow the standards and forgive nothing."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_ocsf_models.events.base_event import BaseEvent
from py_ocsf_models.events.findings.detection_finding import DetectionFinding
from py_ocsf_models.events.findings.finding import Finding as OcsfFinding
from py_ocsf_models.objects.resource_details import ResourceDetails
from py_ocsf_models.objects.vulnerability_details import VulnerabilityDetails

from toolkit.core.findings import Severity
from toolkit.report.acceptance import Acceptance, path_patterns
from toolkit.report.accepting import AcceptedRisks, settled
from toolkit.report.cef import CEF_SEVERITIES, to_cef
from toolkit.report.model import Report
from toolkit.report.ocsf import OCSF_VERSION, to_ocsf
from toolkit.report.syslog import SD_ID, SYSLOG_SEVERITIES, to_syslog

SYSLOG = re.compile(
    r"<(?P<pri>0|[1-9]\d{0,2})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) "
    r"(?P<proc>[!-~]{1,128}) (?P<msgid>[!-~]{1,32}) \[(?P<sd>[!-~]{1,32})"
    r"(?P<params>(?: [!-~]+?=\"(?:[^\"\\\]]|\\[\"\\\]])*\")*)\] \ufeff(?P<message>[^\n]*)"
)
"""RFC 5424, section 6, with one element of structured data."""
PARAMETER = re.compile(r" (?P<name>[^ =\"\]]{1,32})=\"(?P<value>(?:[^\"\\\]]|\\[\"\\\]])*)\"")


def syslog_lines(document: bytes) -> list[dict[str, Any]]:
    """Return the messages; a line that is none raises."""
    text = document.decode()
    assert text.endswith("\n")
    found = []
    for line in text[:-1].split("\n"):
        match = SYSLOG.fullmatch(line)
        assert match is not None, line
        pairs = PARAMETER.findall(match["params"])
        assert "".join(f' {name}="{value}"' for name, value in pairs) == match["params"]
        values = {name: re.sub(r"\\([\"\\\]])", r"\1", value) for name, value in pairs}
        assert len(values) == len(pairs)
        found.append(match.groupdict() | {"values": values})
    return found


def cef_lines(document: bytes) -> list[dict[str, str]]:
    """Return the events; a line that is none raises."""
    text = document.decode()
    assert text.endswith("\n")
    found = []
    for line in text[:-1].split("\n"):
        *header, extension = _shield(line).split("|", 7)
        assert len(header) == 7, line
        names = ("format", "vendor", "product", "version", "event", "name", "severity")
        event = {name: _unshield(field) for name, field in zip(names, header, strict=True)}
        assert event["format"] == "CEF:0"
        starts = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", extension))
        assert starts[0].start() == 0
        for match, after in zip(starts, [*starts[1:], None], strict=True):
            value = extension[match.end() : after.start() if after else None]
            assert "=" not in value
            assert match[1] not in event, match[1]
            event[match[1]] = _unshield(value)
        found.append(event)
    return found


def _shield(line: str) -> str:
    """Return a line with what is escaped put out of the way; an escape that the standard does not know raises."""

    def hidden(match: re.Match[str]) -> str:
        assert match[1] in "\\|=nr", line
        return chr(0xE000 + ord(match[1]))

    return re.sub(r"\\(.)", hidden, line)


def _unshield(text: str) -> str:
    return re.sub("[\ue000-\ue0ff]", lambda match: chr(ord(match[0]) - 0xE000), text)


@pytest.fixture(scope="module")
def report(vulnerable_report: Report) -> Report:
    """Vulnerabilities, findings with hostile names, one accepted and one whose acceptance has run out."""
    first, second, *_ = vulnerable_report.findings
    stated = {"reason": 'Behind "the" [gateway] = a | b \\', "owner": "A. Owner", "until": date(2026, 12, 31)}
    given = [
        Acceptance(id="one", check=first.check, paths=path_patterns(first), **stated),
        Acceptance(id="two", check=second.check, paths=path_patterns(second), **(stated | {"until": date(2026, 1, 1)})),
    ]
    return settled(vulnerable_report, AcceptedRisks(acceptances=tuple(given), day=date(2026, 11, 25)))


def test_syslog_says_everything_in_structured_data(report: Report) -> None:
    lines = syslog_lines(to_syslog(report))
    applying = 2
    assert len(lines) == 1 + len(report.findings) + len(report.accepted) + applying
    assert {line["sd"] for line in lines} == {SD_ID}
    assert {line["time"] for line in lines} == {"2026-11-25T00:00:00Z"}
    assert {line["values"]["sha256"] for line in lines} == {report.subject.sha256}
    (accepted,) = (line for line in lines if line["values"]["status"] == "accepted")
    assert accepted["values"]["acceptedReason"] == 'Behind "the" [gateway] = a | b \\'
    assert int(accepted["pri"]) == 13 * 8 + 6
    (returned,) = (line for line in lines if line["values"]["status"] == "acceptance-expired")
    assert int(returned["pri"]) == 13 * 8 + SYSLOG_SEVERITIES[report.findings[0].severity]
    assert all(len(line) <= 2048 for line in to_syslog(report).splitlines())


def test_cef_says_what_where_and_how_much_it_matters(report: Report) -> None:
    lines = cef_lines(to_cef(report))
    assert {line["fileHash"] for line in lines} == {report.subject.sha256}
    assert {line["rt"] for line in lines} == {"1795564800000"}
    (accepted,) = (line for line in lines if line["outcome"] == "accepted")
    assert accepted["severity"] == "0"
    assert accepted["reason"] == 'Behind "the" [gateway] = a | b \\'
    assert (accepted["cs5Label"], accepted["cs5"]) == ("acceptedUntil", "2026-12-31")
    finding = report.findings[0]
    (returned,) = (line for line in lines if line["outcome"] == "acceptance-expired")
    assert returned["event"] == f"finding/{finding.check}"
    assert returned["severity"] == str(CEF_SEVERITIES[finding.severity])
    known = [line for line in lines if line["cat"] == "vulnerability"]
    assert [line["event"] for line in known] == ["vulnerability/CVE-2014-0160", "vulnerability/CVE-2021-44732"]
    assert known[0]["cs4"] == "mbedtls 2.16.1"
    assert known[0]["cfp1"] == "7.5"


def test_the_severities_of_all_forms_keep_their_order() -> None:
    assert sorted(Severity, key=CEF_SEVERITIES.__getitem__) == list(Severity)
    assert sorted(Severity, key=SYSLOG_SEVERITIES.__getitem__) == list(reversed(Severity))
    assert all(1 <= number <= 10 for number in CEF_SEVERITIES.values())


@given(st.data())
def test_any_report_is_lines_of_each_standard(reports: st.SearchStrategy[Report], data: st.DataObject) -> None:
    drawn = data.draw(reports)
    number = len(syslog_lines(to_syslog(drawn)))
    assert len(cef_lines(to_cef(drawn))) == number
    objects = [json.loads(line) for line in to_ocsf(drawn).splitlines()]
    assert len(objects) == number
    for event in objects:
        judged_by_the_schema(event)


def judged_by_the_schema(event: dict[str, Any]) -> None:
    """Raise where an event is not one of the classes of OCSF; the library has no class of its own for two of them."""
    if event["class_uid"] == 2004:
        DetectionFinding.model_validate(event)
    elif event["class_uid"] == 2002:
        OcsfFinding.model_validate(event)
        for details in event["vulnerabilities"]:
            VulnerabilityDetails.model_validate(details)
        for resource in event["resources"]:
            ResourceDetails.model_validate(resource)
    else:
        assert event["class_uid"] == 6007
        BaseEvent.model_validate(event)
        assert {"scan", "num_detections"} <= event.keys()
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["category_uid"] == event["class_uid"] // 1000
    assert event["metadata"]["version"] == OCSF_VERSION


def test_ocsf_tells_findings_vulnerabilities_and_the_scan_itself(report: Report) -> None:
    scan, *events = (json.loads(line) for line in to_ocsf(report).splitlines())
    assert scan["num_detections"] == len(report.findings)
    for event in (scan, *events):
        judged_by_the_schema(event)
    (suppressed,) = (event for event in events if event["status"] == "Suppressed")
    assert suppressed["status_id"] == 3
    assert suppressed["status_detail"].startswith("accepted: until 2026-12-31 by A. Owner: Behind")
    known = [event["vulnerabilities"][0] for event in events if event["class_uid"] == 2002]
    assert [each["cve"]["uid"] for each in known] == ["CVE-2014-0160", "CVE-2021-44732"]
    assert known[0]["cve"]["cvss"] == [{"base_score": 7.5, "vector_string": "", "version": "2.0"}]
    assert known[0]["is_exploit_available"]


def test_the_version_of_a_score_is_that_of_its_vector(report: Report) -> None:
    row = msgspec.structs.replace(
        report.vulnerabilities[0], vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", epss=0.5, cwes=(125,)
    )
    lines = to_ocsf(msgspec.structs.replace(report, vulnerabilities=(row,))).splitlines()
    (known,) = (json.loads(line)["vulnerabilities"][0]["cve"] for line in lines if b'"class_uid": 2002' in line)
    assert known["cvss"][0]["version"] == "3.1"
    assert known["epss"] == {"score": "0.5"}
    assert known["related_cwes"] == [{"uid": "CWE-125"}]


def test_a_scan_that_found_nothing_is_told_too(empty_report: Report) -> None:
    (line,) = syslog_lines(to_syslog(empty_report))
    assert line["values"]["status"] == "nothing-found"
    (event,) = cef_lines(to_cef(empty_report))
    assert event["event"] == "report/image-examined"
    assert len(to_ocsf(empty_report).splitlines()) == 1
