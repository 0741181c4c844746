"""``medharden decommission``: may this device leave the house?"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.moment import now_option

if TYPE_CHECKING:
    from toolkit.hardening.decommission.certificate import Certificate

LANGUAGES = ("en", "fr", "es")
FORMS = ("text", "html", "json")
EPILOG = """\b
Examples:
  medharden decommission after-wipe.img --profile infusion-pump-lvp --asset-tag 4711
  medharden decommission after-wipe.img --profile our-pump.toml --format html --output certificate.html --language fr
  medharden decommission before-wipe.img --vendor pump-4.2.img --json

\b
What remains after a wipe is found in files, and in all bytes of the copy, where
deleted files still are. With --vendor, what stands in the maker's own image as
well is no remain.

\b
Exit codes:
  0  everything was looked at, and nothing was found
  1  something remains, or not everything could be looked at: no certificate
  2  the copy or an option could not be used; the reason is on the error stream"""


@click.command(
    name="decommission", short_help="Certify that a device holds no patient data and no keys.", epilog=EPILOG
)
@click.argument("dump", type=click.Path(path_type=Path))
@click.option("--profile", metavar="ID", help="Device profile: tells how large the storage is.")
@click.option(
    "--vendor", metavar="IMAGE", type=click.Path(path_type=Path), help="The maker's own image of this software."
)
@click.option("--asset-tag", default="", help="Number of the device in your inventory.")
@click.option("--serial-number", default="", help="Serial number on the type plate.")
@click.option(
    "--format", "form", type=click.Choice(FORMS), default="text", show_default=True, help="Kind of certificate."
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--output", type=click.Path(path_type=Path), help="File to write.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the page.")
@now_option
def COMMAND(  # noqa: N802  # the registry finds it by this name; one parameter an option
    dump: Path,
    profile: str | None,
    vendor: Path | None,
    asset_tag: str,
    serial_number: str,
    *,
    form: str,
    as_json: bool,
    output: Path | None,
    language: str,
    now: datetime,
) -> int:
    """Look into DUMP, a copy of a device's storage, for patient data, passwords, keys and wireless keys.

    Secrets and names are never shown. A copy that is not whole, or that holds parts nobody can read, gets no
    certificate.
    """
    from device_profiles.loader import load
    from toolkit.app.progress import progress
    from toolkit.app.user_cache import user_cache
    from toolkit.core.files import write_whole
    from toolkit.hardening.decommission.certificate import Device, Verdict
    from toolkit.hardening.decommission.looking import certificate_of

    known = load(profile) if profile is not None else None
    device = Device(
        profile=known.id if known is not None else "",
        title=known.title if known is not None else "",
        asset_tag=asset_tag,
        serial_number=serial_number,
    )
    with progress(dump) as on_progress:
        certificate = certificate_of(
            dump, now.date(), device, known, vendor=vendor, kept=user_cache(), on_progress=on_progress
        )
    document = _document(certificate, "json" if as_json else form, language)
    if output is not None:
        write_whole(output, document.encode("utf-8"))
        click.echo(f"medharden: written to {output}", err=True)
    else:
        click.echo(document, nl=False)
    return 0 if certificate.verdict is Verdict.NOTHING_FOUND else 1


def _document(certificate: Certificate, form: str, language: str) -> str:
    if form == "html":
        from toolkit.hardening.decommission.page import certificate_to_html

        return certificate_to_html(certificate, language=language)
    if form == "json":
        import msgspec

        return msgspec.json.format(msgspec.json.encode(certificate), indent=2).decode() + "\n"
    from toolkit.hardening.decommission.text import certificate_to_text

    return certificate_to_text(certificate, language=language)
