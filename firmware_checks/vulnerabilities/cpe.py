"""CPE 2.3 names: who makes a product, what it is called, and which edition of which version is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from toolkit.core.errors import FormatError

__all__ = ["ANY", "NONE", "Cpe", "parse_cpe"]

ANY, NONE = "*", "-"
_FIELDS = 13
_PREFIX = "cpe:2.3:"
_UNESCAPED_COLON = re.compile(r"(?<!\\):")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Cpe:
    """The fields of a name without their backslashes; ``*`` is any, ``-`` is none. Source: NISTIR 7695."""

    part: str
    vendor: str
    product: str
    version: str = ANY
    update: str = ANY
    edition: str = ANY
    language: str = ANY
    software_edition: str = ANY
    target_software: str = ANY
    target_hardware: str = ANY
    other: str = ANY

    @property
    def product_key(self) -> tuple[str, str, str]:
        """Part, vendor and product: which product it is, whatever the version."""
        return self.part, self.vendor, self.product

    @property
    def full_version(self) -> str:
        """Version and update in one, as people write it: ``4.2.8-p10``."""
        return self.version if self.update in (ANY, NONE) else f"{self.version}-{self.update}"


@lru_cache(maxsize=1 << 14)
def parse_cpe(text: str) -> Cpe:
    """Read a name of 13 fields, or the start of one; raise ``FormatError`` when it is none."""
    if not text.startswith(_PREFIX):
        raise FormatError(f"{text[:80]!r} is no CPE 2.3 name")
    body = text[len(_PREFIX) :]
    if "\\" not in body:
        fields = body.split(":")
    else:
        fields = [_ESCAPE.sub(r"\1", field) for field in _UNESCAPED_COLON.split(body)]
    if not 3 <= len(fields) <= _FIELDS - 2 or not all(fields):
        raise FormatError(f"{text[:80]!r} has {len(fields) + 2} fields and must have {_FIELDS}")
    return Cpe(*fields)
