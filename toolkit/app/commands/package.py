"""``medharden package``: make, approve and verify update packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from toolkit.app.moment import clock_option, now_option
from toolkit.app.package_offer import MOST_OVERRIDE_BYTES, Judging, judging_options, read_bytes
from toolkit.app.secrets import CommandLineSecrets, passphrase_option
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from signing.key import Signer
    from signing.package.release import Release
    from signing.unit import Unit
    from signing.verified import VerifiedUpdate
    from signing.verify import Examined

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


@COMMAND.command(name="create", short_help="Make a package from a description of a release.")
@click.argument("release", type=click.Path(path_type=Path))
@trust_option
@keys_option
@passphrase_option
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Package to write (.mdpkg).")
@click.option("--number", type=click.IntRange(1), help="Number of this release.  [default: one more than the last]")
@now_option
def create(  # one parameter an option
    release: Path,
    trust: Path,
    keys: tuple[str, ...],
    passphrase_file: Path | None,
    output: Path,
    number: int | None,
    now: datetime,
) -> None:
    """Make a package from the description RELEASE (TOML); with keys, sign it too.

    The same input, number and time give the same bytes.
    """
    from signing.package.create import create as create_package
    from signing.package.create import read_spec
    from signing.trust.folder import TrustFolder

    folder = TrustFolder(trust)
    spec = read_spec(release)
    used = _number(folder, spec.model, number)
    _write(output, lambda file: create_package(file, spec, release.parent, folder, now, used))
    folder.note_issued(spec.model, used)
    _say(f"{output}: {spec.model} {spec.version}, release {used} of the {folder.plan().repository}")
    if keys:
        _sign(output, output, folder, keys, passphrase_file)


@COMMAND.command(name="sign", short_help="Add your signature to a package.")
@package_argument
@trust_option
@keys_option
@passphrase_option
@click.option("--output", type=click.Path(path_type=Path), help="Package to write.  [default: the same]")
def sign(package: Path, trust: Path, keys: tuple[str, ...], passphrase_file: Path | None, output: Path | None) -> None:
    """Add signatures to all that your keys may sign in PACKAGE, after hashing every file in it."""
    from signing.trust.folder import TrustFolder

    if not keys:
        raise InputError("nothing is signed without a key: give --key")
    _sign(package, output or package, TrustFolder(trust), keys, passphrase_file)


@COMMAND.command(name="countersign", short_help="Approve a vendor's package for your hospital.")
@package_argument
@trust_option
@judging_options
@keys_option
@passphrase_option
@click.option("--output", type=click.Path(path_type=Path), help="Package to write.  [default: the same]")
@click.option("--number", type=click.IntRange(1), help="Number of this approval.  [default: one more than the last]")
def countersign(
    judging: Judging,
    package: Path,
    trust: Path,
    keys: tuple[str, ...],
    passphrase_file: Path | None,
    output: Path | None,
    number: int | None,
) -> None:
    """Verify the vendor's part of PACKAGE, then put the approval of your hospital over the very same files.

    Further people add theirs with `package sign`.
    """
    from signing.package.create import add_approval
    from signing.trust.folder import TrustFolder

    folder = TrustFolder(trust)
    target = output or package
    vendor_part = _vendor_part(judging, package)
    used = _number(folder, vendor_part.release.model, number)
    _rewrite(package, target, lambda file, archive: add_approval(file, archive, folder, judging.now, used))
    folder.note_issued(vendor_part.release.model, used)
    _say(f"{target}: the vendor's part is authentic and {vendor_part.judgement.freshness}; approval {used} added")
    if keys:
        _sign(target, target, folder, keys, passphrase_file)


@COMMAND.command(name="verify", short_help="Decide whether a package may be installed in a device.")
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
        update = _verified(stack, judging, package, unit, override)
        _print(_facts(update), as_json=as_json)
        if unit is not None and (remember or installed):
            after = after_install(update.unit_after, update.release) if installed else update.unit_after
            write_unit(unit, after)


@COMMAND.command(name="extract", short_help="Unpack a package that verifies.")
@package_argument
@judging_options
@unit_option
@override_option
@click.option("--output", required=True, type=click.Path(path_type=Path), help="New folder to unpack into.")
@click.option("--original-names", is_flag=True, help="Give vendor files the names they had before they were packed.")
def extract(
    judging: Judging, package: Path, unit: Path | None, override: Path | None, output: Path, *, original_names: bool
) -> None:
    """Verify PACKAGE as `verify` does, then unpack it into a new folder; each file is hashed again on its way."""
    from signing.package.extract import extract as unpack

    with ExitStack() as stack:
        update = _verified(stack, judging, package, unit, override)
        for path in unpack(update, output, original_names=original_names):
            click.echo(str(path))


@COMMAND.command(name="inspect", short_help="Say what a package holds, and what of it is true.")
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
    package says about itself is printed only after it was verified.
    """
    from signing.package.archive import Archive
    from signing.package.parts import open_package
    from signing.verify import examine

    with open_package(package) as stream:
        archive = Archive(stream)
        measured = list(_measured(archive))
        if profile is None:
            _say("medharden: nothing in this package was verified; only what was measured is shown")
            neutral = [{**member, "name": _neutral(member["name"])} for member in measured]
            _print({"verified": False, "members": neutral}, as_json=as_json)
            return
        judging = Judging(
            profile=profile, vendor_root=vendor_root, hospital_root=hospital_root, clock="untrusted", now=now
        )
        rules = judging.rules()
        found = examine(archive, judging.trust(rules), rules, judging.moment(None))
        _print({"verified": True, **_examined(found), "members": measured}, as_json=as_json)


@COMMAND.command(name="override", short_help="Decide, two people, to accept an age that is not fresh.")
@package_argument
@judging_options
@keys_option
@passphrase_option
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Decision to write, or to sign too.")
@click.option("--reason", help="Why it is better to install it than to wait; stands in the log.")
@click.option("--days", type=click.IntRange(1, 30), default=2, show_default=True, help="Days the decision counts.")
def override_(
    judging: Judging,
    package: Path,
    keys: tuple[str, ...],
    passphrase_file: Path | None,
    output: Path,
    reason: str | None,
    days: int,
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
        for signer in _signers(stack, keys, passphrase_file):
            data = add_signature(data, TufSigner(signer))
    write_whole(output, data)
    _say(f"{output}: {found.judgement.freshness}: {found.judgement.reason}")


def _number(folder: Any, model: str, number: int | None) -> int:
    last: int = folder.issued().get(model, 0)
    if number is None:
        return last + 1
    if number < last:
        raise InputError(f"release {last} of {model} was made already; a lower number would be refused by every device")
    return number


def _write(output: Path, fill: Callable[[BinaryIO], object]) -> None:
    from typing import cast

    from signing.package.parts import PartsWriter

    writer = PartsWriter(output)
    try:
        fill(cast("BinaryIO", writer))
        writer.commit()
    finally:
        writer.close()


def _rewrite(package: Path, output: Path, fill: Callable[[BinaryIO, Any], object]) -> None:
    """Write ``output`` from what ``package`` holds; they may be the same file."""
    from typing import cast

    from signing.package.archive import Archive
    from signing.package.parts import PartsWriter, open_package

    writer = PartsWriter(output)
    try:
        with open_package(package) as stream:
            fill(cast("BinaryIO", writer), Archive(stream))
        writer.commit()
    finally:
        writer.close()


def _sign(package: Path, output: Path, folder: Any, keys: tuple[str, ...], passphrase_file: Path | None) -> None:
    from signing.package.create import sign_archive

    told: list[str] = []
    with ExitStack() as stack:
        signers = list(_signers(stack, keys, passphrase_file))
        _rewrite(package, output, lambda file, archive: told.extend(sign_archive(file, archive, folder, signers)))
    for line in told:
        _say(line)


def _signers(stack: ExitStack, keys: tuple[str, ...], passphrase_file: Path | None) -> Iterator[Signer]:
    from signing.keyring import open_signer

    secrets = CommandLineSecrets(passphrase_file)
    for key in keys:
        yield stack.enter_context(open_signer(key, secrets))


def _vendor_part(judging: Judging, package: Path) -> Examined:
    """Examine the package as the vendor made it, without a section of the hospital that may be there already."""
    from dataclasses import replace

    from device_profiles.vocabulary import Approver
    from signing.freshness import Freshness
    from signing.package.archive import Archive
    from signing.package.parts import open_package
    from signing.refusal import Refusal
    from signing.verify import examine

    rules = replace(judging.rules(), approvals=(Approver.VENDOR,))
    with open_package(package) as stream:
        archive = Archive(stream)
        archive.leave_out("hospital/")
        found = examine(archive, judging.trust(rules), rules, judging.moment(None))
    if found.judgement.freshness is Freshness.STALE:
        raise Refusal("freshness.stale", f"the vendor's part is not fresh: {found.judgement.reason}")
    return found


def _verified(
    stack: ExitStack, judging: Judging, package: Path, unit: Path | None, override: Path | None
) -> VerifiedUpdate:
    from signing.package.parts import open_package
    from signing.unit import Unit, read_unit
    from signing.verify import verify as verify_package

    rules = judging.rules()
    trust = judging.trust(rules)
    record: Unit = read_unit(unit) if unit is not None else Unit()
    decision = read_bytes(override, MOST_OVERRIDE_BYTES) if override is not None else None
    stream = stack.enter_context(open_package(package))
    return verify_package(stream, trust, rules, record, judging.moment(record), decision)


def _measured(archive: Any) -> Iterator[dict[str, Any]]:
    import hashlib

    for member in archive.members.values():
        digest = hashlib.sha256()
        for chunk in archive.chunks(member):
            digest.update(chunk)
        yield {"name": member.name, "size": member.size, "sha256": digest.hexdigest()}


def _neutral(name: str) -> str:
    """Return the name of a member without the model and version that its path claims."""
    folder, slash, rest = name.partition("/")
    last = rest.rpartition("/")[2]
    known = last.endswith(".root.json") or last in ("timestamp.json", "snapshot.json", "targets.json")
    if not slash:
        return folder
    return f"{folder}/.../{last}" if folder == "files" else f"{folder}/{last if known else '....json'}"


def _release_facts(release: Release) -> dict[str, Any]:
    import msgspec

    facts: dict[str, Any] = msgspec.to_builtins(release)
    return facts


def _examined(found: Examined) -> dict[str, Any]:
    return {
        "release": _release_facts(found.release),
        "release_sha256": found.release_sha256,
        "approvals": {a.repository: dict(a.signers) for a in found.approvals},
        "freshness": found.judgement.freshness.value,
        "reason": found.judgement.reason,
    }


def _facts(update: VerifiedUpdate) -> dict[str, Any]:
    decision = update.override
    return {
        "verified": True,
        "release": _release_facts(update.release),
        "release_sha256": update.release_sha256,
        "approvals": {a.repository: dict(a.signers) for a in update.approvals},
        "freshness": update.judgement.freshness.value,
        "reason": update.judgement.reason,
        "override": decision.override.reason if decision is not None else None,
    }


def _print(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())
        return
    for line in _lines(facts):
        click.echo(line)


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    release = facts.get("release")
    if release is not None:
        yield f"{release['vendor']} {release['model']} {release['version']}, released {release['released']}"
        yield f"  for hardware {', '.join(release['hardware_revisions'])}; region {', '.join(release['regions'])}"
        for file in release["files"]:
            place = f" -> {file['component']} {file['version']}" if file.get("component") else ""
            yield f"  {file['purpose']:14} {file['name']}, {file['size']} bytes{place}"
        for repository, signers in facts["approvals"].items():
            yield f"  approved by the {repository}: {', '.join(name or key[:16] for key, name in signers.items())}"
        yield f"  {facts['freshness']}: {facts['reason']}"
        if facts.get("override"):
            yield f"  two or more people decided to install it all the same: {facts['override']}"
        yield f"  SHA-256 of the statement: {facts['release_sha256']}"
    for member in facts.get("members", []):
        yield f"{member['sha256']}  {member['size']:>12}  {member['name']}"


def _say(text: str) -> None:
    click.echo(text, err=True)
