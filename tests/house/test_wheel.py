"""The wheel is complete: installed in a clean environment and run from another directory, it does its main job."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("toolkit", "device_profiles", "firmware_checks", "signing", "hil")


def _run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program away from the project folder, so that nothing of it is found by accident."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    return subprocess.run(
        [str(c) for c in command], cwd=cwd, env=clean, check=False, capture_output=True, text=True, encoding="utf-8"
    )


def _parts(requirement: str) -> set[str]:
    """Return the name and the bounds of a requirement; their order says nothing."""
    return set(re.findall(r"[<>=~!]+[^,]+|^[\w-]+", requirement))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as ``python3 tasks.py build`` does."""
    folder = tmp_path_factory.mktemp("wheel")
    done = _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone in a new environment that sees our dependencies, and return the program."""
    folder = tmp_path_factory.mktemp("clean")
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--quiet")
    done = _run(*pip, "install", "--no-index", "--no-deps", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    site = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip()
    dependencies = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (Path(site) / "dependencies.pth").write_text("\n".join(dependencies) + "\n", encoding="utf-8")
    return scripts / ("medharden.exe" if os.name == "nt" else "medharden")


def test_every_file_of_the_rooms_is_in_the_wheel(wheel: Path) -> None:
    wanted = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert there == wanted


def test_the_metadata_carries_licence_versions_and_requirements(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        head = email.message_from_bytes(archive.read(name))
        assert name.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    assert head["License-Expression"] == "Apache-2.0"
    assert head["Requires-Python"] == ">=3.11"
    core = [line for line in head.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [_parts(line) for line in core] == [_parts(line) for line in project["dependencies"]]


def test_the_installed_program_runs_from_another_directory(installed: Path, tmp_path: Path) -> None:
    done = _run(installed, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "scan" in done.stdout


def test_the_installed_program_is_the_wheel_and_is_whole(installed: Path, tmp_path: Path) -> None:
    done = _run(installed, "doctor", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert Path(found["location"]).is_relative_to(installed.parents[1].resolve())


@pytest.mark.parametrize("form", ["text", "json", "html", "cyclonedx"])
def test_the_installed_program_scans_with_every_data_file_it_needs(installed: Path, tmp_path: Path, form: str) -> None:
    image = tmp_path / "two words.hex"
    image.write_bytes(b":0400000001020304F2\n:00000001FF\n")
    done = _run(installed, "scan", image.name, "--format", form, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 100


def test_the_installed_program_knows_its_profiles(installed: Path, tmp_path: Path) -> None:
    done = _run(installed, "profile", "list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 10


def test_the_bundled_demonstration_image_is_found(installed: Path, tmp_path: Path) -> None:
    python = installed.with_name("python.exe" if os.name == "nt" else "python")
    done = _run(
        python, "-c", "from toolkit.app.demo import image_path; print(image_path().stat().st_size)", cwd=tmp_path
    )
    assert int(done.stdout) > 0, done.stderr
