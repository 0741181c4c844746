"""Fetch real firmware images by package name into ``benchmarks/.cache``; what is there already is not fetched again.

Debian packages come through ``apt-get download`` (no root needed), the Python package through pip, each with the
settings that this machine has for it. Nothing is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

CACHE = Path(__file__).parent / ".cache"
STAMP = "fetched.txt"


def from_debian(package: str, folder: Path) -> str:
    """Unpack a Debian package into ``folder`` and return the name of its file, which holds the version."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise RuntimeError("apt-get and dpkg-deb are needed: run this on Debian or Ubuntu, or in a container of one")
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="apt-") as work:
        run(["apt-get", "download", package], Path(work), hint="are the package lists there? apt-get update")
        (archive,) = Path(work).glob("*.deb")
        run(["dpkg-deb", "--extract", archive.name, str(folder)], Path(work))
        return archive.name


def from_python_index(package: str, folder: Path) -> str:
    """Unpack a Python source package into ``folder`` and return the name of its file, which holds the version."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="pip-") as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", package]
        run(command, Path(work))
        (archive,) = Path(work).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            for member in tar:
                unpack(tar, member, folder)
        return archive.name


def unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one regular file of an archive below ``folder``; names that lead elsewhere are left out."""
    name = PurePosixPath(member.name)
    source = tar.extractfile(member) if member.isfile() else None
    if source is not None and not name.is_absolute() and ".." not in name.parts:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(source.read())


def run(command: list[str], folder: Path, *, hint: str = "") -> None:
    """Run a program in ``folder``; raise ``RuntimeError`` with the last line it printed when it fails."""
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise RuntimeError(f"{' '.join(command[:2])} failed: {last}" + (f" ({hint})" if hint else ""))


PACKAGES: dict[str, Callable[[str, Path], str]] = {
    "ubertooth-firmware": from_debian,
    "firmware-microbit-micropython": from_debian,
    "sigrok-firmware-fx2lafw": from_debian,
    "u-boot-qemu": from_debian,
    "uflash": from_python_index,
}


def fetch(package: str) -> str:
    """Fetch one package unless it is there, and return the name of its file."""
    folder = CACHE / package
    stamp = folder / STAMP
    if stamp.exists():
        return stamp.read_text(encoding="utf-8").strip()
    shutil.rmtree(folder, ignore_errors=True)  # what a stopped run left behind
    folder.mkdir(parents=True)
    name = PACKAGES[package](package, folder)
    stamp.write_text(name + "\n", encoding="utf-8")
    return name


def main() -> int:
    """Fetch every package; 1 when one could not be fetched."""
    failed = 0
    for package in PACKAGES:
        try:
            print(f"{package}: {fetch(package)}")
        except (RuntimeError, OSError) as error:
            print(f"{package}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
