"""Translations of a program's texts, compiled for GNU gettext: the .mo files that fill ``usr/share/locale``."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from firmware_checks.format import ImageFormat, Magic, Opened
from firmware_checks.readers.entry_names import visible
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

ORDERS: Final = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}
HEADER_BYTES = 28
MORE_HEADER_BYTES = 20
"""What catalogues of minor revision 1 have behind that."""
ROW_BYTES = 8
MOST_TEXTS = 1 << 18
"""Large programs have some ten thousand texts."""
MOST_VARYING = 10_000
MOST_PIECES = 64
LAST_PIECE = 0xFFFF_FFFF
HEADER_FIELDS: Final = {"Project-Id-Version": "project", "Language": "language"}
HEADER_TEXT_BYTES = 4096
VALUE_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """Where the two tables stand; each row holds the size of a text, without the NUL behind it, and its place."""

    window: Window
    order: str
    texts: int
    originals_at: int
    translations_at: int
    hash_end: int
    varying: int = 0
    """Texts with pieces that differ between processors, such as how a 64-bit number is printed."""
    varying_tables: tuple[int, ...] = ()
    """Where the rows of those stand, of originals and translations: each is the place of a list of pieces."""

    def row(self, table: int, index: int) -> tuple[int, int]:
        """Return place and end of a text; the NUL behind it included."""
        size, place = self._numbers(table + index * ROW_BYTES, 2)
        return place, place + size + 1

    def last_end(self) -> int:
        """Return where the last text ends, as ``msgfmt`` writes them: translations behind originals, in their order."""
        ends = [self.hash_end, *(table + self.texts * ROW_BYTES for table in self._tables)]
        if self.texts:
            ends += (self.row(table, self.texts - 1)[1] for table in self._tables)
        if self.varying:
            ends += (self._varying_end(table, self.varying - 1) for table in self.varying_tables)
        return max(ends)

    def end(self) -> int:
        """Return where the last byte ends that belongs to it; raise ``FormatError`` for a text outside the bytes."""
        end = self.last_end()
        for table in self._tables:
            rows = self._numbers(table, 2 * self.texts)
            end = max([end, *(place + size + 1 for size, place in zip(rows[::2], rows[1::2], strict=True))])
        for table in self.varying_tables:
            end = max([end, *(self._varying_end(table, index) for index in range(self.varying))])
        self.window.take(0, end)
        return end

    def _varying_end(self, table: int, index: int) -> int:
        """Return where the fixed pieces of a text end, and the list of them; the last piece has the NUL in it."""
        (record,) = self._numbers(table + 4 * index, 1)
        (place,) = self._numbers(record, 1)
        for row in range(record + 4, record + 4 + MOST_PIECES * ROW_BYTES, ROW_BYTES):
            size, piece = self._numbers(row, 2)
            place += size
            if piece == LAST_PIECE:
                return max(place, row + ROW_BYTES)
        raise FormatError("a text of a message catalogue has too many pieces")

    def _numbers(self, place: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"{self.order}{count}I", self.window.take(place, 4 * count))

    @property
    def _tables(self) -> tuple[int, int]:
        return self.originals_at, self.translations_at


def _catalogue(window: Window) -> _Catalogue:
    """Return the catalogue at the start of ``window``; raise ``FormatError`` when there is none."""
    head = bytes(window.take(0, HEADER_BYTES))
    order = ORDERS.get(head[:4])
    if order is None:
        raise FormatError(f"no message catalogue at {window.origin:#x}")
    revision, texts, originals_at, translations_at, hash_rows, hash_at = struct.unpack(f"{order}6I", head[4:])
    if revision >> 16 > 1 or revision & 0xFFFF > 1 or texts > MOST_TEXTS:
        raise FormatError(f"a message catalogue of revision {revision:#x} with {texts} texts is not known")
    tables = (originals_at, translations_at)
    if min(tables) < HEADER_BYTES or max(tables) + texts * ROW_BYTES > window.size:
        raise FormatError("the tables of a message catalogue stand in an impossible place")
    hash_end = hash_at + 4 * hash_rows if hash_rows else HEADER_BYTES
    if not revision & 0xFFFF:
        return _Catalogue(window, order, texts, originals_at, translations_at, hash_end)
    _, _, varying, *places = struct.unpack(f"{order}5I", window.take(HEADER_BYTES, MORE_HEADER_BYTES))
    if varying > MOST_VARYING:
        raise FormatError(f"a message catalogue with {varying} texts in pieces is not believed")
    return _Catalogue(window, order, texts, originals_at, translations_at, hash_end, varying, tuple(places))


def _is_whole(window: Window) -> bool:
    try:
        return _catalogue(window).last_end() == window.size
    except FormatError:
        return False


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    catalogue = _catalogue(span.window)
    return Opened(
        size=catalogue.end(),
        kind=RegionKind.DATA,
        title="Translations (gettext message catalogue)",
        facts={"texts": catalogue.texts, **_facts(catalogue)},
    )


def _facts(catalogue: _Catalogue) -> dict[str, Fact]:
    """Return what the translation of the empty text says: it is a header of lines ``Name: value``."""
    if not catalogue.texts:
        return {}
    place, end = catalogue.row(catalogue.originals_at, 0)
    if end - place > 1:
        return {}
    place, end = catalogue.row(catalogue.translations_at, 0)
    text = bytes(catalogue.window.view[place : min(end - 1, place + HEADER_TEXT_BYTES)]).decode("utf-8", "replace")
    lines = (line.partition(": ") for line in text.splitlines())
    known = ((HEADER_FIELDS.get(name), value) for name, _, value in lines)
    return {name: visible(value, most_characters=VALUE_CHARACTERS) for name, value in known if name and value}


def _example() -> bytes:
    pairs = ((b"", b"Project-Id-Version: pump 1.2\nLanguage: de\n"), (b"alarm", b"Alarm"), (b"rate", b"Rate"))
    texts = [original for original, _ in pairs] + [translation for _, translation in pairs]
    rows = bytearray()
    place = HEADER_BYTES + len(texts) * ROW_BYTES
    for text in texts:
        rows += struct.pack("<2I", len(text), place)
        place += len(text) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), HEADER_BYTES, HEADER_BYTES + len(pairs) * ROW_BYTES, 0, place)
    return head + bytes(rows) + b"".join(text + b"\0" for text in texts)


FORMAT = ImageFormat(
    name="gettext",
    title="Translations (gettext message catalogue)",
    source="GNU gettext manual, 10.3 The Format of GNU MO Files; gettext-runtime/intl/gmo.h",
    limits="Only recognised and measured: the texts in it are not listed one by one.",
    open=_open,
    magics=(
        Magic(rb"\xde\x12\x04\x95[\x00\x01]\x00[\x00\x01]\x00"),
        Magic(rb"\x95\x04\x12\xde\x00[\x00\x01]\x00[\x00\x01]"),
    ),
    closed=_is_whole,
    example=_example,
)
