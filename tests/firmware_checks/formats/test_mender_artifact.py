import bz2
import gzip
import hashlib
import json
import lzma
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_checks.format import Opened
from firmware_checks.formats.mender_artifact import FORMAT, LISTED, _tar
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.limits import Limits
from toolkit.core.window import Window

MENDER, OPENSSL = shutil.which("mender-artifact") or "", shutil.which("openssl") or ""
ROOTFS = b"root file system" * 100
VERSION = b'{"format":"mender","version":3}'
INFO = {
    "payloads": [{"type": "rootfs-image"}, {"type": None}],
    "artifact_provides": {"artifact_name": "pump-1.2"},
    "artifact_depends": {"device_type": ["pump", "monitor"]},
}


def _open(data: bytes, *, limits: Limits = Limits()) -> Opened:  # noqa: B008  # frozen
    return FORMAT.open(Span("pump.mender", Window.of(data)), limits)


def _row(name: str, data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n"


def _artifact(
    info: object = INFO,
    *,
    files: dict[str, bytes] | None = None,
    manifest: str | None = None,
    signed: bool = True,
    pack: Callable[[bytes], bytes] = gzip.compress,
    suffix: str = ".gz",
) -> bytes:
    inner = {"rootfs.ext4": ROOTFS} if files is None else files
    header = pack(_tar({"header-info": json.dumps(info).encode(), "headers/0000/type-info": b"{}"}))
    rows = _row("version", VERSION) + _row(f"header.tar{suffix}", header)
    rows += "".join(_row(f"data/0000/{name}", data) for name, data in inner.items())
    members = {"version": VERSION, "manifest": (rows if manifest is None else manifest).encode()}
    members |= {"manifest.sig": b"signature"} if signed else {}
    return _tar({**members, f"header.tar{suffix}": header, f"data/0000.tar{suffix}": pack(_tar(inner))})


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress), ("", bytes)],
)
def test_an_artifact_is_told_and_every_hash_computed_again(suffix: str, pack: Callable[[bytes], bytes]) -> None:
    data = _artifact(suffix=suffix, pack=pack)
    opened = _open(data + b"after")
    assert opened.size == len(data)
    assert opened.facts == {
        "format_version": 3,
        "artifact_name": "pump-1.2",
        "device_types": ("pump", "monitor"),
        "payload_types": ("rootfs-image", "none"),
        "signed": True,
    }
    hashes = [v for v in opened.integrity if v.algorithm == "sha256"]
    assert [v.valid for v in hashes] == [True, True, True]
    assert opened.problems == ()
    content = {entry.name: entry.read(1 << 20) for entry in opened.entries}
    assert content["data/0000/rootfs.ext4"] == ROOTFS
    assert f"data/0000.tar{suffix}" not in content


def test_the_header_of_the_second_version_is_read() -> None:
    info = {"updates": [{"type": "rootfs-image"}], "artifact_name": "old", "device_types_compatible": ["pump"]}
    facts = _open(_artifact(info, signed=False)).facts
    assert (facts["artifact_name"], facts["device_types"], facts["signed"]) == ("old", ("pump",), False)
    one = {**INFO, "artifact_depends": {"device_type": "pump"}}
    assert _open(_artifact(one)).facts["device_types"] == ("pump",)
    many = {**INFO, "artifact_depends": {"device_type": [str(n) for n in range(30)]}}
    devices = _open(_artifact(many)).facts["device_types"]
    assert isinstance(devices, tuple)
    assert (len(devices), devices[-1]) == (LISTED + 1, "and 10 more")


def test_a_changed_image_is_a_verdict() -> None:
    opened = _open(_artifact(manifest=_row("data/0000/rootfs.ext4", b"other") + "no row\n"))
    (verdict,) = [v for v in opened.integrity if v.algorithm == "sha256"]
    assert not verdict.valid
    assert opened.problems == ("no manifest has a hash of a file: nothing protects it: 'version', 'header.tar.gz'",)


def test_files_that_are_missing_are_told() -> None:
    opened = _open(_artifact(files={"x": b""}, manifest=_row("data/0000/rootfs.ext4", b"") + _row("version", VERSION)))
    assert "the manifest names a file that is not in the artifact: 'data/0000/rootfs.ext4'" in opened.problems


@pytest.mark.parametrize("info", [[], {"payloads": 3}, "text"])
def test_a_header_that_cannot_be_read_is_told(info: object) -> None:
    opened = _open(_artifact(info))
    assert opened.problems == ("the header cannot be read: it is not told what the update is for",)
    assert opened.facts == {"format_version": 3, "signed": True}


def test_a_header_that_is_missing_or_no_archive_is_told() -> None:
    for members in ({"version": VERSION}, {"version": VERSION, "header.tar.gz": b"none"}):
        assert "the header cannot be read" in " ".join(_open(_tar(members)).problems)


def test_data_that_is_too_large_stays_packed_and_that_is_told() -> None:
    opened = _open(_artifact(files={"rootfs.ext4": bytes(200_000)}), limits=Limits(entry_bytes=100_000))
    assert [entry.name for entry in opened.entries][-1] == "data/0000.tar.gz"
    assert "its files were not held against their hashes" in opened.problems[0]
    assert len(opened.problems) == 1


def test_a_manifest_that_is_too_large_is_not_read() -> None:
    opened = _open(_artifact(manifest=" " * (2 << 20)))
    assert [v for v in opened.integrity if v.algorithm == "sha256"] == []


def test_an_artifact_cut_in_a_file_says_so() -> None:
    data = _tar({"version": VERSION, "manifest": _row("scripts", bytes(3000)).encode(), "scripts": bytes(3000)})
    opened = _open(data[:4000])
    assert any("a file was not held against its hash" in problem for problem in opened.problems)


@pytest.mark.parametrize(
    "data",
    [
        _tar({"version": b"3"}),
        _tar({"version": b'{"format":"other","version":3}'}),
        _tar({"readme": b""}),
        _tar({"version": bytes(2 << 20)}),
        b"version" + bytes(600),
    ],
)
def test_what_is_no_artifact_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        _open(data)


@pytest.mark.skipif(not MENDER or not OPENSSL, reason="mender-artifact or openssl is not installed (Debian packages)")
@pytest.mark.parametrize("compression", ["gzip", "lzma", "none"])
def test_what_mender_artifact_writes_is_read(compression: str, tmp_path: Path) -> None:
    (tmp_path / "pump.img").write_bytes(ROOTFS)
    key = [OPENSSL, "genrsa", "-traditional", "-out", "key.pem", "2048"]
    subprocess.run(key, cwd=tmp_path, check=True, capture_output=True)
    write = [MENDER, "--compression", compression, "write", "module-image", "-T", "pump-module", "-t", "pump"]
    write += ["-n", "pump-1.2", "-f", "pump.img", "-k", "key.pem", "-o", "out.mender"]
    subprocess.run(write, cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "out.mender").read_bytes()
    opened = _open(data)
    assert opened.size == len(data)
    assert (opened.facts["artifact_name"], opened.facts["device_types"]) == ("pump-1.2", ("pump",))
    assert opened.facts["signed"] is True
    assert [v.valid for v in opened.integrity if v.algorithm == "sha256"] == [True, True, True]
    assert opened.problems == ()
    assert {entry.name: entry.read(1 << 20) for entry in opened.entries}["data/0000/pump.img"] == ROOTFS
