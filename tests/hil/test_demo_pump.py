"""The bundled demonstration update is what its sources say."""

import importlib.util
import shutil
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from toolkit.app.demo import image_path

SCRIPT = Path(__file__).parents[2] / "hil" / "firmware" / "build_demo_pump.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_demo_pump", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _compiler_version() -> str | None:
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        return None
    return subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def test_the_demonstration_pump_is_rebuilt_bit_for_bit(tmp_path: Path) -> None:
    script = _script()
    if _compiler_version() != script.COMPILER_VERSION:
        pytest.skip(f"needs arm-none-eabi-gcc {script.COMPILER_VERSION}, which Debian 12 has as gcc-arm-none-eabi")
    rebuilt = tmp_path / "demo.zip"
    script.build(rebuilt)
    assert _contents(rebuilt) == _contents(image_path())
