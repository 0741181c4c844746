"""JSON with one meaning: no key twice, no number that two programs read differently, no text that is no text."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from signing.refusal import Refusal

__all__ = ["strict_json"]

MOST_DEPTH: Final = 32
MOST_DIGITS: Final = 19
"""Numbers of 64 bits; a longer one is another number to a program that counts in floating point."""


def strict_json(data: bytes, *, most_bytes: int = 16 << 20, most_depth: int = MOST_DEPTH) -> Any:
    """Return the value of a JSON document in UTF-8; ``Refusal`` when parsers may read it differently. RFC 8259, 4-8."""
    if len(data) > most_bytes:
        raise Refusal("json.size", f"a JSON document has {len(data)} bytes, {most_bytes} are allowed")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("json.text", f"a JSON document is not UTF-8 at byte {error.start}") from error
    _check_depth(text, most_depth)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except json.JSONDecodeError as error:
        raise Refusal("json.syntax", f"this is no JSON document: {error.msg} at character {error.pos}") from error
    _check_texts(value)
    return value


def _check_depth(text: str, most_depth: int) -> None:
    """Count brackets outside of strings; the parser itself would exhaust the stack."""
    depth = 0
    for piece in _outside_strings(text):
        for character in piece:
            depth += (character in "[{") - (character in "]}")
            if depth > most_depth:
                raise Refusal("json.depth", f"a JSON document is nested deeper than {most_depth} levels")


def _outside_strings(text: str) -> list[str]:
    """Return what stands between the strings of ``text``."""
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    return text.split('"')[::2]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal("json.duplicate-key", f"the key {twice[:40]!r} stands twice in one JSON object")
    return found


def _constant(name: str) -> NoReturn:
    raise Refusal("json.number", f"{name} is no JSON number")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS or digits == "-0":
        raise Refusal("json.number", f"a number of {len(digits)} digits means different things to different programs")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value) or len(digits) > 2 * MOST_DIGITS:
        raise Refusal("json.number", "a number is too large or too long to be the same to every program")
    return value


def _check_texts(value: Any) -> None:
    """Refuse halves of surrogate pairs: they are no characters, and programs replace them as they like."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and not item.isascii() and any("\ud800" <= c <= "\udfff" for c in item):
            raise Refusal("json.text", "a JSON text holds half of a character")
