"""The repository client in one process, over a dictionary instead of a network."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from signing.refusal import Refusal
from signing.trust.client import Client, NotThere
from signing.trust.metadata_set import MOST_BYTES

NOW = datetime(2026, 12, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


class Remote:
    """What a repository serves, by path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = CryptoSigner.generate_ed25519()
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.root = Root(1, None, LATER, consistent_snapshot=False)
        for role in ("root", "timestamp", "snapshot", "targets"):
            self.root.add_key(self.signer.public_key, role)
        self.targets = Targets(1, None, LATER)
        self.snapshot = Snapshot(1, None, LATER)
        self.timestamp = Timestamp(1, None, LATER)
        self.publish()
        (folder / "root.json").write_bytes(self.files["1.root.json"])

    def publish(self) -> None:
        self.timestamp.snapshot_meta = MetaFile(self.snapshot.version)
        self.snapshot.meta["targets.json"] = MetaFile(self.targets.version)
        for name, signed in {
            f"{self.root.version}.root": self.root,
            "targets": self.targets,
            "snapshot": self.snapshot,
            "timestamp": self.timestamp,
        }.items():
            metadata: Metadata[Any] = Metadata(signed)
            metadata.sign(self.signer)
            self.files[f"{name}.json"] = metadata.to_bytes()

    def fetch(self, path: str) -> Iterator[bytes]:
        self.asked.append(path)
        if path not in self.files:
            raise NotThere(path)
        content = self.files[path]
        for at in range(0, len(content), 100):
            yield content[at : at + 100]

    def client(self, moment: datetime = NOW) -> Client:
        return Client(self.folder, self.fetch, moment)

    def refresh(self, moment: datetime = NOW) -> None:
        self.client(moment).refresh()


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def test_what_is_known_is_not_fetched_again(remote: Remote) -> None:
    remote.refresh()
    assert remote.asked == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]
    remote.asked.clear()
    remote.refresh()
    assert remote.asked == ["2.root.json", "timestamp.json"]


def test_what_was_kept_and_has_expired_still_guards_against_older_files(remote: Remote) -> None:
    remote.timestamp.version = 5
    remote.publish()
    remote.refresh()
    remote.timestamp.version, remote.timestamp.expires = 4, LATER + timedelta(days=99)
    remote.publish()
    with pytest.raises(Refusal) as caught:
        remote.refresh(LATER + timedelta(days=1))
    assert caught.value.rule == "freshness.expired"  # the root; nothing is fetched behind it
    remote.root.version, remote.root.expires = 2, LATER + timedelta(days=99)
    remote.publish()
    with pytest.raises(Refusal) as caught:
        remote.refresh(LATER + timedelta(days=1))
    assert caught.value.rule == "trust.rollback"


def test_endless_metadata_is_cut_off(remote: Remote) -> None:
    remote.files["timestamp.json"] = b" " * (MOST_BYTES["timestamp"] + 1)
    with pytest.raises(Refusal) as caught:
        remote.refresh()
    assert caught.value.rule == "trust.size"


@pytest.mark.parametrize(
    ("served", "rule"),
    [(b"longer than it was", "package.size"), (b"x", "package.digest"), (b"CONTENT", "package.digest")],
)
def test_a_download_that_is_not_what_was_signed_leaves_nothing(remote: Remote, served: bytes, rule: str) -> None:
    remote.targets.targets["a/b"] = TargetFile.from_data("a/b", b"content", ["sha256", "sha512"])
    remote.publish()
    client = remote.client()
    client.refresh()
    remote.files["a/b"] = served
    got = remote.folder / "got"
    with pytest.raises(Refusal) as caught:
        client.download(client.find("a/b"), remote.fetch, got)
    assert caught.value.rule == rule
    assert list(got.iterdir()) == []
    remote.files["a/b"] = b"content"
    assert client.download(client.find("a/b"), remote.fetch, got).read_bytes() == b"content"
    (got / "a%2Fb").write_bytes(b"CONTENT")  # same size, changed on the disk
    assert client.download(client.find("a/b"), remote.fetch, got).read_bytes() == b"content"


def test_what_nobody_vouches_for_is_refused(remote: Remote) -> None:
    client = remote.client()
    client.refresh()
    with pytest.raises(Refusal) as caught:
        client.find("nothing")
    assert caught.value.rule == "trust.not-listed"


def test_a_signature_by_another_key_is_refused(remote: Remote) -> None:
    remote.signer = CryptoSigner.generate_ed25519()
    remote.publish()
    with pytest.raises(Refusal) as caught:
        remote.refresh()
    assert caught.value.rule == "trust.key"


def test_a_weak_digest_vouches_for_nothing(remote: Remote) -> None:
    remote.targets.targets["a"] = TargetFile(7, {"md5": "0" * 32, "sha256": "0" * 64}, "a")
    remote.publish()
    client = remote.client()
    client.refresh()
    with pytest.raises(Refusal) as caught:
        client.download(client.find("a"), remote.fetch, remote.folder / "got")
    assert caught.value.rule == "trust.hash"


def test_blake2_is_spelled_as_in_tuf(remote: Remote) -> None:
    remote.targets.targets["a"] = TargetFile.from_data("a", b"content", ["blake2b-256"])
    remote.publish()
    remote.files["a"] = b"content"
    client = remote.client()
    client.refresh()
    assert client.download(client.find("a"), remote.fetch, remote.folder / "got").read_bytes() == b"content"
