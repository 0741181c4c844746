"""Putting versions in order the way their makers do, as keys whose bytes sort like the versions.

A key is made of tokens; at each place a pre-release comes before the end of the version, the end before a patch or a
letter, and these before a further number::

    10 rank number      alpha, beta, pre, rc          2023.01-rc2  <  2023.01
    20                  the end
    30 number           p1, P1, sp1, patch 1          4.2.8  <  4.2.8p1
    38 letters 00       1.0.2a, 1.0.2za               1.0.2  <  1.0.2a  <  1.0.3
    40+n, n bytes       one number

Numbers that are 0 at the end of the row of numbers are left out, so that 5.10 and 5.10.0 are the same. A range of
versions is a range of keys, which a database can test without knowing anything about versions.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect_right
from functools import lru_cache

__all__ = ["AFTER_ALL", "BEFORE_ALL", "SchemeName", "any_update", "compare", "just_after", "key_prefix", "version_key"]


class SchemeName(enum.StrEnum):
    """How the makers of a product count."""

    GENERIC = "generic"
    """Numbers, then words for what comes before or after the release; build tails do not count."""
    DASHED = "dashed"
    """The same, but each number counts, also one behind a dash or an unknown word."""
    OPENSSH = "openssh"
    """``p1`` is the portable edition of the release itself."""
    LINUX = "linux"
    """Nothing behind the numbers counts but what comes before the release: ``-rc3``."""
    FREERTOS = "freertos"
    """Bundles such as 202012.00 stand right behind the kernel that they hold."""


BEFORE_ALL = b""
AFTER_ALL = b"\xff"
_PRE, _END, _PATCH, _LETTER, _NUMBER = b"\x10", b"\x20", b"\x30", b"\x38", 0x40
_LONGEST_NUMBER = 38
"""Decimal digits; a longer one is no version and counts as this many nines."""
_LONGEST_VERSION = 200

_PRE_RANKS = {
    "dev": 0, "snapshot": 0, "nightly": 0, "test": 1, "alpha": 1, "a": 1, "beta": 2, "b": 2, "pre": 3, "preview": 3,
    "prerelease": 3, "m": 3, "milestone": 3, "rc": 4, "cr": 4,
}  # fmt: skip
_ONLY_WITH_NUMBER = frozenset({"a", "b", "m"})
"""``1.0b2`` is a beta; ``1.0b`` is a letter."""
_PATCH_WORDS = frozenset({"p", "pl", "patch", "patchlevel", "sp", "sr", "hf", "hotfix", "update", "u", "servicepack"})

_EPOCH = re.compile(r"^\d{1,3}:(?=\d)")
_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_REVISION = re.compile(r"(?:-\d+)?[-.]g[0-9a-f]{5,40}(?![0-9a-z])")
_NUMBERS = re.compile(r"\d+(?:[._]\d+)*")
_TAIL = re.compile(r"(?P<gap>[^a-z0-9]*)(?:(?P<word>[a-z]+)(?:(?P<between>[._\- ]?)(?P<number>\d+))?|(?P<bare>\d+))")
_LETTERS = re.compile(r"z?[a-z]")

_FREERTOS_BUNDLES = (
    ((201906,), "10.2.0"), ((201908,), "10.2.1"), ((202002,), "10.3.0"), ((202007,), "10.3.1"), ((202010,), "10.4.1"),
    ((202011,), "10.4.2"), ((202012,), "10.4.3"), ((202107,), "10.4.4"), ((202111,), "10.4.6"), ((202210,), "10.5.1"),
    ((202406,), "11.1.0"),
)  # fmt: skip
"""First bundle with each kernel. Source: History.txt and manifest.yml of the FreeRTOS repository."""
_FIRST_BUNDLE = 200000
"""A first number from here on is a year and month."""


@lru_cache(maxsize=1 << 16)
def version_key(text: str, scheme: SchemeName = SchemeName.GENERIC) -> bytes:
    """Return bytes that sort as ``text`` does among the versions of its product."""
    return key_prefix(text, scheme) + _END


@lru_cache(maxsize=1 << 16)
def key_prefix(text: str, scheme: SchemeName = SchemeName.GENERIC) -> bytes:
    """Return the key without its end: what all pre-releases, patches and sub-versions of ``text`` begin with."""
    plain = _normalised(text)
    found = _NUMBERS.search(plain)
    if found is None:
        return _LETTER + plain.encode("utf-8", "replace")
    numbers = [int(digits[:_LONGEST_NUMBER]) for digits in re.split("[._]", found[0])]
    tail = plain[found.end() :]
    if scheme is SchemeName.FREERTOS and numbers[0] >= _FIRST_BUNDLE:
        return _bundle_prefix(numbers)
    return _numbers_key(numbers) + _tail_key(tail, scheme)


def compare(a: str, b: str, scheme: SchemeName = SchemeName.GENERIC) -> int:
    """Return -1, 0 or 1 as ``a`` is before, the same as, or after ``b``."""
    left, right = version_key(a, scheme), version_key(b, scheme)
    return (left > right) - (left < right)


def just_after(key: bytes) -> bytes:
    """Return the smallest key that is larger than ``key``."""
    return key + b"\x00"


def any_update(text: str, scheme: SchemeName) -> tuple[bytes, bytes]:
    """Return the half-open range of keys that hold ``text`` with its pre-releases and patches, letters excepted."""
    prefix = key_prefix(text, scheme)
    return prefix + _PRE, prefix + _LETTER


def _normalised(text: str) -> str:
    plain = text[:_LONGEST_VERSION].strip().lower().replace(", ", ".")
    plain = _EPOCH.sub("", plain).partition("+")[0]
    plain = _DATE.sub(r"\1.\2.\3", plain)
    return _REVISION.sub("", plain)


def _numbers_key(numbers: list[int]) -> bytes:
    kept = len(numbers)
    while kept > 1 and numbers[kept - 1] == 0:
        kept -= 1
    return b"".join(map(_number_key, numbers[:kept]))


def _number_key(number: int) -> bytes:
    size = (number.bit_length() + 7) // 8
    return bytes([_NUMBER + size]) + number.to_bytes(size, "big")


def _tail_key(tail: str, scheme: SchemeName) -> bytes:
    key, before = b"", ""
    for found in _TAIL.finditer(tail):
        token = _token(found, before, scheme)
        if token is not None:
            key += token
        elif scheme is SchemeName.LINUX or found["word"] is None:
            break
        before = found["word"] or ""
    return key


def _token(found: re.Match[str], before: str, scheme: SchemeName) -> bytes | None:
    """Return what a word or number behind the numbers counts for; None when it does not count."""
    word, number = found["word"], int((found["number"] or found["bare"] or "0")[:_LONGEST_NUMBER])
    if word is None:
        return _PATCH + _number_key(number) if scheme is SchemeName.DASHED else None
    if scheme is SchemeName.LINUX and word in _ONLY_WITH_NUMBER:
        return None
    is_attached = found["number"] is not None and not found["between"]
    if word in _PRE_RANKS and (is_attached or word not in _ONLY_WITH_NUMBER):
        return _PRE + bytes([_PRE_RANKS[word]]) + _number_key(number)
    if scheme is SchemeName.LINUX:
        return None
    return _after_release(found, before, scheme, number)


def _after_release(found: re.Match[str], before: str, scheme: SchemeName, number: int) -> bytes | None:
    word, has_number = found["word"], found["number"] is not None
    if (word in _PATCH_WORDS and has_number) or (before == "esv" and word == "r"):
        is_release = scheme is SchemeName.OPENSSH and word == "p" and number == 1
        return b"" if is_release else _PATCH + _number_key(number)
    is_letter = not found["gap"] and _LETTERS.fullmatch(word) is not None
    has_number &= scheme is SchemeName.DASHED or not found["between"]
    if is_letter or word == "esv" or (scheme is SchemeName.DASHED and has_number):
        return _LETTER + word.encode("ascii") + b"\x00" + (_number_key(number) if has_number else b"")
    return None


def _bundle_prefix(numbers: list[int]) -> bytes:
    place = bisect_right(_FREERTOS_BUNDLES, ((numbers[0],), "~")) - 1
    kernel = _FREERTOS_BUNDLES[max(place, 0)][1]
    return key_prefix(kernel, SchemeName.FREERTOS) + _PATCH + b"".join(map(_number_key, numbers))
