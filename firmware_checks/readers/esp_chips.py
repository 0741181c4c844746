"""Espressif chips as their image headers name them, and where their memory lies.

Sources: ESP-IDF ``bootloader_support/include/esp_app_format.h`` (chip numbers), the memory maps in Espressif's
technical reference manuals, and the flash settings documented for esptool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["CHIPS", "ESP8266", "FLASH_MODES", "Chip"]

Ranges = tuple[tuple[int, int], ...]
MIB: Final = 1 << 20
KIB: Final = 1 << 10

FLASH_MODES: Final = ("QIO", "QOUT", "DIO", "DOUT", "fast read", "slow read")
"""Names of the header's flash mode, by its number."""

CLOCK_80: Final = {0xF: 80, 0x0: 40, 0x1: 26, 0x2: 20}
CLOCK_60: Final = {0xF: 60, 0x0: 30, 0x1: 20, 0x2: 15}
CLOCK_48: Final = {0xF: 48, 0x0: 24, 0x1: 16, 0x2: 12}
SIZES_ESP32: Final = {code: MIB << code for code in range(8)}
SIZES_ESP8266: Final = {
    0: 512 * KIB,
    1: 256 * KIB,
    2: MIB,
    3: 2 * MIB,
    4: 4 * MIB,
    5: 2 * MIB,
    6: 4 * MIB,
    8: 8 * MIB,
    9: 16 * MIB,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One chip: ``flash`` are the addresses where its flash shows, ``ram`` those of all its memories, half-open."""

    name: str
    arch: str
    flash: Ranges
    ram: Ranges
    clocks_mhz: Mapping[int, int]
    flash_sizes: Mapping[int, int]
    """Flash size in bytes, by the upper half of the header's fourth byte."""

    def maps_flash_at(self, address: int) -> bool:
        """Tell whether code at ``address`` runs from flash and is not copied to RAM first."""
        return any(start <= address < end for start, end in self.flash)

    def has_memory_at(self, address: int) -> bool:
        """Tell whether anything can be loaded to ``address``."""
        return self.maps_flash_at(address) or any(start <= address < end for start, end in self.ram)


def _esp32(name: str, arch: str, flash: Ranges, ram: Ranges, clocks_mhz: Mapping[int, int] = CLOCK_80) -> Chip:
    return Chip(name=name, arch=arch, flash=flash, ram=ram, clocks_mhz=clocks_mhz, flash_sizes=SIZES_ESP32)


ESP8266: Final = Chip(
    name="ESP8266",
    arch="xtensa",
    flash=((0x4020_0000, 0x4030_0000),),
    ram=((0x3FFE_8000, 0x4000_0000), (0x4010_0000, 0x4011_0000)),
    clocks_mhz=CLOCK_80,
    flash_sizes=SIZES_ESP8266,
)

CHIPS: Final[Mapping[int, Chip]] = {
    0: _esp32(
        "ESP32",
        "xtensa",
        ((0x3F40_0000, 0x3F80_0000), (0x400C_2000, 0x4040_0000)),
        (
            (0x3F80_0000, 0x3FC0_0000),
            (0x3FF8_0000, 0x3FF8_2000),
            (0x3FFA_E000, 0x4000_0000),
            (0x4007_0000, 0x400C_2000),
            (0x5000_0000, 0x5000_2000),
        ),
    ),
    2: _esp32(
        "ESP32-S2",
        "xtensa",
        ((0x3F00_0000, 0x3F50_0000), (0x4008_0000, 0x40B8_0000)),
        (
            (0x3F50_0000, 0x3FF8_0000),
            (0x3FF9_E000, 0x4000_0000),
            (0x4002_0000, 0x4007_2000),
            (0x5000_0000, 0x5000_2000),
        ),
    ),
    5: _esp32(
        "ESP32-C3",
        "riscv32",
        ((0x3C00_0000, 0x3C80_0000), (0x4200_0000, 0x4280_0000)),
        ((0x3FC8_0000, 0x3FCE_0000), (0x4037_C000, 0x403E_0000), (0x5000_0000, 0x5000_2000)),
    ),
    9: _esp32(
        "ESP32-S3",
        "xtensa",
        ((0x3C00_0000, 0x3E00_0000), (0x4200_0000, 0x4400_0000)),
        (
            (0x3FC8_8000, 0x3FD0_0000),
            (0x4037_0000, 0x403E_0000),
            (0x5000_0000, 0x5000_2000),
            (0x600F_E000, 0x6010_0000),
        ),
    ),
    12: _esp32(
        "ESP32-C2",
        "riscv32",
        ((0x3C00_0000, 0x3C40_0000), (0x4200_0000, 0x4240_0000)),
        ((0x3FCA_0000, 0x3FCE_0000), (0x4037_C000, 0x403C_0000)),
        CLOCK_60,
    ),
    13: _esp32(
        "ESP32-C6",
        "riscv32",
        ((0x4200_0000, 0x4300_0000),),
        ((0x4080_0000, 0x4088_0000), (0x5000_0000, 0x5000_4000)),
    ),
    16: _esp32(
        "ESP32-H2",
        "riscv32",
        ((0x4200_0000, 0x4300_0000),),
        ((0x4080_0000, 0x4085_0000), (0x5000_0000, 0x5000_1000)),
        CLOCK_48,
    ),
    18: _esp32(
        "ESP32-P4",
        "riscv32",
        ((0x4000_0000, 0x4C00_0000),),
        ((0x3010_0000, 0x3010_2000), (0x4FF0_0000, 0x4FFC_0000), (0x5010_8000, 0x5011_0000)),
    ),
    20: _esp32("ESP32-C61", "riscv32", ((0x4200_0000, 0x4400_0000),), ((0x4080_0000, 0x4086_0000),)),
    23: _esp32(
        "ESP32-C5",
        "riscv32",
        ((0x4200_0000, 0x4400_0000),),
        ((0x4080_0000, 0x4086_0000), (0x5000_0000, 0x5000_4000)),
    ),
    25: _esp32(
        "ESP32-H21",
        "riscv32",
        ((0x4200_0000, 0x4300_0000),),
        ((0x4080_0000, 0x4085_0000), (0x5000_0000, 0x5000_1000)),
        CLOCK_48,
    ),
    28: _esp32("ESP32-H4", "riscv32", ((0x4200_0000, 0x4400_0000),), ((0x4080_0000, 0x4086_0000),), CLOCK_48),
    32: _esp32(
        "ESP32-S31",
        "riscv32",
        ((0x4000_0000, 0x5400_0000),),
        ((0x2E00_0000, 0x2E00_8000), (0x2F00_0000, 0x2F08_0000)),
    ),
}
"""Chips with an extended header, by the chip number in it."""
