from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from toolkit.app.cli import run
from toolkit.app.moment import TimeType, now_option
from toolkit.app.secrets import CommandLineSecrets
from toolkit.core.errors import InputError


def test_a_passphrase_comes_from_the_first_line_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("four plain words\nnot this\n", encoding="utf-8")
    secrets = CommandLineSecrets(path)
    assert secrets.existing("file:a.pem") == "four plain words"
    assert secrets.new("file:a.pem") == "four plain words"
    with pytest.raises(InputError, match="cannot be read"):
        CommandLineSecrets(tmp_path / "none").existing("file:a.pem")


def test_a_passphrase_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDHARDEN_PASSPHRASE", "from the environment")
    assert CommandLineSecrets().existing("file:a.pem") == "from the environment"


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDHARDEN_PASSPHRASE", raising=False)
    with pytest.raises(InputError, match="needs a passphrase"):
        CommandLineSecrets().existing("file:a.pem")


def test_a_time_is_in_utc() -> None:
    convert = TimeType().convert
    assert convert("2026-11-24", None, None) == datetime(2026, 11, 24, tzinfo=UTC)
    assert convert("2026-11-24T14:00:00+02:00", None, None) == datetime(2026, 11, 24, 12, tzinfo=UTC)
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    assert convert(moment, None, None) is moment
    with pytest.raises(click.BadParameter, match="is no time"):
        convert("soon", None, None)


def test_the_time_to_write_down_can_be_fixed_for_equal_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[datetime] = []

    @click.command()
    @now_option
    def verb(now: datetime) -> None:
        seen.append(now)

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764547200")
    verb.main([], standalone_mode=False)
    assert seen == [datetime(2025, 12, 1, tzinfo=UTC)]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(InputError, match="no number of seconds"):
        verb.main([], standalone_mode=False)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    verb.main([], standalone_mode=False)
    assert seen[-1] > seen[0]


def test_a_refusal_ends_with_exit_code_one_and_its_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "no.mdpkg"
    path.write_bytes(b"this is no package")
    assert run(["package", "inspect", str(path)]) == 1
    assert "refused [package.truncated]" in capsys.readouterr().err
