"""The result of one check on one device, with what it rests on."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from hil.level import EvidenceLevel

__all__ = ["Outcome", "Reason", "Result", "Verdict", "failed", "passed"]


class Result(enum.StrEnum):
    """What came out."""

    PASS = "pass"  # noqa: S105  # a result, no password
    """The device did what it must."""
    FAIL = "fail"
    """The device did what it must not."""
    NOT_TESTED = "not-tested"
    """Nothing was learnt; ``detail`` says why."""
    ERROR = "error"
    """Something went wrong on the way; nothing was learnt."""


class Reason(enum.StrEnum):
    """Why something was not tested."""

    NONE = ""
    NOT_APPLICABLE = "not-applicable"
    """The device has nothing of the kind."""
    NOT_ARMED = "not-armed"
    """It could change the device, and nobody allowed that."""
    LEVEL = "level"
    """It counts only on something more real than what is connected."""
    PRECONDITION = "precondition"
    """Something it needs is not there."""
    STOPPED = "stopped"
    """The run ended before."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the oracle of a check says; ``passed`` and ``failed`` make it."""

    ok: bool
    detail: str
    """What exactly was seen, in words, with numbers and units."""
    excerpt: str = ""
    """A short printable piece of what the device said."""


def passed(detail: str, excerpt: bytes = b"") -> Outcome:
    """Return that the device did what it must."""
    return Outcome(ok=True, detail=detail, excerpt=_printable(excerpt))


def failed(detail: str, excerpt: bytes = b"") -> Outcome:
    """Return that the device did what it must not."""
    return Outcome(ok=False, detail=detail, excerpt=_printable(excerpt))


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of a run. There is no way to make one with a higher level than its session has."""

    id: Annotated[str, Meta(description="Number of the check in the catalogue, for example C1.")]
    check: Annotated[str, Meta(description="Name of the check.")]
    question: Annotated[str, Meta(description="What was asked.")]
    result: Annotated[Result, Meta(description="pass, fail, not-tested or error.")]
    reason: Annotated[Reason, Meta(description="Why it was not tested; empty otherwise.")] = Reason.NONE
    detail: Annotated[str, Meta(description="What was seen, or why nothing was.")] = ""
    excerpt: Annotated[str, Meta(description="A short printable piece of what the device said.")] = ""
    level: Annotated[EvidenceLevel | None, Meta(description="What the verdict rests on; null without a device.")]
    lowest_level: Annotated[EvidenceLevel, Meta(description="The least a verdict of this check must rest on.")]
    changes_device: Annotated[bool, Meta(description="Whether the check could change the device.")]
    seconds: Annotated[float, Meta(ge=0, description="How long it took, by the clock of the transport.")] = 0.0
    first_entry: Annotated[int, Meta(ge=0, description="First entry of the record that belongs to it.")] = 0
    last_entry: Annotated[int, Meta(ge=0, description="Last entry of the record that belongs to it.")] = 0
    clean_up: Annotated[str, Meta(description="Empty when the device was left as found, else what went wrong.")] = ""
    controls: Annotated[tuple[str, ...], Meta(description="Rows of regulations and standards.")] = ()

    def __post_init__(self) -> None:
        """Refuse a verdict that claims more than it rests on."""
        if self.result not in (Result.PASS, Result.FAIL):
            return
        if self.level is None or not self.level.counts_for(self.lowest_level):
            raise ValueError(f"{self.check}: a verdict at level {self.level} needs {self.lowest_level}")


MOST_EXCERPT_BYTES = 120


def _printable(data: bytes) -> str:
    text = data[:MOST_EXCERPT_BYTES].decode("latin-1")
    return "".join(c if c.isascii() and c.isprintable() else "." for c in text)
