"""The part of the libconfig language that sw-description files use, read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from signing.refusal import Refusal

__all__ = ["strict_libconfig"]

TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
    |(?P<text>"(?:[^"\\\n]|\\["\\nrt])*")
    |(?P<word>[A-Za-z*][-A-Za-z0-9_*]*)
    |(?P<number>[-+]?(?:0x[0-9A-Fa-f]+L{0,2}|\d+(?:\.\d+)?L{0,2}))
    |(?P<mark>[{}()\[\]=:;,])""",
    re.VERBOSE | re.DOTALL,
)
MOST_DEPTH: Final = 16
MOST_TOKENS: Final = 100_000
ESCAPES: Final = {'\\"': '"', "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t"}
ENDS: Final = {"(": ")", "[": "]"}


def strict_libconfig(data: bytes) -> dict[str, Any]:
    """Return the settings of a file; ``Refusal`` for a name that stands twice, and for what cannot be read."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("libconfig.text", "the description is not UTF-8") from error
    reader = _Reader(list(_tokens(text)))
    return reader.settings(end="", depth=0)


def _tokens(text: str) -> Iterator[str]:
    place = 0
    count = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None or count > MOST_TOKENS:
            raise Refusal("libconfig.syntax", f"the description cannot be read at character {place}")
        place = match.end()
        if match.lastgroup != "space":
            count += 1
            yield match.group()


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0

    def _next(self) -> str:
        if self._place >= len(self._tokens):
            raise Refusal("libconfig.syntax", "the description ends too early")
        self._place += 1
        return self._tokens[self._place - 1]

    def _is_next(self, *tokens: str) -> bool:
        return self._place < len(self._tokens) and self._tokens[self._place] in tokens

    def settings(self, *, end: str, depth: int) -> dict[str, Any]:
        """Read ``name = value;`` up to the mark ``end``, or to the end of the file."""
        found: dict[str, Any] = {}
        while not self._at_end(end):
            name = self._next()
            if not name[0].isalpha() and name[0] != "*":
                raise Refusal("libconfig.syntax", f"{name[:20]!r} stands where a name must")
            if name in found:
                raise Refusal("libconfig.duplicate-key", f"{name[:40]!r} stands twice in the description")
            if self._next() not in ("=", ":"):
                raise Refusal("libconfig.syntax", f"no value follows {name[:40]!r}")
            found[name] = self._value(depth + 1)
            if self._is_next(";", ","):
                self._next()
        return found

    def _at_end(self, end: str) -> bool:
        if not end:
            return self._place == len(self._tokens)
        if self._is_next(end):
            self._next()
            return True
        return False

    def _value(self, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise Refusal("libconfig.depth", f"the description is nested deeper than {MOST_DEPTH} levels")
        piece = self._next()
        if piece == "{":
            return self.settings(end="}", depth=depth)
        if piece in ENDS:
            return self._list(ENDS[piece], depth)
        if piece[0] == '"':
            return self._text(piece)
        if piece.lower() in ("true", "false"):
            return piece.lower() == "true"
        if piece[0].isdigit() or piece[0] in "+-":
            return piece
        raise Refusal("libconfig.syntax", f"{piece[:20]!r} is no value")

    def _text(self, token: str) -> str:
        """Return a text; texts that follow each other are one."""
        parts = [token[1:-1]]
        while self._place < len(self._tokens) and self._tokens[self._place][0] == '"':
            parts.append(self._next()[1:-1])
        return re.sub(r"\\.", lambda found: ESCAPES[found.group()], "".join(parts))

    def _list(self, end: str, depth: int) -> list[Any]:
        found = []
        while not self._at_end(end):
            found.append(self._value(depth + 1))
            if self._is_next(","):
                self._next()
        return found
