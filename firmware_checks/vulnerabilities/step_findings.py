"""A line of "do this first" as a finding: one a component, never one a vulnerability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.core.findings import Finding, Severity
from toolkit.report.vulnerability import Decision, Step

if TYPE_CHECKING:
    from firmware_checks.check import Check
    from firmware_checks.inventory import Inventory

__all__ = ["finding_of", "severity_of"]

_SEVERITIES = {
    Decision.IMMEDIATE: Severity.CRITICAL,
    Decision.OUT_OF_CYCLE: Severity.HIGH,
    Decision.SCHEDULED: Severity.MEDIUM,
    Decision.DEFER: Severity.LOW,
}


def severity_of(step: Step) -> Severity:
    """Return how severe a line is: as soon as one must act, but medium at most where nothing is known to apply."""
    severity = _SEVERITIES[step.decision]
    return severity if step.affected else min(severity, Severity.MEDIUM, key=lambda each: each.rank)


def finding_of(check: Check, step: Step, inventory: Inventory) -> Finding:
    """Return a line as a finding of ``check``: what is known in words, and where the component shows."""
    version = step.component_version or "(version not known)"
    left_out = step.affected + step.open - len(step.first)
    names = ", ".join(step.first) + (f" and {left_out} more" if left_out else "")
    places = [
        place
        for component in inventory.components
        if (component.name, component.version) == (step.component, step.component_version)
        for place in component.evidence
    ]
    detail = f"{step.title} {version}: {names}. {step.sentence} {step.action}"
    return check.finding(severity_of(step), detail, *places)
