"""What profile and scan say to the questions of the form, and where a maker's answer says something else."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from device_profiles.schema import DeviceProfile
from toolkit.core.findings import Severity
from toolkit.hardening.mds2.form import FilledForm, Given
from toolkit.hardening.mds2.questions import Question, questions
from toolkit.report.model import Report

__all__ = ["Basis", "Contradiction", "Judgement", "bases_of", "judged"]

MOST_PLACES = 3


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """One thing we know that answers a question."""

    answer: Annotated[str, Meta(description="Yes or No; any text where the question asks for words.")]
    because: Annotated[str, Meta(description="What it rests on, with its source.")]


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of the maker that does not go with what we know."""

    question: str
    short: Annotated[str, Meta(description="What Yes would mean, in our words.")]
    said: str
    note: Annotated[str, Meta(description="What the maker adds.")]
    place: Annotated[str, Meta(description="Sheet and row of the form.")]
    against: tuple[str, ...]
    verified: Annotated[bool, Meta(description="Whether the identifier was seen so in published forms.")]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A form held against profile and scan."""

    form: str
    image: str
    image_sha256: str
    profile: str
    source: Annotated[str, Meta(description="Where the questions are from.")]
    contradictions: tuple[Contradiction, ...]
    agreed: Annotated[tuple[str, ...], Meta(description="Questions to which we would give the same answer.")]
    to_read: Annotated[tuple[str, ...], Meta(description="Answered by a note or not at all, though we know more.")]
    not_judged: Annotated[int, Meta(description="Answers about which profile and scan say nothing.")]


def bases_of(question: Question, profile: DeviceProfile | None, report: Report | None) -> tuple[Basis, ...]:
    """Return all that is known about ``question``, findings of the scan first."""
    found = () if report is None else (*_by_findings(question, report), *_by_components(question, report))
    return (*found, *(() if profile is None else _by_facts(question, profile)))


def judged(form: FilledForm, report: Report, profile: DeviceProfile | None) -> Judgement:
    """Return where ``form`` contradicts ``report`` and ``profile``; that nothing does is no proof of its answers."""
    known = {question.id: question for question in questions().question}
    contradictions: list[Contradiction] = list(_twice(form))
    agreed, to_read, not_judged = [], [], 0
    for given in form.given:
        question = known.get(given.id)
        bases = bases_of(question, profile, report) if question is not None else ()
        if question is None or not bases or given.answer == "N/A":
            not_judged += 1
            continue
        against = tuple(basis.because for basis in bases if _contradicts(question, given, basis))
        if against:
            contradictions.append(_contradiction(question, given, against))
        elif given.answer in ("Yes", "No") or (question.text and given.answer):
            agreed.append(given.id)
        else:
            to_read.append(given.id)
    return Judgement(
        form=form.name,
        image=report.subject.name,
        image_sha256=report.subject.sha256,
        profile=profile.id if profile is not None else "",
        source=questions().source,
        contradictions=tuple(contradictions),
        agreed=tuple(agreed),
        to_read=tuple(to_read),
        not_judged=not_judged,
    )


def _contradicts(question: Question, given: Given, basis: Basis) -> bool:
    if question.text:
        said, known = given.answer.casefold(), basis.answer.casefold()
        return question.id != "DOC-2" and bool(said) and known not in said and said not in known
    return {given.answer, basis.answer} == {"Yes", "No"}


def _contradiction(question: Question, given: Given, against: tuple[str, ...]) -> Contradiction:
    return Contradiction(
        question=question.id,
        short=question.short,
        said=given.answer,
        note=given.note,
        place=given.place,
        against=against,
        verified=question.verified,
    )


def _twice(form: FilledForm) -> Iterator[Contradiction]:
    """Yield questions that the form itself answers in two ways."""
    first: dict[str, Given] = {}
    known = {question.id: question for question in questions().question}
    for given in form.given:
        before = first.setdefault(given.id, given)
        if {before.answer, given.answer} == {"Yes", "No"}:
            question = known.get(given.id, Question(id=given.id, short="Answered twice"))
            yield _contradiction(question, given, (f"the form itself says {before.answer} in {before.place}",))


def _by_findings(question: Question, report: Report) -> Iterator[Basis]:
    """Yield what findings say; accepting a risk does not make it untrue, and mere notes say too little."""
    told = (*report.findings, *(accepted.finding for accepted in report.accepted))
    for checks, answer in ((question.yes_against, "No"), (question.no_against, "Yes")):
        for check in checks:
            found = [finding for finding in told if finding.check == check and finding.severity is not Severity.INFO]
            if found:
                places = sorted({evidence.path for finding in found for evidence in finding.evidence})
                shown = ", ".join(places[:MOST_PLACES]) + (" ..." if len(places) > MOST_PLACES else "")
                yield Basis(answer=answer, because=f"scan: {found[0].title} ({check}) in {shown or 'the image'}")


def _by_components(question: Question, report: Report) -> Iterator[Basis]:
    inside = [c for c in report.components if question.any_component or c.category in question.components]
    if inside:
        names = ", ".join(f"{part.title} {part.version or ''}".rstrip() for part in inside[:MOST_PLACES])
        yield Basis(answer="Yes", because=f"scan: {len(inside)} parts of others are inside, for example {names}")


def _by_facts(question: Question, profile: DeviceProfile) -> Iterator[Basis]:
    if question.text:
        for path, value, status in _facts(profile, question.text):
            yield Basis(answer=value, because=f"profile: {path} is {value} ({status})")
    for rule in question.facts:
        facts = tuple(_facts(profile, rule.path))
        answer = rule.answer(tuple(value for _, value, _ in facts))
        if answer:
            values = ", ".join(sorted({value for _, value, _ in facts}))
            states = ", ".join(sorted({status for _, _, status in facts}))
            yield Basis(answer=answer, because=f"profile: {rule.path} is {values} ({states})")


def _facts(profile: DeviceProfile, pattern: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, value and how it is known of the facts that ``pattern`` names; of a list, one a value."""
    parts = pattern.split(".")
    is_title = pattern == "title"
    if is_title:  # the name of the profile, which is no fact about a device
        yield "title", profile.title, "profile"
    for statement in profile.facts():
        own = statement.path.split(".")
        values = statement.value if isinstance(statement.value, list | tuple) else (statement.value,)
        wanted = parts[:-1] if parts[-1] == "*" and isinstance(statement.value, list | tuple) else parts
        if len(own) == len(wanted) and all(fnmatch.fnmatchcase(o, w) for o, w in zip(own, wanted, strict=True)):
            for value in values:
                said = str(value).lower() if isinstance(value, bool) else str(value)
                yield statement.path, said, statement.evidence.status.value
