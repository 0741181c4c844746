"""What a check is: a question to an inventory, and what to say when the answer is bad."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from device_profiles.schema import DeviceProfile
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity

__all__ = ["Check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question. ``title`` and ``remedy`` are fixed sentences, so that reports can be translated."""

    name: str
    question: str
    title: str
    remedy: str
    controls: tuple[str, ...]
    """Rows of ``controls`` in regulations and standards this check gives evidence for."""
    run: Callable[[Check, Inventory, DeviceProfile | None], Iterator[Finding]]
    weak_example: Callable[[], bytes]
    """Build an image on which the check must fire."""
    hardened_example: Callable[[], bytes]
    """Build its twin on which the check must be silent."""

    def finding(self, severity: Severity, detail: str, *evidence: Evidence) -> Finding:
        """Return a finding of this check."""
        return Finding(
            check=self.name,
            title=self.title,
            severity=severity,
            detail=detail,
            remedy=self.remedy,
            controls=self.controls,
            evidence=evidence,
        )
