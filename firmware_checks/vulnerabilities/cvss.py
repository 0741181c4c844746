"""The door to CVSS: vectors of version 2, 3 and 4, scored by the library ``cvss`` where that part is installed.

Without it vectors are read all the same, and what was published as a score is shown: decision 15.

Source: FIRST, Common Vulnerability Scoring System, specification documents of v2, v3.1 and v4.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

__all__ = ["Vector", "can_score", "parse_vector"]

_SHAPE = re.compile(r"(?:CVSS:[34]\.[01]/)?[A-Za-z]{1,3}:[A-Za-z]{1,5}(?:/[A-Za-z]{1,3}:[A-Za-z]{1,5}){2,47}")
_VERSIONS = {"CVSS:3.0": 3, "CVSS:3.1": 3, "CVSS:4.0": 4}
_CLASSES = {2: "CVSS2", 3: "CVSS3", 4: "CVSS4"}
_KEPT = 4_096
"""Vectors whose score is remembered: thousands of records share a few hundred."""


@dataclass(frozen=True, slots=True)
class Vector:
    """The metrics of a vector by their short names."""

    version: int
    """2, 3 or 4."""
    text: str
    metrics: Mapping[str, str]

    @property
    def is_automatable(self) -> bool:
        """Tell whether a program can use it over a network without anybody's rights or help."""
        get = self.metrics.get
        if self.version == 2:
            return (get("AV"), get("AC"), get("Au")) == ("N", "L", "N")
        return (get("AV"), get("AC"), get("PR"), get("UI")) == ("N", "L", "N", "N") and get("AT", "N") == "N"

    def with_metrics(self, changed: Mapping[str, str]) -> Vector:
        """Return the same with more metrics, such as those of the environment."""
        metrics = {**self.metrics, **changed}
        head = () if self.version == 2 else (self.text.partition("/")[0],)
        text = "/".join((*head, *(f"{name}:{value}" for name, value in metrics.items())))
        return Vector(self.version, text, metrics)

    @property
    def score(self) -> float | None:
        """The score with all metrics that are there: that of the environment where it is described.

        None without the optional part ``cvss``.
        """
        return _score(self.text, self.version)


def can_score() -> bool:
    """Tell whether the optional part is there that computes scores."""
    return find_spec("cvss") is not None


@lru_cache(maxsize=_KEPT)
def parse_vector(text: str) -> Vector | None:
    """Return the metrics of a vector string; None when it is none, or not whole."""
    stripped = text.strip()
    if _SHAPE.fullmatch(stripped) is None:
        return None
    head, _, rest = stripped.partition("/")
    version = _VERSIONS.get(head, 2)
    body = rest if version > 2 else stripped
    try:
        _score(stripped, version)
    except ValueError:
        return None
    metrics = dict(part.split(":", 1) for part in body.split("/"))
    return Vector(version, stripped, metrics)


@lru_cache(maxsize=_KEPT)
def _score(text: str, version: int) -> float | None:
    """Return the score of all metrics in ``text``; raise ``ValueError`` when it is no whole vector."""
    try:
        import cvss  # type: ignore[import-untyped]
    except ImportError:
        return None
    kind: Any = getattr(cvss, _CLASSES[version])
    try:
        scores = kind(text).scores()
    except cvss.CVSSError as error:
        raise ValueError(str(error)) from error
    return float(next(score for score in reversed(scores) if score is not None))
