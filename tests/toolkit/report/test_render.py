"""All documents through one door."""

from __future__ import annotations

import subprocess
import sys

import pytest

from toolkit.core.errors import InputError
from toolkit.report import RENDERERS, renderer
from toolkit.report.languages import languages
from toolkit.report.model import Report

OF_ANY_REPORT = [name for name in RENDERERS if name not in ("openvex", "csaf-vex", "pdf")]
"""Two cannot say that nothing is known, test_vex_documents.py looks at them; test_paper.py looks at the third."""


def test_the_documents_are_those_of_the_command_line() -> None:
    assert {name: kind.suffix for name, kind in RENDERERS.items()} == {
        "text": "txt",
        "json": "json",
        "html": "html",
        "pdf": "pdf",
        "cyclonedx": "cdx.json",
        "cyclonedx-vex": "vex.cdx.json",
        "openvex": "openvex.json",
        "csaf-vex": "csaf.json",
        "spdx": "spdx.json",
        "sarif": "sarif",
        "csv": "csv",
        "cef": "cef",
        "syslog": "syslog",
        "ocsf": "ocsf.jsonl",
    }


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("name", OF_ANY_REPORT)
def test_every_document_is_made_of_every_report(
    name: str, language: str, empty_report: Report, sample_report: Report
) -> None:
    documents = [renderer(name).render(report, language=language) for report in (empty_report, sample_report)]
    assert len(set(documents)) == 2
    assert all(document.endswith(b"\n") for document in documents)
    assert documents == [renderer(name).render(r, language=language) for r in (empty_report, sample_report)]


@pytest.mark.parametrize("name", OF_ANY_REPORT)
def test_what_people_read_changes_with_the_language_and_what_machines_read_does_not(
    name: str, sample_report: Report
) -> None:
    written = {renderer(name).render(sample_report, language=language) for language in languages()}
    assert len(written) == (3 if name in ("text", "html") else 1)


@pytest.mark.parametrize("name", OF_ANY_REPORT)
def test_a_document_shown_is_the_document_written(
    name: str, sample_report: Report, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    renderer(name).show(sample_report, language="fr")
    sys.stdout.flush()
    shown = [line.rstrip() for line in capfdbinary.readouterr().out.splitlines()]
    assert shown == [line.rstrip() for line in renderer(name).render(sample_report, language="fr").splitlines()]


def test_a_document_there_is_none_of_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"'docx'.*text, json, html, pdf, cyclonedx"):
        renderer("docx")


def test_naming_the_documents_loads_none_of_what_makes_them() -> None:
    heavy = ("rich", "cyclonedx", "msgspec", "toolkit.report.html")
    code = f"import sys, toolkit.report; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
