"""The register of installed packages that dpkg keeps on Debian and what is made from it."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader
from firmware_checks.package_statements import package_statements

__all__ = ["READER"]


def _read(content: Content) -> Iterator[Fact]:
    return package_statements(content, "deb", "debian")


def _wants(content: Content) -> bool:
    return content.path.endswith(("var/lib/dpkg/status", "dpkg/status-old"))


def _example() -> tuple[str, bytes]:
    text = """Package: libssl1.1
Status: install ok installed
Source: openssl
Version: 1.1.1n-0+deb11u5
Description: Secure Sockets Layer toolkit

Package: gone
Status: purge ok not-installed
Version: 1.0-1

Package: busybox
Status: install ok installed
Version: 1:1.30.1-6+b3
"""
    return "var/lib/dpkg/status", text.encode()


READER = FactReader(
    name="dpkg-status",
    title="dpkg status file",
    source="dpkg, deb-control(5) and the status file in /var/lib/dpkg",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("openssl", "1.1.1n"), ("busybox", "1.30.1")),
)
