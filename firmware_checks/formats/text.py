"""Plain text: settings, scripts, notes, certificates; text that is more than that has a format of its own."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from firmware_checks.format import ImageFormat, Opened
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

CHUNK_BYTES = 1 << 16
TEXT_CONTROLS = b"\t\n\f\r\x1b"
"""Control characters that text has; escape colours a log."""
ALLOWED_BYTES: Final = bytes([*TEXT_CONTROLS, *range(0x20, 0x7F), *range(0x80, 0x100)])
NO_TEXT: Final = re.compile("[\0-\x08\x0b\x0e-\x19\x1c-\x1f\x7f\ufffe\uffff]")
DOS_END = b"\x1a"
SHORTEST_BYTES = 8
FEW_BYTES = 32
"""Below this size letters, digits and blanks must make up half of it."""
WORD_BYTES: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n")
FEWEST_VALUES = 4
"""Different byte values in any text; one or two repeated are padding or a pattern."""
LATIN_SHORTEST_BYTES = 64
LATIN_MOST_HIGH = 0.3
"""Share of accented letters in text of 8-bit character sets; machine code and tables have more."""
CP1252_UNDEFINED: Final = b"\x81\x8d\x8f\x90\x9d"

MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8", 3),
    (codecs.BOM_UTF16_LE, "utf-16-le", 2),
    (codecs.BOM_UTF16_BE, "utf-16-be", 2),
)
"""Byte order marks, the character set they stand for, their size in bytes."""

MEDIA_TYPES: Final = (
    ("text/html", re.compile(r"(?:<!--.*?-->\s*)?<(?:!doctype html|html)", re.IGNORECASE | re.DOTALL)),
    ("application/xml", re.compile(r"<\?xml\s")),
    ("application/x-pem-file", re.compile(r"(?:.*\n)?-----BEGIN [A-Z0-9 ]+-----", re.DOTALL)),
    ("text/x-script", re.compile(r"#!\s*/")),
    ("application/json", re.compile(r'(?:\{\s*"|\[\s*[\[{"\d-])')),
    ("text/x-ini", re.compile(r"(?:[;#][^\n]*\n\s*)*\[[^\]\n]+\]\s*\n")),
)
"""What the first characters tell; the first that fits decides."""
HEAD_CHARACTERS = 4096
PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
PEM_LABELS = 50


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    encoding, mark_bytes = _encoding(span.window)
    head = _head(span.window, encoding, mark_bytes)
    facts: dict[str, Fact] = {"encoding": encoding, "lines": _lines(span.window, encoding)}
    facts["media_type"] = next((name for name, pattern in MEDIA_TYPES if pattern.match(head)), "text/plain")
    labels = sorted(
        {match[1].decode("ascii") for _, match in zip(range(PEM_LABELS), _labels(span.window), strict=False)}
    )
    if labels:
        facts["pem_blocks"] = tuple(labels)
    return Opened(size=span.size, kind=RegionKind.DATA, title="text", facts=facts)


def _encoding(window: Window) -> tuple[str, int]:
    """Return the character set of the text and the size of its byte order mark; raise ``FormatError`` for no text."""
    for mark, encoding, size in MARKS:
        if window.starts_with(mark) and window.size >= size + SHORTEST_BYTES:
            _check_decodes(window, size, encoding)
            return encoding, size
    _check_bytes(window)
    try:
        _check_decodes(window, 0, "utf-8")
    except FormatError:
        _check_latin(window)
        return "windows-1252", 0
    return ("ascii" if all(chunk.isascii() for chunk in _chunks(window)) else "utf-8"), 0


def _chunks(window: Window, start: int = 0) -> Iterator[bytes]:
    for place in range(start, window.size, CHUNK_BYTES):
        yield bytes(window.view[place : place + CHUNK_BYTES])


def _check_bytes(window: Window) -> None:
    """Refuse what holds bytes that no text holds, or too little to tell."""
    values: set[int] = set()
    last = window.size - 1
    for index, chunk in enumerate(_chunks(window)):
        odd = chunk.translate(None, ALLOWED_BYTES)
        if odd and not (odd == DOS_END and index * CHUNK_BYTES + chunk.find(DOS_END) == last):
            raise FormatError("holds control characters, so it is no text")
        values.update(chunk)
    if window.size < SHORTEST_BYTES or len(values) < FEWEST_VALUES:
        raise FormatError("is too short or too uniform to be text")
    if window.size < FEW_BYTES and 2 * sum(byte in WORD_BYTES for byte in window.view) < window.size:
        raise FormatError("has too few letters to be text")


def _check_decodes(window: Window, start: int, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in _chunks(window, start):
            if NO_TEXT.search(decoder.decode(chunk)):
                raise FormatError("holds characters that no text holds")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise FormatError(f"is no {encoding} text: {error.reason}") from error


def _check_latin(window: Window) -> None:
    """Accept an 8-bit character set only where most is plain ASCII and there are words with blanks between them."""
    high = blanks = undefined = 0
    for chunk in _chunks(window):
        high += len(chunk) - len(chunk.translate(None, bytes(range(0x80, 0x100))))
        blanks += chunk.count(b" ") + chunk.count(b"\n")
        undefined += len(chunk) - len(chunk.translate(None, CP1252_UNDEFINED))
    if window.size < LATIN_SHORTEST_BYTES or undefined or high > LATIN_MOST_HIGH * window.size:
        raise FormatError("is no text in a known character set")
    if 40 * blanks < window.size:
        raise FormatError("has no words")


def _head(window: Window, encoding: str, start: int) -> str:
    head = bytes(window.view[start : start + HEAD_CHARACTERS])
    return head.decode(encoding, "ignore").lstrip()


def _lines(window: Window, encoding: str) -> int:
    """Return how many lines there are; a last line without its end counts."""
    end = {"utf-16-le": b"\n\0", "utf-16-be": b"\0\n"}.get(encoding, b"\n")
    count = sum(chunk.count(end) for chunk in _chunks(window))
    return count + (not window.starts_with(end, window.size - len(end)))


def _labels(window: Window) -> Iterator[re.Match[bytes]]:
    return PEM_LABEL.finditer(window.view)


def _example() -> bytes:
    return b"# infusion pump\nrate_ml_per_h = 5\nalarm = on\n"


FORMAT = ImageFormat(
    name="text",
    title="text",
    source="Unicode 15, UTF-8 and UTF-16 with byte order mark; code page 1252",
    limits="UTF-16 without a byte order mark and multi-byte character sets other than Unicode are not recognised.",
    open=_open,
    try_order=900,
    whole_file_only=True,
    fallback=True,
    example=_example,
)
