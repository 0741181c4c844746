"""Asking for help is quick: it fetches none of the heavy parts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("lief", "construct", "cryptography", "msgspec", "rich", "cyclonedx", "pytest", "hypothesis")
ASK = """
import sys
from toolkit.app.cli import run
code = run(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["scan", "--help"], ["doctor", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK, *arguments]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, encoding="utf-8")
    assert "medharden" in done.stdout
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "toolkit" in loaded
    assert not loaded & set(HEAVY)
