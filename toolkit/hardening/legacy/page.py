"""The plan as a page, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from device_profiles.schema import Exemption
from toolkit.hardening.documents import Block, Document, Heading, Items, Paragraph, Table
from toolkit.hardening.legacy.planning import last_day, replace_by, stage_of
from toolkit.hardening.legacy.words import STAGE_NAMES, LegacyLabel
from toolkit.hardening.part import Group, HardeningPart
from toolkit.hardening.subject import HardeningSubject
from toolkit.report.languages import Translator

__all__ = ["Control", "controls_of", "plan_page"]

BESIDE = frozenset({"allow-list", "memory-digests", "switch-acl", "suricata", "integrity-baseline"})
"""Parts that change nothing on the device: the network team or the workshop applies them."""
CHANGING = (Group.APPLICATION_CONTROL, Group.FIREWALL, Group.DEVICE_CONTROL)
"""Groups whose other parts change something on the device."""
PAID = frozenset({"suricata"})
"""Parts that need a machine of their own."""


@dataclass(frozen=True, slots=True)
class Control:
    """A part of the pack that can be made for this device."""

    name: str
    title: str
    is_beside: bool
    is_paid: bool


def controls_of(subject: HardeningSubject, parts: Sequence[HardeningPart]) -> tuple[Control, ...]:
    """Return the parts that apply, those beside the device first, those that need money last."""
    found = [
        Control(part.name, part.title, part.name in BESIDE or part.group not in CHANGING, part.name in PAID)
        for part in parts
        if not part.applies(subject)
    ]
    return tuple(sorted(found, key=lambda control: (control.is_paid, not control.is_beside, control.name)))


def plan_page(subject: HardeningSubject, controls: Sequence[Control], language: str) -> Document:
    """Return the page in ``language``."""
    say = Translator(language)
    title = say(LegacyLabel.TITLE, device=subject.profile.title)
    return Document(title, tuple(_blocks(subject, controls, say)), language)


def _blocks(subject: HardeningSubject, controls: Sequence[Control], say: Translator) -> Iterator[Block]:
    yield Paragraph(say(LegacyLabel.NOTE))
    yield from _stage(subject, say)
    yield Heading(say(LegacyLabel.REPLACE_BY))
    yield from _replacement(subject, say)
    yield Heading(say(LegacyLabel.DATES))
    yield Table(("", ""), tuple(_dates(subject, say)))
    yield Heading(say(LegacyLabel.STEPS))
    heads = (LegacyLabel.STEP, LegacyLabel.COST, LegacyLabel.WHO)
    yield Table([say(head) for head in heads], tuple(_steps(subject, controls, say)))
    yield Heading(say(LegacyLabel.CONTROLS))
    yield Items([f"{say(c.title)} ({c.name})" for c in controls] or [say(LegacyLabel.NO_CONTROL)])
    yield Heading(say(LegacyLabel.EXCEPTIONS))
    yield _exceptions(subject, say)
    yield Heading(say(LegacyLabel.SIGN_OFF))
    yield Items((say(LegacyLabel.DECISION), f"{say(LegacyLabel.SIGNATURE)}: ______________________________"))


def _stage(subject: HardeningSubject, say: Translator) -> Iterator[Block]:
    found = stage_of(subject.profile, subject.day)
    yield Heading(say(LegacyLabel.STAGE))
    stage = LegacyLabel.STAGE_UNKNOWN if found.stage is None else STAGE_NAMES[found.stage]
    yield Paragraph(say(stage))
    if found.stage is not None and not found.because:
        yield Paragraph(say(LegacyLabel.STATED))
    for ended in found.because:
        what = say(ended.label, part=ended.part)
        yield Paragraph(say(LegacyLabel.STAGE_BECAUSE, what=what, date=ended.day.isoformat()))


def _replacement(subject: HardeningSubject, say: Translator) -> Iterator[Block]:
    found = replace_by(subject.profile)
    if found is None:
        yield Paragraph(say(LegacyLabel.REPLACE_NOT_KNOWN))
        return
    label, day = found
    yield Paragraph(say(label, date=day.isoformat()))
    if day < subject.day:
        yield Paragraph(say(LegacyLabel.OVERDUE))


def _dates(subject: HardeningSubject, say: Translator) -> Iterator[tuple[str, str]]:
    life = subject.profile.lifecycle
    for label, text in (
        (LegacyLabel.FIRST_SOLD, life.first_sold),
        (LegacyLabel.LAST_SOLD, life.end_of_sale),
        (LegacyLabel.SUPPORT_ENDS, life.end_of_support),
        (LegacyLabel.LIFE_ENDS, life.end_of_life),
        (LegacyLabel.SYSTEM_SUPPORT_ENDS, subject.profile.platform.os.end_of_support),
    ):
        yield say(label), text or say(LegacyLabel.NOT_STATED)
    for part in life.components:
        yield say(LegacyLabel.PART_SUPPORT_ENDS, part=part.id), part.end_of_support


def _steps(subject: HardeningSubject, controls: Sequence[Control], say: Translator) -> Iterator[tuple[str, str, str]]:
    blank = "________"
    for what in subject.profile.lifecycle.compensating_controls or ():
        yield say(LegacyLabel.STEP_STATED, what=what), say(LegacyLabel.FREE), blank
    yield say(LegacyLabel.STEP_USB), say(LegacyLabel.FREE), blank
    for control in controls:
        step = LegacyLabel.STEP_PART if control.is_beside else LegacyLabel.STEP_ON_DEVICE
        cost = LegacyLabel.MONEY if control.is_paid else LegacyLabel.FREE if control.is_beside else LegacyLabel.WORK
        yield say(step, title=say(control.title), name=control.name), say(cost), blank
    yield say(LegacyLabel.STEP_REPLACE), say(LegacyLabel.MONEY), blank


def _exceptions(subject: HardeningSubject, say: Translator) -> Block:
    exceptions = subject.profile.policy.exceptions
    if not exceptions:
        return Paragraph(say(LegacyLabel.NO_EXCEPTION))
    heads = (LegacyLabel.WHAT, LegacyLabel.REASON, LegacyLabel.OWNER, LegacyLabel.LAST_DAY)
    rows = [(_what(e), e.reason, e.owner, _until(e, subject, say)) for e in exceptions]
    return Table([say(head) for head in heads], tuple(rows))


def _what(exception: Exemption) -> str:
    return " ".join(filter(None, (exception.check, exception.vulnerability, exception.component)))


def _until(exception: Exemption, subject: HardeningSubject, say: Translator) -> str:
    left = (last_day(exception.expires) - subject.day).days
    if left < 0:
        return say(LegacyLabel.RAN_OUT, date=exception.expires)
    return say(LegacyLabel.DAYS_LEFT, date=exception.expires, days=say.number(left))
