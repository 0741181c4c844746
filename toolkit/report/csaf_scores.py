"""Scores of vulnerabilities as objects of CSAF 2.0: vector, base score and its word, which must agree.

Source: https://docs.oasis-open.org/csaf/csaf/v2.0/os/csaf-v2.0-os.html, sections 3.2.3.13, 6.1.7 to 6.1.10; the objects
are those of FIRST's JSON schemas for CVSS 2.0, 3.0 and 3.1. CSAF 2.0 has none for CVSS 4.0. Agreement is tested with
the optional part ``cvss``; without it no score object is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from toolkit.report.vulnerability import MatchStatus, Vulnerability

__all__ = ["Statement", "scores_of"]

Statement = tuple[Vulnerability, str]
"""What is said, and the product it is said of."""
_VERSIONS = {"CVSS:3.0": "3.0", "CVSS:3.1": "3.1"}
_KEPT = 4_096
"""Vectors that are remembered: thousands of vulnerabilities share a few hundred."""


def scores_of(said: Iterable[Statement]) -> list[dict[str, Any]]:
    """Return the scores of what applies or may apply, each with its products; a product has one."""
    products: dict[tuple[str, float], list[str]] = {}
    for entry, product in said:
        if entry.status is not MatchStatus.NOT_AFFECTED and entry.vector and entry.score is not None:
            products.setdefault((entry.vector, entry.score), []).append(product)
    return [
        {"products": names, **score}
        for (vector, published), names in products.items()
        if (score := _object(vector, published)) is not None
    ]


@lru_cache(maxsize=_KEPT)
def _object(vector: str, published: float) -> dict[str, Any] | None:
    """Return the object of a vector; None when it is none, or was published with another base score."""
    head = vector.partition("/")[0]
    version = _VERSIONS.get(head)
    if version is None and head.startswith("CVSS:"):
        return None
    try:
        import cvss  # type: ignore[import-untyped]
    except ImportError:
        return None
    try:
        read = cvss.CVSS2(vector) if version is None else cvss.CVSS3(vector)
    except cvss.CVSSError:
        return None
    base = float(read.scores()[0])
    if base != published:
        return None
    if version is None:
        return {"cvss_v2": {"version": "2.0", "vectorString": vector, "baseScore": base}}
    word = read.severities()[0].upper()
    return {"cvss_v3": {"version": version, "vectorString": vector, "baseScore": base, "baseSeverity": word}}
