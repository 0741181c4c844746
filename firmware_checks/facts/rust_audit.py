"""The list of crates that ``cargo auditable`` writes into a Rust program, as compressed JSON."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.readers.elf_file import MAGIC
from toolkit.core.errors import FormatError

__all__ = ["READER"]

SECTION = ".dep-v0"
MOST_BYTES = 8 << 20
"""The list of a large program has some 100 KB."""


def _read(content: Content) -> Iterator[Fact]:
    elf = content.elf
    section = next((s for s in elf.sections if s.name == SECTION), None) if elf is not None else None
    if elf is None or section is None:
        return
    start, _ = elf.content(section)
    for package in _packages(bytes(elf.data(section))):
        if isinstance(package, dict) and package.get("kind", "runtime") == "runtime":
            name, version = package.get("name"), package.get("version")
            if isinstance(name, str) and isinstance(version, str):
                yield Statement(
                    name=name,
                    version=version,
                    relation=Relation.IS if package.get("root") else Relation.CONTAINS,
                    offset=start,
                    excerpt=f"{name} {version}",
                    purl_type="cargo",
                )


def _packages(packed: bytes) -> list[Any]:
    stream = zlib.decompressobj()
    try:
        document = json.loads(stream.decompress(packed, MOST_BYTES))
    except (zlib.error, ValueError, RecursionError) as error:
        raise FormatError(f"the list of crates cannot be read: {error}") from None
    packages = document.get("packages") if isinstance(document, dict) else None
    return packages if isinstance(packages, list) else []


def _wants(content: Content) -> bool:
    return content.head.startswith(MAGIC)


def _example() -> tuple[str, bytes]:
    packages = [
        {"name": "pump", "version": "2.0.1", "source": "local", "root": True},
        {"name": "ring", "version": "0.16.20", "source": "crates.io"},
        {"name": "cc", "version": "1.0.79", "source": "crates.io", "kind": "build"},
    ]
    info = zlib.compress(json.dumps({"packages": packages}).encode())
    names = b"\0.dep-v0\0.shstrtab\0"
    at = 52 + len(info)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 0, at + len(names), 0, 52, 32, 0, 40, 3, 2)
    sections = bytes(40) + struct.pack("<10I", 1, 1, 2, 0x8000, 52, len(info), 0, 0, 4, 0)
    sections += struct.pack("<10I", 9, 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return "usr/bin/pump", MAGIC + bytes([1, 1, 1]) + bytes(9) + header + info + names + sections


READER = FactReader(
    name="rust-audit",
    title="Crates of a Rust program",
    source="cargo-auditable, PARSING.md (section .dep-v0)",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("pump", "2.0.1"), ("ring", "0.16.20")),
)
