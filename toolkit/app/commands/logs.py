"""``medharden logs``: what do the logs of a device tell, and does it log at all?"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import clock_option

if TYPE_CHECKING:
    from toolkit.hardening.logs.inspection import LogInspection
    from toolkit.report.languages import Translator

LANGUAGES = ("en", "fr", "es")
INSPECT_EPILOG = """\b
Examples:
  medharden logs inspect auth.log syslog
  medharden logs inspect Security.evtx System.evtx --json --output logs.json
  medharden logs inspect journal.export --language fr

\b
Exports that are read: syslog and auth.log as text, the journal (journalctl -o
export, or -o json), event logs of Windows (.evtx). A log without a finding says
only that nothing of this kind was written down.

\b
Exit codes:
  0  nothing of medium severity or above was found, and every log was read to its end
  1  something was found, or a log could not be read to its end
  2  a file could not be used; the reason is on the error stream"""
DEVICE_EPILOG = """\b
Examples:
  medharden logs device monitor.img --profile patient-monitor-lowend
  medharden logs device dump/ --profile our-monitor.toml --json

\b
Exit codes:
  0  the image shows that the device writes a log
  1  it shows that it does not, or does not show it
  2  the image could not be used; the reason is on the error stream"""


@click.group(name="logs", short_help="Inspect logs of a device, or ask whether it logs at all.")
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Look into exported logs, or into an image for who writes them."""


@COMMAND.command(name="inspect", short_help="Look for attacks and tampering in exported logs.", epilog=INSPECT_EPILOG)
@click.argument("logs", nargs=-1, required=True, metavar="LOG...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the JSON document to this file.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the text.")
@clock_option
def inspect(logs: tuple[Path, ...], *, as_json: bool, output: Path | None, language: str, now: datetime) -> int:
    """Tell of brute force, cleared logs, new services and accounts, jumps of the clock and debug logins in LOGs.

    Names that do not look like one are not shown: people type passwords where a name is asked for.
    """
    import msgspec

    from toolkit.app.progress import progress
    from toolkit.core.files import write_whole
    from toolkit.core.findings import Severity
    from toolkit.hardening.logs.inspection import inspect_logs
    from toolkit.report.languages import Translator

    with progress(logs[0]) as on_progress:
        inspection = inspect_logs(list(logs), now.date(), on_progress)
    document = msgspec.json.format(msgspec.json.encode(inspection), indent=2) + b"\n"
    if output is not None:
        write_whole(output, document)
        click.echo(f"medharden: inspection written to {output}", err=True)
    if as_json:
        click.echo(document, nl=False)
    else:
        _show(inspection, Translator(language))
    is_found = any(finding.severity.rank >= Severity.MEDIUM.rank for finding in inspection.findings)
    return 1 if is_found or not inspection.is_complete else 0


def _show(inspection: LogInspection, say: Translator) -> None:
    from toolkit.report.wording import Label

    for log in inspection.logs:
        span = f", {log.first} - {log.last}" if log.first else ""
        click.echo(f"{log.name}: {log.kind}, {say.number(log.events)}{span}")
        if log.damage:
            click.echo(f"  ! {log.damage}")
    if not inspection.findings:
        click.echo(say(Label.NO_FINDINGS))
    for finding in inspection.findings:
        click.echo(f"\n[{finding.severity.value}] {say(finding.title)}")
        click.echo(f"  {finding.detail}")
        for evidence in finding.evidence[:5]:
            place = "" if evidence.offset is None else f" @{evidence.offset}"
            click.echo(f"  {evidence.path}{place}: {evidence.excerpt}")
        click.echo(f"  {say(finding.remedy)}")


@COMMAND.command(name="device", short_help="Ask an image whether the device logs at all.", epilog=DEVICE_EPILOG)
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--profile", metavar="ID", required=True, help="Device profile: an id of `profile list`, or a file.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@clock_option
def device(image: Path, *, profile: str, as_json: bool, now: datetime) -> int:
    """Tell who writes a log in IMAGE, what starts it, where it goes, and how long it stays."""
    import msgspec

    from toolkit.app.hardening_input import hardening_subject
    from toolkit.hardening.logs.ability import log_ability

    with hardening_subject(image, profile, now.date()) as subject:
        ability = log_ability(subject)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(ability), indent=2))
    else:
        click.echo(f"{ability.answer}: {ability.reason}")
        for title, values in (
            ("programs", ability.programs),
            ("started by", ability.started_by),
            ("sent to", ability.sent_to),
        ):
            if values:
                click.echo(f"{title}: {', '.join(values)}")
        click.echo(f"stays: {ability.stays}")
    return 0 if ability.answer == "yes" else 1
