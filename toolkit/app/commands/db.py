"""``medharden db``: the full database of vulnerabilities, from files or from the network."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.app.moment import clock_option
from toolkit.app.secrets import CommandLineSecrets, passphrase_option
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from firmware_checks.vulnerabilities.bundle import Manifest

EPILOG = """\b
Examples:
  medharden db import --db vulnerabilities.db /media/stick/nvdcve-2.0-2025.json.gz /media/stick/epss.csv.gz
  medharden db update --db vulnerabilities.db
  medharden db status --db vulnerabilities.db

\b
Without a database the facts that come with medharden are used, which are not complete."""

IMPORT_EPILOG = """\b
Examples:
  medharden db import --db vulnerabilities.db nvdcve-2.0-*.json.gz known_exploited_vulnerabilities.json
  medharden db import --db vulnerabilities.db /media/stick/feeds/
  medharden db import --db vulnerabilities.db /media/stick/data.bundle --trust office.pub

\b
Files are taken as their makers publish them, packed or not, in any order and
repeatedly: NVD 2.0 and 1.1, CVE 5, CISA KEV (JSON or CSV), EPSS,
endoflife.date, CSAF advisories and VEX, OSV (JSON or YAML), and archives of
these. All files count, or none: a broken one is named, and the database stays
what it was.
A bundle of `medharden db export` takes the place of the whole database; it must
be signed by a key that --trust names, and no older than what is there."""

EXPORT_EPILOG = """\b
Examples:
  medharden db export /media/stick/data.bundle --db vulnerabilities.db --key file:office.pem

\b
The bundle holds the whole database in one file for sites without a network.
Hand on the public half of the key on another way: medharden keys export."""

STATUS_EPILOG = """\b
Examples:
  medharden db status --db vulnerabilities.db
  medharden db status --db vulnerabilities.db --json"""

UPDATE_EPILOG = """\b
Examples:
  medharden db update --db vulnerabilities.db
  medharden db update --db vulnerabilities.db --only kev --only epss
  medharden db update --db vulnerabilities.db --mirror https://mirror.hospital.example/feeds

\b
What is fetched stays in a folder beside the database: a transfer that stopped
goes on where it was, and what has not changed is not fetched again. Proxies
are taken from HTTPS_PROXY and NO_PROXY. A mirror has each file under the name
of its host: https://MIRROR/nvd.nist.gov/feeds/..."""

db_option = click.option(
    "--db",
    "database_path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MEDHARDEN_DB",
    help="File of the database.  [environment: MEDHARDEN_DB]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
MOST_FILES = 500_000


@click.group(name="db", short_help="Import, update and look at vulnerability data.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Keep the full database of vulnerabilities: one file that can be copied."""


@COMMAND.command(name="import", short_help="Add files of vulnerability data.", epilog=IMPORT_EPILOG)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--trust", "trusted", multiple=True, metavar="FILE", type=click.Path(path_type=Path), help="Public key for bundles."
)
@click.option("--policy", default="legacy", show_default=True, metavar="NAME", help="Algorithms that are accepted.")
@click.option("--allow-older", is_flag=True, help="Take a bundle although its data is older.")
@db_option
@json_option
@clock_option
def import_files(
    paths: tuple[Path, ...],
    *,
    trusted: tuple[Path, ...],
    policy: str,
    allow_older: bool,
    database_path: Path,
    as_json: bool,
    now: datetime,
) -> None:
    """Add the files at PATHS, and those in folders, to the database; it is made when it is not there."""
    from firmware_checks.vulnerabilities.bundle import import_bundle, is_bundle
    from signing.key import read_public_key
    from signing.policy import policy_named

    bundles = [path for path in paths if path.is_file() and is_bundle(path)]
    if bundles:
        if len(paths) > 1:
            raise InputError(f"{bundles[0]}: a bundle takes the place of everything; import it alone")
        keys = [read_public_key(path) for path in trusted]
        done = import_bundle(bundles[0], database_path, keys, policy_named(policy), may_be_older=allow_older)
        _tell_bundle(done, bundles[0], as_json=as_json)
        return
    _add(_files(paths), database_path, now, as_json=as_json)


@COMMAND.command(name="export", short_help="Write a signed bundle.", epilog=EXPORT_EPILOG)
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--key", "uris", multiple=True, required=True, metavar="URI", help="Key to sign with; may be repeated.")
@click.option("--policy", default="legacy", show_default=True, metavar="NAME", help="Algorithms that may sign.")
@passphrase_option
@db_option
@json_option
def export(
    output: Path,
    *,
    uris: tuple[str, ...],
    policy: str,
    passphrase_file: Path | None,
    database_path: Path,
    as_json: bool,
) -> None:
    """Write the whole database to the one file OUTPUT, signed, for sites without a network."""
    from contextlib import ExitStack

    from firmware_checks.vulnerabilities.bundle import export_bundle
    from signing.keyring import open_signer
    from signing.policy import policy_named

    secrets = CommandLineSecrets(passphrase_file)
    with ExitStack() as stack:
        signers = [stack.enter_context(open_signer(uri, secrets)) for uri in uris]
        manifest = export_bundle(database_path, output, signers, policy_named(policy))
    _tell_bundle(manifest, output, as_json=as_json)


def _tell_bundle(manifest: Manifest, path: Path, *, as_json: bool) -> None:
    import msgspec

    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(manifest), indent=2).decode())
        return
    ages = ", ".join(f"{kind} of {day or '(no date)'}" for kind, day in sorted(manifest.dates.items()))
    click.echo(f"{path}: {manifest.counts.get('vulnerabilities', 0)} vulnerabilities; {ages}")


def _add(files: list[Path], database_path: Path, now: datetime, *, as_json: bool) -> None:
    import msgspec

    from firmware_checks.vulnerabilities.building import build
    from firmware_checks.vulnerabilities.knowledge import shipped_knowledge

    done = build(
        database_path,
        files,
        shipped_knowledge(),
        today=now.date().isoformat(),
        tell=lambda name: click.echo(f"medharden: reading {name}", err=True),
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(done), indent=2).decode())
        return
    for file in done:
        counts = ", ".join(f"{number} {what}" for what, number in file.counts.items())
        click.echo(f"{file.path}: {counts}{f', data of {file.date}' if file.date else ''}")


def _files(paths: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        if len(found) > MOST_FILES:
            raise InputError(f"{path}: more than {MOST_FILES} files")
    return found


@COMMAND.command(name="update", short_help="Fetch new data from its publishers.", epilog=UPDATE_EPILOG)
@click.option("--only", "names", multiple=True, metavar="NAME", help="Only this kind of data; may be repeated.")
@click.option("--mirror", metavar="URL", help="Server that has copies of the files.")
@db_option
@json_option
@clock_option
def update(names: tuple[str, ...], *, mirror: str | None, database_path: Path, as_json: bool, now: datetime) -> None:
    """Fetch what is new over HTTPS, hold it against the published checksums, and add it to the database."""
    import time
    import urllib.request

    from firmware_checks.vulnerabilities.downloads import Fetcher, downloads, fetch_all, sources

    known = {source.name: source for source in sources()}
    if unknown := sorted(set(names) - set(known)):
        raise InputError(f"{unknown[0]!r} is no kind of data; there are: {', '.join(known)}")
    wanted = list(downloads([known[n] for n in names or known], this_year=now.year, mirror=mirror))
    folder = database_path.with_name(f"{database_path.name}.downloads")
    fetcher = Fetcher(folder, proxies=urllib.request.getproxies(), pause=time.sleep)
    files = fetch_all(wanted, fetcher, lambda text: click.echo(f"medharden: {text}", err=True))
    _add(files, database_path, now, as_json=as_json)


@COMMAND.command(name="status", short_help="Show what the database holds and how old it is.", epilog=STATUS_EPILOG)
@db_option
@json_option
@clock_option
def status(*, database_path: Path, as_json: bool, now: datetime) -> None:
    """Show the age of each kind of data and how much there is; what is missing is named too."""
    import json

    from firmware_checks.vulnerabilities.database import Database

    with Database(database_path) as database:
        document = _status(database, now.date())
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    for kind in document["data"]:
        age = f"{kind['age_days']} days old" if kind["age_days"] is not None else "age not known"
        click.echo(f"{kind['kind']:12} {kind['date'] or '(no date)':12} {age}, {kind['files']} files")
    click.echo(", ".join(f"{number} {what}" for what, number in document["counts"].items()))
    for kind in document["missing"]:
        click.echo(f"missing: {kind}")


KINDS = ("nvd", "kev", "epss", "endoflife", "csaf")
"""What a complete database has."""


def _status(database: Any, today: date) -> dict[str, Any]:
    kinds: dict[str, list[Any]] = {}
    for feed in database.feeds():
        kinds.setdefault(feed.kind, []).append(feed)
    rows = []
    for kind, feeds in sorted(kinds.items()):
        newest = max(feed.date for feed in feeds)
        age = (today - date.fromisoformat(newest)).days if newest else None
        imported = max(feed.imported for feed in feeds)
        rows.append({"kind": kind, "date": newest or None, "age_days": age, "imported": imported, "files": len(feeds)})
    return {"data": rows, "counts": database.counts(), "missing": [kind for kind in KINDS if kind not in kinds]}
