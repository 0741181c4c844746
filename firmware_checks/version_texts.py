"""Versions among the constants of a program, each with the words around it, before anybody judges whose they are.

A program that knows its version keeps it as text: ``1.2.3`` alone, ``name 1.2.3``, ``%s version 1.2.3``. Only the bytes
that a linker sets apart as constants are looked at, which is a quarter of a program, and a text is read only where a
digit, a point and a digit stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

__all__ = ["TOLD_BY_SCRIPT", "VersionText", "build_folder", "version_texts"]

TOLD_BY_SCRIPT = "version = "
"""Stands before a version that a script sets."""
MOST_TEXTS = 2000
"""Texts with a version that are kept of one file; a program with more is a table of them."""
MOST_TEXT_BYTES = 200
MOST_NEAR_BYTES = 48

_PLACE = re.compile(rb"\.(?<=[0-9]\.)[0-9]")
"""Starts with the point, for which the search is four times faster than for a digit."""
_VERSION = re.compile(
    rb"(?P<number>[0-9]{1,8}(?:\.[0-9]{1,8}){1,5})"
    rb"(?P<suffix>(?:-(?:19|20)[0-9]{6}|[-_.~+]?(?:rc|alpha|beta|pre|patch|pl|p|b|a|P|RC|devel|dev|git|ESV|stable)[-.]?[0-9]{0,8}|[a-z]{1,2}(?:[0-9]{1,2})?)?)"
)
_NUMBER_AFTER_WORD = re.compile(rb"ersion (?=(?P<number>[0-9]{2,8})(?P<suffix>)[\x00 \n,)])")
_NUMBER_BEHIND_NAME = re.compile(rb"\x00[a-z][a-z0-9_+-]{2,24} (?=(?P<number>[0-9]{2,8})(?P<suffix>):)")
_NUMBER_OF_FOLDER = re.compile(
    rb"/build/[A-Za-z0-9.+-]{2,40}/[a-z0-9.+-]{1,40}-(?=(?P<number>[0-9]{1,8})(?P<suffix>)/)"
)
_NUMBER_PRINTED = re.compile(rb"\x00(?=(?P<number>[0-9]{2,4})(?P<suffix>)\x00{1,4}[^\x00]{0,40}[Vv]ersion %s)")
_DATE_ALONE = re.compile(rb"20(?<=\x0020)(?=[0-9]{6}\x00)")
"""Versions of one number: what follows the word, a name or that of a folder, what is about to be printed, a date."""
_DATE = re.compile(rb"(?P<number>[0-9]{8})(?P<suffix>)")
_DATE_BEHIND_NAME = re.compile(
    rb"20(?:(?<=[A-Za-z0-9] 20)|(?<= R20))(?=[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[\x00 \n,)])"
)
_BUILD_FOLDER = re.compile(
    rb"/build/(?:(?P<name>[a-z0-9][a-z0-9+.-]{1,60}?)-[A-Za-z0-9_]{6}/(?P=name)|"
    rb"reproducible-path/(?P<other>[a-z0-9][a-z0-9+.-]{1,60}?))-v?"
    rb"(?>(?P<number>[0-9]{1,8}(?:\.[0-9]{1,8}){0,5})(?P<suffix>[A-Za-z]{0,5}[0-9]{0,4}))(?!~)"
    rb"(?P<rest>[^\x00\n/ =]{0,60})"
)
"""Where a distribution unpacked the sources: ``/build/name-Xy12ab/name-1.2.3+dfsg/``. Source: sbuild's build places."""
_SINGLE_NUMBERS = (_NUMBER_AFTER_WORD, _NUMBER_BEHIND_NAME, _NUMBER_OF_FOLDER, _NUMBER_PRINTED)
_TEXT_END = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f-\xff]")
_DIGIT_OR_POINT = frozenset(b"0123456789.")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionText:
    """A version in a text: what stands before and after it in the same text, and the texts on both sides of that."""

    number: str
    """Digits and points."""
    version: str
    """With what the makers add to a release: ``1.1.1k``, ``9.2p1``, ``2.0-rc1``."""
    before: str
    after: str
    near: tuple[str, str]
    offset: int
    """Where the version starts in the file."""

    @property
    def is_bare(self) -> bool:
        """Whether the text is the version and nothing else."""
        return not self.before.strip("vV \n") and not self.after.strip(" \n.")

    @property
    def text(self) -> str:
        """The text as it stands, for a reader."""
        return f"{self.before}{self.version}{self.after}".strip()


def version_texts(data: memoryview, ranges: Iterable[tuple[int, int]]) -> tuple[VersionText, ...]:
    """Return the versions in the constants that ``ranges`` of the file ``data`` hold, each once with the same words."""
    found: dict[tuple[str, str], VersionText] = {}
    for start, end in ranges:
        for text in _in_range(bytes(data[start:end]), start):
            found.setdefault((text.before, text.version), text)
            if len(found) == MOST_TEXTS:
                return tuple(found.values())
    return tuple(found.values())


def build_folder(data: memoryview) -> VersionText | None:
    """Return the version in the name of the folder that the file was built in, wherever its path stands."""
    match = _BUILD_FOLDER.search(data)
    if match is None:
        return None
    number = match["number"].decode()
    return VersionText(
        number=number,
        version=number + match["suffix"].decode(),
        before=f"/build/{(match['name'] or match['other']).decode()}-",
        after=f"{match['rest'].decode('latin-1')}/",
        near=("", ""),
        offset=match.start("number"),
    )


def _in_range(data: bytes, base: int) -> Iterator[VersionText]:
    done = 0
    for place in _PLACE.finditer(data):
        position = place.start() - 1
        if position < done:
            continue
        start = position
        while start > 0 and data[start - 1] in _DIGIT_OR_POINT and position - start < 8:
            start -= 1
        match = _VERSION.match(data, start)
        if match is None:
            done = position + 3
            continue
        done = match.end()
        text = _text(data, match, base)
        if text is not None:
            yield text
    places = chain(_DATE_ALONE.finditer(data), _DATE_BEHIND_NAME.finditer(data))
    dates = (_DATE.match(data, place.start()) for place in places)
    single = (pattern.finditer(data) for pattern in _SINGLE_NUMBERS)
    for match in (*chain.from_iterable(single), *filter(None, dates)):
        text = _text(data, match, base)
        if text is not None:
            yield text


def _text(data: bytes, match: re.Match[bytes], base: int) -> VersionText | None:
    """Return the version with the text around it; None where no printable text surrounds it."""
    start, end = match.start("number"), match.end("suffix")
    text_start = _start_of_text(data, start)
    closing = _TEXT_END.search(data, end, end + MOST_TEXT_BYTES)
    if closing is not None and data[closing.start()]:
        return None  # code or a table, not a text
    text_end = closing.start() if closing is not None else min(len(data), end + MOST_TEXT_BYTES)
    if match["suffix"] and data[end : end + 1].isalnum():
        end = match.end("number")
    before = data[text_start:start].decode("ascii")
    after = data[end:text_end].decode("ascii")
    is_part_of_word = after[:1].isalnum() or after[:1] == "_"
    if is_part_of_word or before[-1:] == "+" or (before[-1:] == "-" and not before[-2:-1].isalnum()):
        return None
    return VersionText(
        number=match["number"].decode(),
        version=data[start:end].decode().rstrip("-.~+_"),
        before=before,
        after=after,
        near=(_text_before(data, text_start), _text_after(data, text_end) if closing is not None else ""),
        offset=base + start,
    )


def _start_of_text(data: bytes, position: int) -> int:
    """Return where the text before ``position`` starts: behind what is no text, or at a line of a long one."""
    start = low = max(0, position - MOST_TEXT_BYTES)
    end_before = data.rfind(b"\0", low, position)
    if end_before >= 0 and _TEXT_END.search(data, end_before + 1, position) is None:
        return end_before + 1  # nearly always
    for mark in _TEXT_END.finditer(data, low, position):
        start = mark.end()
    return start if start > low or low == 0 else max(low, data.rfind(b"\n", low, position) + 1)


def _text_before(data: bytes, text_start: int) -> str:
    words = data[max(0, text_start - MOST_NEAR_BYTES) : text_start].rstrip(b"\0").rpartition(b"\0")[2]
    return _line(words.rstrip(b"\n").rpartition(b"\n")[2])


def _text_after(data: bytes, text_end: int) -> str:
    words = data[text_end : text_end + MOST_NEAR_BYTES].lstrip(b"\0").partition(b"\0")[0]
    return _line(words.lstrip(b"\n").partition(b"\n")[0])


def _line(words: bytes) -> str:
    """Return ``words`` as text; nothing when they are none."""
    text = words.replace(b"\t", b" ").decode("ascii", "ignore")
    return text if words.isascii() and text.isprintable() else ""
