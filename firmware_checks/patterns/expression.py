"""What can be told about a regular expression over bytes without running it.

Two things are wanted: the literals that every match contains, and a *wider* expression in the small common language of
all search engines. The wider one matches somewhere inside every match of the original, and perhaps elsewhere: what
engines treat differently - looks around, flags, white space, back references - is left out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["literals", "quoted", "widened"]

_TOKEN = re.compile(
    rb"\\x[0-9a-fA-F]{2}|\\[0-9]+|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}"
    rb"|\(\?(?:P<\w+>|<?[=!]|[:>]|[a-z-]+[:)])|\(\?|\(|\)|.",
    re.DOTALL,
)
"""One part of a regular expression: an escape, a class, a repetition, an opening, a closing, or a character."""
_FLAGS = re.compile(rb"\(\?[aiLmsux-]")
_CONTROL = {b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t", b"\\0": b"\0", b"\\b": b"", b"\\B": b""}
_QUANTIFIERS = (b"*", b"+", b"?", b"{")
_LOOKS = (b"(?=", b"(?!", b"(?<=", b"(?<!")


def literals(source: bytes) -> list[bytes]:
    """Return bytes that every match of ``source`` contains, as far as they are plain to see; it starts with the first.

    Groups are not looked into; flags, and alternatives outside groups, make nothing certain.
    """
    runs = [b""]
    for part in _parts_at_top(source):
        if part is None:
            runs.append(b"")
        else:
            runs[-1] += part
    return runs


def _parts_at_top(source: bytes) -> list[bytes | None]:
    """Return for each part outside groups the bytes it stands for: none when it has no width, None when it is open."""
    if _FLAGS.search(source):
        return [None]
    tokens: list[bytes] = _TOKEN.findall(source)
    parts: list[bytes | None] = []
    groups: list[bytes] = []
    for token, following in zip(tokens, [*tokens[1:], b""], strict=True):
        repeated = following.startswith(_QUANTIFIERS)
        if token.startswith(b"("):
            groups.append(token)
        elif token == b")" and groups:
            opening = groups.pop()
            if not groups:
                parts.append(b"" if opening in _LOOKS and not repeated else None)
        elif token == b"|" and not groups:
            return [None]
        elif not groups:
            parts.append(None if repeated else _plain(token))
    return parts


def _plain(token: bytes) -> bytes | None:
    """Return the bytes that ``token`` stands for, or None when it may be several things."""
    if token in _CONTROL:
        return _CONTROL[token]
    if token.startswith(b"\\x"):
        return bytes.fromhex(token[2:].decode())
    if token.startswith(b"\\"):
        return None if chr(token[1]).isalnum() else token[1:]
    return None if len(token) > 1 or token in b".^$*+?[]" else token


ANY = b"[\\x00-\\xff]"
_SPACE = b"\\x09-\\x0d\\x20"
_FILL = (b"\\x00", b"\\xff")
_FILL_KEPT = 3
"""Programs are full of runs of these two: a search engine that looks for a long run of them looks everywhere."""
_ESCAPED, _HEXADECIMAL = 2, 4
_NOT_ASCII = 0x80
_WIDTHLESS = (b"^", b"$", b"\\b", b"\\B", b"\\A", b"\\Z")
_OPENINGS = {b"(": b"(?:", b"(?:": b"(?:", b"(?>": b"(?:", b"(?i:": b"(?i:", b"(?s:": b"(?:", b"(?a:": b"(?:"}
_GLOBAL_FLAGS = {b"(?i)": b"(?i)", b"(?s)": b"", b"(?a)": b"", b"(?m)": b"", b"(?is)": b"(?i)", b"(?si)": b"(?i)"}
_CLASSES = {
    b"\\d": b"[0-9]",
    b"\\D": b"[^0-9]",
    b"\\w": b"[0-9A-Za-z_]",
    b"\\W": b"[^0-9A-Za-z_]",
    b"\\s": b"[" + _SPACE + b"]",
    b"\\S": b"[^" + _SPACE + b"]",
    b".": ANY,
}
_ESCAPES = {b"\\a": 7, b"\\f": 12, b"\\v": 11, b"\\n": 10, b"\\r": 13, b"\\t": 9, b"\\0": 0}
_COUNT = re.compile(rb"\{(\d*)(,?)(\d*)\}")
_LEAST = {b"*": 0, b"?": 0, b"+": 1, b"": 1}
_IN_CLASS = re.compile(rb"\\x[0-9a-fA-F]{2}|\\[0-9]+|\\.|.", re.DOTALL)


class _NotCommonError(Exception):
    """The expression uses something that search engines do not share."""


def quoted(literal: bytes) -> bytes:
    """Return an expression for exactly ``literal``, in printable ASCII."""
    return b"".join(_byte(value) for value in literal)


def widened(source: bytes) -> bytes | None:
    """Return an expression that matches somewhere inside every match of ``source``; None when there is none plain.

    It is printable ASCII without looks around, anchors, back references and captures; case is ignored where
    ``source`` does.
    """
    tokens: list[bytes] = _TOKEN.findall(source)
    flags = _GLOBAL_FLAGS.get(tokens[0]) if tokens else None
    try:
        parts = list(_common(tokens if flags is None else tokens[1:]))
    except _NotCommonError:
        return None
    return (flags or b"") + b"".join(part + times for part, times in _without_open_end(list(_without_fill(parts))))


Repeated = tuple[bytes, bytes]
"""A part of an expression and how often it stands: empty for once. Brackets and bars are parts of their own."""


def _common(tokens: Iterable[bytes]) -> Iterator[Repeated]:
    """Yield the parts in the common language."""
    looks = 0
    part: bytes | None = None
    for token in tokens:
        if looks or token in _LOOKS:
            looks += token.startswith(b"(") - (token == b")")
            next_part = None
        elif token.startswith(_QUANTIFIERS) and token != b"{":
            if part is not None:
                yield part, _times(token)
            next_part = None  # what follows - lazy, possessive - does not change what may match
        else:
            next_part = None if token in _WIDTHLESS else _part(token)
        if part is not None and not token.startswith(_QUANTIFIERS):
            yield part, b""
        part = next_part
    if part is not None:
        yield part, b""


def _times(token: bytes) -> bytes:
    count = _COUNT.fullmatch(token)
    if count is None:
        return token
    least, comma, most = count.groups()
    if not least and not most:
        raise _NotCommonError  # ``{}`` and ``{,}`` are read in several ways
    return b"{%s%s%s}" % (least or b"0", comma, most)


def _part(token: bytes) -> bytes:
    if token in (b")", b"|"):
        return token
    if token in _CLASSES:
        return _CLASSES[token]
    if token.startswith(b"("):
        return _opening(token)
    if token.startswith(b"[") and len(token) > 1:
        return _class(token)
    return _byte(_value(token))


def _opening(token: bytes) -> bytes:
    if token.startswith(b"(?P<"):
        return b"(?:"
    if token not in _OPENINGS:
        raise _NotCommonError
    return _OPENINGS[token]


def _class(token: bytes) -> bytes:
    """Return a class of bytes with everything in it written out."""
    opening = b"[^" if token.startswith(b"[^") else b"["
    parts = [_class_part(part) for part in _IN_CLASS.findall(token[len(opening) : -1])]
    return opening + b"".join(parts) + b"]"


def _class_part(part: bytes) -> bytes:
    if part == b"-":
        return part
    if part == b"\\b":
        return _byte(8)
    if part in (b"\\d", b"\\w", b"\\s"):
        return _CLASSES[part][1:-1]
    if part == b"[":
        raise _NotCommonError  # elsewhere ``[:alpha:]`` is a name
    return _byte(part[0] if len(part) == 1 and part != b"\\" else _value(part))


def _value(token: bytes) -> int:
    """Return the one byte that ``token`` stands for."""
    if token in _ESCAPES:
        return _ESCAPES[token]
    if token.startswith(b"\\x") and len(token) == _HEXADECIMAL:
        return bytes.fromhex(token[2:].decode())[0]
    if token.startswith(b"\\") and len(token) == _ESCAPED and not token[1:].isalnum():
        return token[1]
    if len(token) != 1 or token in b"[{\\":
        raise _NotCommonError
    return token[0]


def _byte(value: int) -> bytes:
    return b"%c" % value if chr(value).isalnum() and value < _NOT_ASCII else b"\\x%02x" % value


def _without_fill(parts: Iterable[Repeated]) -> Iterator[Repeated]:
    """Leave only the first few of a run of fill bytes as they are; the others may be anything."""
    last, run = b"", 0
    for part, times in parts:
        count = _exactly(times) if part in _FILL else None
        if count is None:
            yield part, times
            last, run = b"", 0
            continue
        run = run if part == last else 0
        kept = max(0, min(count, _FILL_KEPT - run))
        if kept:
            yield part, _written(kept)
        if count > kept:
            yield ANY, _written(count - kept)
        last, run = part, run + count


def _exactly(times: bytes) -> int | None:
    if not times:
        return 1
    count = _COUNT.fullmatch(times)
    return int(count[1]) if count is not None and not count[2] else None


def _written(count: int) -> bytes:
    return b"" if count == 1 else b"{%d}" % count


def _without_open_end(parts: list[Repeated]) -> list[Repeated]:
    """Repeat the last part no more often than it must be: the shortest match tells as much as the longest."""
    end = len(parts)
    while end and parts[end - 1] == (b")", b""):
        end -= 1
    inner, closings = parts[:end], parts[end:]
    while inner and (inner[-1][0] == ANY or (inner[-1][1] and _least(inner[-1][1]) == 0 and inner[-1][0] != b")")):
        inner.pop()
    if inner and inner[-1][1] and inner[-1][0] != b")":
        part, times = inner.pop()
        inner.append((part, _written(_least(times))))
    return [*inner, *closings]


def _least(times: bytes) -> int:
    count = _COUNT.fullmatch(times)
    return int(count[1]) if count is not None else _LEAST[times]
