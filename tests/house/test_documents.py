"""The documents agree with the program, and speak of nothing but the project."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import toolkit
from toolkit.app.cli import medharden

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
NOT_TEXT = {".mdsig", ".zip", ".hex", ".bin", ".dfu", ".uf2", ".elf", ".png", ".gz"}
BUILT = {".git", ".venv", "__pycache__", "dist", "build", "node_modules"}

# Written in pieces, so that this file does not find itself.
INDEX_HOSTS = ("pypi" + ".org", "files.python" + "hosted.org", "test.py" + "pi", "index" + "-url", "extra-" + "index")
FOLDERS = "|".join(["ro" + "ot", "wo" + "rk", "tmp" + "/w"])
MACHINE_PATH = re.compile(rf"(?<![\w.<~$}}-])/(?:{FOLDERS})/")
CODE_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = {"", "sh", "bash", "console", "text"}
CHORE = re.compile(r"^def ([a-z]+)\((?:\*\w+: str)?\) -> int:$", re.MULTILINE)


def _files() -> list[Path]:
    """Return the files of the project: those git knows or would add, or all of them where there is no git."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        command = [git, "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        return [path for name in listed.split(b"\0") if name and (path := ROOT / os.fsdecode(name)).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not BUILT & set(path.relative_to(ROOT).parts)]


def _text_files() -> list[Path]:
    return [path for path in _files() if path.suffix not in NOT_TEXT]


def _commands(path: Path) -> Iterator[list[str]]:
    """Yield the command lines in the code blocks of a document, split into words; ``#`` starts a comment."""
    blocks = CODE_BLOCK.findall(path.read_text(encoding="utf-8"))
    for block in (block for language, block in blocks if language in SHELLS):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


def _documents() -> list[Path]:
    """Return the pages that people wrote to be followed; reference pages are made from the program itself."""
    return [path for path in _files() if path.suffix == ".md" and not {"decisions", "reference"} & set(path.parts)]


def _verb(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that ``words`` start with, and the words after it."""
    context = click.Context(medharden)
    command: click.Command = medharden
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        inner = command.get_command(context, name)
        assert inner is not None, f"there is no verb {name} in: medharden {' '.join(words)}"
        command = inner
    return command, rest


@pytest.mark.parametrize("path", _documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_medharden_command_in_a_document_exists_with_its_options(path: Path) -> None:
    for program, *words in _commands(path):
        if program != "medharden":
            continue
        command, rest = _verb(words)
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert given <= known | {"--help", "--version"}, f"{' '.join(words)}: no option {given - known}"


@pytest.mark.parametrize("path", _documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_chore_in_a_document_exists(path: Path) -> None:
    chores = set(CHORE.findall((ROOT / "tasks.py").read_text(encoding="utf-8")))
    named = re.findall(r"tasks\.py ([a-z]+)", path.read_text(encoding="utf-8"))
    assert set(named) <= chores


@pytest.mark.parametrize("path", _documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_inside_the_project_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readme_starts_with_the_two_commands_that_do_all_set_up() -> None:
    lines = [" ".join(words) for words in _commands(README)]
    assert lines.index("python3 tasks.py demo") < lines.index("python3 tasks.py test")


def test_the_changelog_tells_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(toolkit.__version__)}\b", text, re.MULTILINE)


def test_no_file_names_a_package_index_or_a_place_on_somebodys_machine() -> None:
    found: list[str] = []
    for path in _text_files():
        text = path.read_text(encoding="utf-8")
        hits = [host for host in INDEX_HOSTS if host in text] + MACHINE_PATH.findall(text)
        found += [f"{path.relative_to(ROOT)}: {hit}" for hit in hits]
    assert found == []


def test_decisions_are_numbered_without_gaps_and_name_their_state() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{n:04}" for n in range(1, len(decisions) + 1)]
    for path in decisions:
        assert "\nStatus: " in path.read_text(encoding="utf-8"), path.name
