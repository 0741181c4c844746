"""Ranges of versions: written ``>=1.16.0 <1.34.0``, tested as ranges of keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from firmware_checks.vulnerabilities.versions import (
    AFTER_ALL,
    BEFORE_ALL,
    SchemeName,
    just_after,
    version_key,
)

__all__ = ["KeyRange", "VersionRange", "parse_range"]

_RANGE = re.compile(r"^(?:\*|=(?P<exact>\S+)|(?:(?P<from>>=?)(?P<low>\S+))? ?(?:(?P<to><=?)(?P<high>\S+))?)\Z")

KeyRange = tuple[bytes, bytes]
"""First key inside, first key outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """Versions from ``low`` to ``high``; None where there is no bound."""

    low: str | None = None
    low_is_inside: bool = True
    high: str | None = None
    high_is_inside: bool = False

    @property
    def is_exact(self) -> bool:
        """Tell whether it is one version."""
        return self.low is not None and self.low == self.high and self.low_is_inside and self.high_is_inside

    @property
    def is_unbounded(self) -> bool:
        """Tell whether it is all versions: what somebody says who does not know."""
        return self.low is None and self.high is None

    def keys(self, scheme: SchemeName) -> KeyRange:
        """Return the half-open range of keys of the same versions."""
        start, end = BEFORE_ALL, AFTER_ALL
        if self.low is not None:
            start = version_key(self.low, scheme)
            start = start if self.low_is_inside else just_after(start)
        if self.high is not None:
            end = version_key(self.high, scheme)
            end = just_after(end) if self.high_is_inside else end
        return start, end

    def holds(self, version: str, scheme: SchemeName) -> bool:
        """Tell whether ``version`` is inside."""
        start, end = self.keys(scheme)
        return start <= version_key(version, scheme) < end

    def __str__(self) -> str:
        if self.is_unbounded:
            return "*"
        if self.is_exact:
            return f"={self.low}"
        low = f"{'>=' if self.low_is_inside else '>'}{self.low}" if self.low is not None else ""
        high = f"{'<=' if self.high_is_inside else '<'}{self.high}" if self.high is not None else ""
        return f"{low} {high}".strip()


def parse_range(text: str) -> VersionRange:
    """Read ``*``, ``=1.2``, ``>=1.2 <1.5`` and the like; raise ``ValueError`` when it is none of these."""
    found = _RANGE.match(text)
    if found is None or not text:
        raise ValueError(f"{text!r} is no range of versions")
    if found["exact"] is not None:
        return VersionRange(low=found["exact"], high=found["exact"], high_is_inside=True)
    return VersionRange(
        low=found["low"], low_is_inside=found["from"] != ">", high=found["high"], high_is_inside=found["to"] == "<="
    )
