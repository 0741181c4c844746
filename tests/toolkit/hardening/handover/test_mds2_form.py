"""A maker's form says one thing and the image another: both are told, with where they stand."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from device_profiles.loader import load
from firmware_checks.scan import Scanner
from toolkit.app.cli import medharden
from toolkit.core.errors import InputError, RuleError
from toolkit.core.findings import Severity
from toolkit.core.toml_rows import TomlFile
from toolkit.hardening.mds2.form import read_form
from toolkit.hardening.mds2.judging import bases_of
from toolkit.hardening.mds2.prefilling import prefilled_form
from toolkit.hardening.mds2.questions import Question, Questions, questions
from toolkit.report.acceptance import AcceptedFinding
from toolkit.report.json_report import to_json
from toolkit.report.model import Report

Rows = Sequence[Sequence[object]]
SIGNED = ("SAHD-3.2", "Are updates checked to be the maker's?", "Yes", "SHA-256 and seal")


def write_form(path: Path, rows: Rows) -> Path:
    book = openpyxl.Workbook()
    del book["Sheet"]
    sheet = book.create_sheet("MDS2")
    for row in rows:
        sheet.append(list(row))
    book.save(path)
    return path


def ask(folder: Path, rows: Rows, report: Report, *options: str) -> Result:
    form, read = write_form(folder / "vendor.xlsx", rows), folder / "report.json"
    read.write_bytes(to_json(report))
    line = ["mds2", "check", str(form), "--report", str(read), *options]
    return CliRunner().invoke(medharden, line, standalone_mode=False, catch_exceptions=False)


def test_signed_updates_are_contradicted_by_a_device_that_knows_a_checksum_only(tmp_path: Path, report: Report) -> None:
    result = ask(tmp_path, [("Question ID", "Question"), SIGNED], report, "--profile", "infusion-pump-lvp", "--json")
    told = json.loads(result.stdout)
    (row,) = told["contradictions"]
    assert (result.return_value, row["question"], row["said"], row["place"]) == (1, "SAHD-3.2", "Yes", "MDS2, row 2")
    assert row["note"] == "SHA-256 and seal"
    assert row["against"] == ["profile: update.authenticity is none (assumed)"]


def test_an_unsigned_image_alone_contradicts_signed_updates(
    tmp_path: Path, report: Report, weak_report: Report
) -> None:
    assert ask(tmp_path, [SIGNED], report).return_value == 0
    shown = ask(tmp_path, [SIGNED], weak_report)
    assert shown.return_value == 1
    assert "against it: scan: The update carries no signature that we recognise (update-not-signed)" in shown.stdout


def test_an_accepted_finding_still_contradicts_and_a_note_does_not(tmp_path: Path, weak_report: Report) -> None:
    unsigned = next(finding for finding in weak_report.findings if finding.check == "update-not-signed")
    accepted = AcceptedFinding(acceptance="a", finding=unsigned)
    assert ask(tmp_path, [SIGNED], replace(weak_report, findings=(), accepted=(accepted,))).return_value == 1
    note = replace(unsigned, severity=Severity.INFO)
    assert ask(tmp_path, [SIGNED], replace(weak_report, findings=(note,))).return_value == 0


@pytest.mark.parametrize(
    ("identifier", "answer", "expected"),
    [
        ("PAUT-5", "Yes", 1),  # a password is written into the software
        ("PAUT-5", "No", 0),
        ("MPII-2.2", "no, never", 1),  # logs tell of patients
        ("CSUP-5", "No", 1),  # BusyBox is inside
        ("CSUP-5", "N/A", 0),
        ("CSUP-5", "See Note", 0),
        ("CONN-8", "Yes", 0),  # nothing is known of it
        ("PAUT-5", None, 0),
    ],
)
def test_each_answer_is_held_against_the_scan(
    tmp_path: Path, report: Report, identifier: str, answer: str | None, expected: int
) -> None:
    assert ask(tmp_path, [(identifier, "No question of ours", answer)], report).return_value == expected


def test_names_notes_and_answers_given_twice_are_read(tmp_path: Path, report: Report) -> None:
    rows = [
        ("DOC-1", "Maker", "medharden inc."), ("DOC-3", "Model", "Other pump"), ("DOC-2", "What", "A pump"),
        ("DOC-7", "Day"), ("MLDP-4", "List?", "Yes"), ("MLDP-4", "List?", "No"), ("STCF-1", "Store?", "See Note", "x"),
        ("TXIG-1", "Way?", ""), ("ALOF-2",), ("ALOF-1", "Yes"), (None, "CONN-1.1.1", "Wi-Fi?", "No"),
    ]  # fmt: skip
    result = ask(tmp_path, rows, report, "--profile", "demo-pump")
    assert "DOC-3: Model: the form says Other pump" in result.stdout
    assert "DOC-1" not in result.stdout
    assert "the form itself says Yes in MDS2, row 5" in result.stdout
    assert "to be read by a person: STCF-1" in result.stdout
    assert result.return_value == 1


def test_a_row_laid_out_as_in_published_forms_is_read(tmp_path: Path) -> None:
    """Identifier, question, answer, note, and rows of three other documents, as makers publish them."""
    rows = [
        ("Question ID", "Question", None, "See note", "IEC TR 80001-2-2:2012", "NIST SP 800-53", "ISO 27002:2013"),
        ("SAHD-3", "Checks of integrity?", "Yes", None, "SAHD", "SA-12(10)", "A.14.2.7"),
        ("SAHD-3.2", "Checks of updates?", "No", "see IFU", "SAHD", "SI-7", "A.14"),
        ("SAHD-4", "Own checks?", None, None, "SAHD", "SI-7", "A.14"),
        ("DOC-1", "Manufacturer", None, "Somebody Inc.", None, None, None),
    ]
    given = [(one.id, one.answer, one.note) for one in read_form(write_form(tmp_path / "f.xlsx", rows)).given]
    assert given == [
        ("SAHD-3", "Yes", ""), ("SAHD-3.2", "No", "see IFU"), ("SAHD-4", "", ""), ("DOC-1", "Somebody Inc.", ""),
    ]  # fmt: skip


def test_a_draft_is_filled_in_and_agrees_with_itself(tmp_path: Path, report: Report) -> None:
    read, draft, again = tmp_path / "report.json", tmp_path / "draft.xlsx", tmp_path / "again.xlsx"
    read.write_bytes(to_json(report))
    for path in (draft, again):
        line = ["mds2", "prefill", "--profile", "demo-pump", "--report", str(read), "--to", str(path)]
        assert CliRunner().invoke(medharden, line, standalone_mode=False, catch_exceptions=False).return_value == 0
    assert draft.read_bytes() == again.read_bytes()
    answers = {given.id: given.answer for given in read_form(draft).given}
    assert len(answers) == len(questions().question)
    assert (answers["SAHD-3.2"], answers["PAUT-5"], answers["DOC-1"], answers["RDMP-4"]) == (
        "No",
        "No",
        "medharden",
        "",
    )
    result = CliRunner().invoke(
        medharden,
        ["mds2", "check", str(draft), "--report", str(read), "--profile", "demo-pump"],
        standalone_mode=False,
    )
    assert result.stdout.startswith("0 contradictions") or "to be read" in result.stdout
    assert result.return_value == 0


def test_a_draft_holds_no_formulas(tmp_path: Path) -> None:
    profile = load("demo-pump")
    named = replace(profile, title="=1+1\x07")
    path = tmp_path / "draft.xlsx"
    path.write_bytes(prefilled_form(named, None))
    cell = openpyxl.load_workbook(path)["MDS2 draft"]["C3"]
    assert (cell.data_type, cell.value[:4]) == ("s", "=1+1")
    assert b"2026" not in zipfile.ZipFile(path).read("docProps/core.xml")


def test_every_check_and_every_fact_that_is_named_exists() -> None:
    checks, ids = set(Scanner().checks), [question.id for question in questions().question]
    named = {check for question in questions().question for check in (*question.yes_against, *question.no_against)}
    assert named <= checks
    assert len(ids) == len(set(ids))
    profile = load("infusion-pump-lvp")
    assert [b.answer for b in bases_of(_question("CSUP-2.3"), profile, None)] == ["No"]
    assert {question.section for question in questions().question} >= {"AUDT", "MLDP", "SBOM", "STCF", "SAHD", "PAUT"}


def _question(identifier: str) -> Question:
    return next(question for question in questions().question if question.id == identifier)


def test_a_table_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(RuleError, match="wrong"):
        TomlFile("q.toml", b'source="x"\n[[question]]\nid="SAHD-1"\nshort="x"\nwrong=1\n').decode(Questions)


def test_what_is_no_form_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    for data, reason in (
        (b"not a zip", "is no .xlsx file"),
        (_zip({"a.xml": b"<a/>"}), "cannot be read as .xlsx"),
        (_zip({"xl/sharedStrings.xml": bytes(17 << 20)}), "too much"),
        (_zip({"xl/worksheets/sheet1.xml": bytes(49 << 20)}), "too much"),
        (_zip({f"{number}.xml": b"" for number in range(1_001)}), "1001 parts"),
        (bytes((16 << 20) + 1), "larger than 16 MiB"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=reason):
            read_form(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_form(tmp_path / "missing.xlsx")
    with pytest.raises(InputError, match="no row with an identifier"):
        read_form(write_form(path, [("a", "b")]))


@pytest.mark.parametrize(
    "start",
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa">]>',
        b"<?xml version='1.0' encoding='UTF-7'?>",
        "<?xml version='1.0'?>".encode("utf-16"),
        b"<c/>" * 1_000_001,
    ],
)
def test_what_would_grow_while_it_is_read_is_refused(tmp_path: Path, start: bytes) -> None:
    path = write_form(tmp_path / "form.xlsx", [SIGNED])
    files = {name: zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()}
    files["xl/sharedStrings.xml"] = start + b"<sst><si><t>a</t></si></sst>"
    path.write_bytes(_zip(files))
    with pytest.raises(InputError, match="has entities"):
        read_form(path)


def test_a_form_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = write_form(tmp_path / "form.xlsx", [SIGNED])
    whole = path.read_bytes()
    for end in range(0, len(whole), 397):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError):
            read_form(path)


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
