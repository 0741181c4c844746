"""Uncompressed Linux kernels without a header, as they come out of a compressed one."""

from __future__ import annotations

from typing import Final

from firmware_checks.format import ImageFormat, Opened
from firmware_checks.readers.byte_search import positions
from firmware_checks.readers.linux_kernel import BANNER_START, find_banner, kernel_parts
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

__all__ = ["FORMAT"]

LEAST_BYTES, MOST_BYTES = 256 << 10, 128 << 20
"""Kernels of the 2.4 series had a megabyte; smaller is a program that prints the version."""
PROC_BANNER = b"%s version %s ("
"""Behind the banner, every kernel keeps the pattern of /proc/version. Source: init/version.c."""
MODULE_WORD, MODULE_BYTES = b" mod_unload ", 120
PROCESSORS: Final = {b"ARMv": "arm", b"aarch64": "aarch64", b"MIPS32": "mips", b"MIPS64": "mips64"}
ERASED = b"\xff" * 0x4000
"""Erased flash: then it is a dump with a kernel in it; kernels have up to a page of such bytes."""


def _possible(window: Window) -> bool:
    return LEAST_BYTES <= window.size <= MOST_BYTES and find_banner(window) is not None


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    if not _possible(window):
        raise FormatError("no Linux kernel")
    if next(positions(window, PROC_BANNER, 0, window.size), None) is None:
        raise FormatError("names a Linux kernel and is none")
    if next(positions(window, ERASED, 0, window.size), None) is not None:
        raise FormatError("holds a Linux kernel among other things")
    facts, parts = kernel_parts(window, 0, _program(window))
    return Opened(
        size=window.size,
        kind=RegionKind.PROGRAM,
        title=f"Linux kernel {facts['version']}",
        facts=facts,
        parts=parts,
    )


def _program(window: Window) -> Program | None:
    """Return the processor that the kernel asks its modules to be built for. Source: include/linux/vermagic.h."""
    place = next(positions(window, MODULE_WORD, 0, window.size), None)
    if place is None:
        return None
    words = bytes(window.view[place : place + MODULE_BYTES]).partition(b"\0")[0]
    for word, arch in PROCESSORS.items():
        if word in words:
            return Program(arch=arch, why=(f"its modules must be built for {word.decode()}",))
    return None


def _example() -> bytes:
    banner = BANNER_START + b"5.10.1 (builder@host) (gcc (GCC) 10.2.0) #1 SMP Fri Jan 1 00:00:00 UTC 2021\n"
    code = (0x1000).to_bytes(4, "little") + bytes(range(1, 253))
    before = code * (LEAST_BYTES // len(code))
    return before + banner + b"\0" + PROC_BANNER + b"builder@host) (gcc) %s\n\0" + code


FORMAT = ImageFormat(
    name="linux-kernel",
    title="Linux kernel, uncompressed",
    source="Linux init/version.c and init/version-timestamp.c (linux_banner, linux_proc_banner)",
    limits="A kernel in the middle of other bytes is named as a component only.",
    open=_open,
    possible=_possible,
    whole_file_only=True,
    try_order=50,
    example=_example,
)
