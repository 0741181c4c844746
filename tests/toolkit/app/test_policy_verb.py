"""Accepting risks through the command line, from the report to the next version of the firmware."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from toolkit.app.cli import run
from toolkit.app.demo import image_path

DAY = ("--now", "2026-11-24")
WHO = ("--until", "2027-03-31", "--owner", "Head of engineering", "--reason", "Locked in a cabinet.")
CVE = "CVE-2021-44732"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a scan of the demo pump says."""
    path = tmp_path_factory.mktemp("policy") / "report.json"
    run(["scan", str(image_path()), "--json", "--output", str(path), *DAY])
    return path


@pytest.fixture(scope="module")
def findings(report: Path) -> list[str]:
    """The checks that fired on it, vulnerabilities apart."""
    found = json.loads(report.read_bytes())["findings"]
    return [row["check"] for row in found if row["check"] != "vulnerable-component"]


def accept(report: Path, name: str, policy: Path, *more: str) -> int:
    return run(["policy", "accept", str(report), name, *WHO, "--to", str(policy), *DAY, *more])


def scanned(image: Path, capsys: pytest.CaptureFixture[str], *options: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["scan", str(image), "--json", *DAY, *map(str, options)])
    out, err = capsys.readouterr()
    assert out, err
    return code, json.loads(out)


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The same update with another number in its names and one byte more in front."""
    path = tmp_path / "pump-next.zip"
    with zipfile.ZipFile(image_path()) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name.replace("2.1.0", "2.2"), old.read(name))
    return path


def test_a_report_lists_what_can_be_accepted(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "accept", str(report)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("readout" in line or "debug port" in line for line in lines)
    assert f"{CVE.lower()}-mbedtls  critical: {CVE} in mbedtls 2.16.3" in lines
    assert not any("A component has known vulnerabilities" in line for line in lines)


def test_what_is_accepted_does_not_count_in_this_version_and_the_next(
    report: Path, next_version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "accepted.toml"
    assert accept(report, "readout-protection-open", policy) == 0
    assert "accepted until 2027-03-31" in capsys.readouterr().err
    for image in (image_path(), next_version):
        _, said = scanned(image, capsys, "--policy", policy)
        assert [row["finding"]["check"] for row in said["accepted"]] == ["readout-protection-open"]
        assert "readout-protection-open" not in {row["check"] for row in said["findings"]}
        assert said["data"]["policy_sha256"]
    _, said = scanned(image_path(), capsys, "--policy", policy, "--now", "2027-04-01")
    assert said["accepted"] == []
    assert said["acceptances"][0]["state"] == "expired"
    assert "readout-protection-open" in {row["check"] for row in said["findings"]}


def test_the_exit_code_goes_by_what_is_not_accepted(
    report: Path, findings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "accepted.toml"
    keys = [line.split()[0] for line in _listed(report, capsys)]
    for key in keys:
        assert accept(report, key, policy) == 0
    plain = scanned(image_path(), capsys, "--fail-on", "low")
    code, said = scanned(image_path(), capsys, "--fail-on", "low", "--policy", policy)
    assert plain[0] == 1
    assert (code, said["findings"], said["steps"]) == (0, [], [])
    assert len(said["accepted"]) == len(findings)
    assert {row["accepted"] for row in said["vulnerabilities"] if row["status"] != "not_affected"} >= {
        f"{CVE.lower()}-mbedtls"
    }
    assert {row["state"] for row in said["acceptances"]} == {"active"}


def _listed(report: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    run(["policy", "accept", str(report)])
    return capsys.readouterr().out.splitlines()


def test_a_vulnerability_that_is_accepted_is_no_reason_to_act(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "accepted.toml"
    assert accept(report, f"{CVE}@mbedtls", policy) == 0
    before = scanned(image_path(), capsys)[1]
    after = scanned(image_path(), capsys, "--policy", policy)[1]
    counts = [
        next(step["affected"] for step in said["steps"] if step["component"] == "mbedtls") for said in (before, after)
    ]
    assert counts[1] == counts[0] - 1
    assert CVE not in next(step["first"] for step in after["steps"] if step["component"] == "mbedtls")


def test_review_and_diff_go_by_it_too(
    report: Path, next_version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "accepted.toml"
    for name in ("readout-protection-open", "fixed-service-code", CVE):
        assert accept(report, name, policy) == 0
    capsys.readouterr()
    run(["review", str(next_version), "--policy", str(policy), *DAY])
    text = " ".join(capsys.readouterr().out.split())
    assert "Accepted risks - The" in text or "Accepted risks - A" in text
    assert "Accepted until 31 March 2027 by Head of engineering, because: Locked in a cabinet." in text
    run(["review", str(next_version), "--current", str(image_path()), "--policy", str(policy), "--json", *DAY])
    said = json.loads(capsys.readouterr().out)
    assert {row["finding"]["check"] for row in said["accepted"]} == {"readout-protection-open", "fixed-service-code"}
    flagged = [row for row in said["difference"]["findings"] if row["accepted"]]
    assert {row["check"] for row in flagged} == {"readout-protection-open", "fixed-service-code"}
    assert next(row["accepted"] for row in said["difference"]["vulnerabilities"] if row["id"] == CVE)
    left = next(row for row in said["reasons"] if row["code"].startswith("left"))
    assert CVE not in json.dumps(said["reasons"])
    assert left["values"]["count"]
    run(["diff", str(image_path()), str(next_version), "--policy", str(policy), *DAY])
    assert "Accepted until 31 March 2027" in " ".join(capsys.readouterr().out.split())


def test_nobody_can_accept_that_an_update_is_not_signed(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "accepted.toml"
    assert accept(report, "update-not-signed", policy) == 0
    capsys.readouterr()
    reasons = []
    for more in ((), ("--policy", str(policy))):
        assert run(["review", str(image_path()), "--json", *DAY, *more]) == 1
        said = json.loads(capsys.readouterr().out)
        reasons.append([row for row in said["reasons"] if row["question"] in ("authentic", "model", "downgrade")])
    assert reasons[0] == reasons[1]


def test_a_policy_is_checked_on_its_own(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "accepted.toml"
    accept(report, "readout-protection-open", policy, "--any-text", "--by", "A writer")
    accept(report, CVE, policy)
    assert "excerpt_sha256" not in policy.read_text(encoding="utf-8")
    capsys.readouterr()
    assert run(["policy", "check", str(policy), *DAY]) == 0
    text = capsys.readouterr().out
    assert "until 2027-03-31 (127 days left), Head of engineering: Locked in a cabinet." in text
    assert "2 accepted, 0 of them run out." in text
    assert run(["policy", "check", str(policy), "--now", "2027-04-01"]) == 1
    assert "(RUN OUT)" in capsys.readouterr().out
    assert run(["policy", "check", str(policy), "--json", *DAY]) == 0
    rows = json.loads(capsys.readouterr().out)["acceptances"]
    assert [row["days_left"] for row in rows] == [127, 127]
    assert rows[0]["created_by"] == "A writer"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["no-such-check", *WHO, "--to", "x.toml"], "the report has no finding 'no-such-check'"),
        (["vulnerable-component", *WHO, "--to", "x.toml"], "one vulnerability at a time"),
        (["component-unsupported", *WHO, "--to", "x.toml"], "may mean 3 findings; give the key of one: "),
        (["readout-protection-open", "--until", "2027-03-31"], "give --reason, --owner, --to too"),
        (["readout-protection-open", *WHO, "--to", "x.toml", "--until", "soon"], "this cannot be accepted:"),
        (["readout-protection-open", *WHO, "--to", "x.toml", "--until", "2036-01-01"], "more than two years"),
        (["readout-protection-open", *WHO, "--to", "."], "cannot be read"),
    ],
)
def test_what_cannot_be_accepted_is_told_in_one_line_and_writes_nothing(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], error: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["policy", "accept", str(report), *words, *DAY]) == 2
    assert error in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_report_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.json"
    assert run(["policy", "accept", str(path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    path.write_text("{}", encoding="utf-8")
    assert run(["policy", "accept", str(path)]) == 2
    assert "`medharden scan --format json` writes one" in capsys.readouterr().err
    with path.open("wb") as file:
        file.truncate((256 << 20) + 1)
    assert run(["policy", "accept", str(path)]) == 2
    assert "larger than 256 MiB" in capsys.readouterr().err


def profile(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "our-pump.toml"
    head = ('schema_version = "1.0"', 'id = "our-pump"', 'kind = "archetype"', 'extends = "infusion-pump-lvp"')
    text = (*head, 'title = "Ours"', 'summary = "Ours."', "[[policy.exceptions]]", 'id = "port"', *lines)
    path.write_text("\n".join((*text, "")), encoding="utf-8")
    return path


EXCEPTION = ('check = "readout-protection-open"', 'reason = "Sealed."', 'owner = "Head of engineering"')


def test_a_profile_accepts_risks_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = profile(tmp_path, *EXCEPTION, 'expires = "2027-03-31"')
    _, said = scanned(image_path(), capsys, "--profile", ours)
    assert [row["acceptance"] for row in said["accepted"]] == ["port"]
    assert said["data"]["policy_sha256"] is None


@pytest.mark.parametrize(
    ("expires", "error"),
    [
        ("2027", "policy.exceptions[0].expires: Invalid RFC3339 encoded date"),
        ("2031-01-01", "policy.exceptions[0].expires: 2031-01-01 is more than two years after 2026-11-24"),
    ],
)
def test_a_profile_accepts_for_two_years_at_most_until_a_whole_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expires: str, error: str
) -> None:
    ours = profile(tmp_path, *EXCEPTION, f'expires = "{expires}"')
    assert run(["scan", str(image_path()), "--profile", str(ours), *DAY]) == 2
    assert error in capsys.readouterr().err


def test_one_name_means_one_decision(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "accepted.toml"
    accept(report, "readout-protection-open", policy)
    name = policy.read_text(encoding="utf-8").partition('id = "')[2].partition('"')[0]
    ours = profile(tmp_path, *EXCEPTION, 'expires = "2027-03-31"')
    ours.write_text(ours.read_text(encoding="utf-8").replace('"port"', f'"{name}"'), encoding="utf-8")
    assert run(["scan", str(image_path()), "--profile", str(ours), "--policy", str(policy), *DAY]) == 2
    assert "is the id of an exception in the device profile our-pump too" in capsys.readouterr().err


def test_a_report_a_review_and_a_lesson_are_written_as_pdf_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("scan", "review"):
        target = tmp_path / f"{verb}.pdf"
        run([verb, str(image_path()), "--pdf", str(target), "--paper", "letter", *DAY])
        assert target.read_bytes().startswith(b"%PDF-")
        assert f"PDF written to {target}" in capsys.readouterr().err
    handout = tmp_path / "lesson.pdf"
    assert run(["learn", "contec-2025", "--pdf", str(handout), *DAY]) == 0
    assert handout.read_bytes().startswith(b"%PDF-")
    assert run(["learn", "--pdf", str(handout)]) == 2
    several = ["scan", str(image_path()), str(image_path()), "--pdf", str(tmp_path / "x.pdf"), *DAY]
    assert run(several) == 2
    told = capsys.readouterr().err
    assert "--pdf writes one case" in told
    assert "--format pdf --output FOLDER" in told
