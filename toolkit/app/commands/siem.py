"""``medharden siem``: hand findings to who watches the network."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from toolkit.app.moment import now_option
from toolkit.app.secrets import passphrase_option

FORMS = ("syslog", "cef", "ocsf")
MOST_ARCHIVE_BYTES = 512 << 20
EPILOG = """\b
Examples:
  medharden siem send report.json --to tls://collector.example:6514 --ca hospital-ca.pem
  medharden siem archive report.json --to evidence.zip --key file:ada.pem
  medharden siem check evidence.zip --trust ada.pub"""
SEND_EPILOG = """\b
Examples:
  medharden siem send report.json --to tls://collector.example:6514 --ca hospital-ca.pem
  medharden siem send report.json --to tcp://10.1.2.3:601 --form cef

\b
Nothing is ever sent but by this verb, and only to the collector named here. Over
tcp:// everybody on the way can read along. A collector gives no receipt: ask whoever
runs it whether the events are there.

\b
Exit codes:
  0  everything was handed over
  2  the report could not be used, or the collector not be reached or believed"""
ARCHIVE_EPILOG = """\b
Examples:
  medharden siem archive before.json after.json --to evidence.zip --key file:ada.pem
  medharden siem check evidence.zip --trust ada.pub"""
CHECK_EPILOG = """\b
Example:
  medharden siem check evidence.zip --trust ada.pub --json

\b
Exit codes:
  0  somebody who is trusted has signed it, and every file is as it was
  1  it is not believed; the reason is on the error stream
  2  a file could not be read"""


@click.group(name="siem", short_help="Send findings to a collector, or archive them, signed.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Hand the findings of reports on: over the network when you say so, or as one signed archive."""


@COMMAND.command(short_help="Send the findings of a report to a collector.", epilog=SEND_EPILOG)
@click.argument("report", metavar="REPORT", type=click.Path(path_type=Path))
@click.option("--to", "address", metavar="URL", required=True, help="Collector: tls://host:6514 or tcp://host:601.")
@click.option(
    "--ca", "authority", metavar="FILE", type=click.Path(path_type=Path), help="Certificates to believe, as PEM."
)
@click.option("--form", type=click.Choice(FORMS), default="syslog", show_default=True, help="How events are written.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 300), default=10.0, show_default=True, help="Seconds to wait."
)
@now_option
def send(report: Path, address: str, authority: Path | None, *, form: str, timeout_s: float, now: datetime) -> int:
    """Send the findings of REPORT, written by `medharden scan --json` or `drift --json`, to the collector at URL.

    Events of a scan have the day of the report, those of a drift the day of --now.
    """
    from toolkit.app.report_input import read_findings
    from toolkit.hardening.siem import sending
    from toolkit.hardening.siem.events import Form, messages_of

    collector = sending.collector_at(address)
    messages = messages_of(read_findings(report, now.date()), Form(form))
    sending.send(messages, collector, authority=authority, timeout_s=timeout_s)
    click.echo(f"{len(messages)} events handed over to {collector}")
    return 0


@COMMAND.command(short_help="Put reports and their events into one archive.", epilog=ARCHIVE_EPILOG)
@click.argument("reports", metavar="REPORT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "output", metavar="FILE", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--key", metavar="URI", help="Key to sign with, for example file:ada.pem.  [default: not signed]")
@passphrase_option
@now_option
def archive(
    reports: tuple[Path, ...], output: Path, key: str | None, passphrase_file: Path | None, *, now: datetime
) -> int:
    """Write REPORTs of scan or drift, with their events as OCSF, CEF and syslog, into one ZIP file.

    A manifest of digests says what belongs to it. Events of a drift have the day of --now.
    """
    from contextlib import nullcontext

    from signing.keyring import open_signer
    from toolkit.app.report_input import read_findings
    from toolkit.app.secrets import CommandLineSecrets
    from toolkit.core.files import write_whole
    from toolkit.hardening.siem.archive import evidence_archive

    read = [read_findings(path, now.date()) for path in reports]
    with open_signer(key, CommandLineSecrets(passphrase_file)) if key is not None else nullcontext() as signer:
        data = evidence_archive(read, signer)
    write_whole(output, data)
    signed = "" if key is not None else ", not signed"
    click.echo(f"medharden: {len(read)} reports written to {output}{signed}", err=True)
    return 0


@COMMAND.command(short_help="Verify an archive and who signed it.", epilog=CHECK_EPILOG)
@click.argument("path", metavar="FILE.zip", type=click.Path(path_type=Path))
@click.option(
    "--trust",
    metavar="STORE",
    required=True,
    type=click.Path(path_type=Path),
    help="Whose signature counts: key or folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as a JSON document.")
def check(path: Path, trust: Path, *, as_json: bool) -> int:
    """Tell whether the archive is whole and signed by somebody in STORE."""
    import msgspec

    from toolkit.app.package_offer import read_bytes
    from toolkit.app.review_trust import read_trusted
    from toolkit.hardening.siem.archive import verified_archive

    manifest, key = verified_archive(read_bytes(path, MOST_ARCHIVE_BYTES), tuple(read_trusted(trust).keys))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    else:
        click.echo(f"{len(manifest.files)} files are as they were, signed by key {key.key_id}")
    return 0
