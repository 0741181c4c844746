"""Which sub-programs a BusyBox holds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Holding, HoldingKind
from firmware_checks.readers.elf_file import MAGIC

__all__ = ["READER", "applets_in"]

MOST_BYTES = 16 << 20
"""The largest BusyBox has 2 MB."""
ANCHORS = frozenset({b"[", b"busybox", b"cat", b"cp", b"echo", b"ls", b"mkdir", b"mount", b"rm", b"sh", b"test"})
FEWEST_ANCHORS = 3
_NAMES = re.compile(rb"(?:[!-~]{1,24}\0){4,4096}")


def applets_in(data: bytes | memoryview) -> frozenset[str] | None:
    """Return the sub-programs that the program file ``data`` lists; None when no such list is found.

    BusyBox keeps their names sorted, one after the other, each ended by a zero byte. Source: BusyBox,
    applets/applet_tables.c.
    """
    best: list[bytes] = []
    for match in _NAMES.finditer(data):
        for run in _ascending(match[0].split(b"\0")[:-1]):
            if len(run) > len(best) and len(ANCHORS.intersection(run)) >= FEWEST_ANCHORS:
                best = run
    return frozenset(name.decode("ascii") for name in best) or None


def _ascending(names: list[bytes]) -> list[list[bytes]]:
    runs: list[list[bytes]] = [[]]
    for name in names:
        if runs[-1] and name <= runs[-1][-1]:
            runs.append([])
        runs[-1].append(name)
    return runs


def _read(content: Content) -> Iterator[Fact]:
    names = applets_in(content.span.window.view[:MOST_BYTES])
    if names is not None:
        yield Holding(kind=HoldingKind.APPLETS, names=names)


def _wants(content: Content) -> bool:
    return "busybox" in content.name and content.head.startswith(MAGIC)


def _example() -> tuple[str, bytes]:
    names = (b"[", b"[[", b"awk", b"cat", b"cp", b"echo", b"ls", b"sh", b"vi")
    return "bin/busybox", MAGIC + bytes(60) + b"".join(name + b"\0" for name in names)


READER = FactReader(
    name="busybox-applets",
    title="Sub-programs of BusyBox",
    source="BusyBox applets/applet_tables.c",
    wants=_wants,
    read=_read,
    example=_example,
    states=(),
)
