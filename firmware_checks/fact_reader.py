"""What a structure in a file says about software: data, and one function that reads it.

A pattern finds a text wherever it stands. A fact reader knows the structure: the package database, the version
resource, the list of modules a Go program was built from. Each reader is one file in ``firmware_checks/facts``; it is
asked only about files it ``wants``, which it tells from the name and the first bytes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from firmware_checks.patterns.pattern import Hit
from firmware_checks.patterns.shared import Patterns, SharedSearch, search_alone
from firmware_checks.readers.elf_file import MAGIC, ElfFile, read_elf
from firmware_checks.region import Program
from firmware_checks.span import Span
from firmware_checks.version_texts import VersionText
from toolkit.core.errors import FormatError
from toolkit.report.model import Confidence

__all__ = ["Content", "Fact", "FactReader", "Holding", "HoldingKind", "Linkage", "Relation", "Statement"]


class Relation(enum.StrEnum):
    """What the file has to do with the component it names."""

    IS = "is"
    """The file is a part of it."""
    CONTAINS = "contains"
    """It was built into the file."""
    LISTS = "lists"
    """The file is a register of what is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A component that a structure names."""

    name: str
    version: str | None
    relation: Relation
    offset: int
    """Where in the file it stands."""
    excerpt: str
    purl_type: str = "generic"
    """Type of the package URL: ``deb``, ``pypi``, ``golang`` ..."""
    namespace: str = ""
    release: str | None = None
    """The full version of a package, where ``version`` is that of the software in it."""
    confidence: Confidence = Confidence.CERTAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Linkage:
    """How a program gets the libraries it uses."""

    needed: tuple[str, ...] = ()
    soname: str | None = None
    is_dynamic: bool = False
    symbol_versions: tuple[str, ...] = ()
    """Names of the interface versions it defines, such as ``LIBUSB_1.0``."""
    build_id: str | None = None


class HoldingKind(enum.StrEnum):
    """What the names or the text of a ``Holding`` are."""

    KERNEL_CONFIG = "kernel-config"
    """``text`` holds the settings the kernel was built with, ``subject`` its version."""
    BUILTIN_MODULES = "builtin-modules"
    """``names`` are the modules that are part of the kernel itself."""
    APPLETS = "applets"
    """``names`` are all sub-programs of this BusyBox."""
    FUNCTIONS = "functions"
    """``names`` are all functions of the file, from a symbol table that was not stripped."""
    CHANGES = "changes"
    """``names`` are the vulnerabilities that the change log of package ``subject`` in ``release`` says are mended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Which code a file shows to be in the device; kept because the bytes of the file are let go."""

    kind: HoldingKind
    subject: str = ""
    release: str = ""
    names: frozenset[str] = frozenset()
    text: str = ""


Fact = Statement | Linkage | VersionText | Holding


@dataclass(frozen=True)
class Content:
    """One file in an image, with what several readers ask for read once."""

    span: Span
    program: Program | None = None
    """What is known about it when it is a program in a raw image."""
    search: SharedSearch | None = None
    """Searches for the patterns of several readers in one pass."""

    def hits(self, patterns: Patterns) -> Iterable[Hit]:
        """Return where ``patterns`` match, in the order of their anchors."""
        return search_alone(patterns, self.span.window.view) if self.search is None else self._hits[id(patterns)]

    @cached_property
    def _hits(self) -> Mapping[int, Sequence[Hit]]:
        return {} if self.search is None else self.search.hits(self.span.window.view)

    @cached_property
    def path(self) -> str:
        """Path inside its container, without the containers around it."""
        return self.span.path.rpartition("!")[2]

    @cached_property
    def name(self) -> str:
        """Base name of the file."""
        return self.path.rpartition("/")[2]

    @cached_property
    def head(self) -> bytes:
        """The first bytes, up to 16."""
        return bytes(self.span.window.view[:16])

    @cached_property
    def elf(self) -> ElfFile | None:
        """The tables of an ELF file; None for all else."""
        if not self.head.startswith(MAGIC):
            return None
        try:
            return read_elf(self.span.window)
        except FormatError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactReader:
    """How one kind of structure is found and read."""

    name: str
    title: str
    source: str
    """The specification or the program that writes it."""
    wants: Callable[[Content], bool]
    """Tell from name and first bytes whether it is worth a look; must be quick, it is asked about every file."""
    read: Callable[[Content], Iterator[Fact]]
    """Yield what the structure says; raise ``FormatError`` where it is damaged: what was said before stays."""
    example: Callable[[], tuple[str, bytes]]
    """Return a path and a small file of that kind."""
    states: tuple[tuple[str, str | None], ...]
    """Names and versions that the example states."""
