"""Stack guards, memory protection and self-programming, in programs that a real compiler makes for Cortex-M."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_checks.fact_reader import Content
from firmware_checks.observers.microcontroller_guards import OBSERVER, MemoryGuards, SelfProgramming, example_firmware
from firmware_checks.region import Program
from firmware_checks.scan import Scanner
from firmware_checks.span import Span
from toolkit.core.findings import Severity
from toolkit.core.window import Window

SOURCE = r"""
#include <stdint.h>
volatile uint32_t *uart = (uint32_t *)0x40011004;
void put(const char *s) { while (*s) *uart = *s++; }
int get(char *b, int n) { for (int i = 0; i < n; i++) b[i] = *uart; return n; }
int f1(int a) { char b[40]; get(b, a); put(b); return b[3]; }
int f2(int a) { char b[64]; get(b, a * 2); put(b); return b[a]; }
int f3(int a) { char b[24]; get(b, a + 1); put(b); return b[7]; }
int f4(int a) { char b[80]; get(b, a + 9); f1(a); put(b); return b[7]; }
void protect(void) { volatile uint32_t *m = (uint32_t *)0xE000ED90; m[2] = 0; m[3] = 0x20000000; m[4] = 19; m[1] = 5; }
void store(void) { volatile uint32_t *f = (uint32_t *)0x40022000; f[1] = 0x45670123; f[1] = 0xCDEF89AB; f[4] = 1; }
uintptr_t __stack_chk_guard = 0xdeadbeef;
void __attribute__((noreturn)) __stack_chk_fail(void) { for (;;); }
int main(void) { f1(1); f2(2); f3(3); f4(4); CALLS for (;;); }
void __attribute__((section(".vectors"))) start(void) { main(); }
"""
LAYOUT = """
MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 64K
 RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 8K }
SECTIONS { .text : { *(.vectors) *(.text*) *(.rodata*) } > FLASH
 .data : { *(.data*) } > RAM AT > FLASH
 .bss : { *(.bss*) } > RAM }
"""
Build = Callable[[str, str], bytes]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    compiler, copier = shutil.which("arm-none-eabi-gcc"), shutil.which("arm-none-eabi-objcopy")
    if compiler is None or copier is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    (tmp_path / "a.ld").write_text(LAYOUT, encoding="ascii")

    def built(options: str, calls: str = "") -> bytes:
        (tmp_path / "a.c").write_text(SOURCE.replace("CALLS", calls), encoding="ascii")
        command = [compiler, "-mthumb", *options.split(), "-ffunction-sections", "-Wl,--gc-sections", "-Wl,-estart"]
        command += ["-nostdlib", "-nostartfiles", "-T", "a.ld", "a.c", "-lgcc", "-o", "a.elf"]
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, timeout=60)
        subprocess.run([copier, "-O", "binary", "a.elf", "a.bin"], check=True, cwd=tmp_path, timeout=60)
        return (tmp_path / "a.bin").read_bytes()

    return built


def _seen(data: bytes, arch: str = "arm-cortex-m") -> tuple[MemoryGuards, list[str]]:
    guards, *others = OBSERVER.read(Content(Span("a.bin", Window.of(data)), Program(arch=arch)))
    assert isinstance(guards, MemoryGuards)
    return guards, [other.family for other in others if isinstance(other, SelfProgramming)]


@pytest.mark.parametrize("options", ["-mcpu=cortex-m0 -O0", "-mcpu=cortex-m0 -Os", "-mcpu=cortex-m4 -O0",
                                     "-mcpu=cortex-m4 -Os", "-mcpu=cortex-m3 -O2"])  # fmt: skip
def test_what_a_program_guards_is_seen_at_every_level_of_optimisation(build: Build, options: str) -> None:
    plain, unlocked = _seen(build(f"{options} -fno-stack-protector", ""))
    assert (plain.has_stack_guard, plain.uses_mpu, unlocked) == (False, False, [])
    guarded, unlocked = _seen(build(f"{options} -fstack-protector-strong", "protect(); store();"))
    assert (guarded.has_stack_guard, guarded.uses_mpu, unlocked) == (True, True, ["STM32"])


def test_self_programming_of_an_avr_is_found_where_it_stands() -> None:
    data = bytes(64) + bytes.fromhex("87bfe895") + bytes(64)
    (found,) = OBSERVER.read(Content(Span("a.hex", Window.of(data)), Program(arch="avr")))
    assert isinstance(found, SelfProgramming)
    assert (found.family, found.offset) == ("AVR", 64)
    stored = bytes(64) + bytes.fromhex("80935700e895") + bytes(64)
    assert len(list(OBSERVER.read(Content(Span("a.hex", Window.of(stored)), Program(arch="avr"))))) == 1


def test_settings_kept_in_program_memory_are_judged_more_mildly(tmp_path: Path) -> None:
    path = tmp_path / "pump.bin"
    path.write_bytes(example_firmware(words=(0x45670123, 0xCDEF89AB), texts=bytes.fromhex("67e6096a85ae67bb")))
    (finding,) = [f for f in Scanner().scan(path).findings if f.check == "self-programming-unchecked"]
    assert finding.severity is Severity.LOW
    assert "only SHA-256 was recognised" in finding.detail
