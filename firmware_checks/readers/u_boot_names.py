"""Names that U-Boot gives to processors, systems, image types and compressions.

Source: U-Boot include/image.h (numbers) and boot/image.c (short names, which FIT images use as text).
"""

from __future__ import annotations

from typing import Final

from firmware_checks.region import Program
from toolkit.report.model import RegionKind

__all__ = ["ARCHITECTURES", "COMPRESSIONS", "SYSTEMS", "TYPES", "kind_of", "program_of"]

SYSTEMS: Final = (
    "invalid", "openbsd", "netbsd", "freebsd", "4_4bsd", "linux", "svr4", "esix", "solaris", "irix", "sco", "dell",
    "ncr", "lynxos", "vxworks", "psos", "qnx", "u-boot", "rtems", "artos", "unity", "integrity", "ose", "plan9",
    "openrtos", "arm-trusted-firmware", "tee", "opensbi", "efi", "elf",
)  # fmt: skip
"""IH_OS_... by number."""

ARCHITECTURES: Final = (
    "invalid", "alpha", "arm", "x86", "ia64", "mips", "mips64", "ppc", "s390", "sh", "sparc", "sparc64", "m68k", "nios",
    "microblaze", "nios2", "blackfin", "avr32", "st200", "sandbox", "nds32", "or1k", "arm64", "arc", "x86_64", "xtensa",
    "riscv",
)  # fmt: skip
"""IH_ARCH_... by number."""

TYPES: Final = (
    "invalid", "standalone", "kernel", "ramdisk", "multi", "firmware", "script", "filesystem", "flat_dt", "kwbimage",
    "imximage", "ublimage", "omapimage", "aisimage", "kernel_noload", "pblimage", "mxsimage", "gpimage", "atmelimage",
    "socfpgaimage", "x86_setup", "lpc32xximage", "loadable", "rkimage", "rksd", "rkspi", "zynqimage", "zynqmpimage",
    "zynqmpbif", "fpga", "vybridimage", "tee", "firmware_ivt", "pmmc", "stm32image", "socfpgaimage_v1", "mtkimage",
    "imx8mimage", "imx8image", "copro", "sunxi_egon", "sunxi_toc0", "fdt_legacy",
)  # fmt: skip
"""IH_TYPE_... by number."""

COMPRESSIONS: Final = ("none", "gzip", "bzip2", "lzma", "lzo", "lz4", "zstd")
"""IH_COMP_... by number."""

PROGRAM_TYPES: Final = frozenset({"standalone", "kernel", "firmware", "kernel_noload", "firmware_ivt", "tee", "copro"})
"""Types that hold machine code; ``loadable`` may be anything."""
ROLES: Final = {"u-boot": "bootloader", "arm-trusted-firmware": "bootloader", "opensbi": "bootloader"}

OUR_NAMES: Final = {
    "arm": "arm", "x86": "x86", "mips": "mips", "mips64": "mips64", "ppc": "powerpc", "powerpc": "powerpc",
    "arm64": "aarch64", "x86_64": "x86_64", "xtensa": "xtensa",
}  # fmt: skip
"""The same processors as ``firmware_checks/architectures`` names them; riscv leaves the width open, so it is absent."""


def program_of(
    *, type_name: str, arch: str, system: str, compression: str, load: int | None, entry: int | None
) -> Program | None:
    """Return what is known of an image as code; None when it is compressed, no code or of no known processor."""
    if compression != "none" or type_name not in PROGRAM_TYPES or arch not in OUR_NAMES:
        return None
    return Program(
        arch=OUR_NAMES[arch],
        load_address=load,
        entry_address=entry,
        role=ROLES.get(system, ""),
        why=(f"the image header says {arch}",),
    )


def kind_of(type_name: str, compression: str) -> RegionKind:
    """Return what an image of this type is before anybody looked inside."""
    return RegionKind.PROGRAM if compression == "none" and type_name in PROGRAM_TYPES else RegionKind.DATA
