"""Where arguments of commands and patterns come from, in programs that real compilers make for three processors."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_checks.readers.elf_file import ElfFile, read_elf
from firmware_checks.structure.call_sites.model import Origin
from firmware_checks.structure.imported_calls import imported_calls
from toolkit.core.window import Window

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
char shared[64];
int built(const char *a) { char b[200]; snprintf(b, sizeof b, "ping %s", a); return 1 + system(b); }
int fixed(void) { return 1 + system("reboot"); }
int handed(const char *a) { return 1 + system(a); }
int global(const char *a) { strcpy(shared, a); return 1 + system(shared); }
int opened(const char *a) { char b[90]; sprintf(b, "cat %s", a); return 1 + (popen(b, "r") != 0); }
int told(const char *a) { syslog(LOG_ERR, "user %s", a); return 1; }
int both(char *a) { return built(a) + handed(a) + global(a) + opened(a) + told(a); }
int main(int c, char **v) { return c + fixed() + both(v[1]); }
"""
ARGUMENTS = {"system": 0, "popen": 0, "snprintf": 2, "sprintf": 1, "syslog": 1}
COMPILERS = {"x86-64": "gcc", "Arm": "arm-linux-gnueabihf-gcc", "AArch64": "aarch64-linux-gnu-gcc"}
WAYS = [
    ("x86-64", "-O0"), ("x86-64", "-O2"), ("x86-64", "-Os -fno-plt"), ("x86-64", "-O2 -no-pie -fcf-protection=full"),
    ("Arm", "-O0 -marm"), ("Arm", "-O2 -marm"), ("Arm", "-O0 -mthumb"), ("Arm", "-Os -mthumb -no-pie"),
    ("AArch64", "-O0"), ("AArch64", "-O2"), ("AArch64", "-Os -mbranch-protection=standard"),
]  # fmt: skip


def _built(folder: Path, processor: str, options: str) -> ElfFile:
    compiler = shutil.which(COMPILERS[processor])
    if compiler is None:
        pytest.skip(f"{COMPILERS[processor]} is not installed")
    (folder / "a.c").write_text(SOURCE, encoding="ascii")
    command = [compiler, *options.split(), "-fno-inline", "-w", "-o", str(folder / "a"), str(folder / "a.c")]
    if subprocess.run(command, check=False, capture_output=True, timeout=60).returncode:
        pytest.skip(f"{COMPILERS[processor]} cannot build a program here")
    return read_elf(Window.of((folder / "a").read_bytes()))


@pytest.mark.parametrize(("processor", "options"), WAYS, ids=[" ".join(way) for way in WAYS])
def test_a_command_that_is_put_together_is_told_from_a_fixed_one(tmp_path: Path, processor: str, options: str) -> None:
    calls = list(imported_calls(_built(tmp_path, processor, options), ARGUMENTS))
    systems = [call.origin for call in calls if call.function == "system"]
    assert len(systems) == 4
    assert Origin.BUFFER in systems
    assert Origin.CONSTANT in systems
    assert [call.origin for call in calls if call.function == "popen"] == [Origin.BUFFER]
    others = {call.origin for call in calls if call.function in ("snprintf", "sprintf", "syslog")}
    assert others == {Origin.CONSTANT}


def test_a_program_without_such_calls_or_for_another_processor_has_none(tmp_path: Path) -> None:
    elf = _built(tmp_path, "x86-64", "-O0")
    assert list(imported_calls(elf, {"wordexp": 0})) == []
    elf.header = elf.header._replace(machine=8)
    assert list(imported_calls(elf, ARGUMENTS)) == []
