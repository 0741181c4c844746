"""The settings a Linux kernel was built with, which many kernels carry inside (ikconfig)."""

from __future__ import annotations

import gzip
import re
import zlib

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.readers.byte_search import positions
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.unpack import Held
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

START, END = b"IKCFG_ST", b"IKCFG_ED"
PACKED_BYTES, CONFIG_BYTES = 1 << 20, 8 << 20
"""The largest configurations have 300 KB, a fifth of it when packed."""
GZIP_WINDOW = zlib.MAX_WBITS | 16
_TITLE = re.compile(rb"^# Linux/(\S{1,40}) (\S{1,80}) Kernel Configuration", re.MULTILINE)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    if not window.starts_with(START):
        raise FormatError(f"no kernel configuration at {window.origin:#x}")
    packed = bytes(window.view[len(START) : len(START) + PACKED_BYTES])
    stream = zlib.decompressobj(GZIP_WINDOW)
    try:
        config = stream.decompress(packed, CONFIG_BYTES)
    except zlib.error as error:
        raise FormatError(f"the kernel configuration at {window.origin:#x} cannot be unpacked: {error}") from None
    if not stream.eof:
        raise FormatError(f"the kernel configuration at {window.origin:#x} has no end")
    end = len(START) + len(packed) - len(stream.unused_data)
    mark = next(positions(window, END, end, end + 2 * len(END)), None)
    size = end if mark is None else mark + len(END)
    entry = Entry(
        name="config",
        packed_bytes=end - len(START),
        unpacked_bytes=len(config),
        read=Held(config).read,
        offset=len(START),
    )
    return Opened(
        size=size,
        kind=RegionKind.CONTAINER,
        title="Linux kernel configuration",
        facts=_facts(config),
        entries=(entry,),
        problems=() if mark is not None else ("the end mark is missing",),
    )


def _facts(config: bytes) -> dict[str, Fact]:
    """Return what the first lines say: processor and version."""
    match = _TITLE.search(config[:4096])
    if match is None:
        return {}
    arch, version = (visible(text.decode("utf-8", "replace")) for text in match.groups())
    return {"version": version, "processor": arch}


def _example() -> bytes:
    text = (
        b"#\n# Automatically generated file; DO NOT EDIT.\n# Linux/arm 5.10.1 Kernel Configuration\n#\nCONFIG_ARM=y\n"
    )
    return START + gzip.compress(text, mtime=0) + END


FORMAT = ImageFormat(
    name="linux-config",
    title="Linux kernel configuration",
    source="Linux kernel/configs.c (CONFIG_IKCONFIG)",
    limits="Up to 8 MiB of text.",
    open=_open,
    magics=(Magic(rb"IKCFG_ST\x1f\x8b\x08"),),
    example=_example,
)
