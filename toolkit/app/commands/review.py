"""``medharden review``: may this update be installed?"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.accepted_risks import policy_option
from toolkit.app.moment import clock_option
from toolkit.app.pdf_output import pdf_options

if TYPE_CHECKING:
    from toolkit.report.review import Review

FORMATS = ("text", "json", "html")
LANGUAGES = ("en", "fr", "es")

EPILOG = """\b
Examples:
  medharden review pump-2.1.bin
  medharden review pump-2.1.bin --current pump-2.0.bin --profile infusion-pump-lvp --trust vendor.pub
  medharden review monitor.mdpkg --profile our-monitor.toml --trust trusted/ --db vulnerabilities.db
  medharden review update.zip --current installed.zip --triage decisions.openvex.json
      --format html --output review.html

\b
STORE is a file or a folder: public keys (OpenPGP too), certificates, and for
update packages vendor.root.json and hospital.root.json. Get them another way than the update.

\b
Exit codes:
  0  go: every question was answered, and nothing speaks against it
  1  no-go, or ask the vendor: the reasons are on the page
  2  a file or an option could not be used; the reason is on the error stream"""


@click.command(name="review", short_help="Say whether an update may be installed, and why.", epilog=EPILOG)
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--current", metavar="OLD", type=click.Path(path_type=Path), help="File of the installed version.")
@click.option("--profile", metavar="ID", help="Device profile: an id of `profile list`, or a file.")
@click.option("--trust", metavar="STORE", type=click.Path(path_type=Path), help="Whose signature counts.")
@click.option(
    "--db",
    "database",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="MEDHARDEN_DB",
    help="Vulnerability database to ask besides the shipped facts.  [environment: MEDHARDEN_DB]",
)
@click.option(
    "--triage", metavar="FILE", type=click.Path(path_type=Path), help="Your own decisions, carried over to NEW."
)
@policy_option
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True, help="Kind of page."
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: the screen]")
@pdf_options
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the page.")
@clock_option
def COMMAND(  # noqa: N802  # the registry finds it by this name; one parameter an option
    new: Path,
    current: Path | None,
    profile: str | None,
    trust: Path | None,
    database: Path | None,
    triage: Path | None,
    policy: Path | None,
    format_: str,
    *,
    as_json: bool,
    output: Path | None,
    pdf: Path | None,
    paper: str,
    language: str,
    now: datetime,
) -> int:
    """Say on one page whether the update NEW may be installed: go, no-go, or ask the vendor.

    Is it genuine, for this model, older than what runs now? What changes, which vulnerabilities does it mend, leave or
    bring back? A question that cannot be answered is a reason to ask, never a reason to go.
    """
    from dataclasses import replace

    from device_profiles.loader import load
    from firmware_checks.difference.compare import difference_of
    from firmware_checks.review import review
    from toolkit.app.accepted_risks import accepted_risks
    from toolkit.app.pdf_output import write_pdf
    from toolkit.app.review_input import examined, scanner_for, vulnerability_data
    from toolkit.app.review_publishers import publishers_of
    from toolkit.app.review_trust import believe, read_trusted
    from toolkit.report.review import Verdict

    device = load(profile) if profile is not None else None
    store = read_trusted(trust) if trust is not None else None
    risks = accepted_risks(policy, device, now.date())
    scanner = scanner_for(device, vulnerability_data(database, triage, risks))
    update = examined(scanner, new, risks)
    difference = difference_of(examined(scanner, current, risks), update) if current is not None else None
    verified = believe(new, store, device, profile, now)
    known = replace(verified, published=publishers_of(new, update, scanner, store, now))
    page = review(update.report, difference, device, known)
    _write(_rendered(page, "json" if as_json else format_, language), output)
    if pdf is not None:
        write_pdf(_rendered(page, "html", language), pdf, day=now.date().isoformat(), paper=paper)
    return 0 if page.verdict is Verdict.GO else 1


def _rendered(page: Review, format_: str, language: str) -> bytes:
    if format_ == "json":
        import msgspec

        return msgspec.json.format(msgspec.json.encode(page), indent=2) + b"\n"
    if format_ == "html":
        from toolkit.report.review_page import review_to_html

        return review_to_html(page, language=language).encode()
    from toolkit.report.review_text import review_to_text

    return review_to_text(page, language=language).encode()


def _write(document: bytes, output: Path | None) -> None:
    if output is None:
        click.echo(document.decode(), nl=False)
        return
    from toolkit.core.files import write_whole

    write_whole(output, document)
    click.echo(f"medharden: review written to {output}", err=True)
