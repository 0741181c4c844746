"""The plan for a device that cannot be patched, for the risk file, in three languages."""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.vocabulary import SupportStage
from firmware_checks.controls import NOT_APPLICABLE, Controls
from toolkit.core.findings import Finding, Severity
from toolkit.hardening.documents import to_html, to_markdown
from toolkit.hardening.legacy.page import controls_of, plan_page
from toolkit.hardening.legacy.planning import ran_out, stage_of
from toolkit.hardening.part import Group, HardeningPart, PackFile, load_parts
from toolkit.hardening.subject import HardeningSubject
from toolkit.report.languages import languages

__all__ = ["PART"]

NAME = "legacy-plan"


def _applies(subject: HardeningSubject) -> str:
    if stage_of(subject.profile, subject.day).stage in (SupportStage.DEVELOPMENT, SupportStage.SUPPORT):
        return "the device is still supported: ask the maker for updates"
    return ""


def _build(subject: HardeningSubject) -> Iterator[PackFile]:
    controls = controls_of(subject, [part for name, part in load_parts().items() if name != NAME])
    for language in languages():
        page = plan_page(subject, controls, language)
        yield PackFile(
            path=f"legacy-plan.{language}.html",
            data=to_html(page).encode(),
            consumer="a browser, and paper: A4 or Letter",
        )
        yield PackFile(path=f"legacy-plan.{language}.md", data=to_markdown(page).encode(), consumer="a text editor")


def _findings(subject: HardeningSubject) -> Iterator[Finding]:
    over = ran_out(subject.profile.policy.exceptions, subject.day)
    if over:
        yield Finding(
            check="exception-ran-out",
            title="A risk was accepted until a day that has passed",
            severity=Severity.HIGH,
            detail=", ".join(f"{e.id} until {e.expires}, {e.owner}" for e in over),
            remedy="Decide again, with a reason, an owner and a last day, or end the use of the device.",
            controls=PART.controls.rows(),
        )


PART = HardeningPart(
    name=NAME,
    title="Plan for a device that cannot be kept up to date",
    group=Group.LEGACY,
    what=(
        "One page for the risk file: the stage of support, what of this pack protects the device instead of updates, "
        "what to do first, who has accepted which risk until when, and when the device must be replaced."
    ),
    source="IMDRF/CYBER WG/N70 (2023), stages of support",
    applies=_applies,
    build=_build,
    findings=_findings,
    apply=(
        "Fill in owners and dates together with the department, the network team and the risk manager.",
        "Sign the page and put it into the risk file of the device.",
    ),
    bench_test=("Check each date of the page against the maker's letters; the profile may state assumptions.",),
    take_back=("Write a new page; keep the old one in the risk file.",),
    controls=Controls(
        fda=("H",), iec_62443=NOT_APPLICABLE, iec_81001=("6.2",), cra=NOT_APPLICABLE, mds2=("RDMP",), cwe=NOT_APPLICABLE
    ),
)
