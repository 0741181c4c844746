"""Puts a dossier together: eight folders with what belongs there, an index, and a manifest of digests.

Source of the places: FDA eSTAR, cybersecurity section, eight attachments (shared reference of the project). Nothing in
a dossier depends on the clock, so that equal input gives equal bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from hil.result import BenchResult
from signing.envelope import SignedKind
from signing.key import Signer
from toolkit.hardening.documents import Block, Document, Heading, Items, Paragraph, Table, to_html, to_markdown
from toolkit.hardening.dossier.frameworks import TITLES, ControlRow, control_rows
from toolkit.hardening.dossier.words import DossierLabel as Label
from toolkit.hardening.manifest import MANIFEST, packed_manifest
from toolkit.report.csv_tables import cell, to_csv
from toolkit.report.cyclonedx import to_cyclonedx
from toolkit.report.html import to_html as report_page
from toolkit.report.json_report import to_json
from toolkit.report.languages import Translator
from toolkit.report.model import Report
from toolkit.report.openvex import to_openvex

__all__ = ["DOSSIER", "Dossier", "Material", "Slot", "dossier_of", "packed_dossier"]

DOSSIER: Final = SignedKind(payload_type="application/vnd.medharden.dossier+json", title="dossier", rules="dossier")
MOST_CHECKS_NAMED: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a dossier is made from."""

    report: Report
    profile: DeviceProfile
    checks: Mapping[str, Check]
    bench: BenchResult | None = None
    bench_file: bytes = b""
    sbom: tuple[str, bytes] | None = None
    """End of the file name, and content."""
    vex: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One of the eight places."""

    folder: str
    title: Label
    meaning: Label
    files: dict[str, bytes]
    missing: tuple[str, ...]
    """Sentences in the reader's language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All places, and the tables of controls."""

    slots: tuple[Slot, ...]
    rows: tuple[ControlRow, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    """Index and content by path; without the manifest."""


def dossier_of(material: Material, say: Translator) -> Dossier:
    """Return the dossier of ``material``, its index in the language of ``say``."""
    rows = control_rows(material.checks.values(), material.report)
    slots = tuple(_slots(material, rows, say))
    files = {f"{slot.folder}/{name}": data for slot in slots for name, data in slot.files.items()}
    for slot in slots:
        page = Document(say(slot.title), tuple(_place(slot, say)), say.language)
        files[f"{slot.folder}/README.md"] = to_markdown(page).encode("utf-8")
    files["index.html"] = to_html(_index(material, slots, rows, say)).encode("utf-8")
    return Dossier(slots=slots, rows=rows, files=dict(sorted(files.items())))


def packed_dossier(dossier: Dossier, report: Report, signer: Signer | None = None) -> dict[str, bytes]:
    """Return the files of the dossier with its manifest, signed where there is a ``signer``."""
    return {**dossier.files, MANIFEST: packed_manifest(dossier.files, [report.subject.sha256], DOSSIER, signer)}


def _slots(material: Material, rows: tuple[ControlRow, ...], say: Translator) -> Iterator[Slot]:
    profile = material.profile
    ways_in, lifecycle = _facts("ways-in", profile, "interfaces"), _facts("lifecycle", profile, "lifecycle")
    controls = {"controls.csv": _control_table(rows)}
    facts = _facts("for-the-instructions", profile, "interfaces", "update", "data", "lifecycle")
    contents: tuple[tuple[str, Label, Label, dict[str, bytes], list[str]], ...] = (
        ("1-management-plan", Label.PLAN, Label.PLAN_IS, lifecycle, [say(Label.NEED_PLAN)]),
        ("2-risk-management", Label.RISK, Label.RISK_IS, _risks(material), [say(Label.NEED_RISK)]),
        ("3-threat-model", Label.THREATS, Label.THREATS_IS, ways_in, [say(Label.NEED_THREATS)]),
        ("4-risk-assessment", Label.ASSESSMENT, Label.ASSESSMENT_IS, *_assessment(material, say)),
        ("5-sbom", Label.SBOM, Label.SBOM_IS, *_parts(material, say)),
        ("6-controls", Label.CONTROLS, Label.CONTROLS_IS, controls, [say(Label.NEED_DESIGN)]),
        ("7-testing", Label.TESTING, Label.TESTING_IS, *_testing(material, say)),
        ("8-labeling", Label.LABELING, Label.LABELING_IS, facts, [say(Label.NEED_LABELING)]),
    )
    for folder, title, meaning, files, missing in contents:
        yield Slot(folder=folder, title=title, meaning=meaning, files=files, missing=tuple(missing))


def _risks(material: Material) -> dict[str, bytes]:
    files = _facts("hazards", material.profile, "safety")
    accepted = material.report.acceptances
    if accepted:
        files["accepted-risks.json"] = msgspec.json.format(msgspec.json.encode(accepted), indent=2) + b"\n"
    return files


def _assessment(material: Material, say: Translator) -> tuple[dict[str, bytes], list[str]]:
    report = material.report
    files = {"report.html": report_page(report, language=say.language)}
    missing = [] if report.data.vulnerabilities else [say(Label.NEED_KNOWN)]
    if material.vex is not None:
        files["vex.json"] = material.vex
    else:
        missing.append(say(Label.NEED_VEX))
        if report.vulnerabilities:
            files["made-by-a-program.openvex.json"] = to_openvex(report)
    return files, missing


def _parts(material: Material, say: Translator) -> tuple[dict[str, bytes], list[str]]:
    missing = [] if material.report.support else [say(Label.NEED_SUPPORT)]
    if material.sbom is not None:
        suffix, data = material.sbom
        return {f"sbom{suffix}": data}, missing
    return {"made-from-the-image.cdx.json": to_cyclonedx(material.report)}, [say(Label.NEED_MAKER_SBOM), *missing]


def _testing(material: Material, say: Translator) -> tuple[dict[str, bytes], list[str]]:
    files = {"report.json": to_json(material.report), "report.csv": to_csv(material.report)}
    missing = [say(Label.NEED_ATTACKERS)]
    if material.bench is None:
        return files, [say(Label.NEED_BENCH), *missing]
    files["bench-evidence.json"] = material.bench_file
    if material.bench.profile != material.profile.id:
        missing.insert(0, say(Label.OTHER_BENCH, profile=material.bench.profile))
    return files, missing


def _facts(name: str, profile: DeviceProfile, *tables: str) -> dict[str, bytes]:
    """Return the facts of ``profile`` in ``tables`` with how each is known, as a table; nothing when there are none."""
    rows = [
        (fact.path, _value(fact.value), fact.evidence.status.value, fact.evidence.source)
        for fact in profile.facts()
        if fact.path.partition(".")[0] in tables
    ]
    return {f"{name}.csv": _csv(("fact", "value", "known", "source"), rows)} if rows else {}


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _control_table(rows: tuple[ControlRow, ...]) -> bytes:
    lines = [(TITLES[row.framework], row.row, ", ".join(row.checks), str(row.findings)) for row in rows]
    return _csv(("framework", "row", "checks", "findings"), lines)


def _csv(heads: tuple[str, ...], rows: list[tuple[str, str, str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(heads)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _index(material: Material, slots: tuple[Slot, ...], rows: tuple[ControlRow, ...], say: Translator) -> Document:
    return Document(
        say(Label.TITLE), [*_head(material, say), *_places(slots, say), *_tables(material, rows, say)], say.language
    )


def _head(material: Material, say: Translator) -> Iterator[Block]:
    report, profile = material.report, material.profile
    yield Paragraph(say(Label.NOTE))
    yield Table(
        (say(Label.IMAGE), say(Label.PROFILE)),
        [
            (
                f"{report.subject.name}, SHA-256 {report.subject.sha256}",
                f"{profile.title} ({profile.id}), {profile.digest}",
            )
        ],
    )
    if report.data.profile is None:
        yield Paragraph(say(Label.NO_PROFILE))
    elif report.data.profile != profile.id:
        yield Paragraph(say(Label.OTHER_PROFILE, profile=report.data.profile))
    yield Paragraph(say(Label.SIGNED))


def _places(slots: tuple[Slot, ...], say: Translator) -> Iterator[Block]:
    for slot in slots:
        yield Heading(say(slot.title))
        yield from _place(slot, say)


def _place(slot: Slot, say: Translator) -> Iterator[Block]:
    yield Paragraph(say(slot.meaning))
    yield Heading(say(Label.FILES), 3)
    yield Items([f"{slot.folder}/{name}" for name in sorted(slot.files)] or [say(Label.NOTHING)])
    yield Heading(say(Label.MISSING), 3)
    yield Items(slot.missing)


def _tables(material: Material, rows: tuple[ControlRow, ...], say: Translator) -> Iterator[Block]:
    yield Heading(say(Label.TABLES))
    yield Paragraph(say(Label.TABLES_NOTE))
    stated, here = material.report.data.checks, len(material.checks)
    if stated != here:
        yield Paragraph(say(Label.OTHER_CHECKS, number=say.number(stated), here=say.number(here)))
    heads = (say(Label.ROW), say(Label.CHECKS), say(Label.FINDINGS))
    for name, title in TITLES.items():
        yield Heading(title, 3)
        yield Table(heads, [(row.row, _named(row.checks), str(row.findings)) for row in rows if row.framework == name])


def _named(checks: tuple[str, ...]) -> str:
    more = f" (+{len(checks) - MOST_CHECKS_NAMED})" if len(checks) > MOST_CHECKS_NAMED else ""
    return ", ".join(checks[:MOST_CHECKS_NAMED]) + more
