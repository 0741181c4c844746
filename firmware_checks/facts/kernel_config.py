"""The settings a Linux kernel was built with: their first lines name its version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Holding, HoldingKind, Relation, Statement

__all__ = ["READER"]

HEAD_BYTES = 4096
MOST_BYTES = 1 << 20
"""The largest configurations have 300 KB."""
_TITLE = re.compile(
    rb"^# Linux/\S{1,40} (?P<version>\d+\.\d+(?:\.\d+)?(?:-rc\d+)?)\S{0,80} Kernel Configuration", re.MULTILINE
)


def _read(content: Content) -> Iterator[Fact]:
    match = _TITLE.search(bytes(content.span.window.view[:HEAD_BYTES]))
    if match is not None:
        yield Statement(
            name="linux",
            version=match["version"].decode(),
            relation=Relation.LISTS,
            offset=match.start(),
            excerpt=match.group().decode("ascii", "replace"),
        )
        if content.span.size <= MOST_BYTES:
            text = bytes(content.span.window.view).decode("ascii", "replace")
            yield Holding(kind=HoldingKind.KERNEL_CONFIG, subject=match["version"].decode(), text=text)


def _wants(content: Content) -> bool:
    return content.head.startswith(b"#\n# Automatical")


def _example() -> tuple[str, bytes]:
    text = (
        "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/arm 5.15.71 Kernel Configuration\n#\nCONFIG_ARM=y\n"
    )
    return "boot/config", text.encode()


READER = FactReader(
    name="kernel-config",
    title="Linux kernel configuration",
    source="Linux scripts/kconfig/confdata.c (conf_write)",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("linux", "5.15.71"),),
)
