"""``medharden diff``: everything that differs between two images."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from toolkit.app.accepted_risks import policy_option
from toolkit.app.moment import clock_option

LANGUAGES = ("en", "fr", "es")

EPILOG = """\b
Examples:
  medharden diff pump-2.0.bin pump-2.1.bin
  medharden diff installed.zip update.zip --json > difference.json
  medharden diff old.img new.img --db vulnerabilities.db --language fr

\b
Exit codes:
  0  nothing differs, or only what somebody has accepted (--policy)
  1  something differs, accepted risks apart
  2  an image or option could not be used; the reason is on the error stream"""


@click.command(name="diff", short_help="Say what differs between two images.", epilog=EPILOG)
@click.argument("old", metavar="OLD", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--profile", metavar="ID", help="Device profile: an id of `profile list`, or a file.")
@click.option(
    "--db",
    "database",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="MEDHARDEN_DB",
    help="Vulnerability database to ask besides the shipped facts.  [environment: MEDHARDEN_DB]",
)
@click.option("--triage", metavar="FILE", type=click.Path(path_type=Path), help="Your own decisions.")
@policy_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the text.")
@clock_option
def COMMAND(  # noqa: N802  # the registry finds it by this name; one parameter an option
    old: Path,
    new: Path,
    profile: str | None,
    database: Path | None,
    triage: Path | None,
    policy: Path | None,
    *,
    as_json: bool,
    language: str,
    now: datetime,
) -> int:
    """Say what differs between the images OLD and NEW: components, files, memory, settings, findings, vulnerabilities.

    The name of the image itself does not count, nor do version and offset in the names of containers inside.
    """
    import msgspec

    from device_profiles.loader import load
    from firmware_checks.difference.compare import difference_of
    from toolkit.app.accepted_risks import accepted_risks
    from toolkit.app.review_input import examined, scanner_for, vulnerability_data
    from toolkit.report.review_text import difference_to_text

    device = load(profile) if profile is not None else None
    risks = accepted_risks(policy, device, now.date())
    scanner = scanner_for(device, vulnerability_data(database, triage, risks))
    difference = difference_of(examined(scanner, old, risks), examined(scanner, new, risks))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(difference), indent=2).decode())
    else:
        click.echo(difference_to_text(difference, language=language), nl=False)
    return 0 if difference.is_empty else 1
