"""The list of modules that Go writes into every program it builds: path and version of each, with the compiler's."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from firmware_checks.fact_reader import Content, Fact, FactReader, Relation, Statement
from firmware_checks.readers.elf_file import MAGIC, ElfFile

__all__ = ["READER"]

MARK = b"\xff Go buildinf:"
HEADER_BYTES = 32
INLINE = 2
"""Flag: both texts follow the header, each behind its length as a variable-length number. Older forms hold pointers."""
MOST_BYTES = 1 << 20
FRAME_BYTES = 16
"""The list of modules stands between two marks of 16 bytes each. Source: runtime/debug, modinfo."""


def _read(content: Content) -> Iterator[Fact]:
    elf = content.elf
    section = next((s for s in elf.sections if s.name == ".go.buildinfo"), None) if elf is not None else None
    if elf is None or section is None:
        return
    start, _ = elf.content(section)
    data = bytes(elf.data(section)[:MOST_BYTES])
    if not data.startswith(MARK) or len(data) < HEADER_BYTES:
        return
    texts = _inline(data) if data[15] & INLINE else _pointed(elf, data)
    compiler, modules = texts
    if compiler.startswith("go"):
        yield Statement(
            name="go",
            version=compiler[2:].partition(" ")[0],
            relation=Relation.CONTAINS,
            offset=start,
            excerpt=compiler,
        )
    yield from _modules(modules, start)


def _inline(data: bytes) -> tuple[str, str]:
    compiler, position = _text(data, HEADER_BYTES)
    modules, _ = _text(data, position)
    return compiler, modules


def _text(data: bytes, position: int) -> tuple[str, int]:
    """Return the text behind a length of 7 bits per byte, lowest first, and where it ends."""
    size = shift = 0
    while position < len(data) and shift < 35:  # five groups of seven bits
        byte = data[position]
        position += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # the highest bit says that more follows
            break
    return data[position : position + size].decode("utf-8", "replace"), position + size


def _pointed(elf: ElfFile, data: bytes) -> tuple[str, str]:
    """Return the texts of programs before Go 1.18: two pointers to a pointer and a length each."""
    layout = struct.Struct((">" if data[15] & 1 else "<") + ("Q" if data[14] == 8 else "I"))  # bytes
    addresses = [layout.unpack_from(data, 16 + n * layout.size)[0] for n in (0, 1)]
    compiler, modules = (_string_at(elf, layout, address) for address in addresses)
    return compiler, modules


def _string_at(elf: ElfFile, layout: struct.Struct, address: int) -> str:
    header_at = elf.offset_of(address)
    if header_at is None or header_at + 2 * layout.size > elf.window.size:
        return ""
    pointer, size = (layout.unpack_from(elf.window.view, header_at + n * layout.size)[0] for n in (0, 1))
    start = elf.offset_of(pointer)
    return (
        ""
        if start is None
        else bytes(elf.window.view[start : start + min(size, MOST_BYTES)]).decode("utf-8", "replace")
    )


def _modules(text: str, offset: int) -> Iterator[Fact]:
    inner = text[FRAME_BYTES:-FRAME_BYTES] if len(text) > 2 * FRAME_BYTES else ""
    for line in inner.splitlines():
        kind, *fields = line.split("\t")
        if kind in {"mod", "dep", "=>"} and len(fields) >= 2:  # path and version
            version = fields[1] if fields[1] != "(devel)" else None
            yield Statement(
                name=fields[0],
                version=None if version is None else version.removeprefix("v").partition("+incompatible")[0],
                release=version,
                relation=Relation.IS if kind == "mod" else Relation.CONTAINS,
                offset=offset,
                excerpt=line.replace("\t", " "),
                purl_type="golang",
            )


def _wants(content: Content) -> bool:
    return content.head.startswith(MAGIC)


def _example() -> tuple[str, bytes]:
    modules = "path\texample.org/pump\nmod\texample.org/pump\tv1.4.0\t\ndep\texample.org/hl7\tv0.9.1\th1:x=\n"
    framed = b"0" * FRAME_BYTES + modules.encode() + b"1" * FRAME_BYTES
    info = MARK + bytes([8, INLINE]) + bytes(16)
    info += bytes([8]) + b"go1.21.5" + bytes([len(framed) & 0x7F | 0x80, len(framed) >> 7]) + framed
    names = b"\0.go.buildinfo\0.shstrtab\0"
    at = 64 + len(info)
    ident = MAGIC + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0, 0, at + len(names), 0, 64, 56, 0, 64, 3, 2)
    sections = bytes(64) + struct.pack("<IIQQQQIIQQ", 1, 1, 3, 0x4000, 64, len(info), 0, 0, 16, 0)
    sections += struct.pack("<IIQQQQIIQQ", 15, 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return "usr/bin/pump", ident + header + info + names + sections


READER = FactReader(
    name="go-build-info",
    title="Go build information",
    source="Go src/debug/buildinfo/buildinfo.go",
    wants=_wants,
    read=_read,
    example=_example,
    states=(("go", "1.21.5"), ("example.org/pump", "1.4.0"), ("example.org/hl7", "0.9.1")),
)
