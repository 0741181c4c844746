"""How urgent something is, in words: the same sentences in every language, made of what the report states."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import Final

from toolkit.report.languages import Translator
from toolkit.report.model import Report
from toolkit.report.summary import STAKES
from toolkit.report.vulnerability import Decision, Exploitation, Exposure, HumanImpact, MatchStatus, Step
from toolkit.report.wording import Label

__all__ = [
    "DECISION_NAMES",
    "action_text",
    "applies_text",
    "counts_words",
    "meaning_text",
    "not_affected_lines",
    "step_action",
    "step_counts",
    "step_cure",
    "step_meaning",
    "step_name",
]

DECISION_NAMES: Final = MappingProxyType(
    {
        Decision.IMMEDIATE: Label.NOW,
        Decision.OUT_OF_CYCLE: Label.SOON,
        Decision.SCHEDULED: Label.NEXT_UPDATE,
        Decision.DEFER: Label.LATER,
    }
)
"""What a decision is called in a table."""
_WHEN: Final = MappingProxyType(
    {
        Decision.IMMEDIATE: Label.WHEN_NOW,
        Decision.OUT_OF_CYCLE: Label.WHEN_SOON,
        Decision.SCHEDULED: Label.WHEN_NEXT_UPDATE,
        Decision.DEFER: Label.WHEN_LATER,
    }
)
_USED: Final = MappingProxyType(
    {
        Exploitation.ACTIVE: Label.USED_IN_ATTACKS,
        Exploitation.PUBLIC: Label.LIKELY_IN_ATTACKS,
        Exploitation.NONE: Label.NO_ATTACK_KNOWN,
    }
)
_FROM: Final = MappingProxyType(
    {
        Exposure.OPEN: Label.FROM_ANYWHERE,
        Exposure.CONTROLLED: Label.FROM_HOSPITAL,
        Exposure.SMALL: Label.FROM_THE_DEVICE,
    }
)


def applies_text(*, is_certain: bool, say: Translator) -> str:
    """Return whether a vulnerability applies or only may."""
    return say(Label.IT_APPLIES if is_certain else Label.IT_MAY_APPLY)


def meaning_text(exploitation: Exploitation, exposure: Exposure, impact: HumanImpact, say: Translator) -> str:
    """Return what is known of attacks, from where they could come, and what is at stake."""
    return " ".join(map(say, (_USED[exploitation], _FROM[exposure], STAKES[impact])))


def step_name(step: Step, say: Translator) -> str:
    """Return the component that a step is about, with its version."""
    return f"{step.title} {step.component_version or say(Label.VERSION_NOT_KNOWN)}"


def step_counts(step: Step, say: Translator) -> str:
    """Return how many vulnerabilities a step is about."""
    counts = counts_words(step.affected, step.open, say)
    return f"{counts} {say(Label.STEP_EXPLOITED, count=say.number(step.exploited))}" if step.exploited else counts


def counts_words(affected: int, possible: int, say: Translator) -> str:
    """Return how many apply and how many may; what there is none of is not told."""
    parts = ((Label.COUNT_APPLY, affected), (Label.COUNT_MAY_APPLY, possible))
    return " ".join(say(label, count=say.number(count)) for label, count in parts if count)


def step_meaning(step: Step, say: Translator) -> str:
    """Return what a step is about: how many vulnerabilities, and what they mean."""
    return f"{step_counts(step, say)} {meaning_text(step.exploitation, step.exposure, step.human_impact, say)}"


def not_affected_lines(report: Report, say: Translator) -> list[str]:
    """Return for each component how many vulnerabilities do not apply: nothing disappears in silence."""
    titles = {component.name: component.title for component in report.components}
    tally: Counter[tuple[str, str | None]] = Counter()
    for row in report.vulnerabilities:
        if row.status is MatchStatus.NOT_AFFECTED:
            tally[row.component, row.component_version] += 1
    return [
        say(
            Label.NOT_AFFECTED_COUNT,
            name=f"{titles.get(name, name)} {version or say(Label.VERSION_NOT_KNOWN)}",
            count=say.number(count),
        )
        for (name, version), count in tally.items()
    ]


def step_action(step: Step, say: Translator) -> str:
    """Return what to do about the component of a step, and how soon."""
    return f"{say(_when(step.decision, is_certain=step.affected > 0))} {step_cure(step, say)}"


def step_cure(step: Step, say: Translator) -> str:
    """Return what to do about the component of a step, where how soon stands beside it."""
    sentences = [_cure(step.title, step.update_to, is_certain=step.affected > 0, say=say)]
    if step.unsupported:
        sentences.append(say(Label.NO_LONGER_MENDED))
    if step.isolate:
        sentences.append(say(Label.ISOLATE, ports="; ".join(step.isolate)))
    if step.replace_by is not None:
        sentences.append(say(Label.REPLACE_BY, date=say.date(step.replace_by)))
    return " ".join(sentences)


def action_text(decision: Decision, title: str, update_to: str | None, *, is_certain: bool, say: Translator) -> str:
    """Return what to do about one vulnerability."""
    when = say(_when(decision, is_certain=is_certain))
    return f"{when} {_cure(title, update_to, is_certain=is_certain, say=say)}"


def _when(decision: Decision, *, is_certain: bool) -> Label:
    """Return how soon to act; no device goes out of use for what only may apply."""
    return _WHEN[Decision.OUT_OF_CYCLE if decision is Decision.IMMEDIATE and not is_certain else decision]


def _cure(title: str, update_to: str | None, *, is_certain: bool, say: Translator) -> str:
    if not is_certain:
        return say(Label.ASK_WHETHER_IT_APPLIES)
    if update_to is None:
        return say(Label.ASK_FOR_CORRECTION)
    return say(Label.UPDATE_TO, component=title, version=update_to)
