"""One event of a log, whatever program wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["LogEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """What was noted, and when; texts are as they stand in the file, so they are never shown as they are."""

    file: str
    """Name of the file without folders."""
    offset: int | None
    """Where it stands in a text file, in bytes; None where there is a record number instead."""
    record: int | None = None
    """Number of the record in a Windows event log."""
    time: datetime | None
    """As the device's clock showed it, without a zone where the log has none."""
    program: str = ""
    """Who wrote it: ``sshd``, or the provider of a Windows event."""
    message: str = ""
    number: int | None = None
    """Number of a Windows event."""
    channel: str = ""
    """Windows log it belongs to, such as ``Security``."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Named values of a Windows event or a journal entry."""

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"record {self.record}" if self.record is not None else f"offset {self.offset}"
