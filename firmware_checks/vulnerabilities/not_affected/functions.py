"""Libraries: the function that holds the fault was not linked in.

Only functions that belong to a library's interface count, which carry its name in front: the compiler may fold others
into their callers, where their names vanish and their code stays.
"""

from __future__ import annotations

from firmware_checks.vulnerabilities.not_affected.reason import Excuse, Fault, Known
from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Justification

__all__ = ["function_not_linked"]


def function_not_linked(fault: Fault, known: Known) -> Excuse | None:
    """Return why none of the functions that hold the fault is there."""
    if known.functions is None or not fault.symbols:
        return None
    prefix = "".join(filter(str.isalnum, known.component.lower())) + "_"
    others = [name for name in known.functions if name.lower().startswith(prefix)]
    if not others or not all(name.lower().startswith(prefix) for name in fault.symbols):
        return None
    if known.functions.intersection(fault.symbols):
        return None
    names = ", ".join(fault.symbols)
    return Excuse(
        Justification.CODE_NOT_PRESENT,
        f"{names} was not linked in",
        (f"the symbol table has {len(others)} functions of {known.component}, {names} not among them",),
        Confidence.MEDIUM,
    )
