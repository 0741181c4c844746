"""What bad files do: each must end in one clear line or in a report, within bounds, and never in a traceback.

Two parts: whole processes on files made to hurt, and every example of every format cut at every byte and scanned.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from firmware_checks.format import ImageFormat
from firmware_checks.scan import Scanner
from toolkit.core.registry import discover

PROGRAM = Path(sys.executable).with_name("medharden.exe" if os.name == "nt" else "medharden")
GIB, MIB = 1 << 30, 1 << 20
MOST_BYTES = 500 * MIB
MOST_SECONDS = 60.0
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command and prints its exit code and its peak memory in KiB."""


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def nested_bomb() -> bytes:
    """Build a zip of zips of zips of zeros, in the manner of 42.zip: 16 x 16 x 16 files of 4 MiB, 16 GiB in all."""
    data = bytes(4 * MIB)
    for _ in range(3):
        data = _zip({f"{index:02}.zip": data for index in range(16)})
    return data


def record(address: int, data: bytes, kind: int = 0) -> bytes:
    """Write one Intel HEX record."""
    body = bytes([len(data), address >> 8 & 0xFF, address & 0xFF, kind]) + data
    return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\n"


def absurd_hex() -> bytes:
    """Build 400,000 one-byte records, no two of which touch."""
    return b"".join(record(address * 2 & 0xFFFF, b"x") for address in range(400_000)) + record(0, b"", 1)


def overlapping_hex() -> bytes:
    """Build 60,000 records that all write into the same 64 bytes."""
    return b"".join(record(index % 48, bytes([index & 0xFF]) * 16) for index in range(60_000)) + record(0, b"", 1)


def false_starts() -> bytes:
    """Build 16 MiB of the first bytes of many formats, none of which goes on."""
    starts = [b"PK\x03\x04", b"\x1f\x8b\x08", b"\x7fELF", b"UF2\n", b":10000000", b"MZ\x90\x00", b"%PDF-", b"\x89PNG"]
    chance = random.Random(1)  # noqa: S311  # the same file in every run
    return b"".join(chance.choice(starts) + chance.randbytes(4) for _ in range(16 * MIB // 10))


FILES: dict[str, Callable[[], bytes]] = {
    "an empty file": lambda: b"",
    "one byte": lambda: b"\xff",
    "10 MiB of zeros in a zip": lambda: _zip({"zeros.bin": bytes(10 * MIB)}),
    "1 GiB of zeros in a zip": lambda: _zip({"zeros.bin": bytes(GIB)}),
    "zips in zips in zips, 16 GiB in all": nested_bomb,
    "60,000 files in a zip": lambda: _zip({f"{index}.txt": b"x" for index in range(60_000)}),
    "400,000 HEX records that do not touch": absurd_hex,
    "60,000 HEX records on the same bytes": overlapping_hex,
    "16 MiB of false starts": false_starts,
    "16 MiB of random bytes": lambda: random.Random(2).randbytes(16 * MIB),  # noqa: S311
}


def run(
    path: Path,
) -> tuple[int, str, float, int]:
    """Scan ``path`` in a process of its own; return exit code, error stream, seconds and peak bytes."""
    command = [sys.executable, "-c", MEASURE, str(PROGRAM), "scan", str(path), "--json"]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    code, peak_kib = done.stdout.split() or ("-1", "0")
    return int(code), done.stderr, time.perf_counter() - begin, int(peak_kib) * 1024


def row(what: str, path: Path) -> bool:
    """Print one line of the table; return whether all bounds hold."""
    code, said, seconds, peak = run(path)
    lines = said.strip().splitlines()
    calm = "Traceback" not in said and "a defect" not in said
    good = calm and seconds < MOST_SECONDS and peak < MOST_BYTES and (code != 2 or len(lines) == 1)
    told = lines[0].replace(str(path), path.name) if code == 2 and lines else "a report"
    print(f"| {what} | {code} | {told} | {seconds:.1f} | {peak / MIB:.0f} | {'yes' if good else 'NO'} |", flush=True)
    return good


def whole_processes(folder: Path) -> bool:
    print("| file | exit code | what is said | wall s | peak memory MB | held |\n|---|---|---|---|---|---|")
    good = True
    for number, (what, build) in enumerate(FILES.items()):
        path = folder / f"{number}.bin"
        path.write_bytes(build())
        good &= row(what, path)
        path.unlink()
    sparse = folder / "sparse.bin"
    with sparse.open("wb") as file:
        file.truncate(10 * GIB)
    good &= row("10 GiB, all of it a hole", sparse)
    sparse.unlink()
    good &= row("a folder", folder)
    good &= row("a file that is not there", folder / "missing.bin")
    return good


def cut_everywhere(folder: Path) -> bool:
    """Scan every example cut at every byte; print how many cuts there were and how many failed."""
    scanner = Scanner()
    formats = discover("firmware_checks.formats", attribute="FORMAT", kind=ImageFormat, group=None)
    cuts = failures = 0
    path = folder / "cut.bin"
    for image_format in formats.values():
        example = image_format.example()
        for end in {*range(1, min(len(example), 3000)), *range(3000, len(example), 211)}:
            path.write_bytes(example[:end])
            reasons = [item.reason for item in scanner.scan(path).coverage.unread]
            cuts += 1
            failures += any("a defect" in reason for reason in reasons)
    print(f"\n{len(formats)} examples cut at {cuts} places and scanned: {failures} defects.")
    return failures == 0


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = whole_processes(folder)
        return 0 if cut_everywhere(folder) and good else 1


if __name__ == "__main__":
    sys.exit(main())
