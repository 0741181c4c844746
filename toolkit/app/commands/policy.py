"""``medharden policy``: risks that somebody accepts for a while."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import clock_option

if TYPE_CHECKING:
    from toolkit.report.acceptance import Acceptance

EPILOG = """\b
Examples:
  medharden policy accept report.json
  medharden policy accept report.json telnet-service --until 2027-03-31
      --owner "Head of medical engineering" --reason "Behind the ward gateway until 5.2"
      --to accepted.toml
  medharden policy check accepted.toml
  medharden scan pump.bin --policy accepted.toml"""

CHECK_EPILOG = """\b
Examples:
  medharden policy check accepted.toml
  medharden policy check accepted.toml --now 2027-01-01 --json

\b
Exit codes:
  0  every acceptance counts today
  1  at least one has run out: what it was about counts again
  2  something in the file is wrong; all of it is named"""

ACCEPT_EPILOG = """\b
Examples:
  medharden policy accept report.json
  medharden policy accept report.json 3f9c1a2b --until 2027-03-31 --owner "A. Owner"
      --reason "Port is closed at the switch" --to accepted.toml
  medharden policy accept report.json CVE-2022-28391@busybox --until 2027-03-31
      --owner "A. Owner" --reason "The command is not reachable" --to accepted.toml

\b
REPORT is written by `medharden scan --format json`. FINDING is a key of the
list, the name of a check that has one finding, or a vulnerability.
What is accepted is this finding alone: in this file, with this text. The next
firmware version may move it, or number its containers otherwise."""


@click.group(name="policy", short_help="Accept risks for a while, with reason, owner and last day.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Keep a file of accepted risks: what is accepted, why, who answers for it, and until when."""


@COMMAND.command(short_help="Say what a policy file accepts, and whether it still counts.", epilog=CHECK_EPILOG)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
@clock_option
def check(path: Path, *, as_json: bool, now: datetime) -> int:
    """Read the policy file FILE strictly and say which of its acceptances count today."""
    import json

    import msgspec

    from toolkit.report.policy_file import read_policy

    risks = read_policy(path, now.date())
    lapsed = [each for each in risks.acceptances if each.until < risks.day]
    if as_json:
        rows = [msgspec.to_builtins(each) | {"days_left": (each.until - risks.day).days} for each in risks.acceptances]
        click.echo(json.dumps({"day": str(risks.day), "acceptances": rows}, indent=2))
        return 1 if lapsed else 0
    for each in risks.acceptances:
        click.echo(_line(each, (each.until - risks.day).days))
    click.echo(f"{len(risks.acceptances)} accepted, {len(lapsed)} of them run out.")
    return 1 if lapsed else 0


def _line(acceptance: Acceptance, days_left: int) -> str:
    from toolkit.report.printable import printable

    what = acceptance.check or f"{acceptance.vulnerability} in {acceptance.component}"
    where = f" in {', '.join(acceptance.paths)}" if acceptance.paths else ""
    state = "RUN OUT" if days_left < 0 else f"{days_left} days left"
    until = f"until {acceptance.until} ({state})"
    return printable(f"{acceptance.id}: {what}{where}: {until}, {acceptance.owner}: {acceptance.reason}")


@COMMAND.command(short_help="Accept a finding of a report until a day.", epilog=ACCEPT_EPILOG)
@click.argument("report", metavar="REPORT", type=click.Path(path_type=Path))
@click.argument("finding", metavar="[FINDING]", required=False)
@click.option("--reason", metavar="TEXT", help="Why it is acceptable.")
@click.option("--owner", metavar="NAME", help="Who answers for it.")
@click.option("--until", metavar="DAY", help="Last day on which it counts, such as 2027-03-31; two years at most.")
@click.option("--by", "created_by", metavar="NAME", help="Who writes it down.  [default: the owner]")
@click.option("--to", "target", metavar="FILE", type=click.Path(path_type=Path), help="Policy file to add it to.")
@click.option("--any-text", is_flag=True, help="Accept it whatever text stands there.")
@clock_option
def accept(
    report: Path,
    finding: str | None,
    *,
    reason: str | None,
    owner: str | None,
    until: str | None,
    created_by: str | None,
    target: Path | None,
    any_text: bool,
    now: datetime,
) -> int:
    """Add to a policy file that FINDING of REPORT is accepted; without FINDING, list what there is."""
    from toolkit.app.acceptance_subjects import subject_named, subjects
    from toolkit.app.report_input import read_report

    read = read_report(report)
    if finding is None:
        for subject in subjects(read):
            click.echo(f"{subject.key}  {subject.title}")
        return 0
    stated = {"--reason": reason, "--owner": owner, "--until": until, "--to": target}
    absent = [option for option, value in stated.items() if value is None]
    if absent or target is None:
        raise click.UsageError(f"to accept a finding, give {', '.join(absent)} too")
    subject = subject_named(read, finding)
    fields = {name: value for name, value in subject.fields.items() if name != "excerpt_sha256" or not any_text}
    said = {"reason": reason, "owner": owner, "until": until, "created_by": created_by or owner}
    _add(target, {"id": subject.id, **fields, **said, "created": now.date()}, now)
    click.echo(f"medharden: {subject.title}: accepted until {until} in {target}", err=True)
    return 0


def _add(target: Path, fields: dict[str, object], now: datetime) -> None:
    import msgspec

    from toolkit.core.errors import InputError
    from toolkit.core.files import write_whole
    from toolkit.report.acceptance import Acceptance
    from toolkit.report.policy_file import with_acceptance

    try:
        acceptance = msgspec.convert(fields, Acceptance)
    except msgspec.ValidationError as error:
        raise InputError(f"this cannot be accepted: {error}") from error
    try:
        kept = target.read_bytes() if target.exists() else b""
    except OSError as error:
        raise InputError(f"{target}: cannot be read: {error.strerror or error}") from error
    write_whole(target, with_acceptance(kept, acceptance, str(target), now.date()))
