"""Metadata of one repository that is believed: each file is taken in only if those before it vouch for it.

The order and every refusal are those of the TUF specification 1.0.33, section 5; the numbers of its clauses stand where
they are enforced. No clock, file or network is touched here. Where ``moment`` is None nothing is refused for its age:
then ``expiries`` says when each file expires, and somebody else decides.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from securesystemslib.signer import Key, Signature
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp

from signing.refusal import Refusal, fail_closed

__all__ = ["MOST_BYTES", "Found", "SameVersion", "Spelling", "TrustedMetadata"]

MOST_BYTES: Final = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000, "targets": 5_000_000}
"""Longest file of each role that is read; the values of the reference client."""
MOST_DELEGATIONS: Final = 32
HIGHEST_VERSION: Final = (1 << 31) - 1
"""A version no repository reaches by counting; a larger one only blocks all that follow."""

Kind = TypeVar("Kind", bound=Signed)
Delegator = Root | Targets


class SameVersion(Exception):  # nothing is wrong: there is nothing new
    """A timestamp has the version that is already believed; the old one stays (5.4.3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How far metadata may differ from what we would write."""

    parse: Callable[[bytes], Mapping[str, Any]]
    """Reads JSON; refuses what two readers could understand differently."""
    check_signature: Callable[[Key, Signature, bytes], None]
    """(key, signature, signed bytes): raises when the signature is not the key's."""
    halves: Callable[[Key], frozenset[str]]
    """What a key is made of; two keys that share any of it count as one."""
    check_document: Callable[[bytes, Metadata[Any]], None] = lambda _data, _metadata: None
    check_signatures: Callable[[Metadata[Any], frozenset[str]], None] = lambda _metadata, _used: None
    """(file, ids of keys that count): raises when there are other signatures beside them."""
    highest_version: int = HIGHEST_VERSION


@dataclass(frozen=True, slots=True)
class Found:
    """A target file that a role vouches for."""

    role: str
    file: TargetFile


@dataclass(slots=True)
class TrustedMetadata:
    """What is believed of one repository, starting from a root that somebody handed over in person."""

    root: Root
    spelling: Spelling
    moment: datetime | None = None
    timestamp: Timestamp | None = None
    snapshot: Snapshot | None = None
    roles: dict[str, Targets] = field(default_factory=dict)
    """Targets roles that were taken in, by name."""
    signers: dict[str, frozenset[str]] = field(default_factory=dict)
    """Role -> ids of the keys whose signatures counted."""
    _vouched: set[tuple[str, str]] = field(default_factory=set)
    """(delegator, role): a role counts only below those that delegated to it (diamonds are checked on each side)."""

    @classmethod
    def from_root(cls, data: bytes, spelling: Spelling, moment: datetime | None = None) -> TrustedMetadata:
        """Start from the root file ``data``, which must be signed by its own keys."""
        metadata = _parse(data, Root, spelling, "root")
        trusted = cls(metadata.signed, spelling, moment)
        trusted.signers["root"] = trusted._threshold(metadata.signed, "root", metadata)
        return trusted

    # 5.3 -------------------------------------------------------------------------------------------------------------

    def update_root(self, data: bytes) -> Root:
        """Take in the next root: its version is one higher, and the old and the new keys have signed (5.3.4, 5.3.5)."""
        metadata = _parse(data, Root, self.spelling, "root")
        new: Root = metadata.signed
        if new.version != self.root.version + 1:
            message = f"after root version {self.root.version} comes {self.root.version + 1}, not {new.version}"
            raise Refusal("trust.root-version", message)
        by_old = self._threshold(self.root, "root", metadata)
        by_new = self._threshold(new, "root", metadata)
        self.spelling.check_signatures(metadata, by_old | by_new)
        self.root = new
        self.signers["root"] = by_new
        return new

    # 5.4 -------------------------------------------------------------------------------------------------------------

    def update_timestamp(self, data: bytes) -> Timestamp:
        """Take in a timestamp; ``SameVersion`` when the one that is believed has the same version."""
        self._check_age("root", self.root)  # 5.3.10: only the last root must be in force
        new = self._take(data, Timestamp, self.root, "timestamp")
        old = self.timestamp
        if old is not None:
            if new.version == old.version:
                raise SameVersion
            _not_older("timestamp", old.version, new.version)  # 5.4.3.1
            _not_older("snapshot", old.snapshot_meta.version, new.snapshot_meta.version)  # 5.4.3.2
        self.timestamp = new
        self._check_age("timestamp", new)  # 5.4.4
        return new

    # 5.5 -------------------------------------------------------------------------------------------------------------

    def update_snapshot(self, data: bytes, *, remembered: Snapshot | None = None) -> Snapshot:
        """Take in the snapshot the timestamp names; ``remembered`` is one that was believed before, if there is any."""
        meta = self.snapshot_meta()
        self._check_age("timestamp", self._timestamp())
        _check_digests("snapshot", meta, data)  # 5.5.2
        new = self._take(data, Snapshot, self.root, "snapshot")  # 5.5.3
        _exactly("snapshot", meta.version, new.version)  # 5.5.4
        for old in (remembered, self.snapshot):
            if old is not None:
                _check_snapshot_succession(old, new)  # 5.5.5
        self._check_age("snapshot", new)  # 5.5.6
        self.snapshot = new
        return new

    def snapshot_meta(self) -> MetaFile:
        """Return what the timestamp says about the snapshot."""
        return self._timestamp().snapshot_meta

    def recall_snapshot(self, data: bytes) -> Snapshot | None:
        """Return a snapshot that was believed before, if today's keys still vouch for it; it does not count yet."""
        try:
            return self._take(data, Snapshot, self.root, "snapshot")
        except Refusal:
            return None

    def keep_snapshot(self, known: Snapshot) -> Snapshot:
        """Let a recalled snapshot count if it is the one that the timestamp names; refuse it if not."""
        self._check_age("timestamp", self._timestamp())
        _exactly("snapshot", self.snapshot_meta().version, known.version)
        self._check_age("snapshot", known)
        self.snapshot = known
        return known

    # 5.6 -------------------------------------------------------------------------------------------------------------

    def update_targets(self, data: bytes, role: str = "targets", delegator: str = "root") -> Targets:
        """Take in the targets file of ``role``, to which ``delegator`` has delegated."""
        meta = self.meta_of(role)
        _check_digests(role, meta, data)  # 5.6.2
        above: Delegator = self.root if delegator == "root" else self.roles[delegator]
        new = self._take(data, Targets, above, role)  # 5.6.3
        _exactly(role, meta.version, new.version)  # 5.6.4
        self._check_age(role, new)  # 5.6.5
        self.roles[role] = new
        self._vouched.add((delegator, role))
        return new

    def meta_of(self, role: str) -> MetaFile:
        """Return what the snapshot says about the file of a targets role."""
        if self.snapshot is None:
            raise Refusal("trust.order", "targets cannot be believed before the snapshot")
        meta = self.snapshot.meta.get(f"{role}.json")
        if meta is None:
            raise Refusal("trust.mix", f"the snapshot does not name the role {role}")
        return meta

    def find(self, path: str, load: Callable[[str, str], None]) -> Found | None:
        """Return what vouches for the target ``path``, asking roles in the order they are trusted (5.6.7).

        ``load(role, delegator)`` is called for a role whose file is not yet taken in below that delegator.
        """
        waiting = [("targets", "root")]
        visited: set[str] = set()
        while waiting and len(visited) <= MOST_DELEGATIONS:
            role, delegator = waiting.pop()
            if role in visited:
                continue
            if (delegator, role) not in self._vouched:
                load(role, delegator)
            targets = self.roles[role]
            if path in targets.targets:
                return Found(role, targets.targets[path])
            visited.add(role)
            waiting = _below(targets, role, path, waiting)
        return None

    @property
    def expiries(self) -> dict[str, datetime]:
        """When each file that is believed expires, by role."""
        top = {"root": self.root, "timestamp": self.timestamp, "snapshot": self.snapshot}
        return {name: signed.expires for name, signed in {**top, **self.roles}.items() if signed is not None}

    def _timestamp(self) -> Timestamp:
        if self.timestamp is None:
            raise Refusal("trust.order", "a snapshot cannot be believed before the timestamp")
        return self.timestamp

    def _take(self, data: bytes, kind: type[Kind], above: Delegator, role: str) -> Kind:
        """Return the file in ``data`` if enough keys that ``above`` names for ``role`` have signed it."""
        metadata = _parse(data, kind, self.spelling, role)
        signers = self._threshold(above, role, metadata)
        self.spelling.check_signatures(metadata, signers)
        self.signers[role] = signers
        return cast("Kind", metadata.signed)

    def _threshold(self, above: Delegator, role: str, metadata: Metadata[Any]) -> frozenset[str]:
        """Return the ids of the keys of ``role`` whose signatures are good; refuse if they are too few."""
        with fail_closed("trust.delegation", f"keys of {role}"):
            wanted = above.get_delegated_role(role)
            keys = {key_id: above.get_key(key_id) for key_id in wanted.keyids if _has_key(above, key_id)}
        good: dict[str, frozenset[str]] = {}
        reason: Refusal | None = None
        for key_id, key in keys.items():
            if key_id not in metadata.signatures:
                continue
            try:
                with fail_closed("signature.invalid", f"signature of {key_id[:16]}"):
                    self.spelling.check_signature(key, metadata.signatures[key_id], metadata.signed_bytes)
                    halves = self.spelling.halves(key)
                    if not halves & frozenset().union(*good.values()):
                        good[key_id] = halves
            except Refusal as refusal:
                reason = refusal
        if len(good) < wanted.threshold:
            told = f"; {reason}" if reason is not None else ""
            message = f"{role} needs the signatures of {wanted.threshold} keys and has {len(good)}{told}"
            raise Refusal(_rule_for(metadata, keys, reason), message)
        return frozenset(good)

    def _check_age(self, role: str, signed: Signed) -> None:
        if self.moment is not None and signed.is_expired(self.moment):
            raise Refusal("freshness.expired", f"{role} expired on {signed.expires:%Y-%m-%d %H:%M} UTC")


def _rule_for(metadata: Metadata[Any], keys: Mapping[str, Key], reason: Refusal | None) -> str:
    """Name the rule that was broken: no signature at all, none of a key that counts, a bad one, or just too few."""
    if not metadata.signatures:
        return "signature.missing"
    if reason is not None:
        return reason.rule
    return "trust.threshold" if set(keys) & set(metadata.signatures) else "trust.key"


def _has_key(above: Delegator, key_id: str) -> bool:
    keys = above.keys if isinstance(above, Root) else above.delegations.keys if above.delegations else {}
    return key_id in keys


def _below(targets: Targets, role: str, path: str, waiting: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the roles to ask after ``role``: those it delegates ``path`` to, in order, then the others.

    A terminating delegation ends the search in all others.
    """
    if targets.delegations is None:
        return waiting
    children: list[tuple[str, str]] = []
    for child, terminating in targets.delegations.get_roles_for_target(path):
        children.append((child, role))
        if terminating:
            waiting = []
            break
    return [*waiting, *reversed(children)]


def _parse(data: bytes, kind: type[Kind], spelling: Spelling, role: str) -> Metadata[Any]:
    most = MOST_BYTES.get(role, MOST_BYTES["targets"])
    if len(data) > most:
        raise Refusal("trust.size", f"the metadata of {role} has {len(data)} bytes; at most {most} are read")
    with fail_closed("trust.malformed", f"metadata of {role}"):
        content = spelling.parse(data)
        metadata: Metadata[Any] = Metadata.from_dict(copy.deepcopy(dict(content)))
        if metadata.signed.type != kind.type:
            raise Refusal("trust.type", f"{metadata.signed.type} metadata stands where {role} belongs")
        if not isinstance(metadata.signed.version, int) or metadata.signed.version > spelling.highest_version:
            raise Refusal("trust.fast-forward", f"the version of {role} is higher than any honest one")
        spelling.check_document(data, metadata)
    return metadata


def _check_digests(role: str, meta: MetaFile, data: bytes) -> None:
    with fail_closed("trust.mix", f"metadata of {role}"):
        meta.verify_length_and_hashes(data)


def _not_older(role: str, known: int, offered: int) -> None:
    if offered < known:
        raise Refusal("trust.rollback", f"{role} version {offered} is older than {known}, which was seen before")


def _exactly(role: str, named: int, found: int) -> None:
    if named != found:
        raise Refusal("trust.mix", f"{role} has version {found} where version {named} belongs: files of two releases")


def _check_snapshot_succession(old: Snapshot, new: Snapshot) -> None:
    for name, meta in old.meta.items():
        if name not in new.meta:
            raise Refusal("trust.rollback", f"the snapshot no longer names {name}, which was seen before")
        _not_older(name, meta.version, new.meta[name].version)
