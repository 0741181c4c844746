"""RISC-V with 32-bit registers."""

from __future__ import annotations

import struct

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure import riscv
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]


def _recognise(code: Code) -> Recognition | None:
    return riscv.recognise(code, bits=32)


def _example() -> bytes:
    def function(here: int, target: int) -> bytes:
        return struct.pack("<HHIHHHH", 0x1141, SAVE, riscv.jal(here + 4, target), RESTORE, 0x0141, 0x8082, 0x0001)

    return ring_of_calls(function)


SAVE, RESTORE = 0xC606, 0x40B2
"""Save and restore the return address on the stack."""

ARCHITECTURE = Architecture(
    name="riscv32",
    title="RISC-V 32-bit",
    source="The RISC-V Instruction Set Manual, volume I (2019-12-13)",
    recognise=_recognise,
    example=_example,
)
