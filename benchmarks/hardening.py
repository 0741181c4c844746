"""The signed baseline of a root file system against listing it with digests, and the comparison of two such images.

About 2,400 files of a root file system for 32-bit Arm are packed as squashfs and as ext4. Baseline and listing are run
in turn, each in a process of its own; medians of five. The key of the baseline is protected by a passphrase; to open it
takes a fixed time on purpose, which is told and also taken off. Thirty files of the second image are changed, and all
must be found.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from filesystems import CACHE, MEASURE, PROGRAM, RAM_DISK, root_file_system

from signing.keyring import open_signer

FILES = 2_400
ROUNDS = 5
PROFILE = "patient-monitor-lowend"
CHANGED = 30
WORDS = "a passphrase for the benchmark"


def some_files(tree: Path, target: Path) -> None:
    """Copy every file system entry in order of names until ``FILES`` files are there."""
    left = FILES
    for path in sorted(tree.rglob("*")):
        place = target / path.relative_to(tree)
        if path.is_dir() and not path.is_symlink():
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            place.symlink_to(path.readlink())
        elif path.is_file() and left:
            shutil.copy2(path, place)
            left -= 1


def packed(tree: Path, name: str) -> list[Path]:
    squashfs, ext4 = RAM_DISK / f"{name}.squashfs", RAM_DISK / f"{name}.ext4"
    quiet = ["-noappend", "-no-progress", "-quiet", "-all-root"]
    subprocess.run(["mksquashfs", tree, squashfs, "-comp", "gzip", *quiet], check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0", "-d", tree, ext4, "400M"], check=True)
    return [squashfs, ext4]


def measured(command: Sequence[str | Path]) -> tuple[float, float, float]:
    """Return seconds by the clock, processor seconds and peak memory in MB."""
    code = f"import time; start = time.perf_counter(){MEASURE}\nprint(time.perf_counter() - start)"
    output = RAM_DISK / "output"
    result = subprocess.run([sys.executable, "-c", code, output, *command], check=True, capture_output=True)
    first, last = result.stdout.decode().splitlines()
    cpu, memory = first.split()
    return float(last), float(cpu), float(memory)


def compare(image: Path, baseline: Path) -> None:
    key: list[str | Path] = ["--key", f"file:{RAM_DISK / 'ada.pem'}", "--passphrase-file", RAM_DISK / "words"]
    listing: list[str | Path] = [PROGRAM, "ls", "--hash", image]
    writing: list[str | Path] = [PROGRAM, "baseline", image, "--profile", PROFILE, *key, "--to", baseline]
    rows = [(measured(listing), measured(writing)) for _ in range(ROUNDS)]
    medians = [[statistics.median(row[one][what] for row in rows) for what in range(3)] for one in range(2)]
    for name, (clock, cpu, memory) in zip(("ls --hash", "baseline"), medians, strict=True):
        print(f"{image.name:16} {name:10} {clock:6.2f} s  processor {cpu:6.2f} s  {memory:6.0f} MB")
    opening = opened_in()
    clock, cpu = (medians[1][what] / medians[0][what] for what in range(2))
    print(f"{image.name:16} ratio      {clock:6.2f}    processor {cpu:6.2f}")
    clock, cpu = ((medians[1][what] - opening) / medians[0][what] for what in range(2))
    print(f"{image.name:16} without the {opening:.2f} s of opening the key: {clock:6.2f}    processor {cpu:6.2f}")


class Words:
    """Knows the passphrase of the key."""

    def existing(self, _purpose: str) -> str:
        """Return the passphrase."""
        return WORDS

    new = existing


def opened_in() -> float:
    """Return how many seconds it takes to open the key, once its room is imported."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        with open_signer(f"file:{RAM_DISK / 'ada.pem'}", Words()):
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def drift(baseline: Path, image: Path) -> int:
    command: list[str | Path] = [
        PROGRAM,
        "drift",
        baseline,
        image,
        "--trust",
        RAM_DISK / "ada.pub",
        "--output",
        RAM_DISK / "drift.json",
    ]
    clock, cpu, memory = measured(command)
    rows = len(json.loads((RAM_DISK / "drift.json").read_bytes())["rows"])
    print(f"drift {baseline.stem} / {image.name}: {clock:.2f} s, processor {cpu:.2f} s, {memory:.0f} MB, {rows} rows")
    return rows


def main() -> None:
    CACHE.mkdir(exist_ok=True)
    shutil.rmtree(RAM_DISK, ignore_errors=True)
    RAM_DISK.mkdir()
    try:
        (RAM_DISK / "words").write_text(WORDS)
        secret = ["--passphrase-file", str(RAM_DISK / "words")]
        key = f"file:{RAM_DISK / 'ada.pem'}"
        subprocess.run(
            [PROGRAM, "keys", "new", key, "--algorithm", "ed25519", *secret], check=True, capture_output=True
        )
        subprocess.run([PROGRAM, "keys", "export", key, "--output", RAM_DISK / "ada.pub", *secret], check=True)
        tree = RAM_DISK / "tree"
        some_files(root_file_system(), tree)
        files = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
        print(f"{len(files)} files, {sum(path.stat().st_size for path in files) >> 20} MiB")
        first = packed(tree, "first")
        for image in first:
            compare(image, image.with_suffix(".baseline"))
        for path in files[:: len(files) // CHANGED][:CHANGED]:
            path.write_bytes(path.read_bytes() + b"!")
        second = packed(tree, "second")
        baseline = RAM_DISK / "first.baseline"
        found = [drift(baseline, image) for image in (*first, *second)]
        assert found == [0, 0, CHANGED, CHANGED], found
    finally:
        shutil.rmtree(RAM_DISK, ignore_errors=True)


if __name__ == "__main__":
    os.environ.pop("SOURCE_DATE_EPOCH", None)
    main()
