"""What both reports for people say on their first page, decided once from the report."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from toolkit.core.findings import Evidence, Finding, Severity
from toolkit.report.acceptance_words import acceptance_notes
from toolkit.report.days import is_day
from toolkit.report.languages import Translator
from toolkit.report.model import Component, Fact, RegionKind, RegionRecord, Report
from toolkit.report.vulnerability import Decision, HumanImpact
from toolkit.report.wording import CONFIDENCE_NAMES, FACT_NAMES, SEVERITY_NAMES, Label

__all__ = [
    "BENCH_SESSION",
    "STAKES",
    "Light",
    "Share",
    "Verdict",
    "address_text",
    "ages_text",
    "counts_text",
    "coverage_text",
    "due_text",
    "evidence_text",
    "fact_text",
    "identity",
    "in_words",
    "is_of_bench",
    "notes",
    "page_one_facts",
    "runs_by_path",
    "shares",
    "stake",
    "title",
    "to_settle",
    "upper_rows",
    "verdict",
    "version_text",
    "worst_first",
]


_HARM_METRIC = "Human Impact"
"""Name of the answer that says what the worst harm is."""
STAKES = MappingProxyType(
    {
        HumanImpact.LOW: Label.STAKE_LOW,
        HumanImpact.MEDIUM: Label.STAKE_MEDIUM,
        HumanImpact.HIGH: Label.STAKE_HIGH,
        HumanImpact.VERY_HIGH: Label.STAKE_VERY_HIGH,
    }
)
"""What a failure of the device can do to a patient."""
_TO_ANSWER = timedelta(days=30)
"""Time in which a maker tells its customers of a risk that is not under control, and how to live with it.

Source: FDA, Postmarket Management of Cybersecurity in Medical Devices (2016), section VII.B.
"""

BENCH_SESSION = "bench-session"
"""Format of the subject of a report on a device that was tried on the bench."""
OF_STEPS = frozenset({"known-exploited", "vulnerable-component"})
"""Checks whose findings the list of vulnerable components tells better."""


class Light(enum.Enum):
    """The traffic light. There is no green: what is known is never all there is."""

    RED = Label.RED
    AMBER = Label.AMBER


@dataclass(frozen=True, slots=True)
class Verdict:
    """The light and the sentence beside it."""

    light: Light
    headline: Label


@dataclass(frozen=True, slots=True)
class Share:
    """One part of all bytes: ``kind`` names its look, ``label`` what it is called."""

    kind: RegionKind | None
    label: Label
    size: int


def is_of_bench(report: Report) -> bool:
    """Tell whether a device was tried on the bench, and no firmware file was examined."""
    return report.image.format == BENCH_SESSION


def title(report: Report) -> Label:
    """Return what the report is."""
    return Label.BENCH_REPORT if is_of_bench(report) else Label.REPORT


def verdict(report: Report) -> Verdict:
    """Return the traffic light: red from a finding of severity high on, amber otherwise."""
    if report.worst is None:
        return Verdict(Light.AMBER, Label.HEADLINE_NOTHING)
    if report.worst.rank >= Severity.HIGH.rank:
        return Verdict(Light.RED, Label.BENCH_HEADLINE_RED if is_of_bench(report) else Label.HEADLINE_RED)
    return Verdict(Light.AMBER, Label.HEADLINE_AMBER)


def notes(report: Report, say: Translator) -> list[str]:
    """Return what stands beside the light about known vulnerabilities: how many components to act on, and the data."""
    data = report.data
    accepted = [note] if (note := acceptance_notes(report.acceptances, say)) else []
    if not data.vulnerabilities:
        return [say(Label.NOT_LOOKED_UP), *accepted]
    tally = Counter(step.decision for step in report.steps)
    now = say(Label.DO_NOW_COUNT, count=say.number(tally[Decision.IMMEDIATE]))
    soon = say(Label.DO_SOON_COUNT, count=say.number(tally[Decision.OUT_OF_CYCLE]))
    day = say.date(data.day) if data.day else say(Label.NOT_KNOWN)
    found = [say(Label.DATA_NOTE, data=ages_text(report, say), day=day)]
    if data.profile is None and report.steps:
        found.append(say(Label.NO_PROFILE_NOTE))
    return [f"{now} {soon}", *accepted, " ".join(found)]


def stake(report: Report) -> HumanImpact | None:
    """Return what a failure of the device can do to a patient; None where nothing was looked up that says it."""
    if report.steps:
        return max((step.human_impact for step in report.steps), key=list(HumanImpact).index)
    for answer in report.answers:
        if answer.metric == _HARM_METRIC:
            named = (impact for impact in HumanImpact if answer.value.endswith(f"({impact})"))
            return next(named, HumanImpact.VERY_HIGH)  # not knowing the harm is taken for the worst
    return None


def due_text(report: Report, say: Translator) -> str:
    """Return by when to act on what the light says."""
    if verdict(report).light is Light.AMBER:
        return say(Label.DUE_AMBER)
    words = [say(Label.BENCH_DUE_RED if is_of_bench(report) else Label.DUE_RED)]
    if report.data.day is not None and is_day(report.data.day):
        is_now = any(step.decision is Decision.IMMEDIATE for step in report.steps)
        day = date.fromisoformat(report.data.day) + (timedelta() if is_now else _TO_ANSWER)
        words.append(say(Label.DUE_RUNNING, date=say.date(day.isoformat())))
    return " ".join(words)


def page_one_facts(report: Report, say: Translator) -> list[tuple[Label, str]]:
    """Return what the light means for the patient, where that is known, and by when to act."""
    impact = stake(report)
    patient = [(Label.FOR_THE_PATIENT, say(STAKES[impact]))] if impact is not None else []
    return [*patient, (Label.DUE, due_text(report, say))]


def ages_text(report: Report, say: Translator) -> str:
    """Return the vulnerability data that was asked, with its days; empty when none was."""
    ages = report.data.vulnerabilities
    return ", ".join(f"{say(age.name)} ({say.date(age.date)})" if age.date else say(age.name) for age in ages)


def to_settle(report: Report) -> list[Finding]:
    """Return the findings for page one, the most severe first and one of each kind; not those that steps tell."""
    told = OF_STEPS if report.steps else frozenset()
    first: dict[str, Finding] = {}
    for finding in worst_first(report.findings):
        if finding.check not in told:
            first.setdefault(finding.title, finding)
    return list(first.values())


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with the most severe ones first, otherwise in the order of the report."""
    return sorted(findings, key=lambda f: -f.severity.rank)


def counts_text(report: Report, say: Translator) -> str:
    """Return how many checks ran and how many findings of which severity there are, in one line."""
    tally = Counter(finding.severity for finding in report.findings)
    counts = [
        say(Label.COUNT_OF, count=say.number(tally[severity]), name=say(SEVERITY_NAMES[severity]).lower())
        for severity in reversed(Severity)
        if tally[severity]
    ]
    found = say(Label.PAIR, name=say(Label.FINDINGS), value=", ".join(counts) or say.number(0))
    ran = say(Label.PAIR, name=say(Label.CHECKS_RAN), value=say.number(report.data.checks))
    return f"{ran}. {found}."


def in_words(report: Report, say: Translator) -> str:
    """Return what the image is, in a few plain sentences."""
    image = report.image
    outermost = _format_title(report, say)
    sentences = [say(Label.SENTENCE_FORMAT, format=outermost) if outermost else say(Label.SENTENCE_FORMAT_UNKNOWN)]
    if image.arch is None:
        sentences.append(say(Label.SENTENCE_NO_PROGRAM))
    else:
        sentences.append(say(Label.SENTENCE_PROGRAM, processor=image.arch_title or image.arch))
    if image.mcu_family is not None:
        sentences.append(say(Label.SENTENCE_FAMILY, family=_family(report, say)))
    if image.load_address is not None:
        sentences.append(say(Label.SENTENCE_LOADED_AT, address=address_text(image.load_address)))
    if report.components:
        sentences.append(say(Label.SENTENCE_COMPONENTS, count=say.number(len(report.components))))
    return " ".join(sentences)


def identity(report: Report, say: Translator) -> list[tuple[Label, str]]:
    """Return the facts that identify the image: name and value."""
    image, subject, unknown = report.image, report.subject, say(Label.NOT_KNOWN)
    return [
        (Label.FILE, subject.name),
        (Label.SIZE, say.bytes(subject.size)),
        (Label.FORMAT, _format_title(report, say) or unknown),
        (Label.PROCESSOR, image.arch_title or image.arch or unknown),
        (Label.FAMILY, _family(report, say)),
        (Label.LOAD_ADDRESS, unknown if image.load_address is None else address_text(image.load_address)),
        (Label.ENTRY_ADDRESS, unknown if image.entry_address is None else address_text(image.entry_address)),
        (Label.DEVICE_PROFILE, report.data.profile or say(Label.NONE_USED)),
    ]


def _format_title(report: Report, say: Translator) -> str | None:
    if report.image.format == "unknown":
        return None
    titles = (row.title for row in report.regions if row.depth == 0 and row.format == report.image.format)
    return say(next(titles, report.image.format))


def _family(report: Report, say: Translator) -> str:
    image = report.image
    if image.mcu_family is None:
        return say(Label.NOT_KNOWN)
    if image.mcu_family_confidence is None:
        return image.mcu_family
    sure = say(CONFIDENCE_NAMES[image.mcu_family_confidence])
    return say(Label.WITH_CONFIDENCE, value=image.mcu_family, confidence=sure)


def address_text(address: int) -> str:
    """Return an address or offset in hexadecimal, 8 digits or more."""
    return f"0x{address:08x}"


def shares(report: Report) -> list[Share]:
    """Return where the bytes went, in the order of the coverage bar."""
    coverage = report.coverage
    return [
        Share(RegionKind.PROGRAM, Label.RECOGNISED, coverage.recognised_bytes),
        Share(RegionKind.PADDING, Label.PADDING_SHARE, coverage.padding_bytes),
        Share(RegionKind.ENCRYPTED, Label.ENCRYPTED_SHARE, coverage.encrypted_bytes),
        Share(RegionKind.UNKNOWN, Label.UNKNOWN_SHARE, coverage.unknown_bytes),
        Share(None, Label.UNREAD_SHARE, coverage.unread_bytes),
    ]


def coverage_text(report: Report, say: Translator) -> str:
    """Return how much of the content was recognised, in words."""
    coverage = report.coverage
    if coverage.recognised_bytes + coverage.encrypted_bytes + coverage.unknown_bytes + coverage.unread_bytes == 0:
        return say(Label.COVERAGE_NONE)
    sentence = say(Label.COVERAGE_PERCENT, percent=say.percent(coverage.recognised_ratio))
    return sentence if coverage.recognised_ratio >= 1 else f"{sentence} {say(Label.COVERAGE_REST)}"


def version_text(component: Component, say: Translator) -> str:
    """Return the version of a component, its candidates, or that it is not known."""
    if component.version is not None:
        return component.version
    if component.version_candidates:
        return say(Label.ONE_OF, versions=", ".join(component.version_candidates))
    return say(Label.NOT_KNOWN)


def evidence_text(evidence: Evidence, say: Translator) -> str:
    """Return where to see something: file, offset and address as far as they are known."""
    place = evidence.path
    if evidence.offset is not None:
        place = say(Label.AT_OFFSET, path=place, offset=address_text(evidence.offset))
    if evidence.address is not None:
        place = f"{place}, {say(Label.AT_ADDRESS, address=address_text(evidence.address))}"
    return place


def fact_text(name: str, value: Fact, say: Translator) -> str:
    """Return one fact of a region as ``name: value``; units come from the end of its name."""
    label = say(FACT_NAMES[name]) if name in FACT_NAMES else name.replace("_", " ").removesuffix(" bytes")
    return say(Label.PAIR, name=label, value=_fact_value(name, value, say))


def _fact_value(name: str, value: Fact, say: Translator) -> str:
    if isinstance(value, bool):
        return say(Label.YES if value else Label.NO)
    if isinstance(value, tuple):
        return ", ".join(_fact_value(name, item, say) for item in value)
    if isinstance(value, int):
        return _whole_number(name, value, say)
    return say(value) if isinstance(value, str) else str(value)


def _whole_number(name: str, value: int, say: Translator) -> str:
    if name.endswith(("address", "addresses", "offset", "offsets")):
        return address_text(value)
    if name.endswith(("_id", "flags", "crc32", "magic")):
        return f"0x{value:x}"
    return say.bytes(value) if name.endswith("bytes") else str(value)


def upper_rows(rows: Sequence[RegionRecord], most: int) -> tuple[list[RegionRecord], int]:
    """Return at most ``most`` rows in their order, and how many were left out.

    Upper levels of the tree are kept before deeper ones, so that the outline of the whole is not lost.
    """
    room_at: dict[int, int] = {}
    room = most
    for depth, count in sorted(Counter(row.depth for row in rows).items()):
        room_at[depth] = min(room, count)
        room -= room_at[depth]
    kept: list[RegionRecord] = []
    for row in rows:
        if room_at[row.depth] > 0:
            room_at[row.depth] -= 1
            kept.append(row)
    return kept, len(rows) - len(kept)


def runs_by_path(rows: Sequence[RegionRecord]) -> Iterator[tuple[str, list[RegionRecord]]]:
    """Yield runs of rows that belong to the same file, with its path."""
    run: list[RegionRecord] = []
    for row in rows:
        if run and run[-1].path != row.path:
            yield run[-1].path, run
            run = []
        run.append(row)
    if run:
        yield run[-1].path, run
