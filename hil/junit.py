"""The result of a run as JUnit XML, which test managers and build servers read.

There is no schema by an authority; this is the common part of what Jenkins and others accept: ``testsuites``,
``testsuite``, ``testcase`` with ``failure``, ``error`` or ``skipped``.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hil.result import BenchResult
from hil.verdict import Result, Verdict

__all__ = ["junit_xml"]

ELEMENTS = {Result.FAIL: "failure", Result.ERROR: "error", Result.NOT_TESTED: "skipped"}


def junit_xml(result: BenchResult) -> bytes:
    """Return the file."""
    counts = {
        "tests": len(result.verdicts),
        "failures": result.count(Result.FAIL),
        "errors": result.count(Result.ERROR),
        "skipped": result.count(Result.NOT_TESTED),
    }
    attributes = {name: str(count) for name, count in counts.items()}
    seconds = f"{sum(verdict.seconds for verdict in result.verdicts):.3f}"
    root = ET.Element("testsuites", {"name": "medharden bench", "time": seconds, **attributes})
    suite = ET.SubElement(root, "testsuite", {"name": result.profile, "time": seconds, **attributes})
    if result.started:
        suite.set("timestamp", result.started)
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("device", result.device),
        ("evidence level", result.level or ""),
        ("profile sha256", result.profile_sha256),
        ("safe state", result.safe_state),
        ("stopped", result.stopped),
    ):
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    for verdict in result.verdicts:
        _add_case(suite, result.profile, verdict)
    ET.indent(root)
    return b"%s\n" % ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _add_case(suite: ET.Element, profile: str, verdict: Verdict) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"{profile}.{verdict.level or 'none'}",
        name=f"{verdict.id} {verdict.check}",
        time=f"{verdict.seconds:.3f}",
    )
    element = ELEMENTS.get(verdict.result)
    if element is not None:
        ET.SubElement(case, element, message=_clean(verdict.detail), type=verdict.reason or verdict.result)
    output = ET.SubElement(case, "system-out")
    lines = (verdict.question, verdict.detail, verdict.excerpt, verdict.clean_up)
    output.text = _clean("\n".join(filter(None, lines)))


def _clean(text: str) -> str:
    """Return ``text`` without the characters that XML 1.0 cannot hold."""
    return "".join(c if c in "\n\t" or c.isprintable() else "?" for c in text)
