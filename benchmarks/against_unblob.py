"""Processor time of ``unblob`` in its default recursive run against ``medharden ls --hash``, and what each gets right.

``unblob`` and the programs it calls must be there: ``--unblob PATH``. It unpacks SquashFS with ``sasquatch``, which
neither PyPI nor Debian has; for images that the reference tool made, a script of that name serves that drops the
options ``-le``, ``-be`` and ``-ignore-errors`` and calls ``unsquashfs``.
Both recurse into every file. Medians of three, in turn.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from filesystems import MEASURE, RAM_DISK, SQUASHFS, TOOLS, digests, listed, root_file_system

RUNS = 3
IMAGES = tuple(f"squashfs {compressor}" for compressor in SQUASHFS if compressor in ("gzip", "xz", "zstd"))


def unpacked(unblob: str, image: Path, wanted: dict[str, str]) -> tuple[int, float]:
    """Return how many files ``unblob`` gets right, and processor seconds, those of its programs included."""
    target = image.with_suffix(".out")
    measure = [
        sys.executable,
        "-c",
        MEASURE,
        str(image.with_suffix(".log")),
        unblob,
        "--log",
        str(image.with_suffix(".text")),
        "-e",
        str(target),
        str(image),
    ]
    done = subprocess.run(measure, capture_output=True, text=True, check=True)
    seconds = float(done.stdout.split()[0])
    tree = next(target.glob("*_extract"))
    right = sum((tree / name).is_file() and _digest(tree / name) == digest for name, digest in wanted.items())
    shutil.rmtree(target)
    return right, seconds


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Print the table; 1 when a file is missing or the ratio is below five."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--unblob", default="unblob", help="the program (default: %(default)s)")
    unblob = parser.parse_args().unblob
    tree = root_file_system()
    wanted = digests(tree)
    heads = ("image", "files", "unblob: right", "processor s", "medharden: right", "processor s", "times less")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    good = True
    RAM_DISK.mkdir(exist_ok=True)
    try:
        for name in IMAGES:
            image = RAM_DISK / f"{name.replace(' ', '-')}.img"
            program, arguments = TOOLS[name]
            subprocess.run([program, *(a.format(tree=tree, image=image) for a in arguments)], check=True)
            theirs, ours = [], []
            for _ in range(RUNS):
                right, seconds = unpacked(unblob, image, wanted)
                theirs.append(seconds)
                found, seconds, _ = listed(image)
                ours.append(seconds)
            same = sum(found.get(path) == digest for path, digest in wanted.items())
            a, b = statistics.median(theirs), statistics.median(ours)
            good &= same == len(wanted) and a / b >= 5
            print(f"| {name} | {len(wanted)} | {right} | {a:.1f} | {same} | {b:.1f} | {a / b:.1f} |", flush=True)
            image.unlink()
    finally:
        shutil.rmtree(RAM_DISK)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
