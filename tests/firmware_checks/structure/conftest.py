from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

import pytest

from firmware_checks.region import Region
from firmware_checks.span import Span
from firmware_checks.structure import analyse
from firmware_checks.structure.programs import architectures
from toolkit.core.limits import Limits
from toolkit.core.window import Window

EXAMPLE_BASE = 0x0800_0000


class BuildCortex(Protocol):
    def __call__(
        self, base: int, *, size: int = 0, stack: int = 0x2000_5000, loads: tuple[int, ...] = (), fill: int = 0xFF
    ) -> bytes: ...


def thumb_loads(values: tuple[int, ...]) -> bytes:
    """Instructions ``ldr r0, [pc, #..]`` for each value, and the pool they load from."""
    count = len(values) + len(values) % 2
    loads = b"".join(
        struct.pack("<H", 0x4800 | (2 * count + 4 * index - (2 * index + 4 & ~3)) // 4) for index in range(len(values))
    )
    return loads.ljust(2 * count, b"\0") + struct.pack(f"<{len(values)}I", *values)


@pytest.fixture
def build_cortex() -> BuildCortex:
    """Build a Cortex-M program of its own for ``base``, that loads the constants ``loads``."""

    def build(
        base: int, *, size: int = 0, stack: int = 0x2000_5000, loads: tuple[int, ...] = (), fill: int = 0xFF
    ) -> bytes:
        data = architectures()["arm-cortex-m"].example()
        words = struct.unpack(f"<{len(data) // 4}I", data)
        moved = [
            word - EXAMPLE_BASE + base if word >> 16 == EXAMPLE_BASE >> 16 and word & 1 else word for word in words
        ]
        moved[0] = stack
        program = struct.pack(f"<{len(moved)}I", *moved) + thumb_loads(loads)
        return program.ljust(size, bytes([fill]))

    return build


@pytest.fixture
def look() -> Callable[..., list[Region]]:
    """Analyse bytes, optionally at an address and with holes."""

    def look_at(data: bytes, address: int | None = None, holes: tuple[tuple[int, int], ...] = ()) -> list[Region]:
        return analyse(Span("image.bin", Window.of(data), address=address, holes=holes), Limits())

    return look_at
