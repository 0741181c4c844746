"""``medharden checks`` explains what a scan asks."""

import json

import pytest

from toolkit.app.cli import run


def test_every_check_is_listed_with_its_question(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["checks", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("update-not-signed ") for line in lines)
    assert all(line.endswith("?") for line in lines)


def test_the_list_comes_as_json_with_controls(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["checks", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    assert all(row["controls"] and row["remedy"] and row["severity_rule"] for row in rows)


def test_a_check_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["checks", "explain", "published-test-key"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Question:\n  Is the update signed")
    assert "CWE-321" in text
    assert run(["checks", "explain", "published-test-key", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "published-test-key"


def test_an_unknown_check_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["checks", "explain", "no-such-thing"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "checks list" in line
