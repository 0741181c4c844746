"""Whom the user trusts, as files or a folder of them, and what a verifier says of an update with that.

A folder may hold public keys (``*.pub``, ``*.pem``; of OpenPGP ``*.asc``, ``*.gpg``), certificates (``*.pem``,
``*.crt``, ``*.cer``, ``*.der``) and the roots of update packages (``vendor.root.json``, ``hospital.root.json``). Other
files in it are passed over, and named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.core.errors import FormatError, InputError, MedhardenError

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile
    from firmware_checks.reviewing.authenticity import Authenticity
    from signing.key import PublicKey
    from signing.openpgp.keys import PgpCertificate
    from toolkit.app.package_offer import Judging

__all__ = ["TrustedFiles", "believe", "read_trusted"]

MOST_FILES = 500
MOST_BYTES = 1 << 20
MOST_IMAGE_BYTES = 1 << 30
ROOT_ENDS = {"vendor": "vendor.root.json", "hospital": "hospital.root.json"}
CERTIFICATE_ENDS = (".crt", ".cer", ".der")
KEY_ENDS = (".pub", ".pem", *CERTIFICATE_ENDS)
PGP_ENDS = (".asc", ".gpg", ".pgp")
UNSIGNED_RULES = frozenset({"image.unsigned", "trust.no-key"})
"""Refusals that say that there was nothing to verify, or nothing to verify it with."""
NO_STORE = "nobody was named whose signature counts"
NO_KEYS = "the trust store holds no key and no certificate for images"
NO_PACKAGE_PROFILE = "an update package is verified for a device: give its profile with --profile"
NO_ROOT = "the trust store lacks the root of: {names}"
TOO_LARGE = "signed images are verified whole, and this is larger than 1 GiB"


@dataclass(slots=True)
class TrustedFiles:
    """What was found in the store."""

    keys: list[PublicKey] = field(default_factory=list)
    numbers: dict[str, bytes] = field(default_factory=dict)
    certificates: list[bytes] = field(default_factory=list)
    openpgp: list[PgpCertificate] = field(default_factory=list)
    roots: dict[str, Path] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """File name of a key by its id."""


def read_trusted(store: Path) -> TrustedFiles:
    """Return the keys, certificates and roots in the file or folder ``store``; ``InputError`` when there is none."""
    found = TrustedFiles()
    for path in _files(store):
        root = next((name for name, end in ROOT_ENDS.items() if path.name.endswith(end)), None)
        if root is not None:
            found.roots[root] = path
        elif path.suffix.lower() in KEY_ENDS:
            _add(found, path)
        elif path.suffix.lower() in PGP_ENDS:
            _add_openpgp(found, path)
        else:
            click.echo(f"medharden: {path}: is neither key nor certificate nor root, passed over", err=True)
    if not any((found.keys, found.certificates, found.roots, found.openpgp)):
        raise InputError(f"{store}: holds no public key, certificate or root to trust")
    return found


def _files(store: Path) -> Iterator[Path]:
    if not store.exists():
        raise InputError(f"{store}: there is no such file or folder to take keys from")
    paths = sorted(path for path in store.iterdir() if path.is_file()) if store.is_dir() else [store]
    if len(paths) > MOST_FILES:
        raise InputError(f"{store}: holds more than {MOST_FILES} files; a trust store is a folder of its own")
    yield from paths


def _add(found: TrustedFiles, path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

    from signing.comment_files import read_trusted_key
    from toolkit.app.package_offer import read_bytes

    data = read_bytes(path, MOST_BYTES)
    is_pem = b"-----BEGIN CERTIFICATE-----" in data
    if is_pem or path.suffix.lower() in CERTIFICATE_ENDS:
        try:
            certificate = (load_pem_x509_certificate if is_pem else load_der_x509_certificate)(data)
        except ValueError as error:
            raise InputError(f"{path}: this is no certificate") from error
        found.certificates.append(certificate.public_bytes(Encoding.DER))
        return
    key, number = read_trusted_key(path)
    found.keys.append(key)
    found.names[key.key_id] = path.name
    if number is not None:
        found.numbers[key.key_id] = number


def _add_openpgp(found: TrustedFiles, path: Path) -> None:
    from signing.openpgp.keys import certificates
    from toolkit.app.package_offer import read_bytes

    try:
        rows = certificates(read_bytes(path, MOST_BYTES))
    except FormatError as error:
        raise InputError(f"{path}: this is no file of OpenPGP keys: {error}") from error
    if not rows:
        raise InputError(f"{path}: holds no public key of OpenPGP")
    found.openpgp.extend(rows)


def believe(
    image: Path, store: TrustedFiles | None, profile: DeviceProfile | None, profile_name: str | None, now: datetime
) -> Authenticity:
    """Return what a verifier says of ``image``: any failure of it is a refusal, and nothing to verify is no yes."""
    from firmware_checks.reviewing.authenticity import Authenticity, Signature
    from signing.refusal import Refusal, fail_closed

    is_package = image.suffix.lower() == ".mdpkg"
    if store is None:
        return Authenticity(signature=Signature.UNKNOWN, because=NO_STORE)
    if is_package and profile is None:
        return Authenticity(signature=Signature.UNKNOWN, because=NO_PACKAGE_PROFILE)
    if not is_package and not store.keys and not store.certificates:
        return Authenticity(signature=Signature.UNKNOWN, because=NO_KEYS)
    judging, missing = _judging(store, profile_name, now) if is_package else (None, "")
    if missing:
        return Authenticity(signature=Signature.UNKNOWN, because=missing)
    try:
        with fail_closed("verify.failed", image.name):
            return _image(image, store, now) if judging is None else _package(image, judging)
    except Refusal as refusal:
        if refusal.rule in UNSIGNED_RULES:
            return Authenticity(signature=Signature.UNKNOWN, because=str(refusal))
        return Authenticity(signature=Signature.REFUSED, because=str(refusal), refused_rule=refusal.rule)


def _judging(store: TrustedFiles, profile: str | None, now: datetime) -> tuple[Judging, str]:
    """Return what a package is judged by, and what is missing for that; empty when nothing is."""
    from device_profiles.vocabulary import Approver
    from toolkit.app.package_offer import Judging

    judging = Judging(
        profile=str(profile),
        vendor_root=store.roots.get("vendor"),
        hospital_root=store.roots.get("hospital"),
        clock="untrusted",
        now=now,
    )
    try:
        approvers = judging.rules().approvals
    except InputError as error:
        return judging, str(error)
    optional = {Approver.HOSPITAL} if set(approvers) == set(Approver) else set[Approver]()
    lacking = [name.value for name in approvers if name.value not in store.roots and name not in optional]
    return judging, NO_ROOT.format(names=", ".join(lacking)) if lacking else ""


def _package(image: Path, judging: Judging) -> Authenticity:
    from firmware_checks.reviewing.authenticity import Authenticity, Signature
    from signing.freshness import Freshness
    from toolkit.app.package_work import looked_at

    found, left_out = looked_at(judging, image)
    signers = [
        f"{approval.repository}: {', '.join(name or key[:16] for key, name in approval.signers.items())}"
        for approval in found.approvals
    ]
    return Authenticity(
        signature=Signature.VERIFIED,
        signers=tuple(signers),
        model=found.release.model,
        age="" if found.judgement.freshness is Freshness.FRESH else found.judgement.reason,
        is_stale=found.judgement.freshness is Freshness.STALE,
        left_out=left_out,
    )


def _image(image: Path, store: TrustedFiles, now: datetime) -> Authenticity:
    from firmware_checks.reviewing.authenticity import Authenticity, Signature
    from signing.image import ImageTrust, verify_image
    from signing.policy import policy_named

    trust = ImageTrust(
        policy=policy_named("legacy"),
        keys=tuple(store.keys),
        key_numbers=store.numbers,
        certificates=tuple(store.certificates),
        now=now,
    )
    if image.stat().st_size > MOST_IMAGE_BYTES:
        raise MedhardenError(TOO_LARGE)
    verified = verify_image(image.read_bytes(), b"", trust)
    signers = [f"{store.names.get(key, 'certificate')} ({key[:16]})" for key in verified.key_ids]
    return Authenticity(signature=Signature.VERIFIED, signers=tuple(signers))
