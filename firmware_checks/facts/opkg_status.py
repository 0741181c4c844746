"""The register of installed packages that opkg keeps on OpenWrt and Yocto systems."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader
from firmware_checks.package_statements import package_statements

__all__ = ["READER"]


def _read(content: Content) -> Iterator[Fact]:
    return package_statements(content, "opkg", "")


def _wants(content: Content) -> bool:
    return content.path.endswith("opkg/status")


def _example() -> tuple[str, bytes]:
    text = """Package: dropbear
Version: 2019.78-2
Status: install user installed
Architecture: arm_cortex-a7

Package: libc
Version: 1.1.24-2
Status: install user installed
"""
    return "usr/lib/opkg/status", text.encode()


READER = FactReader(
    name="opkg-status",
    title="opkg status file",
    source="opkg, libopkg/pkg.c (pkg_formatted_info)",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("dropbear", "2019.78"), ("libc", "1.1.24")),
)
