"""A claim, where to see it, and how much it matters."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Evidence", "Finding", "Severity"]


class Severity(enum.StrEnum):
    """How much a finding matters, from a note to something that must stop an installation."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Position from 0 (info) to 4 (critical)."""
        return list(Severity).index(self)


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to see it: path inside the image, byte offset in the file of that path, address in the device."""

    path: Annotated[str, Meta(description="File inside the image; outer!inner for content of containers.")]
    offset: Annotated[
        int | None,
        Meta(description="Offset in bytes from the start of what path names; null for the whole of it."),
    ] = None
    address: Annotated[
        int | None,
        Meta(description="Address in the device's memory; null where it is not known."),
    ] = None
    excerpt: Annotated[str, Meta(description="A short printable piece of what stands there.")] = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something a check found; ``title`` and ``remedy`` are fixed sentences per check, so they can be translated."""

    check: Annotated[str, Meta(description="Name of the check.")]
    title: Annotated[str, Meta(description="What is wrong, one sentence, the same for every finding of the check.")]
    severity: Annotated[Severity, Meta(description="How much it matters.")]
    detail: Annotated[str, Meta(description="What exactly was seen, with its numbers.")] = ""
    remedy: Annotated[str, Meta(description="What to do about it.")] = ""
    controls: Annotated[
        tuple[str, ...],
        Meta(description="Rows of regulations and standards, for example IEC 62443-4-2 CR 3.4."),
    ] = ()
    evidence: Annotated[tuple[Evidence, ...], Meta(description="Where to see it.")] = ()
