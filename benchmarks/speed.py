"""Time and memory of whole processes: what a person waits for, and what an old laptop must have.

Each figure is the median of seven runs after one that fills the disk cache. The images are built here, always the same,
and by another process: Linux counts the peak memory of the process that starts a program as the program's own.
"""

from __future__ import annotations

import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

RUNS = 7
MIB = 1 << 20
FLASH = 0x0800_0000
RAM = 0x2000_0000
PROGRAM = Path(sys.executable).with_name("medharden.exe" if os.name == "nt" else "medharden")
BANNERS = (b"FreeRTOS Kernel V10.4.3\0", b"mbed TLS 2.28.1\0", b"Booting Zephyr OS build v3.4.0\0", b"lwIP/2.1.2\0")
COMMON_THUMB = (0x4770, 0xB510, 0xBD10, 0x2000, 0x2001, 0x4604, 0x4620, 0x6820, 0x6060, 0xD1FA, 0xE7F0, 0x4B02, 0x681B)
"""Instructions that compiled programs for Cortex-M are full of: returns, pushes, moves, loads, stores, branches."""


@dataclass(frozen=True)
class Figures:
    """Medians of one command: seconds of waiting, seconds of processor, bytes of memory at the peak."""

    wall_s: float
    cpu_s: float
    peak_bytes: float


def cortex_m(size: int) -> bytes:
    """Build ``size`` bytes like a program for a Cortex-M: vectors, code, calls, texts, a table and padding."""
    chance = random.Random(size)  # noqa: S311  # the same image in every run
    data = bytearray(struct.pack("<16I", RAM + 0x5000, *[FLASH + 0x201 + 0x10 * n for n in range(15)]))
    while len(data) < size * 9 // 10:
        code = struct.pack("<200H", *chance.choices(COMMON_THUMB, k=200))
        call = struct.pack("<HH", 0xF000 | chance.getrandbits(10), 0xF800 | chance.getrandbits(11))
        pointers = struct.pack("<4I", *[FLASH + (chance.randrange(size) | 1) for _ in range(4)])
        data += code + call + pointers + b"value %u out of range\0" + chance.randbytes(chance.randrange(64))
        if chance.random() < len(BANNERS) * 2 / (size / 600):
            data += chance.choice(BANNERS)
    return bytes(data[: size * 9 // 10]).ljust(size, b"\xff")


def intel_hex(data: bytes, address: int) -> bytes:
    """Write ``data`` as Intel HEX records of 16 bytes."""
    lines: list[str] = []
    for start in range(0, len(data), 16):
        where = address + start
        if where % 0x1_0000 == 0:
            lines.append(record(4, 0, struct.pack(">H", where >> 16)))
        lines.append(record(0, where & 0xFFFF, data[start : start + 16]))
    return "\n".join([*lines, record(1, 0, b""), ""]).encode("ascii")


def record(kind: int, address: int, data: bytes) -> str:
    """Write one Intel HEX record."""
    body = struct.pack(">BHB", len(data), address, kind) + data
    return ":" + body.hex().upper() + f"{-sum(body) & 0xFF:02X}"


def elf(data: bytes, address: int) -> bytes:
    """Write ``data`` as the one segment of an ELF file for 32-bit ARM."""
    head = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, address | 1, 52, 0, 0x0500_0000, 52, 32, 1, 0, 0, 0)
    return head + struct.pack("<8I", 1, 84, address, address, len(data), len(data), 5, 4) + data


IMAGES: dict[str, Callable[[], bytes]] = {
    "1 MiB raw, Cortex-M": lambda: cortex_m(MIB),
    "1 MiB as Intel HEX": lambda: intel_hex(cortex_m(MIB), FLASH),
    "1 MiB as ELF": lambda: elf(cortex_m(MIB), FLASH),
    "16 MiB raw, Cortex-M": lambda: b"".join(cortex_m(MIB + 16 * n) for n in range(16))[: 16 * MIB],
}


def measure(command: Sequence[str | Path]) -> Figures:
    """Run ``command`` once to warm up and then ``RUNS`` times."""
    once(command)
    runs = [once(command) for _ in range(RUNS)]
    return Figures(*(statistics.median(values) for values in zip(*runs, strict=True)))


def once(command: Sequence[str | Path]) -> tuple[float, float, float]:
    """Run ``command`` and return what it took; Windows has no wait4, so only the time of waiting is known there."""
    start = time.perf_counter()
    # Installed programs are compiled once; so is this one, in the run that warms up.
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    line = [str(c) for c in command]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=compiled)
    if sys.platform == "win32":
        _, errors = process.communicate()
        code, cpu_s, peak = process.returncode, float("nan"), float("nan")
    else:
        errors = process.stderr.read() if process.stderr else b""
        _, status, used = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        cpu_s, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if process.stderr:
            process.stderr.close()
    wall_s = time.perf_counter() - start
    if code not in (0, 1) or b"Traceback" in errors:
        raise RuntimeError(f"{command[0]} ended with {code}: {errors.decode(errors='replace')}")
    return wall_s, cpu_s, peak


def main() -> int:
    """Print the table; 1 when a target is missed."""
    print("| what | wall s | processor s | peak memory MB | target | met |\n|---|---|---|---|---|---|")
    click = measure([sys.executable, "-c", "import click"])
    row("`python -c 'import click'`", click, "", met=None)
    shown = measure([PROGRAM, "--help"])
    ratio = shown.wall_s / click.wall_s
    results = [row(f"`medharden --help`: {ratio:.2f} times that", shown, "at most 2.5 times", met=ratio <= 2.5)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.bin"
        for name in IMAGES:
            subprocess.run([sys.executable, __file__, name, path], check=True)
            took = measure([PROGRAM, "scan", path, "--format", "json"])
            if name.startswith("16"):
                results.append(row(name, took, "under 150 MB", met=took.peak_bytes < 150e6))
            else:
                results.append(row(name, took, "under 0.5 s", met=took.wall_s < 0.5))
    return 0 if all(results) else 1


def row(name: str, took: Figures, target: str, *, met: bool | None) -> bool:
    """Print one row and return whether its target is met."""
    verdict = {True: "yes", False: "**no**", None: ""}[met]
    peak = took.peak_bytes / 1e6
    print(f"| {name} | {took.wall_s:.3f} | {took.cpu_s:.3f} | {peak:.0f} | {target} | {verdict} |", flush=True)
    return met is not False


if __name__ == "__main__":
    if len(sys.argv) == 3:  # the process that builds an image
        Path(sys.argv[2]).write_bytes(IMAGES[sys.argv[1]]())
    else:
        sys.exit(main())
