"""A bundle is believed when a trusted key has signed it, it was not changed, and it is no older than what is there."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware_checks.vulnerabilities.bundle import MOST_HEAD_BYTES, export_bundle, import_bundle, is_bundle
from firmware_checks.vulnerabilities.database import Database
from signing.attacks.lab import LabKey
from signing.policy import policy_named
from signing.refusal import Refusal
from toolkit.core.errors import InputError, MedhardenError

KEY, OTHER = LabKey("office"), LabKey("stranger")
POLICY = policy_named("legacy")


@pytest.fixture
def bundle(lab: Any) -> Path:
    feed = lab.feed(lab.record("CVE-2024-0001", lab.plain(lab.row("a:acme:pump:1"))), timestamp="2026-08-17")
    lab.take(lab.write(feed))
    path: Path = lab.folder / "data.bundle"
    export_bundle(lab.path, path, [KEY], POLICY)
    return path


def _take(
    lab: Any, bundle: Path, *, name: str = "new.db", keys: Any = (KEY.public,), may_be_older: bool = False
) -> Path:
    target: Path = lab.folder / name
    import_bundle(bundle, target, keys, POLICY, may_be_older=may_be_older)
    return target


def _members(bundle: Path) -> dict[str, bytes]:
    with tarfile.open(bundle) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def _packed(bundle: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(bundle, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return bundle


def test_a_bundle_carries_the_database_byte_for_byte(lab: Any, bundle: Path) -> None:
    assert is_bundle(bundle)
    assert _take(lab, bundle).read_bytes() == lab.path.read_bytes()


def test_the_same_database_gives_the_same_bundle(lab: Any, bundle: Path) -> None:
    again = lab.folder / "again.bundle"
    export_bundle(lab.path, again, [KEY], POLICY)
    assert again.read_bytes() == bundle.read_bytes()


def _changed_manifest(members: dict[str, bytes]) -> None:
    document = json.loads(members["manifest.json"])
    document["counts"]["vulnerabilities"] = 7
    members["manifest.json"] = json.dumps(document).encode()


def _changed_database(members: dict[str, bytes]) -> None:
    members["database.zst"] = members["database.zst"] * 2


def _resigned(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    def apply(members: dict[str, bytes]) -> None:
        from base64 import b64encode

        from firmware_checks.vulnerabilities.bundle import CONTEXT

        document = json.loads(members["manifest.json"])
        change(document)
        head = members["manifest.json"] = json.dumps(document).encode()
        rows = [
            {"key_id": KEY.public.key_id, "algorithm": "x", "signature": b64encode(KEY.sign(CONTEXT + head)).decode()}
        ]
        members["signatures.json"] = json.dumps(rows).encode()

    return apply


def _without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.pop(name, None) and None  # type: ignore[func-returns-value]


def _set(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({name: data})


CHANGES: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "manifest changed": (_changed_manifest, "signature.invalid"),
    "database changed": (_changed_database, "package.digest"),
    "signatures gone": (_without("signatures.json"), "package.form"),
    "database gone": (_without("database.zst"), "package.form"),
    "signatures broken": (_set("signatures.json", b"x"), "signature.malformed"),
    "signatures not base64": (
        _set("signatures.json", b'[{"key_id":"a","algorithm":"b","signature":"?"}]'),
        "signature.malformed",
    ),
    "no signature": (_set("signatures.json", b"[]"), "signature.unknown-key"),
    "manifest too large": (_set("manifest.json", bytes(MOST_HEAD_BYTES + 1)), "package.form"),
    "another kind": (_resigned(lambda d: d.update(kind="x")), "package.form"),
    "a field nobody knows": (_resigned(lambda d: d.update(more=1)), "package.form"),
    "another digest": (_resigned(lambda d: d.update(database_sha256=hashlib.sha256().hexdigest())), "package.digest"),
    "another size": (_resigned(lambda d: d.update(database_bytes=d["database_bytes"] - 1)), "package.digest"),
    "absurd size": (_resigned(lambda d: d.update(database_bytes=1 << 60)), "package.form"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_refused_and_the_old_database_stays(lab: Any, bundle: Path, change: str) -> None:
    old = _take(lab, bundle).read_bytes()
    members = _members(bundle)
    CHANGES[change][0](members)
    with pytest.raises(Refusal) as refusal:
        _take(lab, _packed(bundle, members))
    assert refusal.value.rule == CHANGES[change][1]
    assert (lab.folder / "new.db").read_bytes() == old
    assert not list(lab.folder.glob(".*.bundle"))


@pytest.mark.parametrize("keys", [(), (OTHER.public,)])
def test_a_bundle_of_strangers_is_refused(lab: Any, bundle: Path, keys: Any) -> None:
    with pytest.raises(Refusal, match="not signed by a key that is trusted"):
        _take(lab, bundle, keys=keys)


def test_older_data_is_refused_unless_it_is_asked_for(lab: Any, bundle: Path) -> None:
    newer = lab.feed(lab.record("CVE-2024-0002"), timestamp="2026-09-01")
    lab.take(lab.write(newer, "newer.json"))
    with pytest.raises(Refusal, match="older \\(2026-08-17\\) than what is there \\(2026-09-01\\)"):
        _take(lab, bundle, name=lab.path.name)
    _take(lab, bundle, name=lab.path.name, may_be_older=True)
    with Database(lab.path) as database:
        assert database.counts()["vulnerabilities"] == 1


def test_a_bundle_that_lacks_a_kind_of_data_is_older(lab: Any, bundle: Path) -> None:
    scores = b"#model_version:v4,score_date:2026-08-16T00:00:00+0000\ncve,epss,percentile\nCVE-2024-0001,0.1,0.1\n"
    lab.take(lab.write(scores, "epss.csv"))
    with pytest.raises(Refusal, match="epss data is older"):
        _take(lab, bundle, name=lab.path.name)


def test_a_bundle_cut_anywhere_leaves_what_was_there(lab: Any, bundle: Path) -> None:
    old = _take(lab, bundle).read_bytes()
    whole = bundle.read_bytes()
    content_end = len(whole.rstrip(b"\0"))
    for end in [*range(0, content_end, max(1, content_end // 40)), content_end - 1]:
        bundle.write_bytes(whole[:end])
        with pytest.raises(MedhardenError):
            _take(lab, bundle)
        assert (lab.folder / "new.db").read_bytes() == old


@pytest.mark.usefixtures("bundle")
def test_something_else_is_no_bundle(lab: Any) -> None:
    assert not is_bundle(lab.path)
    assert not is_bundle(_packed(lab.folder / "x.tar", {"other": b""}))
    with pytest.raises(InputError, match="cannot be read"):
        _take(lab, lab.path)
    with pytest.raises(InputError, match="cannot be written"):
        export_bundle(lab.path, lab.folder / "no" / "x.bundle", [KEY], POLICY)


def test_a_key_that_the_policy_does_not_let_sign_is_refused(lab: Any, bundle: Path) -> None:
    before = bundle.read_bytes()
    with pytest.raises(Refusal, match="cnsa2"):
        export_bundle(lab.path, bundle, [KEY], policy_named("cnsa2"))
    assert bundle.read_bytes() == before


def test_a_bundle_goes_through_the_command_line(lab: Any, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toolkit.app.cli import run

    monkeypatch.setenv("MEDHARDEN_PASSPHRASE", "a long enough passphrase")
    key, public = lab.folder / "office.pem", lab.folder / "office.pub"
    assert run(["keys", "new", f"file:{key}"]) == 0
    assert run(["keys", "export", f"file:{key}", "--output", str(public)]) == 0
    signed, target = lab.folder / "signed.bundle", str(lab.folder / "far.db")
    assert run(["db", "export", str(signed), "--db", str(lab.path), "--key", f"file:{key}"]) == 0
    assert run(["db", "import", str(signed), "--db", target]) == 1
    assert run(["db", "import", str(signed), str(bundle), "--db", target]) == 2
    assert run(["db", "import", str(signed), "--db", target, "--trust", str(public), "--json"]) == 0
    assert run(["db", "status", "--db", target]) == 0
