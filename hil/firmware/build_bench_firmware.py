"""Compiles the demo pump that the bench runs in QEMU and in unicorn: a good one, and one for each weakness.

Needs Debian's ``gcc-arm-none-eabi``. Run from anywhere: ``python hil/firmware/build_bench_firmware.py [FOLDER]``.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "bench"
TARGET = SOURCE / "images"
DIGESTS = "SHA256SUMS"

COMPILER_VERSION = "12.2.1"
"""Another version gives other bytes."""

WEAKNESSES = (
    *("no-login", "default-password", "no-lock-out", "debug-shell", "boot-log", "boot-interrupt", "service-mode"),
    *("login-never-ends", "command-injection", "bad-checksum", "hangs-on-long-line", "length-bug", "command-prefix"),
    *("empty-nonce", "hangs-on-many-words", "replayable-set", "hangs-in-flood", "keeps-half-line"),
    *("unauthenticated-set", "open-silence", "no-watchdog", "reset-storm", "hangs-on-noise", "slow-answer"),
)

FLAGS = [
    *("-mcpu=cortex-m3", "-mthumb", "-Os", "-std=c11", "-ffreestanding", "-fno-tree-loop-distribute-patterns"),
    *("-nostdlib", "-ffunction-sections", "-Wl,--gc-sections", "-Wall", "-Wextra", "-Werror", "-fno-ident"),
    *("-Wl,--build-id=none", "-Wl,-z,noexecstack"),
]


def compile_pump(weakness: str, target: Path) -> None:
    """Write the memory content of the pump with this weakness, or with none, to ``target``."""
    define = f"-DWEAKNESS={weakness.upper().replace('-', '_') or 'NONE'}"
    elf = target.with_suffix(".elf")
    sources = ["board.c", "console.c", "sha256.c"]
    command = ["arm-none-eabi-gcc", *FLAGS, define, "-T", "link.ld", *sources, "-o", str(elf)]
    subprocess.run(command, cwd=SOURCE, check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, target], check=True)
    elf.unlink()


def build(target: Path) -> None:
    """Compile all of them into the folder ``target`` and write their digests beside them."""
    target.mkdir(parents=True, exist_ok=True)
    lines = []
    with tempfile.TemporaryDirectory() as name:
        for weakness in ("", *WEAKNESSES):
            file_name = f"demo-pump{'-' if weakness else ''}{weakness}.bin"
            image = Path(name, file_name)
            compile_pump(weakness, image)
            content = image.read_bytes()
            (target / file_name).write_bytes(content)
            lines.append(f"{hashlib.sha256(content).hexdigest()}  {file_name}\n")
    (target / DIGESTS).write_text("".join(sorted(lines, key=lambda line: line[66:])), encoding="ascii", newline="\n")


if __name__ == "__main__":
    if shutil.which("arm-none-eabi-gcc") is None:
        sys.exit("arm-none-eabi-gcc is not installed: apt-get install gcc-arm-none-eabi")
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
