"""Reading what an earlier scan or comparison wrote."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.core.errors import FormatError, InputError

if TYPE_CHECKING:
    from toolkit.report.model import Report

__all__ = ["read_findings", "read_report"]

MOST_BYTES = 256 << 20


def read_report(path: Path) -> Report:
    """Return the report in the JSON file ``path``; ``InputError`` when it cannot be read or is none."""
    from toolkit.report.json_report import from_json

    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB, so it is no report")
        return from_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except FormatError as error:
        raise InputError(f"{path}: {error}; `medharden scan --format json` writes one") from error


def read_findings(path: Path, day: date) -> Report:
    """Return the report in ``path``, or the drift there as one of ``day``, since a drift holds none.

    ``InputError`` when it is neither.
    """
    import msgspec

    from toolkit.app.package_offer import read_bytes
    from toolkit.hardening.integrity.drift import Drift
    from toolkit.hardening.siem.drift_report import report_of_drift

    try:
        drift = msgspec.json.decode(read_bytes(path, MOST_BYTES), type=Drift)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return read_report(path)
    return report_of_drift(drift, day)
