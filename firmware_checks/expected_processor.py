"""Which architectures the programs of a device may have, as its profile names its processors."""

from __future__ import annotations

import re

from device_profiles.schema import DeviceProfile

__all__ = ["expected_architectures"]

ARCHITECTURES = (
    (r"cortex-?m", frozenset({"arm-cortex-m"})),
    (r"cortex-?[ar]|arm ?7|arm ?9|arm ?11|xscale|pxa", frozenset({"arm"})),
    (r"aarch64|armv8-a", frozenset({"aarch64", "arm"})),
    (r"msp430", frozenset({"msp430"})),
    (r"stm8", frozenset({"stm8"})),
    (r"8051|8052", frozenset({"8051"})),
    (r"avr", frozenset({"avr"})),
    (r"mips|pic32", frozenset({"mips"})),
    (r"power ?pc|e300", frozenset({"powerpc"})),
    (r"xtensa|lx[67]", frozenset({"xtensa"})),
    (r"risc-?v", frozenset({"riscv32", "riscv64"})),
    (r"x86|atom|pentium|celeron", frozenset({"x86", "x86_64"})),
)
"""How a processor core is written in profiles -> the architectures its programs may have."""


def expected_architectures(profile: DeviceProfile) -> frozenset[str]:
    """Return the architectures of the device's processors; empty when one of them is not told."""
    cores = [f"{p.core or ''} {p.part or ''}".lower() for p in profile.platform.mcu]
    known = [names for core in cores for pattern, names in ARCHITECTURES if re.search(pattern, core)]
    return frozenset[str]().union(*known) if len(known) >= len(cores) else frozenset()
