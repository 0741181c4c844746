"""Decides whether an update may be installed: bytes in, a ``VerifiedUpdate`` out, or a ``Refusal`` that says why.

Nothing is read here but the package: no clock, no folder, no network. Whatever goes wrong, for whatever reason, is a
refusal. The order is: form of the file, signatures of each repository, what they agree on, whether it fits the device,
how fresh it is, and last the content of every file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import BinaryIO, Final

import msgspec
from tuf.api.metadata import Root, TargetFile

from device_profiles.vocabulary import Approver, UnknownClock
from signing.freshness import MOST_AHEAD, Freshness, Judgement, Moment, judge
from signing.key import PublicKey, share_a_half
from signing.override import OVERRIDE_ROLE, Decision, check_override
from signing.package.archive import MARKER_NAME, Archive
from signing.package.documents import MOST_DOCUMENT_BYTES, check_documents, is_document
from signing.package.release import FILES, MOST_RELEASE_BYTES, RELEASE_NAME, File, Release, decode_release
from signing.policy import policy_named
from signing.refusal import Refusal, fail_closed
from signing.succession import check_succession, still_counts
from signing.trust.metadata_set import MOST_BYTES, Found, TrustedMetadata
from signing.trust.spelling import STRICT
from signing.trust.tuf_keys import public_of
from signing.unit import TIME_FORMAT, Seen, Unit, time_of
from signing.update_policy import UpdateRules, check_release
from signing.verified import Approval, VerifiedUpdate, mint, require_digest

__all__ = ["NOTE", "Examined", "TrustStore", "examine", "people_of", "verify"]

NOTE: Final = "medharden"
"""Field of root and timestamp metadata with what TUF has no field for: names of people, when it was signed."""
MOST_ROOTS: Final = 256
LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The root file of each repository that is believed, handed over in person."""

    roots: Mapping[str, bytes]


def verify(
    package: BinaryIO,
    trust: TrustStore,
    rules: UpdateRules,
    unit: Unit,
    moment: Moment,
    override: bytes | None = None,
) -> VerifiedUpdate:
    """Return the update in ``package`` if it may be installed in ``unit`` now; raise ``Refusal`` if not."""
    with fail_closed("verify.failed", "package"):
        return _Verification(Archive(package), trust, rules, unit, moment).run(override)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found true of a package, before anybody looked at one particular device; not enough to install it."""

    release: Release
    release_sha256: str
    approvals: tuple[Approval, ...]
    judgement: Judgement


def examine(archive: Archive, trust: TrustStore, rules: UpdateRules, moment: Moment) -> Examined:
    """Return what a package says if it is authentic and right for the model; raise ``Refusal`` if not.

    It may have expired: ``judgement`` tells. This is what a hospital looks at before it approves, not the gate.
    """
    with fail_closed("verify.failed", "package"):
        return _Verification(archive, trust, rules, None, moment).examine()


class _Verification:
    """One run; what is found on the way is kept in fields."""

    def __init__(
        self, archive: Archive, trust: TrustStore, rules: UpdateRules, unit: Unit | None, moment: Moment
    ) -> None:
        self._archive = archive
        self._rules = rules
        self._for_unit = unit
        self._unit = unit if unit is not None else Unit()
        self._moment = moment
        self._used = {MARKER_NAME}
        self._repositories = {name.value: self._repository(name.value, trust) for name in rules.approvals}
        if not self._repositories:
            raise Refusal("trust.none", "nobody is named whose approval counts")

    def run(self, override: bytes | None) -> VerifiedUpdate:
        """Return the update for the device at hand."""
        said = self._statement()
        decision = self._decision(said.judgement, said.release_sha256, override)
        self._check_contents(said.release)
        return mint(
            archive=self._archive,
            release=said.release,
            release_sha256=said.release_sha256,
            approvals=said.approvals,
            judgement=said.judgement,
            override=decision,
            profile=self._rules.profile,
            unit=self._unit,
            unit_after=self._unit_after(self._signed_at()),
        )

    def examine(self) -> Examined:
        """Return what is true of the package whatever the device at hand."""
        said = self._statement()
        self._check_contents(said.release)
        return said

    def _statement(self) -> Examined:
        """Check all but the content of the files, which takes long."""
        release, release_sha256, roles = self._release()
        self._check_agreement(release)
        self._check_nothing_else()
        self._check_algorithms()
        self._check_independence()
        check_release(release, self._rules, self._for_unit)
        return Examined(
            release=release,
            release_sha256=release_sha256,
            approvals=tuple(self._approval(name, roles[name]) for name in self._repositories),
            judgement=judge(self._moment, self._expiries(), self._signed_at()),
        )

    # Metadata --------------------------------------------------------------------------------------------------------

    def _repository(self, name: str, trust: TrustStore) -> TrustedMetadata:
        anchor = trust.roots.get(name)
        if anchor is None:
            raise Refusal("trust.none", f"there is no root file of the {name} to start from")
        if not any(member.startswith(f"{name}/") for member in self._archive.members):
            raise Refusal("consensus.missing", f"the {name} has not approved this package")
        trusted = self._roots(name, anchor)
        seen = still_counts(self._unit.seen.get(name), trusted.root)
        data = self._read(f"{name}/timestamp.json", MOST_BYTES["timestamp"])
        timestamp = trusted.update_timestamp(data)
        snapshot = trusted.update_snapshot(self._read(f"{name}/snapshot.json", MOST_BYTES["snapshot"]))
        versions = {file: meta.version for file, meta in snapshot.meta.items()}
        check_succession(name, seen, timestamp.version, hashlib.sha256(data).hexdigest(), snapshot.version, versions)
        self._load(name, trusted, "targets", "root")
        return trusted

    def _roots(self, name: str, anchor: bytes) -> TrustedMetadata:
        """Walk the chain of roots; it must contain the one we were handed, to the byte, and everything after it."""
        start = TrustedMetadata.from_root(anchor, STRICT).root.version
        prefix, suffix = f"{name}/", ".root.json"
        names = [m for m in self._archive.members if m.startswith(prefix) and m.endswith(suffix)]
        chain = sorted(int(m[len(prefix) : -len(suffix)]) for m in names)
        if start not in chain or len(chain) > MOST_ROOTS or chain != list(range(chain[0], chain[-1] + 1)):
            message = f"the roots of the {name} in the package do not connect to version {start}, which is trusted"
            raise Refusal("trust.root-chain", message)
        trusted: TrustedMetadata | None = None
        for number in chain:
            data = self._read(f"{prefix}{number}{suffix}", MOST_BYTES["root"])
            if number == start and data != anchor:
                raise Refusal("trust.root-chain", f"root {number} of the {name} is not the one that is trusted")
            if trusted is None:
                trusted = TrustedMetadata.from_root(data, STRICT)
            else:
                trusted.update_root(data)
        assert trusted is not None  # noqa: S101  # the chain has at least the start
        _check_name(name, trusted.root)
        return trusted

    def _load(self, name: str, trusted: TrustedMetadata, role: str, delegator: str) -> None:
        """Take in the targets file of ``role`` from the package."""
        trusted.update_targets(self._read(f"{name}/{role}.json", MOST_BYTES["targets"]), role, delegator)

    def _find(self, path: str) -> dict[str, Found]:
        """Return what vouches for ``path`` in each repository; all of them must."""
        found: dict[str, Found] = {}
        for name, trusted in self._repositories.items():
            here = trusted.find(path, partial(self._load, name, trusted))
            if here is None:
                raise Refusal("consensus.missing", f"the {name} has not approved {path}")
            found[name] = here
        return found

    # What they agree on ----------------------------------------------------------------------------------------------

    def _release(self) -> tuple[Release, str, dict[str, str]]:
        """Return the statement all have approved, its digest, and the role that did in each repository.

        Which release is in the package is only a hint until every repository vouches for it.
        """
        names = [m for m in self._archive.members if m.startswith(FILES) and m.endswith(f"/{RELEASE_NAME}")]
        if len(names) != 1:
            raise Refusal("package.release", f"a package has one {RELEASE_NAME}, this one has {len(names)}")
        path = names[0][len(FILES) :]
        model = path.partition("/")[0]
        if model != self._rules.model:
            raise Refusal("binding.model", f"the update is for model {model!r}, this device is {self._rules.model!r}")
        found = self._find(path)
        data = self._read(names[0], MOST_RELEASE_BYTES)
        digest = hashlib.sha256(data).hexdigest()
        for name, here in found.items():
            _check_target(name, path, here.file, digest, len(data))
        release = decode_release(data)
        if path != f"{release.folder}{RELEASE_NAME}":
            raise Refusal("package.release", f"{RELEASE_NAME} lies in the folder of another model or version")
        return release, digest, {name: here.role for name, here in found.items()}

    def _check_agreement(self, release: Release) -> None:
        for file in release.files:
            path = f"{release.folder}{file.name}"
            for name, here in self._find(path).items():
                _check_target(name, path, here.file, file.sha256, file.size)
            member = self._archive.members.get(f"{FILES}{path}")
            if member is None:
                raise Refusal("package.missing", f"{file.name} is not in the package")
            if member.size != file.size:
                raise Refusal("package.digest", f"{file.name} has {member.size} bytes, not {file.size} as signed")
            self._used.add(member.name)

    def _check_nothing_else(self) -> None:
        extra = sorted(set(self._archive.members) - self._used)
        if extra:
            raise Refusal("package.extra", f"{extra[0]!r} is in the package, and nobody has approved it")

    def _check_algorithms(self) -> None:
        policy = policy_named(self._rules.signatures.value)
        only = self._rules.algorithms
        for name, trusted in self._repositories.items():
            for role, keys in _keys_used(trusted).items():
                for key in keys:
                    if only is not None and key.name not in only:
                        message = f"{role} of the {name} is signed with {key.name}, which this device does not accept"
                        raise Refusal("policy.algorithm", message)
                policy.check_together(keys)

    def _check_independence(self) -> None:
        """Refuse approvals that one key has given twice: two organisations that share one are one."""
        used = ({key for keys in _keys_used(t).values() for key in keys} for t in self._repositories.values())
        if share_a_half(key for keys in used for key in keys) is not None:
            raise Refusal(
                "consensus.same-key", "vendor and hospital have signed with the same key: one approves for both"
            )

    # Freshness -------------------------------------------------------------------------------------------------------

    def _expiries(self) -> dict[str, datetime]:
        return {
            f"{role} of the {name}": expires
            for name, trusted in self._repositories.items()
            for role, expires in trusted.expiries.items()
        }

    def _signed_at(self) -> datetime:
        signed = max(_signed_at(repository) for repository in self._repositories.values())
        if signed > self._moment.known_floor + MOST_AHEAD:
            raise Refusal("freshness.ahead", f"it says it was signed on {signed:%Y-%m-%d}, which cannot have come yet")
        return signed

    def _decision(self, judgement: Judgement, release_sha256: str, override: bytes | None) -> Decision | None:
        """Return the decision of people that lets in what is not fresh; None where none is needed."""
        if judgement.freshness is Freshness.FRESH:
            return None
        if judgement.freshness is Freshness.UNKNOWN and self._rules.unknown_clock is UnknownClock.ALLOW:
            return None
        if override is None:
            raise Refusal(f"freshness.{judgement.freshness}", f"the update is not fresh: {judgement.reason}")
        hospital = self._repositories.get(Approver.HOSPITAL.value)
        if hospital is None:
            raise Refusal("override.threshold", "without the hospital's metadata nobody is named who may override")
        targets = hospital.roles["targets"]
        if min(hospital.root.expires, targets.expires) <= judgement.floor:
            message = "root or targets of the hospital, which name the people who may override, have expired themselves"
            raise Refusal("override.authority", f"{message}; renew them and approve the package again")
        with fail_closed("override.threshold", "people who may override"):
            role = targets.get_delegated_role(OVERRIDE_ROLE)
            keys = [targets.get_key(key_id) for key_id in role.keyids]
        return check_override(
            override,
            keys,
            max(role.threshold, self._rules.override_people),
            release_sha256=release_sha256,
            freshness=judgement.freshness,
            floor=judgement.floor,
        )

    # Content ---------------------------------------------------------------------------------------------------------

    def _check_contents(self, release: Release) -> None:
        documents: dict[str, bytes] = {}
        for file in release.files:
            kept = self._hash(file, release)
            if kept is not None:
                documents[file.name] = kept
        check_documents(release, documents)

    def _hash(self, file: File, release: Release) -> bytes | None:
        """Hash the whole content of ``file``, and return it if it is a document to be looked at."""
        if is_document(file) and file.size > MOST_DOCUMENT_BYTES:
            raise Refusal("package.size", f"{file.name} has {file.size} bytes, more than any such paper")
        digest = hashlib.sha256()
        size = 0
        kept: list[bytes] = []
        for chunk in self._archive.chunks(self._archive.members[f"{FILES}{release.folder}{file.name}"]):
            digest.update(chunk)
            size += len(chunk)
            if is_document(file):
                kept.append(bytes(chunk))
        require_digest(file, digest.hexdigest(), size)
        return b"".join(kept) if is_document(file) else None

    # What is handed out ----------------------------------------------------------------------------------------------

    def _approval(self, name: str, role: str) -> Approval:
        trusted = self._repositories[name]
        people = people_of(trusted.root)
        signers = {key_id: people.get(key_id, "") for key_id in sorted(trusted.signers[role])}
        return Approval(repository=name, role=role, signers=signers)

    def _unit_after(self, signed: datetime) -> Unit:
        seen = dict(self._unit.seen)
        for name, trusted in self._repositories.items():
            seen[name] = self._seen(name, trusted)
        before = self._unit.last_signed
        last = max(signed, time_of(before)) if before is not None else signed
        return msgspec.structs.replace(self._unit, seen=seen, last_signed=f"{last:{TIME_FORMAT}}")

    def _seen(self, name: str, trusted: TrustedMetadata) -> Seen:
        timestamp, snapshot = trusted.timestamp, trusted.snapshot
        if timestamp is None or snapshot is None:  # pragma: no cover  # both were taken in, or this is not reached
            raise Refusal("trust.order", f"the metadata of the {name} is not complete")
        data = self._read(f"{name}/timestamp.json", MOST_BYTES["timestamp"])
        return Seen(
            root=trusted.root.version,
            timestamp=timestamp.version,
            timestamp_sha256=hashlib.sha256(data).hexdigest(),
            snapshot=snapshot.version,
            roles={file: meta.version for file, meta in snapshot.meta.items()},
            signers={role: tuple(sorted(trusted.signers[role])) for role in ("timestamp", "snapshot")},
        )

    def _read(self, name: str, most_bytes: int) -> bytes:
        self._used.add(name)
        return self._archive.read(name, most_bytes)


def people_of(root: Root) -> dict[str, str]:
    """Return key id -> name of the person, as far as the root gives names."""
    with fail_closed("trust.malformed", "names in the root"):
        people = root.unrecognized_fields.get(NOTE, {}).get("people", {})
        return {str(key_id): _printable(str(name)) for key_id, name in people.items()}


def _printable(name: str) -> str:
    """Return ``name`` as it may be shown on a terminal: another organisation has written it."""
    return "".join(character for character in name[:LONGEST_NAME] if character.isprintable())


def _check_name(name: str, root: Root) -> None:
    """Refuse the root of a repository where another one belongs."""
    with fail_closed("trust.malformed", "name in the root"):
        said = root.unrecognized_fields.get(NOTE, {}).get("repository", name)
    if said != name:
        raise Refusal("trust.repository", f"the root of the {name} is that of another repository, {said!r}")


def _signed_at(trusted: TrustedMetadata) -> datetime:
    with fail_closed("freshness.missing", "time of signing"):
        note = trusted.timestamp.unrecognized_fields[NOTE] if trusted.timestamp is not None else {}
        return time_of(note["signed"])


def _check_target(name: str, path: str, target: TargetFile, sha256: str, size: int) -> None:
    if target.length != size or target.hashes != {"sha256": sha256}:
        rule = "consensus.differs" if path.endswith(f"/{RELEASE_NAME}") else "package.digest"
        raise Refusal(rule, f"what the {name} has approved as {path} is another file")


def _keys_used(trusted: TrustedMetadata) -> dict[str, list[PublicKey]]:
    """Return the keys whose signatures counted, by role."""
    keys = dict(trusted.root.keys)
    for targets in trusted.roles.values():
        if targets.delegations is not None:
            keys |= targets.delegations.keys
    return {role: [public_of(keys[key_id]) for key_id in sorted(ids)] for role, ids in trusted.signers.items()}
