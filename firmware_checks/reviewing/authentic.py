"""Is the update genuine: signed by whom, only a check value, a test key, damaged?"""

from __future__ import annotations

from collections.abc import Iterator

from firmware_checks.reviewing.authenticity import Authenticity, Signature, reason, wrapping
from firmware_checks.reviewing.publishers import Published, Standing
from toolkit.report.model import RegionRecord, Report
from toolkit.report.review import Difference, Presence, Question, Reason, Weight
from toolkit.report.review_wording import ReviewLabel as Says

__all__ = ["authentic"]

DAMAGED = "container-damaged"
MOST_SHOWN = 3
ASKED = Question.AUTHENTIC


def authentic(new: Report, difference: Difference | None, trust: Authenticity) -> Iterator[Reason]:
    """Yield whether it is genuine and whole."""
    for row in new.regions:
        if row.facts.get("published_test_key"):
            yield reason(ASKED, Weight.NO_GO, Says.TEST_KEY, key=str(row.facts["published_test_key"]))
    yield from _whole(new, difference)
    yield from _broken(trust.published)
    if not _is_signed(new, trust) and _lost(difference):
        yield reason(ASKED, Weight.NO_GO, Says.SIGNATURE_LOST)
    if trust.signature is Signature.VERIFIED:
        yield from _verified(trust)
    elif trust.signature is Signature.REFUSED:
        yield reason(ASKED, Weight.NO_GO, Says.SIGNATURE_REFUSED, reason=_sentence(trust.because))
    elif any(claim.standing is not Standing.BROKEN for claim in trust.published.claims):
        yield from _published(trust.published)
    elif not trust.published.claims:
        yield from _unverified(new, trust)


def _is_signed(new: Report, trust: Authenticity) -> bool:
    """Tell whether there is a signature at all, be it verified or not."""
    says_so = any(row.facts.get("signed") is True for row in wrapping(new))
    return trust.signature is Signature.VERIFIED or says_so or bool(trust.published.claims)


def _broken(found: Published) -> Iterator[Reason]:
    for claim in found.claims:
        if claim.standing is Standing.BROKEN:
            values = {"way": claim.way, "path": claim.path, "signer": claim.signer}
            yield reason(ASKED, Weight.NO_GO, Says.SIGNATURE_BROKEN, **values)
        if claim.published:
            yield reason(ASKED, Weight.NO_GO, Says.TEST_KEY, key=claim.published)


def _verified(trust: Authenticity) -> Iterator[Reason]:
    yield reason(ASKED, Weight.FINE, Says.SIGNED_BY, signers="; ".join(trust.signers))
    if trust.age:
        weight = Weight.ASK if trust.is_stale else Weight.NOTE
        yield reason(ASKED, weight, Says.FRESHNESS_OPEN, reason=trust.age)
    if trust.left_out:
        yield reason(ASKED, Weight.ASK, Says.APPROVAL_LEFT_OUT)


def _published(found: Published) -> Iterator[Reason]:
    """Yield who published it, as far as somebody here knows them."""
    trusted = _signers(found, Standing.TRUSTED)
    if trusted and not found.uncovered:
        yield reason(ASKED, Weight.FINE, Says.SIGNED_BY, signers=trusted)
    elif trusted:
        values = {"count": str(len(found.uncovered)), "path": found.uncovered[0]}
        yield reason(ASKED, Weight.ASK, Says.SIGNED_IN_PART, signers=trusted, **values)
    else:
        because = next(claim.because for claim in found.claims if claim.standing is Standing.UNKNOWN)
        signers = _signers(found, Standing.UNKNOWN)
        yield reason(ASKED, Weight.ASK, Says.SIGNED_BY_STRANGER, signers=signers, reason=because)


def _signers(found: Published, standing: Standing) -> str:
    told = [f"{claim.signer} ({claim.way})" for claim in found.claims if claim.standing is standing]
    return "; ".join(list(dict.fromkeys(told))[:MOST_SHOWN])


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _unverified(new: Report, trust: Authenticity) -> Iterator[Reason]:
    rows = list(wrapping(new))
    empty = [row for row in rows if row.facts.get("signed") is False]
    signed = [row for row in rows if row.facts.get("signed") is True]
    if empty:
        yield reason(ASKED, Weight.NO_GO, Says.SIGNATURE_EMPTY, what=_titles(empty))
    elif signed:
        outermost = any(row.depth == 0 for row in signed)
        label = Says.SIGNED_NOT_VERIFIED if outermost else Says.SIGNED_INSIDE_ONLY
        yield reason(ASKED, Weight.ASK, label, **({"reason": trust.because} if outermost else {}))
    else:
        algorithms = sorted({value.algorithm for row in new.regions for value in row.integrity})
        if algorithms:
            yield reason(ASKED, Weight.ASK, Says.ONLY_CHECKSUM, algorithms=", ".join(algorithms))
        else:
            yield reason(ASKED, Weight.ASK, Says.NOTHING_VOUCHES)


def _lost(difference: Difference | None) -> bool:
    """Tell whether the installed version says that it is signed and the update does not say so any more."""
    facts = difference.facts if difference is not None else ()
    return any(fact.name == "signed" and fact.old is True for fact in facts)


def _titles(rows: list[RegionRecord]) -> str:
    return ", ".join(dict.fromkeys(row.title for row in rows[:MOST_SHOWN]))


def _whole(new: Report, difference: Difference | None) -> Iterator[Reason]:
    """Yield what is damaged; the same damage in what is installed is the maker's habit and no accident."""
    wrong = [f"{row.title}: {value.algorithm}" for row in new.regions for value in row.integrity if not value.valid]
    if wrong:
        yield reason(ASKED, Weight.NO_GO, Says.CHECKSUM_WRONG, what=", ".join(wrong[:MOST_SHOWN]))
    known = difference.findings if difference is not None else ()
    same = {row.detail for row in known if row.check == DAMAGED and row.presence is Presence.SAME}
    details = [finding.detail for finding in new.findings if finding.check == DAMAGED]
    for label, weight, found in (
        (Says.DAMAGED, Weight.NO_GO, [d for d in details if d not in same]),
        (Says.DAMAGED_TOO, Weight.ASK, [d for d in details if d in same]),
    ):
        if found:
            yield reason(ASKED, weight, label, what="; ".join(found[:MOST_SHOWN]))
