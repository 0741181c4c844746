"""The client for the public conformance suite, driven as the suite does it: over HTTP, one process a command."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

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

CLIENT = Path(__file__).parents[1] / "conformance" / "client"
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)


class Served:
    """A repository behind a web server on this machine; what was asked for is written down."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.folder = folder
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                served.asked.append(path)
                content = served.files.get(unquote(path) if path.startswith("targets/") else path)
                self.send_response(404 if content is None else 200)
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.signer = CryptoSigner.generate_ecdsa()
        self.root = Root(1, None, LATER)
        for role in ("root", "timestamp", "snapshot", "targets"):
            self.root.add_key(self.signer.public_key, role)
        self.targets = Targets(1, None, LATER)
        self.snapshot = Snapshot(1, None, LATER)
        self.timestamp = Timestamp(1, None, LATER)

    def publish(self) -> None:
        self.snapshot.meta["targets.json"] = MetaFile(self.targets.version)
        self.timestamp.snapshot_meta = MetaFile(self.snapshot.version)
        self.put(f"{self.root.version}.root", self.root)
        self.put(f"{self.targets.version}.targets", self.targets)
        self.put(f"{self.snapshot.version}.snapshot", self.snapshot)
        self.put("timestamp", self.timestamp)

    def put(self, name: str, signed: Any) -> None:
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(self.signer)
        self.files[f"metadata/{name}.json"] = metadata.to_bytes()

    def add(self, path: str, content: bytes) -> None:
        target = TargetFile.from_data(path, content, ["sha256"])
        self.targets.targets[path] = target
        folder, slash, name = path.rpartition("/")
        self.files[f"targets/{folder}{slash}{target.hashes['sha256']}.{name}"] = content

    def client(self, *words: str) -> int:
        host, port = self.server.server_address[:2]
        command = [sys.executable, str(CLIENT), "--metadata-dir", str(self.folder / "metadata")]
        if words[0] != "init":
            command += ["--metadata-url", f"http://{host!s}:{port}/metadata"]
            command += [
                "--target-base-url",
                f"http://{host!s}:{port}/targets/",
                "--target-dir",
                str(self.folder / "got"),
            ]
        return subprocess.run([*command, *words], check=False, capture_output=True, timeout=60).returncode

    def init(self) -> None:
        root = self.folder / "initial.json"
        root.write_bytes(self.files["metadata/1.root.json"])
        assert self.client("init", str(root)) == 0

    def download(self, *paths: str) -> int:
        return self.client(*(word for path in paths for word in ("--target-name", path)), "download")

    def trusted(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "metadata").glob("*.json"))

    def got(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.folder / "got").glob("*"))] if self.folder.exists() else []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    repository = Served(tmp_path)
    repository.publish()
    yield repository
    repository.server.shutdown()
    repository.server.server_close()


def test_init_refresh_and_download(served: Served) -> None:
    served.add("path/to a/file.txt", b"content")
    served.publish()
    served.init()
    assert served.asked == []
    assert served.client("refresh") == 0
    assert [unquote(path) for path in served.asked] == [
        "metadata/2.root.json", "metadata/timestamp.json", "metadata/1.snapshot.json", "metadata/1.targets.json"
    ]  # fmt: skip
    assert served.trusted() == ["root.json", "snapshot.json", "targets.json", "timestamp.json"]
    assert served.download("nothing") == 1
    assert served.download("path/to a/file.txt") == 0
    assert served.got() == [b"content"]


def test_a_file_is_fetched_once_and_a_bad_one_never_kept(served: Served) -> None:
    served.add("file", b"content")
    served.publish()
    served.init()
    assert served.download("file") == 0
    assert served.got() == [b"content"]
    fetched = [path for path in served.asked if path.startswith("targets/")]
    assert served.download("file") == 0
    assert [path for path in served.asked if path.startswith("targets/")] == fetched
    (served.folder / "got" / "file").unlink()
    served.files[fetched[0]] = b"malicious"
    assert served.download("file") == 1
    assert served.got() == []


def test_a_link_that_lies_in_the_way_is_not_followed(served: Served) -> None:
    served.add("file", b"content")
    served.publish()
    served.init()
    victim = served.folder / "victim"
    victim.write_bytes(b"precious")
    (served.folder / "got").mkdir()
    (served.folder / "got" / "file").symlink_to(victim)
    assert served.download("file") == 0
    assert victim.read_bytes() == b"precious"
    assert served.got() == [b"content"]


@pytest.mark.parametrize("role", ["?", "#", "/delegated", "../delegated"])
def test_an_odd_role_name_leads_nowhere_else(served: Served, role: str) -> None:
    from urllib.parse import quote

    served.targets.delegations = Delegations({}, {role: DelegatedRole(role, [], 1, terminating=False, paths=["*"])})
    served.targets.add_key(served.signer.public_key, role)
    served.snapshot.meta[f"{role}.json"] = MetaFile(1)
    served.put(f"1.{quote(role, safe='')}", Targets(1, None, LATER))
    served.publish()
    served.init()
    assert served.download("nothing") == 1
    assert f"metadata/1.{quote(role, safe='')}.json" in served.asked
    assert len(served.trusted()) == 5
    assert sorted(path.name for path in served.folder.iterdir()) == ["initial.json", "metadata"]


def test_several_files_are_fetched_in_one_call_until_one_is_refused(served: Served) -> None:
    for path in ("first", "second", "fourth"):
        served.add(path, path.encode())
    served.publish()
    served.init()
    assert served.download("first", "second") == 0
    assert served.got() == [b"first", b"second"]
    assert served.download("first", "third", "fourth") == 1
    assert served.got() == [b"first", b"second"]


def test_a_role_that_one_delegator_vouches_for_is_not_believed_below_another(served: Served) -> None:
    """One lookup reaches ``release`` below ``a``, whose key has signed it; the next below ``b``, whose key has not."""
    other = CryptoSigner.generate_ecdsa()
    served.targets.delegations = Delegations({}, {})
    assert served.targets.delegations.roles is not None
    for name, signer in (("a", served.signer), ("b", other)):
        paths = [f"{name}/*"]
        served.targets.delegations.roles[name] = DelegatedRole(name, [], 1, terminating=False, paths=paths)
        served.targets.add_key(served.signer.public_key, name)
        below = DelegatedRole("release", [signer.public_key.keyid], 1, terminating=False, paths=paths)
        keys = {signer.public_key.keyid: signer.public_key}
        served.put(f"1.{name}", Targets(1, None, LATER, {}, Delegations(keys, {"release": below})))
        served.snapshot.meta[f"{name}.json"] = MetaFile(1)
    files = {path: TargetFile.from_data(path, b"content", ["sha256"]) for path in ("a/file", "b/file")}
    served.put("1.release", Targets(1, None, LATER, files))
    served.snapshot.meta["release.json"] = MetaFile(1)
    for path, target in files.items():
        folder, _, name = path.partition("/")
        served.files[f"targets/{folder}/{target.hashes['sha256']}.{name}"] = b"content"
    served.publish()
    served.init()
    assert served.download("a/file", "b/file") == 1
    assert served.got() == [b"content"]
    assert not any(path.startswith("targets/b/") for path in served.asked)
    assert served.download("b/file") == 1


def test_what_was_seen_does_not_come_back_in_an_older_version(served: Served) -> None:
    served.timestamp.version = served.snapshot.version = 3
    served.publish()
    served.init()
    assert served.client("refresh") == 0
    before = (served.folder / "metadata" / "timestamp.json").read_bytes()
    served.timestamp.version = 2
    served.publish()
    assert served.client("refresh") == 1
    served.timestamp.version, served.snapshot.version = 4, 2
    served.publish()
    assert served.client("refresh") == 1
    assert (served.folder / "metadata" / "timestamp.json").read_bytes() == before


def test_a_key_twice_in_json_and_a_changed_root_are_refused(served: Served) -> None:
    served.init()
    good = served.files["metadata/timestamp.json"]
    served.files["metadata/timestamp.json"] = b'{"signatures":[],' + good[1:]
    assert served.client("refresh") == 1
    served.files["metadata/timestamp.json"] = good
    root = served.folder / "metadata" / "root.json"
    whole = root.read_bytes()
    root.write_bytes(whole.replace(b'"version":1', b'"version":7'))
    served.asked.clear()
    assert served.client("refresh") == 1
    assert served.asked == []
    root.write_bytes(whole)
    assert served.client("refresh") == 0


def test_a_new_root_is_kept_and_its_keys_count(served: Served) -> None:
    served.init()
    assert served.client("refresh") == 0
    served.root.version = 2
    served.publish()
    assert served.client("refresh") == 0
    assert b'"version":2' in (served.folder / "metadata" / "root.json").read_bytes()
    assert (served.folder / "metadata" / "root_history" / "2.root.json").exists()
