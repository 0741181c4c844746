"""ipk packages of opkg (OpenWrt, Yocto): a compressed tar archive of two compressed tar archives."""

from __future__ import annotations

import zlib
from functools import lru_cache

from firmware_checks.format import ImageFormat, Opened
from firmware_checks.formats.gzip import FORMAT as GZIP
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import RegionKind

__all__ = ["FORMAT"]

PROBE_BYTES = 4096
"""Packed bytes that surely hold the name of the first file."""
FIRST_NAMES = (b"./debian-binary\0", b"debian-binary\0")
NAME_BYTES = 100
"""Of a name in a tar archive. Source: POSIX ustar."""


def _open(span: Span, limits: Limits) -> Opened:
    if not first_bytes(span.window).startswith(FIRST_NAMES):
        raise FormatError(f"no ipk package at {span.window.origin:#x}")
    from firmware_checks.formats.tar import FORMAT as TAR
    from firmware_checks.readers.package_control import package_facts
    from firmware_checks.readers.packed_tar import files_of  # asked of every gzip file: the rest is for packages alone

    opened = GZIP.open(span, limits)
    (entry,) = opened.entries
    archive = TAR.open(Span(entry.name, Window.of(entry.read(limits.entry_bytes))), limits)
    return Opened(
        size=opened.size,
        kind=RegionKind.CONTAINER,
        title="ipk package",
        facts=package_facts(files_of(archive), limits),
        integrity=opened.integrity,
        entries=(entry,),
        problems=opened.problems,
    )


def first_bytes(window: Window) -> bytes:
    """Return the first bytes that the gzip member at the start of ``window`` unpacks to; none when there is none."""
    return _first_bytes(bytes(window.view[:PROBE_BYTES]))


@lru_cache(maxsize=8)  # several formats ask in turn
def _first_bytes(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, NAME_BYTES)
    except zlib.error:
        return b""


def _packed(files: dict[str, bytes]) -> bytes:
    import gzip
    import io
    import tarfile  # here alone: they take a while

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(file.getvalue(), mtime=0)


def _example() -> bytes:
    control = _packed({"./control": b"Package: pump\nVersion: 1.2\nArchitecture: arm_cortex-a7\n"})
    data = _packed({"./etc/pump.ini": b"rate = 5\n"})
    return _packed({"./debian-binary": b"2.0\n", "./control.tar.gz": control, "./data.tar.gz": data})


FORMAT = ImageFormat(
    name="ipk",
    title="ipk package",
    source="opkg-utils, opkg-build; deb(5) of dpkg 1.21, whose members it holds in a tar archive",
    limits="Packages in the older form of an ar archive are told as Debian packages.",
    open=_open,
    magics=GZIP.magics,
    try_order=-10,
    example=_example,
)
