"""What a verifier said of an update, and how reasons are made."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from firmware_checks.reviewing.publishers import Published, Standing
from toolkit.report.model import RegionKind, RegionRecord, Report
from toolkit.report.review import Question, Reason, Weight
from toolkit.report.review_wording import ReviewLabel

__all__ = ["Authenticity", "Signature", "reason", "wrapping"]


class Signature(enum.Enum):
    """What is known of the signature of the file as a whole."""

    VERIFIED = "verified"
    """By somebody the user trusts."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Nothing was verified, because there was nothing to trust, or nothing signed in a way we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticity:
    """What a verifier said."""

    signature: Signature
    because: str = ""
    """Why it was refused or not verified."""
    refused_rule: str = ""
    signers: tuple[str, ...] = ()
    model: str = ""
    """The model in the signed description, held against the profile; empty where there is none."""
    age: str = ""
    """Why nobody can vouch for its age; empty when somebody can, or the format knows no age."""
    is_stale: bool = False
    """It has expired, and not only the clock is in doubt: that is judged again where it is installed."""
    left_out: str = ""
    """Whose approval was not looked at."""
    published: Published = field(default_factory=Published)
    """Signatures of publishers: OpenPGP, Authenticode and the like."""

    def all_signers(self) -> tuple[str, ...]:
        """Return everybody whose signature was verified."""
        known = (claim.signer for claim in self.published.claims if claim.standing is Standing.TRUSTED)
        return tuple(dict.fromkeys((*self.signers, *known)))


def reason(question: Question, weight: Weight, label: ReviewLabel, **values: str) -> Reason:
    """Return a reason: the sentence ``label`` with ``values`` put in."""
    return Reason(
        question=question,
        weight=weight,
        code=label.name.lower().replace("_", "-"),
        sentence=label.value.format_map(values),
        values=values,
    )


def wrapping(report: Report) -> Iterator[RegionRecord]:
    """Yield what wraps the update: nothing below a place for a signature, nothing inside a program."""
    below: int | None = None
    for row in report.regions:
        if below is not None and row.depth > below:
            continue
        below = None
        yield row
        if "signed" in row.facts or row.kind is RegionKind.PROGRAM:
            below = row.depth
