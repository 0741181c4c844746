"""The verdict on an update before it is installed: two reports in, go, no-go or ask the vendor out, with reasons.

Nothing is read here: no file, no clock. A question that could not be answered is a reason to ask, never a reason to go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from device_profiles.schema import DeviceProfile
from firmware_checks.reviewing.authentic import authentic
from firmware_checks.reviewing.authenticity import Authenticity
from firmware_checks.reviewing.content import changes, complete, vulnerabilities
from firmware_checks.reviewing.fitting import downgrade, model
from toolkit.report.accepting import all_findings
from toolkit.report.model import Report
from toolkit.report.review import Difference, Reason, Review, TriageCarried, Verdict, Weight

__all__ = ["review"]


def review(new: Report, difference: Difference | None, profile: DeviceProfile | None, trust: Authenticity) -> Review:
    """Return what to think of the image of the report ``new``.

    ``difference`` is from what is installed now to it, None where that was not given. ``trust`` is what a verifier
    said of its signature. Nobody can accept that an update is forged or meant for another model: those questions are
    answered by all findings, accepted or not.
    """
    whole = msgspec.structs.replace(new, findings=all_findings(new))
    reasons = (
        *authentic(whole, difference, trust),
        *model(whole, difference, profile, trust),
        *downgrade(whole, difference),
        *changes(new, difference),
        *vulnerabilities(new, difference),
        *complete(new),
    )
    return Review(
        tool=new.tool,
        data=new.data,
        new=new.subject,
        current=difference.old if difference is not None else None,
        profile=profile.id if profile is not None else None,
        verdict=_verdict(reasons),
        signers=trust.all_signers(),
        reasons=tuple(_by_weight(reasons)),
        difference=difference,
        triage=_triage(new),
        accepted=new.accepted,
        acceptances=new.acceptances,
        not_read=new.coverage.unread,
        not_examined=(*new.coverage.limits_hit, *new.not_examined, *(difference.not_compared if difference else ())),
    )


def _verdict(reasons: Iterable[Reason]) -> Verdict:
    weights = {reason.weight for reason in reasons}
    if Weight.NO_GO in weights:
        return Verdict.NO_GO
    return Verdict.ASK if Weight.ASK in weights else Verdict.GO


def _by_weight(reasons: tuple[Reason, ...]) -> Iterator[Reason]:
    """Yield the reasons by question, and among those of one the heaviest first."""
    weights = list(Weight)
    for question in dict.fromkeys(reason.question for reason in reasons):
        of_it = [reason for reason in reasons if reason.question is question]
        yield from sorted(of_it, key=lambda reason: -weights.index(reason.weight))


def _triage(report: Report) -> TriageCarried:
    carried = {f"{row.id} ({row.component})": None for row in report.vulnerabilities if row.triage is not None}
    unused = {f"{row.id} ({row.component}): {row.reason}": None for row in report.unused_decisions}
    return TriageCarried(carried=tuple(carried), unused=tuple(unused))
