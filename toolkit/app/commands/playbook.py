"""``medharden playbook``: what to do about a finding."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import now_option

if TYPE_CHECKING:
    from toolkit.hardening.documents import Document

LANGUAGES = ("en", "fr", "es")
FORMS = ("markdown", "html", "json")
EPILOG = """\b
Examples:
  medharden playbook hard-coded-password
  medharden playbook --report report.json --format html --language fr --output steps.html
  medharden playbook --report report.json --indicators indicators.json

\b
Exit codes:
  0  what was asked for is shown or written
  2  there is no such check, or the report could not be used"""


@click.command(
    name="playbook", short_help="Show what to do about a finding: contain, tell, ask, report.", epilog=EPILOG
)
@click.argument("check", metavar="[CHECK]", required=False)
@click.option(
    "--report", metavar="REPORT", type=click.Path(path_type=Path), help="What `medharden scan` or `drift --json` wrote."
)
@click.option("--format", "form", type=click.Choice(FORMS), default="markdown", show_default=True, help="Kind of page.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the page.")
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="File to write the page to.")
@click.option(
    "--indicators", metavar="FILE", type=click.Path(path_type=Path), help="Write what others can look for, as STIX 2.1."
)
@now_option
def COMMAND(  # noqa: N802  # the registry finds it by this name
    check: str | None,
    report: Path | None,
    *,
    form: str,
    as_json: bool,
    language: str,
    output: Path | None,
    indicators: Path | None,
    now: datetime,
) -> int:
    """Show the steps for findings of CHECK, or for all findings of REPORT, of scan or drift."""
    from toolkit.app.report_input import read_findings
    from toolkit.core.files import write_whole
    from toolkit.hardening.playbooks.catalogue import playbook_of, playbooks_for
    from toolkit.hardening.playbooks.page import playbook_document
    from toolkit.report.languages import Translator

    if (check is None) == (report is None):
        raise click.UsageError("give the name of a check, or --report")
    if indicators is not None and report is None:
        raise click.UsageError("--indicators needs --report")
    if report is not None:
        read = read_findings(report, now.date())
        names = sorted({finding.check for finding in read.findings})
        found, without = playbooks_for(names)
        if indicators is not None:
            from toolkit.hardening.playbooks.indicators import stix_bundle

            write_whole(indicators, stix_bundle(read))
            click.echo(f"medharden: indicators written to {indicators}", err=True)
    else:
        names, found, without = [str(check)], (playbook_of(str(check)),), ()
    if form == "json" or as_json:
        import msgspec

        told = {"playbooks": found, "without": without}
        text = msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"
    else:
        text = _page(playbook_document(found, names, without, Translator(language)), form)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_whole(output, text.encode("utf-8"))
        click.echo(f"medharden: written to {output}", err=True)
    return 0


def _page(document: Document, form: str) -> str:
    from toolkit.hardening.documents import to_html, to_markdown

    return to_html(document) if form == "html" else to_markdown(document)
