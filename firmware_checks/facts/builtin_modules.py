"""The list of modules that are part of the kernel itself."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Holding, HoldingKind

__all__ = ["READER"]

MOST_BYTES = 1 << 20
"""The longest lists have 50 KB."""


def _read(content: Content) -> Iterator[Fact]:
    text = bytes(content.span.window.view[:MOST_BYTES]).decode("ascii", "replace")
    names = frozenset(line.strip() for line in text.splitlines() if line.strip().endswith(".ko"))
    if names:
        yield Holding(kind=HoldingKind.BUILTIN_MODULES, names=names)


def _wants(content: Content) -> bool:
    return content.name == "modules.builtin"


def _example() -> tuple[str, bytes]:
    return "lib/modules/5.10.61/modules.builtin", b"kernel/fs/ext4/ext4.ko\nkernel/drivers/rtc/rtc-pump.ko\n"


READER = FactReader(
    name="builtin-modules",
    title="List of modules built into the kernel",
    source="Linux Documentation/kbuild/kbuild.rst (modules.builtin)",
    wants=_wants,
    read=_read,
    example=_example,
    states=(),
)
