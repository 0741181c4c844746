"""The parts of a CVSS vector that decide what to do first, and the base score of version 3.

Only the base score of 3.0 and 3.1 is computed, so that one metric can be exchanged for what is true of a device; of
versions 2 and 4 the published score is used. Source: FIRST, Common Vulnerability Scoring System v3.1: Specification
Document, section 7.1 and 7.4 and appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Vector", "parse_vector"]

_ATTACK_VECTOR = {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}
_COMPLEXITY = {"L": 0.77, "H": 0.44}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_INTERACTION = {"N": 0.85, "R": 0.62}
_IMPACT = {"H": 0.56, "L": 0.22, "N": 0.0}
_VERSIONS = {"CVSS:3.0": 3, "CVSS:3.1": 3, "CVSS:4.0": 4}
_HIGHEST, _FINE, _COARSE = 10.0, 100_000, 10_000


@dataclass(frozen=True, slots=True)
class Vector:
    """The metrics of a vector by their short names."""

    version: int
    """2, 3 or 4."""
    metrics: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """Return the value of a metric; empty where the vector does not have it."""
        return dict(self.metrics).get(name, "")

    def with_attack_vector(self, value: str) -> Vector:
        """Return the same with another place from which it can be used: N, A, L or P."""
        return replace(self, metrics=tuple((name, value if name == "AV" else old) for name, old in self.metrics))

    @property
    def is_automatable(self) -> bool:
        """Tell whether a program can use it over a network without anybody's rights or help."""
        if self.version == 2:
            return (self.get("AV"), self.get("AC"), self.get("Au")) == ("N", "L", "N")
        return (self.get("AV"), self.get("AC"), self.get("PR"), self.get("UI")) == ("N", "L", "N", "N")

    @property
    def is_total(self) -> bool:
        """Tell whether it gives full control: the highest value for confidentiality, integrity and availability."""
        names = ("VC", "VI", "VA") if self.version == 4 else ("C", "I", "A")
        return all(self.get(name) == ("C" if self.version == 2 else "H") for name in names)

    def base_score(self) -> float | None:
        """Return the base score from 0 to 10; None for versions other than 3 and for incomplete vectors."""
        metrics = dict(self.metrics)
        try:
            scope = metrics["S"]
            free = 1.0
            for name in "CIA":
                free *= 1 - _IMPACT[metrics[name]]
            ease = _ATTACK_VECTOR[metrics["AV"]] * _COMPLEXITY[metrics["AC"]] * _INTERACTION[metrics["UI"]]
            ease *= 8.22 * _PRIVILEGES[scope][metrics["PR"]]
        except KeyError:
            return None
        lost = 1 - free
        impact = 6.42 * lost if scope == "U" else 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15
        if self.version != 3 or impact <= 0:
            return 0.0 if self.version == 3 else None
        return _rounded_up(min((impact + ease) * (1.0 if scope == "U" else 1.08), _HIGHEST))


def parse_vector(text: str) -> Vector | None:
    """Return the metrics of a vector string; None when it is none."""
    head, *rest = text.strip().split("/")
    version = _VERSIONS.get(head, 2)
    parts = rest if head in _VERSIONS else [head, *rest]
    metrics = tuple((name, value) for name, _, value in (part.partition(":") for part in parts))
    return Vector(version, metrics) if all(value for _, value in metrics) and "AV" in dict(metrics) else None


def _rounded_up(value: float) -> float:
    """Round up to one decimal without the traps of binary fractions (specification, appendix A)."""
    whole = round(value * _FINE)
    return whole / _FINE if whole % _COARSE == 0 else (whole // _COARSE + 1) / 10
