"""``medharden sbom``: bills of materials that a vendor has sent."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import clock_option
from toolkit.report.render import RENDERERS

if TYPE_CHECKING:
    from firmware_checks.sbom.quality import Quality

GUIDES = ("ntia", "cisa", "fda")
SEVERITIES = ("info", "low", "medium", "high", "critical")
LANGUAGES = ("en", "fr", "es")

EPILOG = """\b
Examples:
  medharden sbom check vendor.cdx.json --against fda
  medharden sbom assess vendor.spdx.json --db vulnerabilities.db"""

CHECK_EPILOG = """\b
Examples:
  medharden sbom check vendor.cdx.json
  medharden sbom check vendor.spdx --against fda --json

\b
Read are CycloneDX 1.2 to 1.6 (JSON, XML) and SPDX 2.2 and 2.3 (JSON, tag-value).
  ntia  minimum elements of 2021: supplier, name, version, identifier,
        relationship, author, time
  cisa  draft of 2025: hash, licence, tool, generation context and what is not
        known besides
  fda   premarket guidance: level and end of support besides those of ntia

\b
Exit codes:
  0  every field is filled for every component
  1  something is missing
  2  the file cannot be read"""

ASSESS_EPILOG = """\b
Examples:
  medharden sbom assess vendor.cdx.json
  medharden sbom assess vendor.spdx.json --profile infusion-pump-lvp --db vulnerabilities.db
  medharden sbom assess vendor.cdx.xml --format openvex --output vendor.openvex.json

\b
The answer is a report like that of `medharden scan`, in every format. It rests
on what the vendor has listed: what is not in the list is not in the report.

\b
Exit codes:
  0  no finding at or above the --fail-on severity (this is not an all-clear: read the report)
  1  at least one such finding
  2  a file or option could not be used; the reason is on the error stream"""


@click.group(name="sbom", short_help="Judge and assess a vendor's bill of materials.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Say what a software bill of materials (SBOM) lacks, and what is known against what it lists."""


@COMMAND.command(short_help="Say what a bill of materials lacks.", epilog=CHECK_EPILOG)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--against", type=click.Choice(GUIDES), default="ntia", show_default=True, help="Whose list of fields.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
def check(path: Path, *, against: str, as_json: bool) -> int:
    """Hold the bill of materials FILE against a list of fields, and say what to ask the vendor."""
    import msgspec

    from firmware_checks.sbom.quality import Guide, judge
    from firmware_checks.sbom.reading import read_sbom

    sbom, _data = read_sbom(path)
    quality = judge(sbom, Guide(against))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(quality), indent=2).decode())
    else:
        _print(path, quality)
    return 0 if quality.complete else 1


def _print(path: Path, quality: Quality) -> None:
    from toolkit.report.printable import printable

    click.echo(f"{printable(path.name)}: {quality.format}, {quality.components} components")
    click.echo(f"held against {quality.title}:")
    for row in quality.rows:
        counted = f"{row.present} of {row.of}" if row.of != 1 else ("yes" if row.present else "no")
        click.echo(f"  {row.verdict:9} {counted:>12}  {row.title}")
        if row.without:
            more = row.of - row.present - len(row.without)
            rest = f" and {more} more" if more else ""
            click.echo(f"{'':26}without: {printable(', '.join(row.without))}{rest}")
        if row.ask:
            click.echo(f"{'':26}ask the vendor: {row.ask}")
    click.echo("Everything is there." if quality.complete else "Something is missing.")


@COMMAND.command(short_help="Say what is known against what it lists.", epilog=ASSESS_EPILOG)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--profile", metavar="ID", help="Device profile to judge by: an id of `profile list`, or a file.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(tuple(RENDERERS)),
    default="text",
    show_default=True,
    help="Kind of report.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write; without it: the screen."
)
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    help="Exit 1 from this severity on.  [default: what the profile says, else high]",
)
@click.option(
    "--db",
    "database_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="MEDHARDEN_DB",
    help="Vulnerability database to ask besides the shipped facts.  [environment: MEDHARDEN_DB]",
)
@click.option(
    "--triage",
    "triage_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Your own decisions about vulnerabilities: OpenVEX, CSAF or CycloneDX; they have the last word.",
)
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of text and HTML."
)
@clock_option
def assess(
    path: Path,
    *,
    profile: str | None,
    format_: str,
    as_json: bool,
    output: Path | None,
    fail_on: str | None,
    database_path: Path | None,
    triage_path: Path | None,
    language: str,
    now: datetime,
) -> int:
    """Look up the components that the bill of materials FILE lists, and report as `medharden scan` does."""
    from device_profiles.loader import load
    from firmware_checks.sbom.assessing import assess_sbom
    from firmware_checks.vulnerabilities.assessment import VulnerabilityData
    from firmware_checks.vulnerabilities.triage_files import read_triage
    from toolkit.core.files import write_whole
    from toolkit.core.findings import Severity
    from toolkit.report import renderer

    device = load(profile) if profile is not None else None
    triage = read_triage(triage_path) if triage_path is not None else None
    asked = VulnerabilityData(day=now.date(), database=database_path, triage=triage)
    report = assess_sbom(path, device, asked)
    document = renderer("json" if as_json else format_)
    if output is None:
        document.show(report, language=language)
    else:
        write_whole(output, document.render(report, language=language))
        click.echo(f"medharden: {report.subject.name}: report written to {output}", err=True)
    by_policy = device.policy.fail_on if device is not None else None
    threshold = Severity(fail_on) if fail_on is not None else by_policy or Severity.HIGH
    return 1 if report.worst is not None and report.worst.rank >= threshold.rank else 0
