"""What the verbs of ``medharden package`` do, between their options and the signing room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from toolkit.app.package_offer import MOST_OVERRIDE_BYTES, Judging, read_bytes
from toolkit.app.package_words import say
from toolkit.app.secrets import CommandLineSecrets
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from signing.key import Signer
    from signing.override import Decision
    from signing.update_policy import UpdateRules
    from signing.verified import VerifiedUpdate
    from signing.verify import Examined

__all__ = [
    "looked_at",
    "next_number",
    "open_signers",
    "rewritten",
    "signed",
    "vendor_part",
    "verified",
    "write_package",
]


def next_number(folder: Any, model: str, number: int | None) -> int:
    """Return the number of the next release of ``model``: the one asked for, or one more than the last."""
    last: int = folder.issued().get(model, 0)
    if number is None:
        return last + 1
    if number < last:
        raise InputError(f"release {last} of {model} was made already; a lower number would be refused by every device")
    return number


def write_package(output: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write the package ``output`` with what ``fill`` puts into it, whole or not at all."""
    from signing.package.parts import PartsWriter

    writer = PartsWriter(output)
    try:
        fill(cast("BinaryIO", writer))
        writer.commit()
    finally:
        writer.close()


def rewritten(package: Path, output: Path, fill: Callable[[BinaryIO, Any], object]) -> None:
    """Write ``output`` from what ``package`` holds; they may be the same file."""
    from signing.package.archive import Archive
    from signing.package.parts import PartsWriter, open_package

    writer = PartsWriter(output)
    try:
        with open_package(package) as stream:
            fill(cast("BinaryIO", writer), Archive(stream))
        writer.commit()
    finally:
        writer.close()


def signed(
    package: Path,
    output: Path,
    folder: Any,
    keys: tuple[str, ...],
    passphrase_file: Path | None,
    now: datetime,
    examined: str | None = None,
) -> list[str]:
    """Sign ``package`` into ``output``, and return what was done."""
    from signing.package.create import sign_archive

    told: list[str] = []

    def fill(file: BinaryIO, archive: Any) -> None:
        told.extend(sign_archive(file, archive, folder, signers, now, examined=examined))

    with ExitStack() as stack:
        signers = list(open_signers(stack, keys, passphrase_file))
        rewritten(package, output, fill)
    for line in told:
        say(line)
    return told


def open_signers(stack: ExitStack, keys: tuple[str, ...], passphrase_file: Path | None) -> Iterator[Signer]:
    """Open the keys of these URIs; ``stack`` closes them."""
    from signing.keyring import open_signer

    secrets = CommandLineSecrets(passphrase_file)
    for key in keys:
        yield stack.enter_context(open_signer(key, secrets))


def looked_at(judging: Judging, package: Path) -> tuple[Examined, str]:
    """Examine the package; without a root of the hospital as the vendor made it. Return who was left out, too."""
    from device_profiles.vocabulary import Approver

    rules, left_out = judging.rules(), ""
    is_both = set(rules.approvals) == set(Approver)
    if is_both and judging.hospital_root is None and judging.vendor_root is not None:
        rules, left_out = replace(rules, approvals=(Approver.VENDOR,)), Approver.HOSPITAL.value
    return _examined(judging, package, rules, left_out), left_out


def vendor_part(judging: Judging, package: Path) -> Examined:
    """Examine the package as the vendor made it, without a section of the hospital that may be there already."""
    from device_profiles.vocabulary import Approver
    from signing.freshness import Freshness
    from signing.refusal import Refusal

    rules = judging.rules()
    if Approver.VENDOR not in rules.approvals:
        raise InputError(f"{rules.profile} does not ask for the vendor's approval: there is nothing to countersign")
    only = replace(rules, approvals=(Approver.VENDOR,))
    found = _examined(judging, package, only, Approver.HOSPITAL.value)
    if found.judgement.freshness is Freshness.STALE:
        raise Refusal("freshness.stale", f"the vendor's part is not fresh: {found.judgement.reason}")
    return found


def _examined(judging: Judging, package: Path, rules: UpdateRules, left_out: str) -> Examined:
    from signing.package.archive import Archive
    from signing.package.parts import open_package
    from signing.verify import examine

    with open_package(package) as stream:
        archive = Archive(stream)
        if left_out:
            archive.leave_out(f"{left_out}/")
        return examine(archive, judging.trust(rules), rules, judging.moment(None))


def verified(
    stack: ExitStack, judging: Judging, package: Path, unit: Path | None, override: Path | None
) -> VerifiedUpdate:
    """Return the update if it may be installed; it reads from the package until ``stack`` closes it."""
    from signing.package.parts import open_package
    from signing.unit import Unit, read_unit
    from signing.verify import verify as verify_package

    rules = judging.rules()
    trust = judging.trust(rules)
    record: Unit = read_unit(unit) if unit is not None else Unit()
    decision = read_bytes(override, MOST_OVERRIDE_BYTES) if override is not None else None
    stream = stack.enter_context(open_package(package))
    update = verify_package(stream, trust, rules, record, judging.moment(record), decision)
    if update.override is not None and override is not None:
        _log_override(update, (unit or override).with_suffix(".log.jsonl"), judging)
    return update


def _log_override(update: VerifiedUpdate, path: Path, judging: Judging) -> None:
    """Write down, for good, that a decision let in what is not fresh; without that line nothing is let in."""
    from signing.chain_log import ChainLog

    used = cast("Decision", update.override)
    ChainLog(path).add(
        "override.used",
        judging.now,
        release=update.release_sha256,
        model=update.release.model,
        version=update.release.version,
        unit=update.unit.serial or "",
        freshness=update.judgement.freshness.value,
        why_not_fresh=update.judgement.reason,
        reason=used.override.reason,
        until=used.override.until,
        signed_by=sorted(used.signers),
    )
    say(f"medharden: let in by the decision of {len(used.signers)} people, written down in {path}")
