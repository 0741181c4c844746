"""What an image format is: data, and one function that opens it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from firmware_checks.address_map import AddressMap
from firmware_checks.patterns import Pattern
from firmware_checks.region import Program
from firmware_checks.span import Span
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, Integrity, RegionKind

__all__ = ["Archive", "Entry", "EntryKind", "ImageFormat", "Magic", "Memory", "Opened", "Part"]


@dataclass(frozen=True, slots=True)
class Magic:
    """A byte pattern that shows where a format may start: the format begins ``offset`` bytes before the match.

    ``expression`` is a regular expression over bytes; ``anchor`` a literal in it (its leading literal when None). A
    negative ``offset`` counts from the end of a complete file; only formats tried on nothing else may have one.
    """

    expression: bytes
    offset: int = 0
    anchor: bytes | None = None
    anywhere: bool = True
    """False: too common to be searched for; only looked at where a file or another content begins."""

    def pattern(self, owner: str) -> Pattern:
        """Return the compiled pattern."""
        anchor = self.anchor
        return Pattern.of(owner, self.expression, anchor=anchor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch ``[start, end)`` of the format's own bytes.

    ``look_inside`` asks the opener to identify the content further. ``address`` is that of the first byte, if known.
    """

    start: int
    end: int
    title: str
    kind: RegionKind
    format: str = ""
    """Empty: the format that made the part."""
    address: int | None = None
    look_inside: bool = False
    settled: bool = False
    """Look inside only for what is embedded or shows a component: what the bytes are is known and not to be guessed."""
    program: Program | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    integrity: tuple[Integrity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a container puts into one address space of the device; ``title`` tells several spaces apart."""

    map: AddressMap
    title: str = ""


class EntryKind(enum.StrEnum):
    """What an entry of an archive or a file system is; only files have content."""

    FILE = "file"
    FOLDER = "folder"
    SYMBOLIC_LINK = "symbolic-link"
    HARD_LINK = "hard-link"
    CHARACTER_DEVICE = "character-device"
    BLOCK_DEVICE = "block-device"
    PIPE = "pipe"
    SOCKET = "socket"


def _no_content(_most_bytes: int) -> bytes:
    return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something with a name in a container; the content of a file must be unpacked before it can be read.

    Links are recorded and never followed; nothing is created anywhere.
    """

    name: str
    """Path inside the container, with ``/`` between folders and none at its start."""
    packed_bytes: int
    unpacked_bytes: int | None
    """As the container claims; None where it does not say."""
    read: Callable[[int], bytes] = _no_content
    """Unpack at most the given number of bytes; raise ``LimitExceeded`` beyond, ``FormatError`` when it is damaged.

    May be called from several threads at once.
    """
    kind: EntryKind = EntryKind.FILE
    mode: int | None = None
    """Permission bits, set-user-id and the like included: ``mode & 0o7777`` of Unix."""
    uid: int | None = None
    gid: int | None = None
    modified_s: int | None = None
    """Time of the last change in seconds since 1970."""
    target: str = ""
    """Where a link points to, as it is written there."""
    device: tuple[int, int] | None = None
    """Major and minor number of a device."""
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """Extended attributes, such as ``security.capability``."""
    offset: int | None = None
    """Where the packed bytes start in the container."""
    address: int | None = None
    """Address of the first unpacked byte in the device, where the container says so."""
    archive: Archive | None = None
    """The archive that makes up all of the content, where that is too long to be held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive whose bytes are not held; its entries are best read in their order."""

    format: ImageFormat
    opened: Opened
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One recognised format: the first ``size`` bytes of the span belong to it.

    Bytes not covered by ``parts`` count as the format's own framing. A format either leaves bytes as they are
    (``parts``), places them in memory (``memories``), or has them unpacked (``entries``).

    Facts that checks know: ``signed`` (a signature is there; nobody verified it), ``published_test_key``,
    ``security_counter``, ``readout_protection``.
    """

    size: int
    kind: RegionKind
    title: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    integrity: tuple[Integrity, ...] = ()
    parts: tuple[Part, ...] = ()
    memories: tuple[Memory, ...] = ()
    entries: Iterable[Entry] = ()
    in_order: bool = False
    """Entries are unpacked from one stream: read one after the other, each byte is unpacked just once."""
    program: Program | None = None
    problems: tuple[str, ...] = ()
    """What is wrong with it and was read around."""
    limits_hit: tuple[str, ...] = ()
    """What was left out because a limit was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """How one format is recognised and opened."""

    name: str
    title: str
    source: str
    """The specification or reference the reader was written from."""
    limits: str
    """What the reader does not do."""
    open: Callable[[Span, Limits], Opened]
    """Open the format that starts at byte 0 of the span; raise ``FormatError`` when it is not there."""
    magics: tuple[Magic, ...] = ()
    try_order: int = 0
    """Among formats that could start at the same byte, the lower is tried first: the special before the general."""
    whole_file_only: bool = False
    """Only tried on a complete file: the format is told by its end or by its text, or its magic says too little.

    Where it has magics, one of them must stand there all the same.
    """
    stands_alone: bool = False
    """Runs by itself: in flash it stands beside other programs; anything else found in a program is embedded in it."""
    closed: Callable[[Window], bool] | None = None
    """Tells from its first bytes, quickly, that a file holds nothing with a name; a listing then passes it over."""
    possible: Callable[[Window], bool] | None = None
    """Where there are no magics: tells quickly whether a complete file is worth opening. None: every file is."""
    fallback: bool = False
    """Tried only on stretches that no other format claimed, and must fit all of them."""
    example: Callable[[], bytes]
    """Build a small valid image, for tests and documentation."""
