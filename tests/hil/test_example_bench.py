"""The example bench works for a new user: copied elsewhere, and run as its page says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "bench"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    if not EXAMPLE.is_dir():
        pytest.skip("the examples are not here")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "bench"))


def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE"))}
    clean["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder, env=clean, capture_output=True, text=True, check=False, encoding="utf-8", timeout=120,
    )  # fmt: skip


def test_its_tests_pass_on_the_model_and_find_a_weak_one(copied: Path) -> None:
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:medharden", "-p", "hil.pytest_plugin"]
    options = ["-p", "no:pytest_embedded", "--bench-profile", "ward-pump.toml", "--bench-device"]
    done = run_in(copied, *command, *options, "medemu://demo-pump")
    assert "6 passed" in done.stdout, done.stdout
    for weak, failed in (("default-password", "test_a_stranger_cannot_log_in"), ("hangs-on-long-line", "nonsense")):
        done = run_in(copied, *command, *options, f"medemu://demo-pump?weak={weak}")
        assert done.returncode == 1
        assert failed in done.stdout


def test_its_bench_file_names_a_device_that_can_be_run(copied: Path) -> None:
    verb = "from toolkit.app.cli import main; main()"
    done = run_in(
        copied, "-c", verb, "bench", "run", "--bench", "bench.toml", "--place", "ward-pump", "--level", "model"
    )
    assert done.returncode == 0, done.stderr
    assert "ward-pump (Pump on ward 3)" in done.stdout


def test_its_test_of_an_own_device_is_short() -> None:
    if not EXAMPLE.is_dir():
        pytest.skip("the examples are not here")
    assert len((EXAMPLE / "test_ward_pump.py").read_text(encoding="utf-8").splitlines()) < 30
