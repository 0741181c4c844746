"""Intel x86 in 64-bit mode."""

from __future__ import annotations

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure import x86
from firmware_checks.structure.examples import ring_of_calls

__all__ = ["ARCHITECTURE"]


def _recognise(code: Code) -> Recognition | None:
    return x86.recognise(code, bits=64)


def _example() -> bytes:
    def function(here: int, target: int) -> bytes:
        return b"\x55\x48\x89\xe5\x48\x83\xec\x10" + x86.call(here + 8, target) + b"\x48\x89\xc7\xc9\xc3"

    return ring_of_calls(function)


ARCHITECTURE = Architecture(
    name="x86_64",
    title="Intel x86 64-bit",
    source="Intel 64 and IA-32 Architectures Software Developer's Manual, volumes 2 and 3",
    recognise=_recognise,
    example=_example,
)
