"""``medharden harden``: write what protects a device, derived from its image and profile."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import now_option
from toolkit.app.secrets import passphrase_option

if TYPE_CHECKING:
    from toolkit.hardening.pack import Pack

EPILOG = """\b
Examples:
  medharden harden monitor.img --profile patient-monitor-lowend --to pack/
  medharden harden rootfs/ --profile our-monitor.toml --only firewall-nftables --to pack/
  medharden harden vendor.img --also dump.img --profile our-monitor.toml --to pack/
  medharden harden --list

\b
Nothing is applied to a device. README.html in the pack says of each part how to
test it on a bench, how to apply it, and how to take it back.

\b
Exit codes:
  0  the pack was written
  1  it was written, and something in it must be looked at; it is named
  2  the image, the profile or an option could not be used; the reason is on the error stream"""


@click.command(name="harden", short_help="Write rules that protect a device, from its image.", epilog=EPILOG)
@click.argument("image", metavar="IMAGE|FOLDER", required=False, type=click.Path(path_type=Path))
@click.option("--profile", metavar="ID", help="Device profile: an id of `profile list`, or a file.")
@click.option("--to", "folder", metavar="FOLDER", type=click.Path(path_type=Path), help="Folder to write the pack to.")
@click.option("--only", metavar="PART,...", default="", help="Make these parts alone.")
@click.option(
    "--also", metavar="DUMP", type=click.Path(path_type=Path), help="Second dump of the same device to learn from."
)
@click.option("--key", metavar="URI", help="Key that signs what is only believed when signed, e.g. file:ada.pem.")
@passphrase_option
@click.option("--replace", is_flag=True, help="Replace the folder when it is there already.")
@click.option("--list", "is_listing", is_flag=True, help="List the parts there are.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as a JSON document.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Files read at a time.")
@now_option
def COMMAND(  # noqa: N802  # the registry finds it by this name; one parameter an option
    image: Path | None,
    profile: str | None,
    folder: Path | None,
    only: str,
    also: Path | None,
    key: str | None,
    passphrase_file: Path | None,
    *,
    replace: bool,
    is_listing: bool,
    as_json: bool,
    jobs: int,
    now: datetime,
) -> int:
    """Write a hardening pack for the device whose software is in IMAGE (or unpacked in FOLDER).

    What protection software does on a computer, derived for a device that cannot run it: what may be executed, which
    USB devices and network peers are allowed, what the files must look like.
    """
    from toolkit.app.hardening_input import hardening_subject
    from toolkit.core.files import write_folder
    from toolkit.hardening.pack import build_pack, chosen_parts
    from toolkit.hardening.part import load_parts

    parts = chosen_parts(load_parts(), [name for name in only.split(",") if name])
    if is_listing:
        for part in parts:
            click.echo(f"{part.name:28} {part.title}")
        return 0
    if image is None or profile is None or folder is None:
        raise click.UsageError("name an IMAGE, its --profile, and with --to the folder to write")
    with ExitStack() as stack:
        signer = None
        if key is not None:
            from signing.keyring import open_signer
            from toolkit.app.secrets import CommandLineSecrets

            signer = stack.enter_context(open_signer(key, CommandLineSecrets(passphrase_file)))
        subject = stack.enter_context(
            hardening_subject(image, profile, now.date(), also=also, jobs=jobs, signer=signer)
        )
        pack = build_pack(subject, parts)
    write_folder(folder, pack.files, replace=replace)
    _tell(pack, folder, as_json=as_json)
    return 1 if any(True for _ in pack.findings) or pack.manifest.unread or pack.manifest.limits_hit else 0


def _tell(pack: Pack, folder: Path, *, as_json: bool) -> None:
    from toolkit.hardening.pack import MANIFEST
    from toolkit.report.printable import printable

    if as_json:
        click.echo(pack.files[MANIFEST], nl=False)
        return
    told: set[str] = set()  # several parts may find the same
    for part in pack.manifest.parts:
        made = f"{len(part.files)} file{'' if len(part.files) == 1 else 's'}"
        result = f"not made: {printable(part.not_made)}" if part.not_made else made
        click.echo(f"{part.name:28} {result}")
        for finding in part.findings:
            line = f"  {finding.severity.value}: {printable(finding.title)}: {printable(finding.detail)}"
            if line not in told:
                click.echo(line)
            told.add(line)
    for row in pack.manifest.unread:
        click.echo(f"not read completely: {printable(row.path)}: {printable(row.reason)}")
    for hit in pack.manifest.limits_hit:
        click.echo(f"limit reached: {printable(hit)}")
    click.echo(f"medharden: pack written to {folder}; read {folder / 'README.html'} first", err=True)
