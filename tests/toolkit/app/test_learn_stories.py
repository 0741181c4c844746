"""A biomedical engineer learns from a documented case: reads the list, walks through one, and looks at the images."""

import json
from pathlib import Path

import pytest

from firmware_checks.lesson import lesson_of
from firmware_checks.scan import Scanner
from firmware_checks.twin import bench_cases, twins
from toolkit.app.cli import run
from toolkit.core.findings import Severity
from toolkit.report.languages import languages
from toolkit.report.lesson_text import WIDTH, lesson_to_text


def test_the_list_names_every_case_and_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["learn"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {case} " in text for case in (*twins(), *bench_cases()))
    assert "medharden learn access7" in text
    assert run(["learn", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 65
    assert [row["case"] for row in rows if not row["has_twin"]] == sorted(bench_cases())


def test_a_lesson_tells_what_was_wrong_where_it_is_seen_and_what_is_done_better(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["learn", "contec-2025"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("contec-2025: Patient monitor (ICSMA-25-030-01)")
    for part in ("What was wrong", "What it means for a patient", "[hard-coded-address]", "opt/bin/monitor, byte 280"):
        assert part in text
    assert "A scan of it finds nothing of this kind." in text
    assert text.count("What to do: Whoever can hand the device a file") == 1
    assert max(map(len, text.splitlines())) <= WIDTH


def test_the_images_are_written_to_be_scanned_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["learn", "smiths-medfusion", "--to", str(tmp_path)]) == 0
    output = capsys.readouterr()
    assert "in the device at 0x8000" in output.out
    assert "were written to" in output.err
    weak = tmp_path / "smiths-medfusion" / "weak" / "pump-comm.hex"
    assert weak.read_bytes() == twins()["smiths-medfusion"].weak()
    assert run(["scan", str(weak)]) == 1
    assert run(["scan", str(weak.parent.parent / "hardened" / "pump-comm.hex")]) == 0
    assert "What a scan still finds in it, and rightly so:" in output.out


def test_machines_read_the_same_lesson(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["learn", "access7", "--json"]) == 0
    lesson = json.loads(capsys.readouterr().out)
    assert {finding["check"] for finding in lesson["findings"]} >= {"hard-coded-password", "vulnerable-component"}
    assert lesson["cves"] == list(twins()["access7"].cves)


def test_a_case_for_the_bench_says_why_and_has_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["learn", "medtronic-mmt500"]) == 0
    text = capsys.readouterr().out
    assert "Why no file shows it" in text
    assert "replay" in text
    assert run(["learn", "medtronic-mmt500", "--to", str(tmp_path)]) == 2
    assert "no images" in capsys.readouterr().err


def test_what_is_asked_wrongly_is_explained_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["learn", "no-such-pump"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'medharden learn' lists them" in line
    assert run(["learn", "--to", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "name it" in line
    (tmp_path / "file").write_bytes(b"x")
    assert run(["learn", "ripple20", "--to", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("language", languages())
def test_a_lesson_speaks_the_languages_of_its_readers(language: str) -> None:
    lesson = lesson_of(twins()["merlin-home"], Scanner())
    assert lesson.findings
    assert all(finding.severity.rank >= Severity.MEDIUM.rank for finding in lesson.findings)
    text = lesson_to_text(lesson, language=language)
    assert ("What was wrong" in text) == (language == "en")
    assert ("server-not-verified") in text
