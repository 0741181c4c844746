"""No vulnerability is ruled out whose file was compiled: held against a real build for a board with a SAMA5 processor.

``sama5_5_10.txt.gz`` holds the settings of ``sama5_defconfig`` and the files that ``make`` then compiled or included,
as the build itself notes them in its ``.*.o.cmd`` files (Debian's source of 5.10.223, compiler for armhf). How much
falls of all that is matched by its version is measured by ``benchmarks/kernel_not_affected.py``.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import pytest

from firmware_checks.vulnerabilities.not_affected import kernel_files
from firmware_checks.vulnerabilities.not_affected.kernel import file_not_built
from firmware_checks.vulnerabilities.not_affected.reason import Fault, Known

FEWEST_FILES = 4_500


@cache
def truth() -> tuple[str, tuple[str, ...]]:
    """Return the configuration and the files that were compiled."""
    packed = Path(__file__).with_name("sama5_5_10.txt.gz").read_bytes()
    _, *lines = gzip.decompress(packed).decode("ascii").splitlines()
    (_, *built_in), (_, *as_module), (_, *off) = (line.split() for line in lines[:3])
    settings = [f"CONFIG_{name}=y" for name in built_in] + [f"CONFIG_{name}=m" for name in as_module]
    settings += [f"# CONFIG_{name} is not set" for name in off]
    rows = (line.split("\t") for line in lines[3:])
    return "\n".join(settings), tuple(f"{folder}/{name}" for folder, names in rows for name in names.split())


def listed() -> tuple[str, ...]:
    """Return the files whose building depends on settings in 5.10, the first version that was read."""
    packed = Path(kernel_files.__file__).with_name("kernel_files.txt.gz").read_bytes()
    lines = (line.split("\t") for line in gzip.decompress(packed).decode("utf-8").splitlines())
    rows = (line for line in lines if line[0] not in ("versions", "settings", "moved") and "1" in line[3])
    return tuple(f"{folder}/{name}" for folder, _, _, _, names in rows for name in names.split())


def ruled_out(files: tuple[str, ...], version: str) -> list[str]:
    known = Known(component="linux", version=version, config=truth()[0], architecture="arm")
    return [file for file in files if file_not_built(Fault(source_files=(file,)), known) is not None]


@pytest.mark.parametrize("version", ["5.10.100", "5.10.1", "5.15.20", "5.4.9"])
def test_no_file_that_was_compiled_is_ruled_out(version: str) -> None:
    _, files = truth()
    assert len(files) > FEWEST_FILES
    assert ruled_out(files, version) == []


def test_most_of_what_was_not_compiled_is_ruled_out() -> None:
    built = set(truth()[1])
    others = tuple(path for path in listed() if path not in built)
    assert len(ruled_out(others, "5.10.100")) > 0.95 * len(others) > 10_000
