from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from toolkit.app.cli import medharden
from toolkit.core.errors import InputError


def run(*arguments: str, cwd: Path | None = None) -> Result:
    with contextlib.chdir(cwd or Path.cwd()):
        return CliRunner().invoke(medharden, ["profile", *arguments], standalone_mode=False)


def code(result: Result) -> int:
    assert result.exception is None, result.output
    return result.return_value or 0


def test_the_list_names_every_profile_and_how_much_is_known() -> None:
    result = run("list")
    assert code(result) == 0
    assert "cpap" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("contec-cms50f ")]
    assert line.split()[1:6] == ["model", "99", "facts,", "49", "assumed"]
    assert line.endswith("Contec CMS50F wrist pulse oximeter")


def test_the_list_as_json_is_for_programs() -> None:
    rows = {row["id"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["contec-cms8000"]["extends"] == "patient-monitor-lowend"
    assert rows["cpap"]["kind"] == "archetype"
    assert rows["cpap"]["extends"] is None
    assert 0 < rows["cpap"]["assumed"] <= rows["cpap"]["facts"]
    assert len(rows["cpap"]["sha256"]) == 64


def test_a_broken_profile_of_a_third_party_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "broken_profiles_for_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "broken.toml").write_text("id = 1", encoding="utf-8")
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[medharden.profiles]\nbroken = {package.name}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = run("list")
    assert code(result) == 2
    assert "broken.toml: id: is 1; expected an id" in result.stderr
    assert "cpap" in result.stdout


def test_a_shown_profile_says_of_each_fact_how_it_is_known() -> None:
    text = run("show", "contec-cms50f").stdout
    assert text.startswith("contec-cms50f: Contec CMS50F")
    assert "model, extends pulse-oximeter-usb, sha256 " in text
    (line,) = [line for line in text.splitlines() if " platform.mcu.main.part " in line]
    assert "public_teardown [" in line
    assert line.endswith('"MSP430F247"')
    (line,) = [line for line in text.splitlines() if " safety.worst_case_harm " in line]
    assert "assumed [" in line
    assert "https://www.experimental-engineering.co.uk" in text
    assert "0x00008000" in text
    assert '"512 KiB"' in text


def test_a_profile_without_parent_and_summary_is_shown_too(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(
        'schema_version = "1.0"\nid = "tiny"\nkind = "archetype"\ntitle = "Tiny"\n'
        '[safety]\ntherapy = "none"\nworst_case_harm = "minor"\n'
        '[[evidence]]\nfields = ["*"]\nstatus = "assumed"\nsource = "a test"\n',
        encoding="utf-8",
    )
    lines = run("show", str(path)).stdout.splitlines()
    assert lines[0] == "tiny: Tiny"
    assert lines[1].startswith("archetype, sha256 ")
    assert lines[-1] == "  [1] assumed (tiny): a test"


def test_a_shown_profile_as_json_is_the_resolved_content() -> None:
    content = json.loads(run("show", "contec-cms50f", "--json").stdout)
    assert content["safety"]["therapy"] == "monitoring"
    assert content["evidence"][0]["profile"] == "pulse-oximeter-usb"


def test_a_profile_that_does_not_exist_is_an_error_we_explain() -> None:
    result = run("show", "cpapp")
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == "no device profile is called cpapp; did you mean cpap?"


def test_new_writes_a_file_that_validates_and_says_what_is_left_to_do(tmp_path: Path) -> None:
    result = run("new", "ward-pump", "--extends", "infusion-pump-lvp", cwd=tmp_path)
    assert code(result) == 0
    assert result.stdout == ""
    assert "medharden profile validate ward-pump.toml" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["ward-pump.toml"]
    result = run("validate", str(tmp_path / "ward-pump.toml"))
    assert code(result) == 0
    first, *rest = result.stdout.splitlines()
    assert first.endswith("ward-pump.toml: can be used")
    assert [line.split(": ", 1)[1] for line in rest] == [
        "title: still says FILL IN",
        "identity.manufacturer: still says FILL IN",
        "identity.model: still says FILL IN",
        "evidence for identity.manufacturer: still says FILL IN",
    ]


def test_new_never_touches_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ward-pump.toml"
    path.write_bytes(b"mine")
    for target in (path, tmp_path):
        result = run("new", "ward-pump", "--extends", "cpap", "--output", str(target))
        assert isinstance(result.exception, InputError)
        assert "exists already and is left as it is" in str(result.exception)
    assert path.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["ward-pump.toml"]


def test_new_makes_the_folder_and_reports_as_json(tmp_path: Path) -> None:
    target = tmp_path / "our devices" / "ward-pump.toml"
    result = run("new", "ward-pump", "--extends", "cpap", "--output", str(target), "--json")
    assert json.loads(result.stdout) == {"path": str(target)}
    assert 'id = "ward-pump"' in target.read_text(encoding="utf-8")


def test_new_can_print_to_the_screen(tmp_path: Path) -> None:
    result = run("new", "ward-pump", "--extends", "cpap", "--output", "-", cwd=tmp_path)
    assert 'extends = "cpap"\n' in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file/x.toml", f"{'x' * 300}.toml", f"{'x' * 245}.toml"])
def test_new_where_nothing_can_be_written_is_one_clear_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = run("new", "ward-pump", "--extends", "cpap", "--output", str(tmp_path / name))
    assert isinstance(result.exception, InputError)
    assert "cannot be written" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def wrong_files(folder: Path) -> Sequence[str]:
    (folder / "good.toml").write_text("", encoding="utf-8")
    run("new", "good-one", "--extends", "cpap", "--output", str(folder / "good-one.toml"))
    (folder / "bad.toml").write_text('id = "bad"\ncolour = "red"\n', encoding="utf-8")
    return [str(folder / name) for name in ("good-one.toml", "bad.toml", "none.toml")]


def test_validate_names_every_problem_of_every_file(tmp_path: Path) -> None:
    result = run("validate", *wrong_files(tmp_path))
    assert code(result) == 2
    bad = str(tmp_path / "bad.toml")
    lines = result.stdout.splitlines()
    assert any(line.startswith(f"{bad}: colour: is not a field here") for line in lines)
    assert f"{bad}: kind: is missing: A class of devices, or one make and model." in lines
    assert lines[-1] == f"{tmp_path / 'none.toml'}: cannot be read: No such file or directory"


def test_validate_as_json_is_for_programs(tmp_path: Path) -> None:
    good, bad, none = json.loads(run("validate", "--json", *wrong_files(tmp_path)).stdout)
    assert good["valid"]
    assert good["fill_in"]
    assert not bad["valid"]
    assert any(line.startswith("colour: is not a field here") for line in bad["problems"])
    assert not none["valid"]


def test_the_schema_is_printed_for_editors() -> None:
    assert json.loads(run("schema").stdout)["title"] == "medharden device profile"


@pytest.mark.parametrize("verb", ["", "list", "show", "validate", "new", "schema"])
def test_every_verb_explains_itself_with_examples(verb: str) -> None:
    result = run(*filter(None, [verb]), "--help")
    assert "Examples:" in result.stdout
    assert f"medharden profile {verb}" in result.stdout


def test_help_loads_no_room(tmp_path: Path) -> None:
    program = (
        "import sys; from toolkit.app.commands import profile; "
        "sys.exit(sorted(m for m in sys.modules if m.split('.')[0] in ('msgspec', 'device_profiles', 'rich')) != [])"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == 0
