"""CBOR with one spelling: the deterministic encoding of RFC 8949, 4.2.1, and of it only what manifests need."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

from signing.refusal import Refusal

__all__ = ["strict_cbor"]

MOST_DEPTH: Final = 16
UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
SIMPLE_VALUES: Final = (20, 21, 22)
"""false, true, null."""
SHORTEST: Final = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
"""Least number that may take 1, 2, 4 or 8 further bytes."""


def strict_cbor(data: bytes, *, most_bytes: int = 1 << 20, tags: Container[int] = ()) -> Any:
    """Return the value of exactly one item in deterministic encoding; tags other than ``tags`` are refused.

    ``Refusal`` for indefinite lengths, keys that are unsorted or stand twice, numbers spelled long, floating point.
    """
    if len(data) > most_bytes:
        raise Refusal("cbor.size", f"a CBOR document has {len(data)} bytes, {most_bytes} are allowed")
    end = _item(data, 0, 0, tags)
    if end != len(data):
        raise Refusal("cbor.trailing", f"{len(data) - end} bytes follow a CBOR document")
    from cbor2 import loads

    return _plain(loads(data))


def _plain(value: Any) -> Any:
    """Return a decoded value with lists and dictionaries throughout; within tags the library makes others."""
    from cbor2 import CBORTag

    if isinstance(value, CBORTag):
        return CBORTag(value.tag, _plain(value.value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _item(data: bytes, place: int, depth: int, tags: Container[int]) -> int:
    """Check the item at ``place`` and return where it ends."""
    if depth > MOST_DEPTH:
        raise Refusal("cbor.depth", f"a CBOR document is nested deeper than {MOST_DEPTH} levels")
    major, number, after = _head(data, place)
    if major in (BYTES, TEXT):
        return _text_or_bytes(data, major, number, after)
    if major == MAP:
        return _map(data, number, after, depth, tags)
    if major == ARRAY:
        return _array(data, number, after, depth, tags)
    if major == TAG:
        if number not in tags:
            raise Refusal("cbor.tag", f"the CBOR tag {number} is not expected here")
        return _item(data, after, depth + 1, tags)
    if major == SIMPLE and number not in SIMPLE_VALUES:
        raise Refusal("cbor.value", "a CBOR document holds floating point or an undefined value")
    return after


def _head(data: bytes, place: int) -> tuple[int, int, int]:
    """Return major type, number and the end of the head at ``place``."""
    if place >= len(data):
        raise Refusal("cbor.truncated", "a CBOR document ends before its last item does")
    major, short = data[place] >> 5, data[place] & 0x1F
    if short < 24:
        return major, short, place + 1
    if short not in SHORTEST:
        raise Refusal("cbor.indefinite", "a CBOR item has an indefinite or reserved length")
    after = place + 1 + (1 << (short - 24))
    if after > len(data):
        raise Refusal("cbor.truncated", "a CBOR document ends within a number")
    number = int.from_bytes(data[place + 1 : after], "big")
    if major == SIMPLE:
        raise Refusal("cbor.value", "a CBOR document holds floating point or an undefined value")
    if number < SHORTEST[short]:
        raise Refusal("cbor.not-canonical", f"the number {number} is spelled longer than it must be")
    return major, number, after


def _text_or_bytes(data: bytes, major: int, size: int, start: int) -> int:
    end = start + size
    if end > len(data):
        raise Refusal("cbor.truncated", "a CBOR text or byte string is not all there")
    if major == TEXT:
        try:
            data[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refusal("cbor.text", "a CBOR text is not UTF-8") from error
    return end


def _array(data: bytes, count: int, place: int, depth: int, tags: Container[int]) -> int:
    if count > len(data) - place:
        raise Refusal("cbor.truncated", f"a CBOR array claims {count} items")
    for _index in range(count):
        place = _item(data, place, depth + 1, tags)
    return place


def _map(data: bytes, count: int, place: int, depth: int, tags: Container[int]) -> int:
    if 2 * count > len(data) - place:
        raise Refusal("cbor.truncated", f"a CBOR map claims {count} entries")
    last = b""
    for _index in range(count):
        key_end = _item(data, place, depth + 1, tags)
        key = data[place:key_end]
        if key <= last:
            raise Refusal("cbor.duplicate-key", "the keys of a CBOR map are not sorted, or one stands twice")
        last = key
        place = _item(data, key_end, depth + 1, tags)
    return place
