"""Who signed an update, where the format itself does not say so: OpenPGP, Authenticode, Android, Mender, CMS beside it.

Bytes are read again here, because a detached signature and what it signs are two files: a scan holds one at a time.
"""

from __future__ import annotations

import enum
import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware_checks.difference.examination import Examination
from firmware_checks.format import EntryKind
from firmware_checks.observer import Seen
from firmware_checks.observers.publisher_signatures import (
    PublisherSignature,
    SignatureState,
    SignatureWay,
    SigningKey,
    is_outer,
    signed_name,
)
from signing.android_ota import covered_bytes, read_footer, verify_whole_file
from signing.certificates import checked_signer_key
from signing.cms import read_signed_data
from signing.image import ImageTrust
from signing.mender import verify_manifest
from signing.openpgp.packets import clear_text
from signing.openpgp.signature import PgpSignature, PgpTrust, signatures_in
from signing.openpgp.signature import verify as verify_pgp
from signing.refusal import Refusal, fail_closed
from toolkit.core.errors import MedhardenError

__all__ = ["NOBODY", "Claim", "Published", "Publishers", "Standing", "published"]

TAIL_BYTES: Final = (1 << 16) + 22
NOBODY: Final = "no key or certificate was given to hold it against"
DIGESTS: Final = ("cms.digest", "signature.invalid")
"""Rules that say that the content is not what was signed."""
STRONG: Final = ("sha256", "sha384", "sha512")
DEBIAN_SIGNATURES: Final = ("_gpgorigin", "_gpgmaint")
_SUM = re.compile(r"^([0-9a-fA-F]{64})\s+\*?(\S.{0,400}?)\s*$")
_HELP = re.compile(r"(?i)(?:^|/)(?:md5|sha\d{1,3})sums?(?:\.\w{1,4})?$|\.(?:md5|sha\d{1,3})$")


class Standing(enum.Enum):
    """What is known of one signature."""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    """Nobody here can say by whom it is."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One signature of the update."""

    way: str
    path: str
    """Where it stands."""
    signer: str
    standing: Standing
    because: str = ""
    """Why nobody can say by whom it is, or what does not fit."""
    covers: frozenset[str] = frozenset()
    """Paths of what it vouches for."""
    covers_all: bool = False
    published: str = ""
    """Where everybody can get the private half of its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """All signatures of an update, and what none of a trusted signer vouches for."""

    claims: tuple[Claim, ...] = ()
    uncovered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishers:
    """Whom the user trusts."""

    pgp: PgpTrust
    images: ImageTrust


Contents = Callable[[Collection[str]], Mapping[str, bytes]]
"""Returns the contents of the files at the given paths inside the image, those that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    examination: Examination
    whole: memoryview
    contents: Contents
    trusted: Publishers | None
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.examination.report.subject.name


def published(
    examination: Examination,
    whole: memoryview,
    contents: Contents,
    trusted: Publishers | None,
    beside: Mapping[str, bytes],
) -> Published:
    """Return who signed the image ``whole``; ``beside`` are signature files that lie next to it, by name."""
    rows = [seen for seen in examination.inventory.observed(PublisherSignature) if is_outer(seen.path)]
    case = _Case(examination=examination, whole=whole, contents=contents, trusted=trusted)
    needed = {path for seen in rows for path in (seen.path, *_signed_paths(case, seen))} | set(_mender_paths(case))
    files = contents(needed) if needed else {}
    case = _Case(examination=examination, whole=whole, contents=contents, trusted=trusted, files=files)
    claims = (
        *_next_to_it(case, beside),
        *_android(case),
        *_mender(case),
        *(claim for seen in rows for claim in _claims(case, seen)),
    )
    return Published(claims=claims, uncovered=tuple(_uncovered(case, claims)))


def _signed_paths(case: _Case, seen: Seen[PublisherSignature]) -> tuple[str, ...]:
    """Return the paths of what the signature file at ``seen`` signs, in order; none when it is the file itself."""
    container, mark, name = seen.path.rpartition("!")
    names = {entry.path for entry in case.examination.inventory.entries if entry.kind is EntryKind.FILE}
    if name in DEBIAN_SIGNATURES:  # debsig-verify: the three members as they stand
        parts = ("debian-binary", "control.tar", "data.tar")
        own = sorted(path for path in names if path.rpartition("!")[0] == container)
        return tuple(path for part in parts for path in own if path.startswith(f"{container}{mark}{part}"))
    beside = signed_name(seen.path)
    return (beside,) if beside in names else ()


def _claims(case: _Case, seen: Seen[PublisherSignature]) -> Iterator[Claim]:
    way = seen.what.way
    if way is SignatureWay.AUTHENTICODE:
        yield _authenticode(case, seen)
    elif seen.path in case.files:
        data = case.files[seen.path]
        if way is SignatureWay.CLEAR_TEXT:
            yield from _clear_text(case, seen.path, data)
            return
        paths = _signed_paths(case, seen)
        if paths and all(path in case.files for path in paths):
            content = b"".join(case.files[path] for path in paths)
            covers = {*paths, *_listed(case, seen.path, content)}
            read = _pgp if way is SignatureWay.OPENPGP else _message
            yield from read(case, seen.path, data, content, frozenset(covers), covers_all=False)


def _next_to_it(case: _Case, beside: Mapping[str, bytes]) -> Iterator[Claim]:
    """Yield what the signature files say that lie beside the update in its folder."""
    for name, data in beside.items():
        read = _message if data[:1] == b"0" else _pgp
        yield from read(case, name, data, bytes(case.whole), frozenset(), covers_all=True)


def _pgp(
    case: _Case, path: str, data: bytes, content: bytes, covers: frozenset[str], *, covers_all: bool
) -> Iterator[Claim]:
    try:
        found = [signature for signature in signatures_in(data) if signature.kind in (0, 1)]
    except MedhardenError:
        return
    for signature in found:
        standing, signer, because = _pgp_standing(case, content, signature)
        yield Claim(
            way=SignatureWay.OPENPGP.value, path=path, signer=signer, standing=standing, because=because,
            covers=covers, covers_all=covers_all,
        )  # fmt: skip


def _pgp_standing(case: _Case, content: bytes, signature: PgpSignature) -> tuple[Standing, str, str]:
    signer = f"key {signature.issuer.upper()}" if signature.issuer else "a key that is not named"
    if case.trusted is None or not case.trusted.pgp.certificates:
        return Standing.UNKNOWN, signer, NOBODY
    try:
        certificate, key = verify_pgp(content, signature, case.trusted.pgp)
    except Refusal as refusal:
        return _refused(refusal), signer, str(refusal)
    return Standing.TRUSTED, f"{certificate.name} ({key.fingerprint.upper()})", ""


def _refused(refusal: Refusal) -> Standing:
    return Standing.BROKEN if refusal.rule in DIGESTS else Standing.UNKNOWN


def _clear_text(case: _Case, path: str, data: bytes) -> Iterator[Claim]:
    found = clear_text(data)
    if found is not None:
        covers = frozenset((path, *_listed(case, path, found.text)))
        yield from _pgp(case, path, found.signature, found.text, covers, covers_all=False)


def _listed(case: _Case, path: str, content: bytes) -> Iterator[str]:
    """Yield the paths of files whose SHA-256 stands in the list ``content``, and is right."""
    container, mark, name = path.rpartition("!")
    for line in content[: 1 << 20].decode("utf-8", "replace").splitlines():
        found = _SUM.match(line)
        if found is not None:
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[2]))
            for spelling in (f"{container}{mark}{inside}", f"{container}{mark}./{inside}"):
                if case.examination.digests.get(spelling) == found[1].lower():
                    yield spelling


def _message(
    case: _Case, path: str, data: bytes, content: bytes, covers: frozenset[str], *, covers_all: bool
) -> Iterator[Claim]:
    try:
        with fail_closed("cms.structure", path):
            signed = read_signed_data(data)
    except Refusal:
        return
    standing, because, signer = Standing.UNKNOWN, NOBODY, _message_signer(case, path)
    if case.trusted is not None and case.trusted.images.certificates:
        try:
            with fail_closed("cms.structure", path):
                key = signed.verify(content, case.trusted.images)
            standing, because, signer = Standing.TRUSTED, "", f"{signer} ({key.key_id[:16]})"
        except Refusal as refusal:
            standing, because = _refused(refusal), str(refusal)
    yield Claim(
        way=SignatureWay.MESSAGE.value, path=path, signer=signer, standing=standing, because=because,
        covers=covers, covers_all=covers_all,
    )  # fmt: skip


def _message_signer(case: _Case, path: str) -> str:
    rows = case.examination.inventory.observed(PublisherSignature)
    return next((seen.what.signer for seen in rows if seen.path == path and seen.what.signer), "a certificate")


def _authenticode(case: _Case, seen: Seen[PublisherSignature]) -> Claim:
    what = seen.what
    standing, because = Standing.UNKNOWN, NOBODY
    if what.state is SignatureState.BROKEN:
        standing, because = Standing.BROKEN, what.state.value
    elif what.state is SignatureState.FITS and case.trusted is not None and case.trusted.images.certificates:
        standing, because = _chained(what, case.trusted.images)
    return Claim(
        way=what.way.value, path=seen.path, signer=what.signer, standing=standing, because=because,
        covers=frozenset((seen.path,)), covers_all=seen.path == case.name,
    )  # fmt: skip


def _chained(what: PublisherSignature, trust: ImageTrust) -> tuple[Standing, str]:
    if what.hash_name not in STRONG:
        return Standing.UNKNOWN, f"it rests on {what.hash_name}, which proves nothing"
    try:
        with fail_closed("certificate.chain", "Authenticode"):
            signer, *others = what.certificates
            checked_signer_key(signer, others, trust.certificates, trust.now, trust.policy)
    except Refusal as refusal:
        return Standing.UNKNOWN, str(refusal)
    return Standing.TRUSTED, ""


def _android(case: _Case) -> Iterator[Claim]:
    root = case.examination.inventory.roots[0] if case.examination.inventory.roots else None
    if root is None or root.format != "android-update" or root.facts.get("signed") is not True:
        return
    standing, because = Standing.UNKNOWN, str(root.facts.get("signature_problem", NOBODY))
    if root.facts.get("signature_intact") is False:
        standing, because = Standing.BROKEN, "the archive is not what was signed"
    elif case.trusted is not None and case.trusted.images.certificates:
        standing, because = _whole_archive(case, root.span.size, case.trusted.images)
    signer = str(root.facts.get("signer_subject", "a certificate"))
    yield Claim(way="Android", path=case.name, signer=signer, standing=standing, because=because, covers_all=True)


def _whole_archive(case: _Case, size: int, trust: ImageTrust) -> tuple[Standing, str]:
    if size != len(case.whole):
        return Standing.UNKNOWN, "something follows the signed archive"
    try:
        found = read_footer(bytes(case.whole[-TAIL_BYTES:]))
        if found is None:
            return Standing.UNKNOWN, "there is no signature"
        verify_whole_file(bytes(case.whole[: covered_bytes(size, found)]), found, trust)
    except Refusal as refusal:
        return _refused(refusal), str(refusal)
    return Standing.TRUSTED, ""


def _mender_paths(case: _Case) -> tuple[str, ...]:
    roots = case.examination.inventory.roots
    if not roots or roots[0].format != "mender-artifact" or roots[0].facts.get("signed") is not True:
        return ()
    return (f"{case.name}!manifest", f"{case.name}!manifest.sig")


def _mender(case: _Case) -> Iterator[Claim]:
    paths = _mender_paths(case)
    if not paths or not all(path in case.files for path in paths):
        return
    root = case.examination.inventory.roots[0]
    standing, because, signer = Standing.UNKNOWN, NOBODY, "a key that is not named"
    if case.trusted is not None and case.trusted.images.keys:
        try:
            manifest, signature = (case.files[path] for path in paths)
            key = verify_manifest(manifest, signature, case.trusted.images.keys, case.trusted.images.policy)
            standing, because, signer = Standing.TRUSTED, "", f"key {key.key_id[:16]}"
        except Refusal as refusal:
            because = str(refusal)
    is_alone = len(case.examination.inventory.roots) == 1
    is_whole = is_alone and bool(root.integrity) and all(value.valid for value in root.integrity)
    yield Claim(way="Mender", path=paths[1], signer=signer, standing=standing, because=because, covers_all=is_whole)


def _uncovered(case: _Case, claims: Collection[Claim]) -> Iterator[str]:
    """Yield the files beside what trusted signers vouch for that nobody vouches for."""
    trusted = [claim for claim in claims if claim.standing is Standing.TRUSTED]
    if not trusted or any(claim.covers_all for claim in trusted):
        return
    covered = frozenset[str]().union(*(claim.covers for claim in trusted)) | {claim.path for claim in claims}
    keys = {seen.path for seen in case.examination.inventory.observed(SigningKey)}
    containers = {claim.path.rpartition("!")[0] for claim in trusted}
    for entry in case.examination.inventory.entries:
        is_beside = entry.kind is EntryKind.FILE and entry.path.rpartition("!")[0] in containers
        if is_beside and entry.path not in covered | keys and not _HELP.search(entry.name):
            yield entry.path
