"""Calls in programs for Linux whose command or pattern of a text is put together in memory, and is no fixed text."""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.observers.hardening import NETWORK, imported_names
from firmware_checks.readers.elf_file import MAGIC, SegmentType
from firmware_checks.structure.call_sites.model import Origin
from firmware_checks.structure.imported_calls import dynamic_rows, imported_calls

__all__ = ["OBSERVER", "BuiltArgument", "BuiltKind", "example_caller"]

MOST_BYTES: Final = 8 << 20
EXECUTABLE: Final = 2
"""Type of ELF files that run at one place."""
MOST_OF_ONE_FILE: Final = 20


class BuiltKind(enum.StrEnum):
    """What the argument is taken for."""

    COMMAND = "command"
    PATTERN = "pattern of a text"


COMMANDS: Final = MappingProxyType({"system": 0, "popen": 0, "wordexp": 0, "execl": 3})
"""Of ``execl`` the fourth: what a shell is handed with ``-c``."""
PATTERNS: Final = MappingProxyType(
    {"printf": 0, "fprintf": 1, "sprintf": 1, "snprintf": 2, "syslog": 1, "dprintf": 1, "err": 1, "warn": 0}
)
"""Function, and the number of the argument that is a command or a pattern. Source: POSIX.

Their likes with ``_chk`` in the name are left out: a program built with FORTIFY stops at a pattern that writes.
"""
_ALL: Final = {**COMMANDS, **PATTERNS}
_NAMES: Final = tuple(b"\0" + name.encode() + b"\0" for name in _ALL)
_WEB = re.compile(r"(?i)(?:^|/)(?:cgi-bin|www|htdocs|webroot|web)/|\.cgi$")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltArgument(Observation):
    """One such call."""

    function: str
    kind: BuiltKind


def _read(content: Content) -> Iterator[Observation]:
    elf = content.elf
    if elf is None or not elf.is_hosted or (elf.interpreter() is None and elf.header.type != EXECUTABLE):
        return  # of libraries it cannot be told who calls them with what
    names = imported_names(elf, dict(dynamic_rows(elf)))
    takes_requests = any(name in names for name in NETWORK) or _WEB.search(content.path) is not None
    if not takes_requests or not any(name in names for name in _NAMES):
        return
    built = (call for call in imported_calls(elf, _ALL) if call.origin is Origin.BUFFER)
    for call in islice(built, MOST_OF_ONE_FILE):
        kind = BuiltKind.COMMAND if call.function in COMMANDS else BuiltKind.PATTERN
        excerpt = f"{call.function}: the {kind.value} is put together in memory"
        yield BuiltArgument(offset=call.offset, excerpt=excerpt, function=call.function, kind=kind)


def _wants(content: Content) -> bool:
    return content.head.startswith(MAGIC) and content.span.size <= MOST_BYTES


def example_caller(setter: bytes = b"\x48\x8d\x7c\x24\x08") -> bytes:
    """Build an x86-64 program that listens and calls ``system`` with what ``setter`` puts into rdi; it is never run.

    Without another one, ``setter`` is ``lea rdi, [rsp+8]``: a text on the stack.
    """
    base, code_at, dynamic_at, symbols_at, strings_at, relocations_at, slot = (
        0x40_0000, 0x120, 0x160, 0x1C0, 0x200, 0x220, 0x40_1000,
    )  # fmt: skip
    strings = b"\0system\0recv\0"
    stub = b"\xff\x25" + (slot - (base + code_at + 6)).to_bytes(4, "little", signed=True) + b"\x90\x90"
    call_at = code_at + len(stub) + len(setter)
    call = b"\xe8" + (code_at - call_at - 5).to_bytes(4, "little", signed=True) + b"\xc3"
    rows = (
        (5, base + strings_at),
        (10, len(strings)),
        (6, base + symbols_at),
        (23, base + relocations_at),
        (2, 24),
        (0, 0),
    )
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x12, 0, 0, 0, 0)
    relocation = struct.pack("<QQq", slot, 1 << 32 | 7, 0)
    total = relocations_at + len(relocation)

    def segment(kind: int, flags: int, at: int, size: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, flags, at, base + at, base + at, size, size, 8)

    table = segment(SegmentType.LOAD, 5, 0, total) + segment(SegmentType.DYNAMIC, 6, dynamic_at, 16 * len(rows))
    ident = MAGIC + bytes([2, 1, 1]) + bytes(9)
    head = ident + struct.pack("<HHIQQQIHHHHHH", EXECUTABLE, 62, 1, base + code_at, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    body = (head + table).ljust(code_at, b"\0") + stub + setter + call
    body = body.ljust(dynamic_at, b"\0") + b"".join(struct.pack("<QQ", *row) for row in rows)
    body = body.ljust(symbols_at, b"\0") + symbols
    return (body.ljust(strings_at, b"\0") + strings).ljust(relocations_at, b"\0") + relocation


OBSERVER = Observer(
    name="call-sites",
    title="Commands and patterns that are put together in memory",
    source="POSIX system(3), popen(3), syslog(3), printf(3); System V ABI, x86-64 psABI; ELF for the Arm Architecture",
    wants=_wants,
    read=_read,
    example=lambda: ("usr/bin/pumpd", example_caller()),
    shows=1,
)
