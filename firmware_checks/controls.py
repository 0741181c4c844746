"""Which rows of regulations and standards a check gives evidence for; only identifiers, the texts are their owners'.

Every column is filled or says that it does not apply, so that nobody takes a gap for an answer. Columns: FDA,
Cybersecurity in Medical Devices (2023), appendix 1, categories A (authentication) to H (updatability);
IEC 62443-4-2:2019; IEC 81001-5-1:2021; Regulation (EU) 2024/2847, annex I; ANSI/NEMA HN 1-2019 (MDS2), section labels;
MITRE CWE.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["COLUMNS", "NOT_APPLICABLE", "Controls"]

NOT_APPLICABLE: Final = ("n/a",)
"""Says that a column has no row for this check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """One row a check: identifiers without the name of their document, such as ``CR 1.5`` or ``258``."""

    fda: tuple[str, ...]
    iec_62443: tuple[str, ...]
    iec_81001: tuple[str, ...]
    cra: tuple[str, ...]
    mds2: tuple[str, ...]
    cwe: tuple[str, ...]

    def rows(self) -> tuple[str, ...]:
        """Return every row with the name of its document, as findings show it."""
        return tuple(
            title.format(row)
            for name, title in COLUMNS.items()
            for row in getattr(self, name)
            if getattr(self, name) != NOT_APPLICABLE
        )


COLUMNS: Final = MappingProxyType(
    {
        "fda": "FDA {}",
        "iec_62443": "IEC 62443-4-2 {}",
        "iec_81001": "IEC 81001-5-1 {}",
        "cra": "EU CRA {}",
        "mds2": "MDS2 {}",
        "cwe": "CWE-{}",
    }
)
"""How a row of each column is written."""
