"""``medharden doctor`` tells a whole installation from one that another package has damaged."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import metadata
from pathlib import Path

import pytest

from toolkit import __version__
from toolkit.app.cli import run
from toolkit.app.installation import (
    ROOMS,
    Diagnosis,
    Extra,
    Part,
    claimed,
    diagnose,
    extras_of,
    installation_problems,
    lines,
    origin,
    parts_of,
    shadowed,
)

OURS = b'"""ours"""\n'


def _installed(folder: Path, *, version: str = __version__) -> metadata.Distribution:
    """Lay out an installed medharden with one module, as pip would."""
    info = folder / "medharden.dist-info"
    info.mkdir()
    (folder / "signing").mkdir()
    (folder / "signing" / "__init__.py").write_bytes(OURS)
    digest = base64.urlsafe_b64encode(hashlib.sha256(OURS).digest()).rstrip(b"=").decode()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: medharden\nVersion: {version}\n", encoding="utf-8")
    record = f"signing/__init__.py,sha256={digest},{len(OURS)}\nmedharden.dist-info/RECORD,,\n../bin/medharden,,\n"
    (info / "RECORD").write_text(record, encoding="utf-8")
    return metadata.Distribution.at(info)


def test_an_installation_as_it_was_made_has_no_problem(tmp_path: Path) -> None:
    assert list(installation_problems(_installed(tmp_path), __version__)) == []


def test_a_module_overwritten_by_another_package_is_found(tmp_path: Path) -> None:
    ours = _installed(tmp_path)
    (tmp_path / "signing" / "__init__.py").write_bytes(b'"""theirs"""\n')
    (problem,) = installation_problems(ours, __version__)
    assert "signing/__init__.py is not as medharden installed it" in problem
    assert "pipx" in problem


def test_a_module_that_is_gone_is_found(tmp_path: Path) -> None:
    ours = _installed(tmp_path)
    (tmp_path / "signing" / "__init__.py").unlink()
    assert len(list(installation_problems(ours, __version__))) == 1


def test_another_version_than_the_one_installed_is_found(tmp_path: Path) -> None:
    (problem,) = installation_problems(_installed(tmp_path, version="0.0.1"), "9.9")
    assert problem == "version 9.9 runs, but 0.0.1 is installed: install medharden again"


def test_running_from_a_folder_without_installing_is_told() -> None:
    (problem,) = installation_problems(None, "9.9")
    assert "not installed" in problem


def test_a_package_taken_from_elsewhere_is_told(tmp_path: Path) -> None:
    assert list(shadowed(tmp_path, {"signing": tmp_path / "signing"})) == []
    assert "is not found" in next(shadowed(tmp_path, {"signing": None}))
    assert "comes from" in next(shadowed(tmp_path, {"signing": tmp_path / "other" / "signing"}))


def test_our_packages_come_from_one_folder_and_unknown_ones_from_none() -> None:
    folders = {origin(room) for room in ROOMS}
    assert None not in folders
    assert len({folder.parent for folder in folders if folder}) == 1
    assert origin("no_such_package_of_anybody") is None


def test_another_distribution_with_one_of_our_names_is_named() -> None:
    assert list(claimed({"toolkit": ["medharden"], "click": ["click"]})) == []
    (problem,) = claimed({"signing": ["medharden", "signing-tools", "signing-tools"]})
    assert problem.startswith("signing-tools also installs a package named signing")


def test_requirements_are_sorted_into_core_and_optional_parts() -> None:
    parts = list(parts_of(["click>=8.1.7", "no-such-package-of-anybody>=1; extra == 'hil'", "; nonsense"]))
    assert [(p.name, p.version is None, p.extra) for p in parts] == [
        ("click", False, None),
        ("no-such-package-of-anybody", True, "hil"),
    ]
    (extra,) = extras_of(parts)
    assert (extra.name, extra.missing) == ("hil", ("no-such-package-of-anybody",))


def test_this_installation_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert diagnose().problems == ()
    assert run(["doctor"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(f"medharden {__version__} in ")
    assert shown[-1] == "nothing is wrong"


def test_the_json_form_carries_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["medharden"] == __version__
    assert found["problems"] == []
    assert {part["name"] for part in found["parts"]} > {"click", "lief"}


def test_what_is_wrong_and_what_an_optional_part_lacks_is_said() -> None:
    found = Diagnosis(
        medharden="1",
        python="3.11",
        platform="p",
        location="/x",
        parts=(Part(name="lief", version="1.0", extra=None), Part(name="pyusb", version=None, extra="hil")),
        extras=(Extra(name="hil", unlocks="bench tests", missing=("pyusb",)),),
        search_engine="Hyperscan 1.0",
        problems=("something",),
    )
    text = list(lines(found))
    assert "searches images with Hyperscan 1.0" in text
    assert "uses lief 1.0" in text
    assert "optional part hil (bench tests): missing pyusb: install medharden[hil]" in text
    assert text[-1] == "wrong: something"
