"""Is avr-libc named in stripped AVR programs that use it, and in no other? Measured against what was linked.

Links programs of our own with the avr-libc beside this machine's ``avr-gcc`` (Debian gcc-avr, avr-libc), for processors
of six architectures, with and without the linker's shortening of calls; a part uses no function of the library.

``python3 components_avr.py``; exit code 1 when a bound is missed.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from firmware_checks.fingerprints.avr import AvrCode
from firmware_checks.fingerprints.functions import functions_by_trust
from firmware_checks.fingerprints.identify import components_in
from firmware_checks.fingerprints.matching import Index
from firmware_checks.fingerprints.shipped import shipped_packs

assert sys.platform != "win32", "what it takes from components_mcu is for Unix"
from components_mcu import own_code  # noqa: E402

PROCESSORS = ("attiny85", "atmega8", "atmega328p", "atmega32u4", "atmega2560", "atxmega128a1")
SMALL = ("attiny85", "atmega8")
OPTIMISATIONS = ("-Os", "-O2", "-O3")
USES = {
    "printf": "printf sprintf strtol malloc free qsort snprintf",
    "float": "printf strtod sin pow exp sqrt log",
    "heap": "strtol malloc free memcpy strlen itoa",
    "text": "strcpy strcmp strtok_r strstr memmove strncpy atoi",
    "nothing": "",
}
RELAXED = 0.3
LEAST_RECALL, LEAST_HELD = 0.90, 0.85


def image(processor: str, optimisation: str, use: str, folder: Path) -> bytes | None:
    """Return the program; None when it does not fit into the processor."""
    chance = random.Random(f"{processor} {optimisation} {use}")  # noqa: S311  # a repeatable choice
    functions = USES[use].split()
    declared = "".join(f"extern void {name}(void); " for name in functions)
    called = "".join(f"{name}(); " for name in functions)
    text = own_code(chance, chance.randint(15, 40) if processor in SMALL else chance.randint(40, 120))
    text = text.replace("int main(void) {", f"{declared} int main(void) {{ {called}").replace("0x40011000", "0x40")
    (folder / "own.c").write_text(text, encoding="utf-8")
    command = ["avr-gcc", f"-mmcu={processor}", optimisation, "-w", "-fno-builtin", "-ffunction-sections"]
    command += ["-mrelax"] if chance.random() < RELAXED else []
    linked = subprocess.run(
        [*command, "-Wl,--gc-sections", "own.c", "-o", "own.elf", "-lm"], cwd=folder, check=False, capture_output=True
    )
    if linked.returncode:
        return None
    subprocess.run(["avr-objcopy", "-O", "binary", "own.elf", "own.bin"], cwd=folder, check=True)
    return (folder / "own.bin").read_bytes()


def main() -> int:
    """Build, look and count; 1 when a bound is missed."""
    version = subprocess.run(
        ["dpkg-query", "-W", "-f=${source:Upstream-Version}", "avr-libc"], check=True, capture_output=True, text=True
    ).stdout.partition("+")[0]
    index = Index([pack for pack in shipped_packs() if pack.meta.arch == "avr"])
    seen: dict[str, Counter[str]] = {use: Counter() for use in USES}
    slowest = 0.0
    for processor in PROCESSORS:
        for optimisation in OPTIMISATIONS:
            for use, counted in seen.items():
                with tempfile.TemporaryDirectory() as folder:
                    data = image(processor, optimisation, use, Path(folder))
                if data is None:
                    continue
                started = time.process_time()
                code = AvrCode(view=memoryview(data), base=0)
                found = {c.name: c for c in components_in(code, index, functions_by_trust(code)) if not c.toolchain}
                slowest = max(slowest, time.process_time() - started)
                counted["images"] += 1
                counted["named"] += "avr-libc" in found
                counted["true version in set"] += "avr-libc" in found and version in found["avr-libc"].versions
                counted["others named"] += len(found.keys() - {"avr-libc"})
    print(f"avr-libc {version}; the slowest image took {slowest:.2f} s\n| use | images | named | true version in set |")
    print("|---|---|---|---|")
    for use, counted in seen.items():
        print(f"| {use} | {counted['images']} | {counted['named']} | {counted['true version in set']} |")
    used = sum((counted for use, counted in seen.items() if USES[use]), Counter[str]())
    wrong = seen["nothing"]["named"] + sum(counted["others named"] for counted in seen.values())
    held = used["true version in set"] / max(1, used["named"])
    return 0 if used["named"] / used["images"] >= LEAST_RECALL and held >= LEAST_HELD and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
