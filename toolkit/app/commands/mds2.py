"""``medharden mds2``: the form in which a maker tells about security, held against what is in the device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from toolkit.hardening.mds2.judging import Judgement

EPILOG = """\b
Examples:
  medharden mds2 check vendor-mds2.xlsx --report report.json --profile infusion-pump-lvp
  medharden mds2 prefill --profile our-pump.toml --report report.json --to draft.xlsx"""
CHECK_EPILOG = """\b
Examples:
  medharden scan pump.bin --json > report.json
  medharden mds2 check vendor-mds2.xlsx --report report.json
  medharden mds2 check vendor-mds2.xlsx --report report.json --profile our-pump.toml --json

\b
That nothing contradicts an answer does not prove it. Which check speaks against
which answer is our own reading of the form.

\b
Exit codes:
  0  no answer contradicts what is known
  1  at least one does
  2  the form, the report or the profile could not be used"""


@click.group(name="mds2", short_help="Hold a maker's MDS2 form against scan and profile.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Read a maker's MDS2 form (ANSI/NEMA HN 1-2019, .xlsx), or fill one in as a draft."""


@COMMAND.command(short_help="Tell which answers contradict the image.", epilog=CHECK_EPILOG)
@click.argument("form", metavar="VENDOR.xlsx", type=click.Path(path_type=Path))
@click.option(
    "--report",
    metavar="REPORT",
    required=True,
    type=click.Path(path_type=Path),
    help="What `medharden scan --json` wrote.",
)
@click.option("--profile", metavar="ID", help="Device profile: an id of `profile list`, or a file.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def check(form: Path, report: Path, profile: str | None, *, as_json: bool) -> int:
    """Tell which answers of the form VENDOR.xlsx contradict the scan in REPORT and the profile."""
    import msgspec

    from device_profiles.loader import load
    from toolkit.app.report_input import read_report
    from toolkit.hardening.mds2.form import read_form
    from toolkit.hardening.mds2.judging import judged

    judgement = judged(read_form(form), read_report(report), load(profile) if profile is not None else None)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(judgement), indent=2))
    else:
        _show(judgement)
    return 1 if judgement.contradictions else 0


def _show(judgement: Judgement) -> None:
    from toolkit.report.printable import printable

    for row in judgement.contradictions:
        mark = "" if row.verified else " (identifier unverified)"
        click.echo(f"{row.question}{mark}: {row.short}: the form says {printable(row.said)} ({printable(row.place)})")
        if row.note:
            click.echo(f"  note of the maker: {printable(row.note)}")
        for sentence in row.against:
            click.echo(f"  against it: {printable(sentence)}")
    if judgement.to_read:
        click.echo(f"to be read by a person: {', '.join(judgement.to_read)}")
    click.echo(
        f"{len(judgement.contradictions)} contradictions, {len(judgement.agreed)} answers go with what is known, "
        f"{judgement.not_judged} cannot be judged from profile and scan"
    )


@COMMAND.command(short_help="Fill in a draft from profile and scan.")
@click.option("--profile", metavar="ID", required=True, help="Device profile: an id of `profile list`, or a file.")
@click.option("--report", metavar="REPORT", type=click.Path(path_type=Path), help="What `medharden scan --json` wrote.")
@click.option("--to", "output", metavar="FILE", required=True, type=click.Path(path_type=Path), help="File to write.")
def prefill(profile: str, report: Path | None, output: Path) -> int:
    """Write a draft of the form as .xlsx: every answer with what it rests on, blank where nothing is known.

    \b
    Example:
      medharden mds2 prefill --profile our-pump.toml --report report.json --to draft.xlsx
    """  # noqa: D301  # \b is click's mark, not an escape
    from device_profiles.loader import load
    from toolkit.app.report_input import read_report
    from toolkit.core.files import write_whole
    from toolkit.hardening.mds2.prefilling import prefilled_form

    known = read_report(report) if report is not None else None
    write_whole(output, prefilled_form(load(profile), known))
    click.echo(f"medharden: draft written to {output}; the maker has to answer what is blank", err=True)
    return 0
