"""``medharden dossier``: everything about one version of a device, in the order in which an authority asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.app.secrets import passphrase_option

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile
    from toolkit.hardening.dossier.assembling import Dossier, Material

LANGUAGES = ("en", "fr", "es")
MOST_BYTES = 64 << 20
MOST_FILES = 500
SBOM_ENDS = (".json", ".xml", ".spdx")
EPILOG = """\b
Examples:
  medharden dossier --profile our-pump.toml --report report.json --to dossier
  medharden dossier --profile our-pump.toml --report report.json --bench evidence.json
      --sbom vendor.cdx.json --vex vendor-vex.json --to dossier --key file:ada.pem
  medharden dossier --check dossier --trust ada.pub

\b
Exit codes:
  0  the folder is written, or is believed with --check; what is missing stands in index.html
  1  with --check: the folder is not believed
  2  a file or an option could not be used; the reason is on the error stream"""


@click.command(name="dossier", short_help="Put all evidence into the eight places of an eSTAR.", epilog=EPILOG)
@click.option("--profile", metavar="ID", help="Device profile: an id of `profile list`, or a file.")
@click.option("--report", metavar="REPORT", type=click.Path(path_type=Path), help="What `medharden scan --json` wrote.")
@click.option("--bench", metavar="FILE", type=click.Path(path_type=Path), help="Evidence file of `medharden bench`.")
@click.option("--sbom", metavar="FILE", type=click.Path(path_type=Path), help="The maker's list of parts.")
@click.option("--vex", metavar="FILE", type=click.Path(path_type=Path), help="The maker's judgement, as JSON.")
@click.option("--to", "folder", metavar="FOLDER", type=click.Path(path_type=Path), help="New folder to write.")
@click.option("--key", metavar="URI", help="Key to sign with, for example file:ada.pem.  [default: not signed]")
@passphrase_option
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the pages."
)
@click.option("--replace", is_flag=True, help="Replace the folder if it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print files and what is missing as a JSON document.")
@click.option("--check", metavar="FOLDER", type=click.Path(path_type=Path), help="Verify a dossier instead.")
@click.option("--trust", metavar="STORE", type=click.Path(path_type=Path), help="With --check: whose signature counts.")
def COMMAND(  # noqa: N802  # the registry finds it by this name; one parameter an option
    profile: str | None,
    report: Path | None,
    bench: Path | None,
    sbom: Path | None,
    vex: Path | None,
    folder: Path | None,
    key: str | None,
    passphrase_file: Path | None,
    *,
    language: str,
    replace: bool,
    as_json: bool,
    check: Path | None,
    trust: Path | None,
) -> int:
    """Write a folder with the eight places of an eSTAR, what belongs there, and plainly what is missing."""
    from contextlib import nullcontext

    from device_profiles.loader import load
    from signing.keyring import open_signer
    from toolkit.app.secrets import CommandLineSecrets
    from toolkit.core.files import write_folder
    from toolkit.hardening.dossier.assembling import dossier_of, packed_dossier
    from toolkit.report.languages import Translator

    if check is not None:
        if trust is None:
            raise click.UsageError("--check needs --trust")
        return _check(check, trust)
    if profile is None or report is None or folder is None:
        raise click.UsageError("give --profile, --report and --to")
    material = _material(load(profile), report, bench, sbom, vex)
    dossier = dossier_of(material, Translator(language))
    with open_signer(key, CommandLineSecrets(passphrase_file)) if key is not None else nullcontext() as signer:
        files = packed_dossier(dossier, material.report, signer)
    write_folder(folder, files, replace=replace)
    _show(dossier, as_json=as_json)
    click.echo(f"medharden: dossier written to {folder}{'' if key is not None else ', not signed'}", err=True)
    return 0


def _material(
    profile: DeviceProfile, report: Path, bench: Path | None, sbom: Path | None, vex: Path | None
) -> Material:
    from firmware_checks.sbom.reading import read_sbom
    from firmware_checks.scan import Scanner
    from hil.evidence import read_evidence
    from toolkit.app.package_offer import read_bytes
    from toolkit.app.report_input import read_report
    from toolkit.core.errors import InputError
    from toolkit.hardening.dossier.assembling import Material

    evidence = read_bytes(bench, MOST_BYTES) if bench is not None else b""
    if sbom is not None and sbom.suffix.lower() not in SBOM_ENDS:
        raise InputError(f"{sbom}: a list of parts ends in {', '.join(SBOM_ENDS)}")
    if sbom is not None:
        read_sbom(sbom)
    return Material(
        report=read_report(report),
        profile=profile,
        checks=Scanner().checks,
        bench=read_evidence(evidence) if bench is not None else None,
        bench_file=evidence,
        sbom=(sbom.suffix.lower(), read_bytes(sbom, MOST_BYTES)) if sbom is not None else None,
        vex=_json_file(vex) if vex is not None else None,
    )


def _json_file(path: Path) -> bytes:
    import msgspec

    from toolkit.app.package_offer import read_bytes
    from toolkit.core.errors import InputError

    data = read_bytes(path, MOST_BYTES)
    try:
        msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no JSON document: {error}") from error
    return data


def _show(dossier: Dossier, *, as_json: bool) -> None:
    import json

    if as_json:
        places = [
            {"folder": slot.folder, "files": sorted(slot.files), "missing": list(slot.missing)}
            for slot in dossier.slots
        ]
        click.echo(json.dumps({"places": places}, indent=2, ensure_ascii=False))
        return
    for slot in dossier.slots:
        click.echo(f"{slot.folder}: {len(slot.files)} files")
        for sentence in slot.missing:
            click.echo(f"  missing: {sentence}")


def _check(folder: Path, trust: Path) -> int:
    from toolkit.app.package_offer import read_bytes
    from toolkit.app.review_trust import read_trusted
    from toolkit.core.errors import InputError
    from toolkit.hardening.dossier.assembling import DOSSIER
    from toolkit.hardening.manifest import verified_manifest

    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder")
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    if len(paths) > MOST_FILES:
        raise InputError(f"{folder}: holds {len(paths)} files, too many for a dossier")
    members = {path.relative_to(folder).as_posix(): read_bytes(path, MOST_BYTES * 4) for path in paths}
    manifest, signed_by = verified_manifest(members, DOSSIER, tuple(read_trusted(trust).keys))
    click.echo(f"{len(manifest.files)} files are as they were, signed by key {signed_by.key_id}")
    return 0
