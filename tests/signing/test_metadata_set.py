from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from signing.refusal import Refusal
from signing.trust.client import PLAIN
from signing.trust.metadata_set import MOST_BYTES, SameVersion, TrustedMetadata

NOW = datetime(2026, 12, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
FILE = TargetFile(1, {"sha256": "0" * 64}, "file")


class Repository:
    """A small repository in memory; each role has one key, and all metadata can be changed before it is signed."""

    def __init__(self) -> None:
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ("root", "timestamp", "snapshot", "targets")}
        self.root = Root(1, None, LATER)
        for role, signer in self.signers.items():
            self.root.add_key(signer.public_key, role)
        self.targets: dict[str, Targets] = {"targets": Targets(1, None, LATER)}
        self.snapshot = Snapshot(1, None, LATER)
        self.timestamp = Timestamp(1, None, LATER)

    def delegate(self, above: str, role: str, *, terminating: bool = False, key: CryptoSigner | None = None) -> None:
        signer = key or self.signers.setdefault(role, CryptoSigner.generate_ed25519())
        targets = self.targets[above]
        if targets.delegations is None:
            targets.delegations = Delegations({}, {})
        roles = targets.delegations.roles
        assert roles is not None
        roles[role] = DelegatedRole(role, [], 1, terminating=terminating, paths=["*"])
        targets.add_key(signer.public_key, role)
        self.targets.setdefault(role, Targets(1, None, LATER))

    def signed(self, signed: Any, role: str) -> bytes:
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(self.signers[role])
        return metadata.to_bytes()

    def trusted(self, moment: datetime | None = NOW) -> TrustedMetadata:
        """Return what a client believes after it has taken in everything up to the top-level targets."""
        trusted = TrustedMetadata.from_root(self.signed(self.root, "root"), PLAIN, moment)
        self.snapshot.meta = {f"{name}.json": MetaFile(targets.version) for name, targets in self.targets.items()}
        trusted.update_timestamp(self.signed(self.timestamp, "timestamp"))
        trusted.update_snapshot(self.signed(self.snapshot, "snapshot"))
        trusted.update_targets(self.signed(self.targets["targets"], "targets"))
        return trusted

    def look_up(self, path: str, trusted: TrustedMetadata | None = None) -> tuple[str | None, list[tuple[str, str]]]:
        """Return the role that vouches for ``path``, and the roles that were asked for, with who had delegated."""
        asked: list[tuple[str, str]] = []
        believed = trusted or self.trusted()

        def load(role: str, above: str) -> None:
            asked.append((role, above))
            believed.update_targets(self.signed(self.targets[role], role), role, above)

        found = believed.find(path, load)
        return (found.role if found else None), asked


@pytest.fixture
def repository() -> Repository:
    return Repository()


def refused(step: Any, *arguments: Any) -> str:
    with pytest.raises(Refusal) as caught:
        step(*arguments)
    return caught.value.rule


def test_roles_are_asked_in_the_order_in_which_they_are_trusted(repository: Repository) -> None:
    repository.delegate("targets", "a")
    repository.delegate("targets", "b")
    repository.delegate("a", "c")
    for role in ("b", "c"):
        repository.targets[role].targets["file"] = FILE
    assert repository.look_up("file") == ("c", [("a", "targets"), ("c", "a")])


def test_a_terminating_role_ends_the_search(repository: Repository) -> None:
    repository.delegate("targets", "a", terminating=True)
    repository.delegate("targets", "b")
    repository.targets["b"].targets["file"] = FILE
    assert repository.look_up("file") == (None, [("a", "targets")])


def test_roles_that_delegate_in_a_circle_are_asked_once(repository: Repository) -> None:
    repository.delegate("targets", "a")
    repository.delegate("a", "b")
    repository.delegate("b", "a", key=repository.signers["a"])
    assert repository.look_up("file") == (None, [("a", "targets"), ("b", "a")])


def test_a_chain_that_is_too_long_ends(repository: Repository) -> None:
    above = "targets"
    for number in range(60):
        repository.delegate(above, f"r{number}")
        above = f"r{number}"
    repository.targets[above].targets["file"] = FILE
    found, asked = repository.look_up("file")
    assert found is None
    assert len(asked) < 40


def test_a_role_reached_by_two_ways_is_checked_against_both(repository: Repository) -> None:
    """The second way names another key; what was taken in on the first way must not be believed on the second."""
    repository.delegate("targets", "a")
    repository.delegate("targets", "b")
    repository.delegate("a", "shared")
    repository.delegate("b", "shared", key=CryptoSigner.generate_ed25519())
    repository.targets["shared"].targets["other"] = FILE
    trusted = repository.trusted()
    assert repository.look_up("other", trusted) == ("shared", [("a", "targets"), ("shared", "a")])
    delegations = trusted.roles["targets"].delegations
    assert delegations is not None
    assert delegations.roles is not None
    delegations.roles["a"].paths = ["nothing"]
    with pytest.raises(Refusal) as caught:
        repository.look_up("other", trusted)
    assert caught.value.rule == "trust.key"


def test_a_role_that_the_snapshot_does_not_name_is_not_believed(repository: Repository) -> None:
    repository.delegate("targets", "a")
    trusted = repository.trusted()
    assert trusted.snapshot is not None
    del trusted.snapshot.meta["a.json"]
    assert refused(repository.look_up, "file", trusted) == "trust.mix"


def test_nothing_is_believed_out_of_order(repository: Repository) -> None:
    trusted = TrustedMetadata.from_root(repository.signed(repository.root, "root"), PLAIN)
    assert refused(trusted.update_snapshot, b"{}") == "trust.order"
    assert refused(trusted.update_targets, b"{}") == "trust.order"


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_each_role_expires(repository: Repository, role: str) -> None:
    signed: Any = repository.targets["targets"] if role == "targets" else getattr(repository, role)
    signed.expires = NOW - timedelta(days=1)
    assert refused(repository.trusted) == "freshness.expired"
    assert repository.trusted(moment=None).expiries[role] == signed.expires


def test_the_same_timestamp_is_nothing_new_and_an_older_one_is_refused(repository: Repository) -> None:
    repository.timestamp.version = 5
    trusted = repository.trusted()
    with pytest.raises(SameVersion):
        trusted.update_timestamp(repository.signed(repository.timestamp, "timestamp"))
    repository.timestamp.version = 4
    assert refused(trusted.update_timestamp, repository.signed(repository.timestamp, "timestamp")) == "trust.rollback"


def test_a_timestamp_that_names_an_older_snapshot_is_refused(repository: Repository) -> None:
    repository.snapshot.version = 3
    repository.timestamp.snapshot_meta = MetaFile(3)
    trusted = repository.trusted()
    repository.timestamp.version, repository.timestamp.snapshot_meta = 2, MetaFile(2)
    assert refused(trusted.update_timestamp, repository.signed(repository.timestamp, "timestamp")) == "trust.rollback"


def test_a_snapshot_that_names_an_older_role_is_refused(repository: Repository) -> None:
    repository.targets["targets"].version = 3
    remembered = repository.trusted().snapshot
    repository.targets["targets"].version = 2
    data = repository.signed(Snapshot(1, None, LATER, {"targets.json": MetaFile(2)}), "snapshot")
    trusted = TrustedMetadata.from_root(repository.signed(repository.root, "root"), PLAIN, NOW)
    trusted.update_timestamp(repository.signed(repository.timestamp, "timestamp"))

    def update() -> None:
        trusted.update_snapshot(data, remembered=remembered)

    assert refused(update) == "trust.rollback"


def test_a_remembered_snapshot_counts_only_while_the_keys_of_today_vouch_for_it(repository: Repository) -> None:
    trusted = repository.trusted()
    data = repository.signed(repository.snapshot, "snapshot")
    recalled = trusted.recall_snapshot(data)
    assert recalled is not None
    assert trusted.keep_snapshot(recalled).version == 1
    repository.signers["snapshot"] = CryptoSigner.generate_ed25519()
    assert trusted.recall_snapshot(repository.signed(repository.snapshot, "snapshot")) is None


def test_a_root_is_signed_by_the_old_and_the_new_keys(repository: Repository) -> None:
    trusted = repository.trusted()
    old = repository.signers["root"]
    new = CryptoSigner.generate_ed25519()
    root = Root.from_dict(json.loads(json.dumps(repository.root.to_dict())))
    root.version = 2
    root.revoke_key(old.public_key.keyid, "root")
    root.add_key(new.public_key, "root")
    for signers, rule in (([old], "trust.key"), ([new], "trust.key")):
        metadata: Metadata[Root] = Metadata(root)
        for signer in signers:
            metadata.sign(signer, append=True)
        assert refused(trusted.update_root, metadata.to_bytes()) == rule
    metadata = Metadata(root)
    metadata.sign(old)
    metadata.sign(new, append=True)
    assert trusted.update_root(metadata.to_bytes()).version == 2


def test_metadata_of_the_wrong_size_or_kind_is_refused(repository: Repository) -> None:
    trusted = repository.trusted()
    assert refused(trusted.update_timestamp, b" " * (MOST_BYTES["timestamp"] + 1)) == "trust.size"
    assert refused(trusted.update_timestamp, b"[]") == "json.type"
    assert refused(trusted.update_timestamp, b"{}") == "trust.malformed"
    assert refused(trusted.update_timestamp, repository.signed(repository.snapshot, "snapshot")) == "trust.type"


def test_a_snapshot_whose_digest_the_timestamp_does_not_name_is_refused(repository: Repository) -> None:
    repository.timestamp.snapshot_meta = MetaFile(1, 5, {"sha256": "0" * 64})
    assert refused(repository.trusted) == "trust.mix"
