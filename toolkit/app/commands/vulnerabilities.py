"""``medharden vulnerabilities``: what is known about one component."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import clock_option

if TYPE_CHECKING:
    from firmware_checks.vulnerabilities.lookup import Answer
    from toolkit.report.vulnerability import Match

EPILOG = """\b
Examples:
  medharden vulnerabilities busybox 1.31.1
  medharden vulnerabilities "Mbed TLS" 2.16.5 --json
  medharden vulnerabilities openssl 1.0.2k-fips --db vulnerabilities.db
  medharden vulnerabilities cpe:2.3:a:wolfssl:wolfssl:4.6.0

\b
Exit codes:
  0  nothing is known against it in this data
  1  it has vulnerabilities, or may have
  2  the question or the data could not be used"""


@click.command(name="vulnerabilities", short_help="Tell what is known about a component.", epilog=EPILOG)
@click.argument("name")
@click.argument("version", required=False)
@click.option(
    "--db",
    "database_path",
    type=click.Path(path_type=Path),
    envvar="MEDHARDEN_DB",
    help="Database to ask besides the shipped facts.  [environment: MEDHARDEN_DB]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@clock_option
def COMMAND(  # noqa: N802  # the registry finds it by this name
    name: str, version: str | None, *, database_path: Path | None, as_json: bool, now: datetime
) -> int:
    """Tell which vulnerabilities the component NAME has in VERSION, and until when it is supported.

    NAME is a name, a CPE 2.3 name or a package URL. Without a VERSION everything that may apply is listed. No entry
    does not mean that there is no vulnerability.
    """
    from contextlib import ExitStack

    import msgspec

    from firmware_checks.vulnerabilities.database import Database
    from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
    from firmware_checks.vulnerabilities.lookup import component_named, look_up

    with ExitStack() as stack:
        database = stack.enter_context(Database(database_path)) if database_path is not None else None
        answer = look_up(component_named(name, version), shipped_knowledge(), database, now.date())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        _print(answer)
    return 1 if any(match.status != "not_affected" for match in answer.matches) else 0


def _print(answer: Answer) -> None:
    click.echo(f"{answer.name} {answer.version or '(version not known)'}: {len(answer.matches)} known vulnerabilities")
    for row in answer.support:
        until = f" until {row.until}" if row.until else ""
        click.echo(f"  support: {row.state}{until} ({row.line}; {row.basis}; {row.source})")
    for match in sorted(answer.matches, key=_urgency):
        mark = f", exploited since {match.exploited_since}" if match.exploited_since else ""
        score = f" {match.score}" if match.score is not None else ""
        click.echo(f"{match.id:18} {match.severity}{score}, {match.status.replace('_', ' ')}, {match.confidence}{mark}")
        click.echo(f"{'':18} {match.reason}")
        if match.summary:
            click.echo(f"{'':18} {' '.join(match.summary.split())}")
    ages = ", ".join(f"{row.name} ({row.date or 'no date'})" for row in answer.data)
    click.echo(f"Data: {ages}. {answer.caution}")


def _urgency(match: Match) -> tuple[bool, int, float, str]:
    words = ("critical", "high", "medium", "low", "none", "unknown")
    return match.exploited_since is None, words.index(match.severity), -(match.score or 0.0), match.id
