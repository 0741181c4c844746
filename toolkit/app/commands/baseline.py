"""``medharden baseline``: write down, signed, what the software of a device looks like when it is good."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from toolkit.app.moment import now_option
from toolkit.app.secrets import passphrase_option

EPILOG = """\b
Examples:
  medharden baseline vendor.img --profile our-monitor.toml --key file:ada.pem --to monitor-4.2.baseline
  medharden baseline flash.hex --profile contec-cms50f --key pkcs11:token=clinic;object=ada --to cms50f.baseline

\b
Make it from the file the vendor released, or from a device that is known to be good,
never from one that may have been changed. `medharden drift` compares a dump with it.

\b
Exit codes:
  0  written
  1  written, but a part of the image could not be read; it is named
  2  the image, the profile or the key could not be used; the reason is on the error stream"""


@click.command(name="baseline", short_help="Write down, signed, what good software looks like.", epilog=EPILOG)
@click.argument("image", metavar="IMAGE|FOLDER", type=click.Path(path_type=Path))
@click.option("--profile", metavar="ID", required=True, help="Device profile: an id of `profile list`, or a file.")
@click.option("--key", metavar="URI", required=True, help="Key to sign with, for example file:ada.pem.")
@passphrase_option
@click.option("--to", "output", metavar="FILE", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written down as a JSON document, too.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Files read at a time.")
@now_option
def COMMAND(  # noqa: N802  # the registry finds it by this name
    image: Path,
    profile: str,
    key: str,
    passphrase_file: Path | None,
    output: Path,
    *,
    as_json: bool,
    jobs: int,
    now: datetime,
) -> int:
    """Write the signed baseline of IMAGE: every path with its rights, owner, capabilities and SHA-256.

    Of a microcontroller, every page of its memory. Times, order and packing do not count.
    """
    import msgspec

    from signing.keyring import open_signer
    from toolkit.app.hardening_input import hardening_subject
    from toolkit.app.secrets import CommandLineSecrets
    from toolkit.core.files import write_whole
    from toolkit.hardening.integrity.baseline import baseline_of, pack_baseline
    from toolkit.report.printable import printable

    with open_signer(key, CommandLineSecrets(passphrase_file)) as signer:
        with hardening_subject(image, profile, now.date(), jobs=jobs) as subject:
            baseline = baseline_of(subject)
        write_whole(output, pack_baseline(baseline, signer))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(baseline), indent=2))
    else:
        click.echo(
            f"{sum(len(volume.files) for volume in baseline.volumes)} entries in {len(baseline.volumes)} volumes"
        )
        click.echo(f"{sum(len(region.pages) for region in baseline.memory)} pages of memory")
    for row in (*baseline.unread, *baseline.problems):
        click.echo(f"not read completely: {printable(row.path)}: {printable(row.reason)}", err=True)
    for hit in baseline.limits_hit:
        click.echo(f"limit reached: {printable(hit)}", err=True)
    click.echo(f"medharden: baseline written to {output}", err=True)
    return 1 if baseline.unread or baseline.problems or baseline.limits_hit else 0
