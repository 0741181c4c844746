"""The decisions of tasks.py, each held against its reason; what it does with them is proven by every fresh checkout."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("medharden_tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


tasks = _load()
WANTED = tasks.Stamp(digest="d", level="dev", python="cpython-311 /usr", root="/p")


@pytest.mark.parametrize(
    ("has_ensurepip", "outer_pip", "plan"),
    [
        (True, (24, 0), ("ensurepip", "python", "target")),
        (False, (23, 0, 1), ("python", "target")),  # Debian without python3-venv
        (False, (22, 2), ("target",)),
        (True, None, ("ensurepip",)),
        (False, None, ()),
    ],
)
def test_pip_comes_from_python_itself_or_from_the_pip_that_is_there(
    has_ensurepip: bool, outer_pip: tuple[int, ...] | None, plan: tuple[str, ...]
) -> None:
    assert tasks.pip_bootstrap_plan(has_ensurepip=has_ensurepip, outer_pip=outer_pip) == plan


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("pip 23.0.1 from /usr/lib/python3/dist-packages/pip (python 3.11)", (23, 0, 1)),
        ("pip 26.3b1 from x (python 3.14)", (26, 3)),
        ("", None),
        ("No module named pip", None),
    ],
)
def test_the_version_of_pip_is_read_from_what_it_prints(printed: str, version: tuple[int, ...] | None) -> None:
    assert tasks.pip_version(printed) == version


def _action(*, exists: bool = True, stamp: object = WANTED, starts: bool = True, ours: bool = True) -> str:
    return str(tasks.environment_action(exists=exists, stamp=stamp, wanted=WANTED, starts=starts, ours=ours))


def test_an_environment_is_used_again_while_nothing_changed() -> None:
    assert _action() == "reuse"


def test_a_missing_environment_is_made() -> None:
    assert _action(exists=False, stamp=None, starts=False, ours=False) == "rebuild"


def test_a_folder_that_somebody_else_made_is_never_touched() -> None:
    assert _action(stamp=None, ours=False) == "refuse"


def test_an_unfinished_or_broken_environment_is_made_anew() -> None:
    assert _action(stamp=None) == "rebuild"
    assert _action(starts=False) == "rebuild"


@pytest.mark.parametrize("changed", [{"python": "cpython-313 /usr"}, {"root": "/moved"}])
def test_another_python_or_place_means_a_new_environment(changed: dict[str, str]) -> None:
    stamp = tasks.Stamp(**{"digest": "d", "level": "dev", "python": WANTED.python, "root": WANTED.root, **changed})
    assert _action(stamp=stamp) == "rebuild"


@pytest.mark.parametrize("changed", [{"digest": "older"}, {"level": "runtime"}])
def test_changed_requirements_are_installed_into_what_is_there(changed: dict[str, str]) -> None:
    stamp = tasks.Stamp(**{"digest": "d", "level": "dev", "python": WANTED.python, "root": WANTED.root, **changed})
    assert _action(stamp=stamp) == "install"


def test_what_the_tests_need_includes_what_medharden_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime, dev = (tasks.requirements(project, level) for level in tasks.LEVELS)
    assert set(runtime) < set(dev)
    assert set(project["project"]["dependencies"]) < set(runtime)
    assert not any("pytest" in name for name in runtime)


def test_where_pip_gets_packages_is_the_users_choice_and_where_it_puts_them_is_ours() -> None:
    theirs = {
        "PIP_INDEX_URL": "mirror",
        "PIP_CERT": "c.pem",
        "HTTPS_PROXY": "p",
        "PIP_TARGET": "/x",
        "PYTHONPATH": "/y",
    }
    child = tasks.child_environment({**theirs, "PIP_USER": "1"})
    assert (child["PIP_INDEX_URL"], child["PIP_CERT"], child["HTTPS_PROXY"]) == ("mirror", "c.pem", "p")
    assert child["PIP_USER"] == "0"
    assert not {"PIP_TARGET", "PYTHONPATH"} & set(child)


def test_pins_are_sorted_names_with_versions_and_carry_no_address() -> None:
    report = {"install": [{"metadata": {"name": n, "version": v}} for n, v in [("Rich", "15.0.0"), ("click", "8.1.7")]]}
    lines = [line for line in tasks.pins_from_report(report).splitlines() if not line.startswith("#")]
    assert lines == ["click==8.1.7", "rich==15.0.0"]


def test_every_requirement_has_a_pin_and_the_lock_file_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = {line.partition("==")[0] for line in text.splitlines() if not line.startswith("#")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {tasks.re.match(r"[\w.-]+", name)[0].lower() for name in tasks.requirements(project, "dev")}
    assert names <= pinned
    assert "/" not in text.replace("`python3 tasks.py lock`", "")


@given(st.lists(st.tuples(st.from_regex(r"[a-z0-9.+-]+", fullmatch=True), st.from_regex(r"[a-z_]+", fullmatch=True))))
def test_system_packages_are_read_back_as_written(rows: list[tuple[str, str]]) -> None:
    text = "# a comment\n\n" + "".join(f"{name}  {program}  tests of {name}\n" for name, program in rows)
    assert [(p.name, p.program, p.skipped) for p in tasks.system_packages(text)] == [
        (name, program, f"tests of {name}") for name, program in rows
    ]


@pytest.mark.parametrize(
    ("has_apt", "is_root", "sudo", "prefix"),
    [
        (True, True, False, []),
        (True, False, True, ["sudo", "-n"]),
        (True, False, False, None),  # would ask for a password
        (False, True, True, None),  # not Debian
    ],
)
def test_system_packages_are_installed_only_where_that_is_allowed(
    has_apt: bool, is_root: bool, sudo: bool, prefix: list[str] | None
) -> None:
    assert tasks.apt_prefix(has_apt=has_apt, is_root=is_root, sudo_without_password=sudo) == prefix


def test_the_line_for_a_person_installs_every_missing_package() -> None:
    packages = tasks.system_packages("srecord srec_cat x\ndfu-util dfu-suffix y\n")
    assert tasks.apt_line(packages) == "sudo apt-get install --yes --no-install-recommends srecord dfu-util"


def test_every_chore_is_explained_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert tasks.main([]) == 0
    shown = capsys.readouterr().out
    for name, chore in tasks.CHORES.items():
        assert f"  {name}" in shown
        assert chore.__doc__.splitlines()[0] in shown


@pytest.mark.parametrize("arguments", [["frobnicate"], ["lint", "--fast"], ["bench", "nothing"]])
def test_an_unknown_chore_or_option_is_told_with_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tasks.main(arguments) == tasks.EXIT_ERROR
    assert capsys.readouterr().err
