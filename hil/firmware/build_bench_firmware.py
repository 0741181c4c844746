"""Compiles the demo pump that the bench runs in QEMU and in unicorn: its boot loader, and the program for its flash.

Needs Debian's ``gcc-arm-none-eabi``. Run from anywhere: ``python hil/firmware/build_bench_firmware.py [FOLDER]``. All
weak pumps are the same two files: which weakness it is stands in one word of the loader (``bench/weakness.h``). Beside
them stand the digest of each pump, and how large a loader without weaknesses is on a Cortex-M0+.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, it is not part of the package

from hil.bench_image import DIGESTS, FOLDER, with_weakness  # noqa: E402
from hil.demo_image import LOAD_ADDRESS, MODEL, VENDOR  # noqa: E402
from hil.demo_keys import key_hash, lms_public_key, p256_public_key  # noqa: E402
from hil.demo_loader import FACTORY  # noqa: E402
from signing.device_ids import class_id, vendor_id  # noqa: E402
from signing.lms.parameters import split_spki  # noqa: E402

SOURCE = Path(__file__).parent / "bench"
COMPILER = "arm-none-eabi-gcc"
COMPILER_VERSION = "12.2.1"
"""Another version gives other bytes."""
P256_POINT_BYTES = 64

LOADER = ("board.c", "loader.c", "slots.c", "update.c", "recovery.c", "image.c", "p256.c", "lms.c", "sha256.c")
PROGRAM = ("console.c", "therapy.c", "hmac.c")
SHARED = ("text.c", "memory.c")
FLAGS = (
    *("-mthumb", "-Os", "-std=c11", "-ffreestanding", "-fno-tree-loop-distribute-patterns", "-nostdlib"),
    *("-ffunction-sections", "-Wl,--gc-sections", "-Wall", "-Wextra", "-Werror", "-fno-ident"),
    *("-Wl,--build-id=none", "-Wl,-z,noexecstack"),
)
ENUM = re.compile(r"enum weakness \{(.*?)\}", re.DOTALL)
STACK_LINE = re.compile(r"[^:]+:\d+:\d+:(\w+)\t(\d+)\tstatic")
CALL = re.compile(r"^\s+[0-9a-f]+:\s.*\s(?:bl|b\.n|b\.w|b|blx)\s+[0-9a-f]+ <(\w+)", re.MULTILINE)
FUNCTION = re.compile(r"^[0-9a-f]+ <(\w+)>:$", re.MULTILINE)


@dataclass(frozen=True)
class Sizes:
    """What a boot loader with verification takes on a Cortex-M0+, in bytes."""

    text: int
    lms: int
    """LMS with the hash it needs."""
    stack: int
    """Along the deepest path of calls."""


def weaknesses() -> tuple[str, ...]:
    """Return the names of the weaknesses by their numbers, from 1."""
    found = ENUM.search((SOURCE / "weakness.h").read_text(encoding="ascii"))
    if found is None:
        sys.exit("weakness.h has no enum weakness")
    names = re.findall(r"\w+", found[1])
    return tuple(name.lower().replace("_", "-") for name in names[1:])


def identity() -> str:
    """Return the header with which keys the loader believes, and which device it is for."""
    hss_key = split_spki(lms_public_key()) or b""
    values = {
        "p256_key": p256_public_key()[-P256_POINT_BYTES:],
        "p256_key_hash": key_hash(p256_public_key()),
        "lms_key": hss_key,
        "lms_key_hash": key_hash(lms_public_key()),
        "vendor_id": vendor_id(VENDOR),
        "class_id": class_id(VENDOR, MODEL),
    }
    lines = [f"static const uint8_t {name}[{len(data)}] = {{{_numbers(data)}}};\n" for name, data in values.items()]
    factory = ", ".join(str(number) for number in (*FACTORY.version, FACTORY.counter))
    defines = f"#define LOAD_ADDRESS {LOAD_ADDRESS:#x}u\n#define FACTORY {factory}\n"
    unused = '#pragma GCC diagnostic ignored "-Wunused-variable"\n'
    return f"#include <stdint.h>\n{unused}{defines}{''.join(lines)}"


def _numbers(data: bytes) -> str:
    return ", ".join(str(byte) for byte in data)


def compiled(sources: Sequence[str], script: str, folder: Path, *flags: str) -> Path:
    """Compile into ``folder`` and return the ELF file; its parts lie beside it."""
    (folder / "identity.h").write_text(identity(), encoding="ascii", newline="\n")
    objects = []
    for source in sources:
        target = folder / f"{Path(source).stem}.o"
        command = [COMPILER, *FLAGS, *flags, "-I", str(folder), "-c", source, "-o", str(target)]
        subprocess.run(command, cwd=SOURCE, check=True)
        objects.append(str(target))
    elf = folder / "linked.elf"
    subprocess.run([COMPILER, *FLAGS, *flags, "-T", script, *objects, "-lgcc", "-o", str(elf)], cwd=SOURCE, check=True)
    return elf


def contents(sources: Sequence[str], script: str) -> bytes:
    """Compile for the board, and return the content of its memory."""
    with tempfile.TemporaryDirectory() as name:
        elf = compiled((*sources, *SHARED), script, Path(name), "-mcpu=cortex-m3")
        target = Path(name, "memory.bin")
        subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, target], check=True)
        return target.read_bytes()


def build(target: Path) -> None:
    """Compile both into the folder ``target``, and write the digest of each pump beside them."""
    target.mkdir(parents=True, exist_ok=True)
    loader, program = contents(LOADER, "loader.ld"), contents(PROGRAM, "pump.ld")
    (target / "loader.bin").write_bytes(loader)
    (target / "program.bin").write_bytes(program)
    lines = [f"{hashlib.sha256(program).hexdigest()} program\n"]
    for number, name in enumerate(("demo-pump", *(f"demo-pump-{weakness}" for weakness in weaknesses()))):
        lines.append(f"{hashlib.sha256(with_weakness(loader, number)).hexdigest()} {number} {name}\n")
    (target / DIGESTS).write_text("".join(lines), encoding="ascii", newline="\n")
    sizes = "".join(f"{name} {number}\n" for name, number in vars(measured()).items())
    (target / "SIZES").write_text(sizes, encoding="ascii", newline="\n")


def measured() -> Sizes:
    """Compile the loader for a Cortex-M0+ as for a product, without any weakness, and measure it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = ("-mcpu=cortex-m0plus", "-DWITHOUT_WEAKNESSES", "-fstack-usage")
        elf = compiled((*LOADER, *SHARED), "loader.ld", folder, *flags)
        lms = _text_bytes(folder / "lms.o") + _text_bytes(folder / "sha256.o")
        return Sizes(text=_text_bytes(elf), lms=lms, stack=_deepest(elf, folder))


def _text_bytes(path: Path) -> int:
    result = subprocess.run(["arm-none-eabi-size", path], capture_output=True, check=True, text=True)
    return int(result.stdout.splitlines()[1].split()[0])


def _deepest(elf: Path, folder: Path) -> int:
    """Add up the stack of each path of calls, as the compiler states it, and return the most."""
    frames: dict[str, int] = {}
    for path in folder.glob("*.su"):
        for function, size in STACK_LINE.findall(path.read_text(encoding="ascii")):
            frames[function] = max(frames.get(function, 0), int(size))
    listing = subprocess.run(["arm-none-eabi-objdump", "-d", elf], capture_output=True, check=True, text=True).stdout
    pieces = FUNCTION.split(listing)[1:]
    calls = {name: set(CALL.findall(body)) - {name} for name, body in zip(pieces[::2], pieces[1::2], strict=True)}
    return max(_depth(name, frames, calls, ()) for name in calls)


def _depth(name: str, frames: dict[str, int], calls: dict[str, set[str]], above: tuple[str, ...]) -> int:
    """Return the bytes below and with ``name``; a function that calls itself would have no bound."""
    if name in above:
        sys.exit(f"{name} calls itself: its stack has no bound")
    deeper = (_depth(called, frames, calls, (*above, name)) for called in calls.get(name, ()))
    return frames.get(name, 0) + max(deeper, default=0)


if __name__ == "__main__":
    if shutil.which(COMPILER) is None:
        sys.exit(f"{COMPILER} is not installed: apt-get install gcc-arm-none-eabi")
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
