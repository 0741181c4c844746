"""A dossier has its eight places, tells what is missing, is the same each time, and shows when it was touched."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from device_profiles.loader import load
from hil.evidence import pack_evidence
from hil.result import BenchResult
from signing.refusal import Refusal
from toolkit.app.cli import medharden
from toolkit.core.errors import InputError
from toolkit.hardening.dossier.assembling import Material, dossier_of
from toolkit.hardening.dossier.frameworks import TITLES, control_rows
from toolkit.hardening.dossier.words import DossierLabel
from toolkit.report.acceptance import Acceptance, AcceptanceRecord, AcceptanceState
from toolkit.report.cyclonedx import to_cyclonedx
from toolkit.report.json_report import to_json
from toolkit.report.languages import Translator, languages, missing_translations
from toolkit.report.model import Confidence, Report, Tool
from toolkit.report.vulnerability import DataAge, MatchStatus, Vulnerability

PLACES = [
    "1-management-plan", "2-risk-management", "3-threat-model", "4-risk-assessment", "5-sbom", "6-controls",
    "7-testing", "8-labeling",
]  # fmt: skip


def run(*line: str) -> Result:
    return CliRunner().invoke(medharden, ["dossier", *line], standalone_mode=False)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, weak_report: Report) -> str:
    path = tmp_path_factory.mktemp("read") / "report.json"
    path.write_bytes(to_json(weak_report))
    return str(path)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, read: str, key: Any) -> Path:
    folder = tmp_path_factory.mktemp("signed") / "dossier"
    result = run("--profile", "demo-pump", "--report", read, "--to", str(folder), *key.options)
    assert result.return_value == 0, result.exception
    return folder


def test_eight_places_and_an_index_are_written_with_what_is_missing(signed: Path, read: str, tmp_path: Path) -> None:
    files = files_of(signed)
    assert sorted({name.partition("/")[0] for name in files if "/" in name}) == PLACES
    result = run("--profile", "demo-pump", "--report", read, "--to", str(tmp_path / "d"), "--json")
    places = {place["folder"]: place for place in json.loads(result.stdout)["places"]}
    assert sorted(places) == PLACES
    assert all(place["missing"] for place in places.values())
    assert DossierLabel.NEED_BENCH in places["7-testing"]["missing"]
    assert {"made-from-the-image.cdx.json"} == set(places["5-sbom"]["files"])
    assert "The plan itself" in files["1-management-plan/README.md"].decode()
    page = files["index.html"].decode()
    assert "<b>pump" not in page
    assert "&lt;b&gt;pump.bin" in page
    assert all(f">{title}<" in page for title in TITLES.values())
    assert "The report was made without a device profile." in page


def test_two_runs_give_the_same_bytes(signed: Path, read: str, tmp_path: Path, key: Any) -> None:
    again = tmp_path / "again"
    assert run("--profile", "demo-pump", "--report", read, "--to", str(again), *key.options).return_value == 0
    assert files_of(again) == files_of(signed)
    assert isinstance(run("--profile", "demo-pump", "--report", read, "--to", str(again)).exception, InputError)


def test_a_dossier_is_believed_until_it_is_touched(signed: Path, read: str, tmp_path: Path, key: Any) -> None:
    trust = ("--trust", str(key.trust))
    result = run("--check", str(signed), *trust)
    assert (result.return_value, "are as they were" in result.stdout) == (0, True)
    for name, content in files_of(signed).items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(content)
    assert run("--check", str(tmp_path / "copy"), *trust).return_value == 0
    (tmp_path / "copy" / "6-controls" / "controls.csv").write_bytes(b"all is well")
    touched = run("--check", str(tmp_path / "copy"), *trust)
    assert isinstance(touched.exception, Refusal)
    assert touched.exception.rule == "dossier.changed"
    plain = tmp_path / "plain"
    run("--profile", "demo-pump", "--report", read, "--to", str(plain))
    assert isinstance(run("--check", str(plain), *trust).exception, Refusal)
    for line in (("--check", str(tmp_path / "none"), *trust), ("--check", str(plain)), ("--report", read)):
        assert run(*line).exception is not None
    for number in range(501):
        (plain / str(number)).write_bytes(b"")
    assert "too many" in str(run("--check", str(plain), *trust).exception)


def test_controls_are_told_for_each_framework_with_findings(signed: Path, weak_report: Report) -> None:
    text = files_of(signed)["6-controls/controls.csv"].decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["framework"] for row in rows} == set(TITLES.values())
    assert all(row["checks"] for row in rows)
    password = next(row for row in rows if (row["framework"], row["row"]) == ("CWE", "798"))
    assert int(password["findings"]) >= 1
    names = [row["row"] for row in rows if row["framework"] == "IEC 62443-4-2"]
    assert names.index("CR 1.5") < names.index("CR 3.4")
    strange = msgspec.structs.replace(
        weak_report, findings=(msgspec.structs.replace(weak_report.findings[0], controls=("ISO 1", "FDA Z")),)
    )
    assert [(row.framework, row.row, row.findings) for row in control_rows((), strange)] == [("fda", "Z", 1)]


def test_what_the_maker_gives_takes_the_place_of_what_we_make(tmp_path: Path, weak_report: Report) -> None:
    risk = AcceptanceRecord(
        acceptance=Acceptance(
            id="a", check="patient-log", reason="r", owner="o", created_by="o", created=date(2026, 1, 1),
            until=date(2027, 1, 1),
        ),
        state=AcceptanceState.ACTIVE, days_left=1, matched=1,
    )  # fmt: skip
    data = msgspec.structs.replace(
        weak_report.data, profile="other", checks=1, vulnerabilities=(DataAge(name="f", date=None),)
    )
    report, bench = tmp_path / "report.json", tmp_path / "bench.json"
    report.write_bytes(to_json(msgspec.structs.replace(weak_report, data=data, acceptances=(risk,))))
    bench.write_bytes(pack_evidence(_bench("someone-elses")))
    sbom, vex, folder = tmp_path / "vendor.cdx.JSON", tmp_path / "vex.json", tmp_path / "dossier"
    sbom.write_bytes(to_cyclonedx(weak_report))
    vex.write_bytes(b'{"statements": []}')
    line = ("--profile", "demo-pump", "--report", str(report), "--bench", str(bench), "--sbom", str(sbom))
    result = run(*line, "--vex", str(vex), "--to", str(folder), "--language", "es")
    assert result.return_value == 0, result.exception
    files = files_of(folder)
    assert files["5-sbom/sbom.json"] == sbom.read_bytes()
    assert files["4-risk-assessment/vex.json"] == vex.read_bytes()
    assert files["7-testing/bench-evidence.json"] == bench.read_bytes()
    assert "2-risk-management/accepted-risks.json" in files
    page = files["index.html"].decode()
    assert "otro perfil, someone-elses" in page
    assert "El informe se hizo con otro perfil de equipo: other." in page
    assert "El informe se hizo con 1 comprobaciones" in page
    assert "Una valoración de cada" not in page
    bench.write_bytes(pack_evidence(_bench("demo-pump")))
    assert "someone-elses" not in run(*line, "--to", str(folder), "--replace").stdout
    vex.write_bytes(b"[")
    assert "is no JSON document" in str(run(*line, "--vex", str(vex), "--to", str(tmp_path / "n")).exception)
    assert "ends in" in str(run(*line[:4], "--sbom", "a.exe", "--to", str(tmp_path / "n")).exception)


def _bench(profile: str) -> BenchResult:
    return BenchResult(
        tool=Tool(name="medharden", version="1"), profile=profile, profile_title="Pump", profile_sha256="00" * 32,
        interface="console", attempts=(), verdicts=(),
    )  # fmt: skip


def test_a_program_says_what_it_thinks_of_vulnerabilities_when_the_maker_does_not(weak_report: Report) -> None:
    known = Vulnerability(
        id="CVE-2021-42374", component="busybox", component_version="1.31.1", status=MatchStatus.AFFECTED, score=None,
        confidence=Confidence.HIGH, reason="in range", range="<1.34", summary="It breaks.", provenance=(),
    )  # fmt: skip
    profile = load("demo-pump")
    data = msgspec.structs.replace(weak_report.data, profile=profile.id)
    report = msgspec.structs.replace(weak_report, vulnerabilities=(known,), data=data)
    dossier = dossier_of(Material(report=report, profile=profile, checks={}), Translator())
    assert b"CVE-2021-42374" in dossier.files["4-risk-assessment/made-by-a-program.openvex.json"]
    assert b"The report was made with" not in dossier.files["index.html"].split(b"Control frameworks")[0]


@pytest.mark.parametrize("language", languages())
def test_every_sentence_is_there_in_every_language(language: str) -> None:
    assert missing_translations(list(DossierLabel), language) == ()
