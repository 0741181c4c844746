"""``medharden package``: make, approve and verify update packages."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import click

from toolkit.app.moment import clock_option, now_option
from toolkit.app.package_offer import MOST_OVERRIDE_BYTES, Judging, judging_options, read_bytes
from toolkit.app.package_words import (
    examined_facts,
    lines_of,
    measured,
    neutral,
    print_facts,
    print_json,
    say,
    verified_facts,
)
from toolkit.app.package_work import (
    looked_at,
    next_number,
    open_signers,
    rewritten,
    signed,
    vendor_part,
    verified,
    write_package,
)
from toolkit.app.secrets import passphrase_option
from toolkit.core.errors import InputError

EPILOG = """\b
Examples:
  medharden package create release.toml --trust vendor --key file:ada.pem --output pump-2.1.0.mdpkg
  medharden package countersign pump-2.1.0.mdpkg --trust hospital --vendor-root vendor.root.json \\
      --profile our-pump.toml --clock trusted --key file:dee.pem
  medharden package verify pump-2.1.0.mdpkg --profile our-pump.toml --unit pump-17.json \\
      --vendor-root vendor.root.json --hospital-root hospital.root.json --clock trusted

\b
Exit codes:
  0  done; for verify: it may be installed in this device now
  1  refused, with the rule in brackets and the reason
  2  something given cannot be used"""

CREATE_EPILOG = """\b
Examples:
  medharden package create release.toml --trust vendor --output pump-2.1.0.mdpkg
  medharden package create release.toml --trust vendor --key file:ada.pem --key file:cyd.pem --output pump-2.1.0.mdpkg
  medharden package create release.toml --trust vendor --output pump.mdpkg --number 12 --now 2026-12-01T09:00:00Z

\b
The description names vendor, model, version, hardware revisions, regions and
files; docs/updates.md shows one. With ecdsa, ed25519 and lms keys two runs over
the same input are equal byte for byte before and after signing; RSA-PSS and
ML-DSA signatures are random by nature, so there only the unsigned package is."""

SIGN_EPILOG = """\b
Examples:
  medharden package sign pump-2.1.0.mdpkg --trust vendor --key file:ben.pem
  medharden package sign pump-2.1.0.mdpkg --trust hospital --key "pkcs11:token=clinic;object=eve"

\b
Every file is hashed, and all metadata is held against what your trust folder
would say, before your key is used: what was changed on the stick is not signed."""

COUNTERSIGN_EPILOG = """\b
Examples:
  medharden package countersign pump-2.1.0.mdpkg --trust hospital --profile our-pump.toml \\
      --vendor-root vendor.root.json --clock trusted --key file:dee.pem
  medharden package sign pump-2.1.0.mdpkg --trust hospital --key file:eve.pem"""

VERIFY_EPILOG = """\b
Examples:
  medharden package verify pump-2.1.0.mdpkg --profile our-pump.toml --unit pump-17.json \\
      --vendor-root vendor.root.json --hospital-root hospital.root.json --clock trusted
  medharden package verify wrapped.mdpkg --profile our-pump.toml --unit pump-17.json \\
      --hospital-root hospital.root.json --clock trusted --remember

\b
Exit codes:
  0  it may be installed in this device now
  1  refused, with the rule in brackets and the reason
  2  something given cannot be used"""

EXTRACT_EPILOG = """\b
Examples:
  medharden package extract pump-2.1.0.mdpkg --profile our-pump.toml --unit pump-17.json \\
      --vendor-root vendor.root.json --hospital-root hospital.root.json --clock trusted --output to-install"""

INSPECT_EPILOG = """\b
Examples:
  medharden package inspect pump-2.1.0.mdpkg
  medharden package inspect pump-2.1.0.mdpkg --profile our-pump.toml --vendor-root vendor.root.json
  medharden package inspect pump-2.1.0.mdpkg --profile our-pump.toml --vendor-root vendor.root.json \\
      --hospital-root hospital.root.json --json"""

OVERRIDE_EPILOG = """\b
Examples:
  medharden package override pump-2.1.0.mdpkg --profile our-pump.toml --vendor-root vendor.root.json \\
      --hospital-root hospital.root.json --output decision.json --reason "The alarm fault is worse" --key file:dee.pem
  medharden package override pump-2.1.0.mdpkg --profile our-pump.toml --vendor-root vendor.root.json \\
      --hospital-root hospital.root.json --output decision.json --key file:eve.pem"""

package_argument = click.argument("package", type=click.Path(path_type=Path))
trust_option = click.option(
    "--trust", required=True, metavar="FOLDER", type=click.Path(path_type=Path), help="Your trust folder."
)
keys_option = click.option("--key", "keys", multiple=True, metavar="URI", help="Key to sign with; may be repeated.")
unit_option = click.option(
    "--unit", type=click.Path(path_type=Path), help="Record of the one device on the bench (JSON)."
)
override_option = click.option(
    "--override", type=click.Path(path_type=Path), help="Signed decision to accept an age that is not fresh."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")


@click.group(name="package", short_help="Make, approve and verify update packages.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Update packages: one file with everything an update needs to be believed."""


@COMMAND.command(name="create", short_help="Make a package from a description of a release.", epilog=CREATE_EPILOG)
@click.argument("release", type=click.Path(path_type=Path))
@trust_option
@keys_option
@passphrase_option
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Package to write (.mdpkg).")
@click.option("--number", type=click.IntRange(1), help="Number of this release.  [default: one more than the last]")
@now_option
@json_option
def create(  # one parameter an option
    release: Path,
    trust: Path,
    keys: tuple[str, ...],
    passphrase_file: Path | None,
    output: Path,
    number: int | None,
    now: datetime,
    *,
    as_json: bool,
) -> None:
    """Make a package from the description RELEASE (TOML); with keys, sign it too.

    The same input, number and time give the same bytes.
    """
    from signing.package.create import create as create_package
    from signing.package.create import read_spec
    from signing.trust.folder import TrustFolder

    folder = TrustFolder(trust)
    spec = read_spec(release)
    used = next_number(folder, spec.model, number)
    write_package(output, lambda file: create_package(file, spec, release.parent, folder, now, used))
    folder.note_issued(spec.model, used)
    repository = folder.plan().repository.value
    say(f"{output}: {spec.model} {spec.version}, release {used} of the {repository}")
    told = signed(output, output, folder, keys, passphrase_file, now) if keys else []
    if as_json:
        made = {"model": spec.model, "version": spec.version, "repository": repository, "number": used}
        print_json({"package": str(output), **made, "signed": told})


@COMMAND.command(name="sign", short_help="Add your signature to a package.", epilog=SIGN_EPILOG)
@package_argument
@trust_option
@keys_option
@passphrase_option
@click.option("--output", type=click.Path(path_type=Path), help="Package to write.  [default: the same]")
@clock_option
@json_option
def sign(
    package: Path,
    trust: Path,
    keys: tuple[str, ...],
    passphrase_file: Path | None,
    output: Path | None,
    now: datetime,
    *,
    as_json: bool,
) -> None:
    """Add signatures to all that your keys may sign in PACKAGE, after hashing every file in it."""
    from signing.trust.folder import TrustFolder

    if not keys:
        raise InputError("nothing is signed without a key: give --key")
    told = signed(package, output or package, TrustFolder(trust), keys, passphrase_file, now)
    if as_json:
        print_json({"package": str(output or package), "signed": told})


@COMMAND.command(
    name="countersign", short_help="Approve a vendor's package for your hospital.", epilog=COUNTERSIGN_EPILOG
)
@package_argument
@trust_option
@judging_options
@keys_option
@passphrase_option
@click.option("--output", type=click.Path(path_type=Path), help="Package to write.  [default: the same]")
@click.option("--number", type=click.IntRange(1), help="Number of this approval.  [default: one more than the last]")
@json_option
def countersign(
    judging: Judging,
    package: Path,
    trust: Path,
    keys: tuple[str, ...],
    passphrase_file: Path | None,
    output: Path | None,
    number: int | None,
    *,
    as_json: bool,
) -> None:
    """Verify the vendor's part of PACKAGE, then put the approval of your hospital over the very same files.

    Further people add theirs with `package sign`.
    """
    from signing.package.create import add_approval
    from signing.trust.folder import TrustFolder

    folder = TrustFolder(trust)
    target = output or package
    found = vendor_part(judging, package)
    facts, seen = examined_facts(found), found.release_sha256
    for line in lines_of(facts):
        say(line)
    used = next_number(folder, found.release.model, number)
    add = partial(add_approval, folder=folder, moment=judging.now, number=used, examined=seen)
    rewritten(package, target, add)
    folder.note_issued(found.release.model, used)
    say(f"{target}: the vendor's part is authentic and {found.judgement.freshness}; approval {used} added")
    told = signed(target, target, folder, keys, passphrase_file, judging.now, seen) if keys else []
    if as_json:
        print_json({"package": str(target), **facts, "number": used, "signed": told})


@COMMAND.command(
    name="verify", short_help="Decide whether a package may be installed in a device.", epilog=VERIFY_EPILOG
)
@package_argument
@judging_options
@unit_option
@override_option
@click.option("--remember", is_flag=True, help="Write into the record what was seen: older packages are refused then.")
@click.option("--installed", is_flag=True, help="Write into the record that it runs in the device now.")
@json_option
def verify(  # one parameter an option
    judging: Judging,
    package: Path,
    unit: Path | None,
    override: Path | None,
    *,
    remember: bool,
    installed: bool,
    as_json: bool,
) -> None:
    """Decide whether PACKAGE may be installed in this device now.

    Every signature, every byte, the device, its versions and the age are checked; without the root files nothing is.
    """
    from signing.unit import after_install, write_unit

    if (remember or installed) and unit is None:
        raise InputError("there is no record to write into: give --unit")
    with ExitStack() as stack:
        update = verified(stack, judging, package, unit, override)
        print_facts(verified_facts(update), as_json=as_json)
        if unit is not None and (remember or installed):
            after = after_install(update.unit_after, update.release) if installed else update.unit_after
            write_unit(unit, after)


@COMMAND.command(name="extract", short_help="Unpack a package that verifies.", epilog=EXTRACT_EPILOG)
@package_argument
@judging_options
@unit_option
@override_option
@click.option("--output", required=True, type=click.Path(path_type=Path), help="New folder to unpack into.")
@click.option("--original-names", is_flag=True, help="Give vendor files the names they had before they were packed.")
@json_option
def extract(  # one parameter an option
    judging: Judging,
    package: Path,
    unit: Path | None,
    override: Path | None,
    output: Path,
    *,
    original_names: bool,
    as_json: bool,
) -> None:
    """Verify PACKAGE as `verify` does, then unpack it into a new folder; each file is hashed again on its way."""
    from signing.package.extract import extract as unpack

    with ExitStack() as stack:
        update = verified(stack, judging, package, unit, override)
        paths: list[str] = []
        for path in unpack(update, output, original_names=original_names):
            paths.append(str(path))
            if not as_json:
                click.echo(str(path))
        if as_json:
            print_json({**verified_facts(update), "files": paths})


@COMMAND.command(name="inspect", short_help="Say what a package holds, and what of it is true.", epilog=INSPECT_EPILOG)
@package_argument
@click.option("--profile", metavar="ID", help="Device profile; with the roots, what the package says is verified.")
@click.option("--vendor-root", type=click.Path(path_type=Path), help="Root file of the vendor.")
@click.option("--hospital-root", type=click.Path(path_type=Path), help="Root file of your hospital.")
@json_option
@clock_option
def inspect(
    package: Path,
    profile: str | None,
    vendor_root: Path | None,
    hospital_root: Path | None,
    now: datetime,
    *,
    as_json: bool,
) -> None:
    """Say what PACKAGE holds.

    Without profile and roots only what was measured here is printed: names, sizes and digests of files. What the
    package says about itself is printed only after it was verified. With the root of the vendor alone it is shown
    before your hospital has approved it.
    """
    from signing.package.archive import Archive
    from signing.package.parts import open_package

    with open_package(package) as stream:
        archive = Archive(stream)
        members = list(measured(archive))
        if profile is None:
            say("medharden: nothing in this package was verified; only what was measured is shown")
            unnamed = [{**member, "name": neutral(member["name"])} for member in members]
            print_facts({"verified": False, "members": unnamed}, as_json=as_json)
            return
    judging = Judging(profile=profile, vendor_root=vendor_root, hospital_root=hospital_root, clock="untrusted", now=now)
    found, left_out = looked_at(judging, package)
    if left_out:
        say(f"medharden: only what the vendor has signed was looked at; the approval of the {left_out} was not")
        members = [member for member in members if not member["name"].startswith(f"{left_out}/")]
    facts = {"verified": True, "not_looked_at": left_out, **examined_facts(found), "members": members}
    print_facts(facts, as_json=as_json)


@COMMAND.command(
    name="override", short_help="Decide, two people, to accept an age that is not fresh.", epilog=OVERRIDE_EPILOG
)
@package_argument
@judging_options
@keys_option
@passphrase_option
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Decision to write, or to sign too.")
@click.option("--reason", help="Why it is better to install it than to wait; stands in the log.")
@click.option("--days", type=click.IntRange(1, 30), default=2, show_default=True, help="Days the decision counts.")
@json_option
def override_(  # one parameter an option
    judging: Judging,
    package: Path,
    keys: tuple[str, ...],
    passphrase_file: Path | None,
    output: Path,
    reason: str | None,
    days: int,
    *,
    as_json: bool,
) -> None:
    """Write a decision to install PACKAGE although its age cannot be vouched for, or add a signature to it.

    It counts once two people named in the hospital's plan have signed it.
    """
    from signing.override import add_signature, new_override
    from signing.package.archive import Archive
    from signing.package.parts import open_package
    from signing.trust.tuf_keys import TufSigner
    from signing.verify import examine
    from toolkit.core.files import write_whole

    if not keys:
        raise InputError("a decision is made by signing: give --key")
    rules = judging.rules()
    with open_package(package) as stream:
        found = examine(Archive(stream), judging.trust(rules), rules, judging.moment(None))
    if output.exists():
        data = read_bytes(output, MOST_OVERRIDE_BYTES)
    elif reason is None:
        raise InputError("a decision needs a reason: give --reason")
    else:
        until = found.judgement.floor + timedelta(days=days)
        data = new_override(found.release_sha256, found.judgement.freshness, reason, until)
    with ExitStack() as stack:
        for signer in open_signers(stack, keys, passphrase_file):
            data = add_signature(data, TufSigner(signer))
    write_whole(output, data)
    say(f"{output}: {found.judgement.freshness}: {found.judgement.reason}")
    if as_json:
        print_json({"decision": str(output), **examined_facts(found)})
