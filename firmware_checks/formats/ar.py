"""ar archives: static libraries, and Debian packages, which are an ar archive of two tar archives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.format import Entry, ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import name_problems, visible
from firmware_checks.readers.package_control import DEBIAN_BINARY, package_facts
from firmware_checks.readers.stored import Stored
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import Layout, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.problems import Problems
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

MAGIC = b"!<arch>\n"
END = b"`\n"
NAME_TABLE_BYTES = 16 << 20
NAME_BYTES = 4096
GNU_SYMBOLS: Final = (b"/", b"/SYM64/", b"__.SYMDEF", b"__.SYMDEF SORTED", b"__.SYMDEF_64", b"ARFILENAMES/")
"""Members that hold no file but what a linker looks up."""
GNU_NAMES = b"//"
SIGNATURE_PREFIX = "_gpg"
"""Members of a package that hold an OpenPGP signature of the others. Source: debsigs(1), dpkg-sig(1)."""
GNU_LONG, BSD_LONG = re.compile(rb"/(\d{1,10})$"), re.compile(rb"#1/(\d{1,10})$")
NUMBER = re.compile(rb"[0-9]* *$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArHeader:
    """Header of a member, all in text. Source: FreeBSD ar(5); GNU Binutils, include/aout/ar.h."""

    name: bytes = wire(raw(16))
    modified: bytes = wire(raw(12))
    user: bytes = wire(raw(6))
    group: bytes = wire(raw(6))
    mode: bytes = wire(raw(8))
    """Octal; the other numbers are decimal."""
    size: bytes = wire(raw(10))
    end: bytes = wire(raw(2))


HEADER = Layout(ArHeader, size=60)


@dataclass(slots=True)
class _Reader:
    window: Window
    limits: Limits
    position: int = len(MAGIC)
    entries: list[Entry] = field(default_factory=list)
    symbol_tables: int = 0
    problems: Problems = field(default_factory=Problems)
    limits_hit: tuple[str, ...] = ()
    _long_names: bytes = b""
    _names: set[str] = field(default_factory=set)

    def read_all(self) -> None:
        """Read member after member, as long as there are some."""
        while self.position < self.window.size:
            if len(self.entries) >= self.limits.entries:
                self.limits_hit = (f"more than {self.limits.entries} files, the rest was not listed",)
                return
            try:
                self._read_member()
            except FormatError as error:
                if self.window.view[self.position + HEADER.size - len(END) : self.position + HEADER.size] == END:
                    self.problems.add(f"the rest was not read: {error}")
                return

    def _read_member(self) -> None:
        header = HEADER.read(self.window, self.position)
        size = _number(header.size)
        if header.end != END:
            raise FormatError(f"no ar header at {self.window.origin + self.position:#x}")
        data = self.position + HEADER.size
        name, name_bytes = self._name(header.name.rstrip(b" "), data, size)
        self.window.take(data, size)
        if header.name.rstrip(b" ") == GNU_NAMES:
            self._long_names = bytes(self.window.take(data, min(size, NAME_TABLE_BYTES)))
        elif name in GNU_SYMBOLS:
            self.symbol_tables += 1
        else:
            self._add(header, name, data + name_bytes, size - name_bytes)
        self.position = min(data + size + size % 2, self.window.size)

    def _name(self, short: bytes, data: int, size: int) -> tuple[bytes, int]:
        """Return the name, and how many bytes of it stand before the content."""
        bsd = BSD_LONG.match(short)
        if bsd is not None:
            name_bytes = int(bsd[1])
            if name_bytes > min(size, NAME_BYTES):
                raise FormatError(f"the name of the ar member at {self.window.origin + data:#x} is too long")
            return bytes(self.window.take(data, name_bytes)).rstrip(b"\0"), name_bytes
        gnu = GNU_LONG.match(short)
        if gnu is not None:
            return self._long_names[int(gnu[1]) :][:NAME_BYTES].partition(b"\n")[0].removesuffix(b"/"), 0
        return short if short in GNU_SYMBOLS else short.removesuffix(b"/"), 0

    def _add(self, header: ArHeader, raw_name: bytes, data: int, size: int) -> None:
        name = raw_name.decode("utf-8", "surrogateescape")
        for problem in name_problems(name):
            self.problems.add(problem, name)
        if name in self._names:
            self.problems.add("name is there more than once", name)
        self._names.add(name)
        self.entries.append(
            Entry(
                name=visible(name),
                packed_bytes=size,
                unpacked_bytes=size,
                read=Stored(self.window, data, size).read,
                mode=_octal(header.mode),
                uid=_number(header.user),
                gid=_number(header.group),
                modified_s=_number(header.modified),
                offset=data,
            )
        )


def _open(span: Span, limits: Limits) -> Opened:
    if not span.window.starts_with(MAGIC):
        raise FormatError(f"no ar archive at {span.window.origin:#x}")
    reader = _Reader(span.window, limits)
    reader.read_all()
    if not reader.entries and not reader.symbol_tables:
        raise FormatError(f"no ar archive at {span.window.origin:#x}: nothing is in it")
    is_package = reader.entries != [] and reader.entries[0].name == DEBIAN_BINARY
    facts: dict[str, Fact] = {"files": len(reader.entries)}
    if is_package:
        facts |= package_facts([(entry.name, entry) for entry in reader.entries], limits)
        facts["signed"] = any(entry.name.startswith(SIGNATURE_PREFIX) for entry in reader.entries)
    elif reader.symbol_tables:
        facts["symbol_tables"] = reader.symbol_tables
    return Opened(
        size=reader.position,
        kind=RegionKind.CONTAINER,
        title="Debian package" if is_package else "ar archive",
        facts=facts,
        entries=tuple(reader.entries),
        problems=reader.problems.sentences(),
        limits_hit=reader.limits_hit,
    )


def _number(text: bytes) -> int:
    if NUMBER.match(text) is None:
        raise FormatError("an ar header holds no decimal number where one must stand")
    return int(text.strip() or b"0")


def _octal(text: bytes) -> int:
    digits = text.strip() or b"0"
    if not all(0x30 <= digit <= 0x37 for digit in digits):
        raise FormatError("an ar header holds no octal number where one must stand")
    return int(digits, 8) & 0o7777


def _built(files: dict[bytes, bytes]) -> Iterator[bytes]:
    yield MAGIC
    for name, data in files.items():
        yield b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, 1_577_836_800, 0, 0, 0o100644, len(data))
        yield data + b"\n" * (len(data) % 2)


def _example() -> bytes:
    return b"".join(_built({b"rate.o/": b"rate = 5\n", b"pump.o/": b"pump"}))


FORMAT = ImageFormat(
    name="ar",
    title="ar archive",
    source="FreeBSD ar(5); GNU Binutils ar (name table); deb(5) of dpkg 1.21",
    limits="Thin archives, which only name files elsewhere, are not read; symbol tables are counted and not read.",
    open=_open,
    magics=(Magic(rb"!<arch>\n[\x20-\x7e]{58}`\n"),),
    example=_example,
)
