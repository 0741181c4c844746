"""Is a text that stands where a secret would stand one, or a placeholder, a variable, a word of a manual?"""

from __future__ import annotations

import math
import re
from collections import Counter

from firmware_checks.credentials.well_known import known_as

__all__ = ["entropy_bits", "is_likely_code", "is_likely_key", "is_likely_password"]

_PLACEHOLDER = re.compile(
    r"(?i:none|null|nil|true|false|yes|no|on|off|empty|unset|undefined|unknown|auto|prompt|ask|hidden|hunter2|plain|not|is|are"
    r"|must|required|optional|string|value|text|char|const|bytes?|int|bool|self|this|args?|opts?|options?|config|request|foo"
    r"|bar|baz|todo|token|key|login|user|pwd|pass|quoted|keyring|interactive|environ(?:ment)?|getpass|input|basic|digest"
    r"|(?:your|my|some|the|a|new|old|enter|insert|replace|change|user|db|ftp|http|proxy|ldap|root|admin|sql)[-_ .:]?"
    r"(?:password|passwd|passphrase|pass|pwd|secret|key|token|name|me|here)"
    r"|(?:your|example|sample|dummy|placeholder|x{3,}|change[-_]?me)\w*"
    r"|(?:password|passwd|passphrase|secret|username)(?:[-_ .:]\w*)?|passwd\d)"
    r"|(?:password|passwd|passphrase|secret|token|key)[A-Z]\w*"
)
_BOUND = re.compile(
    r"^0x[0-9a-fA-F]+$|[$%{}<>()\[\]\\`@*|~?]|^[-/.#&!+,;:=_]|::|->|\.\.|[;,:]$|^\w+\.\w+[.\w]*$|^[\w.-]+/[\w./-]*$"
)
_MIXED = re.compile(r"(?=.*[A-Za-z])(?=.*\d)")
_CODE = re.compile(r"\d{4,8}")
LEAST_PASSWORD, MOST_PASSWORD = 4, 64
LEAST_KEY_BITS = 2.5
"""Shannon entropy a character; the hexadecimal digits of a random key have about 3.7, words of a text below 3."""


def entropy_bits(text: str) -> float:
    """Return the Shannon entropy of ``text`` in bits a character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values()) if size else 0.0


def is_likely_password(text: str, *, quoted: bool) -> bool:
    """Tell whether ``text`` is a password; a word without quotes must have digits or be one that everybody knows."""
    if not LEAST_PASSWORD <= len(text) <= MOST_PASSWORD or not text.isprintable() or len(set(text)) < 3:
        return text in ("0000", "1111", "111111", "000000", "888888", "666666")
    if _PLACEHOLDER.fullmatch(text) or (_BOUND.search(text) and not _is_strong(text)):
        return False
    if known_as(text) is not None or _MIXED.search(text):
        return True
    return quoted and " " not in text and not text.isdigit()


def _is_strong(text: str) -> bool:
    """Tell whether signs that usually bind a variable are part of a password here."""
    return bool(re.fullmatch(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z\d!@#*?~.]{8,32}", text)) and text[0].isalnum()


def is_likely_code(text: str) -> bool:
    """Tell whether ``text`` is a personal number: four to eight digits."""
    return bool(_CODE.fullmatch(text))


def is_likely_key(text: str) -> bool:
    """Tell whether ``text`` is a key that was drawn at random, or one that somebody typed for it."""
    return len(text) >= 16 and entropy_bits(text) >= LEAST_KEY_BITS and not _PLACEHOLDER.fullmatch(text)
