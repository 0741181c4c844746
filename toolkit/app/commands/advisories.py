"""``medharden advisories``: which devices of the hospital a security advisory means."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import now_option
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from firmware_checks.vulnerabilities.advisories import AdvisoryAnswer

EPILOG = """\b
Examples:
  medharden advisories match --assets assets.csv --advisories icsma-25-030-01.json"""

MATCH_EPILOG = """\b
Examples:
  medharden advisories match --assets assets.csv --advisories icsma-25-030-01.json
  medharden advisories match --assets inventaire.csv --db vulnerabilities.db --output table.csv
  medharden advisories match --assets assets.csv --advisories medical.tar.gz --output vex.json --json

\b
The list of devices is a CSV file of the maintenance system. Its first row
names the columns, in English, French or Spanish: manufacturer, model, version,
asset tag or serial number, location. Other columns are neither kept nor shown.

\b
Exit codes:
  0  no device is affected or may be, as far as this data says
  1  a device is affected or may be, or a row could not be read
  2  the list or the advisories could not be used"""

OPEN = ("affected", "unknown_version", "under_investigation")


@click.group(name="advisories", short_help="Tell which devices an advisory means.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Hold security advisories (CSAF) against the devices of a hospital."""


@COMMAND.command(short_help="Answer for a list of devices.", epilog=MATCH_EPILOG)
@click.option(
    "--assets",
    "assets_path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="List of devices as CSV.",
)
@click.option(
    "--advisories",
    "advisory_paths",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSAF advisory, or an archive of them; may be given several times.",
)
@click.option(
    "--db",
    "database_path",
    type=click.Path(path_type=Path),
    envvar="MEDHARDEN_DB",
    help="Database whose advisories count.  [environment: MEDHARDEN_DB]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .json for OpenVEX, .csv for a table with a line for each device and advisory.",
)
@now_option
def match(
    *,
    assets_path: Path,
    advisory_paths: tuple[Path, ...],
    database_path: Path | None,
    as_json: bool,
    output: Path | None,
    now: datetime,
) -> int:
    """Tell for each device of a list whether an advisory means it, and how sure that is.

    Each answer is affected, unknown version, under investigation, fixed or not affected. Nothing is left out: devices
    that no advisory names are counted, and rows that could not be read are named.
    """
    import msgspec

    from firmware_checks.vulnerabilities.advisories import match_assets, read_advisories, stored_advisories
    from firmware_checks.vulnerabilities.assets import read_assets

    if not advisory_paths and database_path is None:
        raise InputError("say where the advisories are: --advisories FILE or --db FILE")
    if output is not None and output.suffix.lower() not in (".json", ".csv"):
        raise InputError(f"{output}: the name must end in .json for OpenVEX or in .csv for a table")
    try:
        listed = read_assets(assets_path.read_bytes())
    except OSError as error:
        raise InputError(f"{assets_path}: cannot be read: {error.strerror}") from error
    advisories, unread = read_advisories(advisory_paths) if advisory_paths else ([], [])
    advisories += stored_advisories(database_path) if database_path is not None else []
    answer = match_assets(listed, advisories, unread=unread)
    if output is not None:
        _write(answer, output, now)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        _print(answer)
    is_open = any(found.status in OPEN for entry in answer.assets for found in entry.matches)
    return 1 if is_open or answer.broken_rows or answer.unread else 0


def _write(answer: AdvisoryAnswer, output: Path, now: datetime) -> None:
    import json

    from firmware_checks.vulnerabilities.advisory_output import as_openvex, as_table
    from toolkit.core.files import write_whole

    if output.suffix.lower() == ".csv":
        write_whole(output, as_table(answer).encode("utf-8-sig"))
    else:
        write_whole(output, (json.dumps(as_openvex(answer, now), indent=2) + "\n").encode())


def _print(answer: AdvisoryAnswer) -> None:
    from firmware_checks.vulnerabilities.advisory_output import action_for

    for entry in answer.assets:
        asset = entry.asset
        if not entry.matches:
            continue
        place = f", {asset.location}" if asset.location else ""
        version = asset.version or "(version not known)"
        click.echo(f"{asset.tag or f'row {asset.row}'}: {asset.manufacturer} {asset.model} {version}{place}")
        for found in entry.matches:
            click.echo(f"  {found.status.replace('_', ' ')}: {found.advisory}, {len(found.vulnerabilities)} CVE names")
            click.echo(
                f"    product {found.product_confidence}: {found.vendor} {found.product} ({found.product_reason})"
            )
            click.echo(f"    version {found.version_confidence}: {found.version_reason}")
            click.echo(f"    {action_for(found)}")
    for broken in answer.broken_rows:
        click.echo(f"row {broken.row} could not be read: {broken.problem}")
    for line in answer.unread:
        click.echo(f"advisory could not be read: {line}")
    click.echo(_summary(answer))
    click.echo(
        f"Data: {answer.advisories} advisories, the newest of {answer.newest or 'no known day'}. {answer.caution}"
    )


def _summary(answer: AdvisoryAnswer) -> str:
    worst = [entry.matches[0].status.replace("_", " ") if entry.matches else "" for entry in answer.assets]
    words = ("affected", "unknown version", "under investigation", "fixed", "not affected")
    counted = [f"{worst.count(word)} {word}" for word in words if word in worst]
    parts = [*counted, f"{worst.count('')} not named by any advisory"]
    return f"{len(worst)} devices: {', '.join(parts)}."
