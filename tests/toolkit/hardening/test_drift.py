"""All that changed in a dump is found; what was only packed otherwise is no change; what was cut is no all-clear."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import msgspec
import pytest

from device_profiles.loader import load
from device_profiles.schema import DeviceProfile, IntegrityPolicy
from firmware_checks.formats import elf
from signing.keyring import create_key, open_signer, public_key
from signing.refusal import Refusal
from toolkit.app.commands.drift import show
from toolkit.core.errors import InputError, MedhardenError
from toolkit.core.findings import Severity
from toolkit.core.limits import Limits
from toolkit.hardening.fit import require_fit
from toolkit.hardening.integrity.baseline import baseline_of, pack_baseline
from toolkit.hardening.integrity.comparing import TrustedBaseline, drift_of, trusted_baseline
from toolkit.hardening.integrity.drift import Change, Drift, DriftVerdict, drift_findings
from toolkit.hardening.integrity.patterns import is_mutable
from toolkit.hardening.reading import Reading, read_subject

PROFILE = load("patient-monitor-lowend")
DAY = date(2026, 11, 24)
PROGRAM = elf.FORMAT.example()
CAPABILITY = "security.capability"


class NoSecrets:
    def existing(self, _purpose: str) -> str:
        return "a long enough passphrase"

    new = existing


@dataclass(frozen=True)
class Thing:
    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    device: tuple[int, int] = (0, 0)
    attributes: dict[str, str] = field(default_factory=dict)


FOLDER = Thing(mode=0o755, kind=tarfile.DIRTYPE)
Tree = dict[str, Thing]


def monitor() -> Tree:
    tree = dict.fromkeys(("bin", "etc", "etc/init.d", "lib", "usr", "usr/bin", "var", "var/log", "dev"), FOLDER)
    tree |= {
        "bin/monitord": Thing(PROGRAM, 0o4755),
        "bin/ping": Thing(PROGRAM + b"1", 0o755, attributes={CAPABILITY: "\1\0\0\2\0\4" + "\0" * 14}),
        "bin/sh": Thing(kind=tarfile.SYMTYPE, target="busybox", mode=0o777),
        "bin/busybox": Thing(PROGRAM + b"2", 0o755),
        "bin/ash": Thing(kind=tarfile.LNKTYPE, target="bin/busybox"),
        "etc/passwd": Thing(b"root:x:0:0::/:/bin/sh\n"),
        "etc/shadow": Thing(b"root:*:::::::\n", 0o600, 0, 42),
        "etc/hosts": Thing(b"127.0.0.1 localhost\n"),
        "etc/rates.conf": Thing(b"max=10\n"),
        "etc/init.d/S50monitor": Thing(b"#!/bin/sh\nexec monitord\n", 0o755),
        "etc/init.d/S60net": Thing(b"#!/bin/sh\n", 0o755),
        "lib/libx.so": Thing(PROGRAM + b"3", 0o644),
        "lib/old.ko": Thing(PROGRAM + b"4", 0o644),
        "usr/bin/helper": Thing(PROGRAM + b"5", 0o755, 100, 100),
        "usr/bin/empty": Thing(b"", 0o755),
        "var/log/messages": Thing(b"started\n"),
        "var/log/old": Thing(b"gone soon\n"),
        "dev/console": Thing(kind=tarfile.CHRTYPE, device=(5, 1), mode=0o600),
        "dev/fifo": Thing(kind=tarfile.FIFOTYPE, mode=0o600),
        "dev/sda": Thing(kind=tarfile.BLKTYPE, device=(8, 0), mode=0o660),
    }
    return tree


def packed(tree: Tree, path: Path) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, thing in tree.items():
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid, member.gid = thing.kind, thing.mode, thing.uid, thing.gid
            member.size, member.linkname = len(thing.content), thing.target
            member.devmajor, member.devminor = thing.device
            member.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in thing.attributes.items()}
            archive.addfile(member, io.BytesIO(thing.content))
    path.write_bytes(out.getvalue())
    return path


def trusted(image: Path, profile: DeviceProfile = PROFILE) -> TrustedBaseline:
    """Return a baseline as if somebody had signed it."""
    with read_subject(image, Reading(profile=profile, day=DAY, jobs=1)) as subject:
        return TrustedBaseline(baseline_of(subject), "0" * 64, "1" * 64)


def drift(baseline: TrustedBaseline, dump: Path, profile: DeviceProfile = PROFILE) -> Drift:
    with read_subject(dump, Reading(profile=profile, day=DAY, jobs=1)) as subject:
        require_fit(subject)
        return drift_of(baseline, subject)


def with_policy(**fields: tuple[str, ...]) -> DeviceProfile:
    policy = msgspec.structs.replace(PROFILE.policy, integrity=IntegrityPolicy(**fields))
    return msgspec.structs.replace(PROFILE, policy=policy)


def set_(name: str, **changes: object) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        tree[name] = replace(tree.get(name, Thing()), **changes)  # type: ignore[arg-type]

    return change


def gone(name: str) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        del tree[name]

    return change


PLANTED: tuple[tuple[Change, str, Callable[[Tree], None]], ...] = (
    (Change.ADDED, "usr/bin/backdoor", set_("usr/bin/backdoor", content=PROGRAM + b"evil", mode=0o755)),
    (Change.ADDED, "etc/cron.d/job", set_("etc/cron.d/job", content=b"* * * * * root sh\n")),
    (Change.ADDED, "lib/rootkit.ko.xz", set_("lib/rootkit.ko.xz", content=b"\xfd7zXZ\0no real one")),
    (Change.ADDED, "bin/new-link", set_("bin/new-link", kind=tarfile.SYMTYPE, target="/tmp/x")),  # noqa: S108
    (Change.ADDED, "dev/mem2", set_("dev/mem2", kind=tarfile.CHRTYPE, device=(1, 1))),
    (Change.ADDED, "var/hidden", set_("var/hidden", kind=tarfile.DIRTYPE, mode=0o777)),
    (Change.ADDED, "bin/zz", set_("bin/zz", kind=tarfile.LNKTYPE, target="bin/ping")),
    (Change.ADDED, "usr/bin/ empty", set_("usr/bin/ empty", mode=0o755)),
    (Change.REMOVED, "var/log/old", gone("var/log/old")),
    (Change.REMOVED, "lib/old.ko", gone("lib/old.ko")),
    (Change.REMOVED, "dev/fifo", gone("dev/fifo")),
    (Change.REMOVED, "bin/ash", gone("bin/ash")),
    (Change.CHANGED, "etc/passwd", set_("etc/passwd", content=b"root:x:0:0::/:/bin/sh\neve:x:0:0::/:/bin/sh\n")),
    (Change.CHANGED, "etc/hosts", set_("etc/hosts", content=b"127.0.0.1 localhosT\n")),
    (Change.CHANGED, "bin/monitord", set_("bin/monitord", content=PROGRAM[:-1] + b"!")),
    (Change.CHANGED, "lib/libx.so", set_("lib/libx.so", content=PROGRAM + b"33")),
    (Change.CHANGED, "etc/init.d/S60net", set_("etc/init.d/S60net", content=b"#!/bin/sh\ntelnetd\n")),
    (Change.CHANGED, "bin/sh", set_("bin/sh", target="/usr/bin/helper")),
    (Change.CHANGED, "dev/sda", set_("dev/sda", device=(8, 16))),
    (Change.CHANGED, "usr/bin/empty", set_("usr/bin/empty", content=b"#!/bin/sh\n")),
    (Change.CHANGED, "etc/rates.conf", set_("etc/rates.conf", content=b"", kind=tarfile.SYMTYPE, target="/var/r")),
    (Change.RE_OWNED, "etc/shadow", set_("etc/shadow", gid=100)),
    (Change.RE_OWNED, "usr/bin/helper", set_("usr/bin/helper", uid=0)),
    (Change.RE_OWNED, "etc/init.d/S50monitor", set_("etc/init.d/S50monitor", uid=1000, gid=1000)),
    (Change.RE_MODED, "bin/busybox", set_("bin/busybox", mode=0o6755)),
    (Change.RE_MODED, "var/log/messages", set_("var/log/messages", mode=0o666)),
    (Change.RE_MODED, "dev/console", set_("dev/console", mode=0o666)),
    (Change.RE_MODED, "usr/bin", set_("usr/bin", mode=0o777)),
    (Change.ATTRIBUTES, "bin/ping", set_("bin/ping", attributes={CAPABILITY: "\1\0\0\2\x7f\4" + "\0" * 14})),
    (Change.ATTRIBUTES, "etc/init.d", set_("etc/init.d", attributes={"user.note": "x"})),
)
"""Thirty changes, each of one thing."""


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> TrustedBaseline:
    return trusted(packed(monitor(), tmp_path_factory.mktemp("released") / "monitor.tar"))


def test_thirty_planted_changes_are_all_found_and_nothing_else(baseline: TrustedBaseline, tmp_path: Path) -> None:
    tree = monitor()
    for _change, _name, plant in PLANTED:
        plant(tree)
    found = drift(baseline, packed(tree, tmp_path / "dump.tar"))
    expected = {(change, name) for change, name, _plant in PLANTED}
    assert len(PLANTED) == 30
    assert {(row.change, row.path) for row in found.rows} == expected
    assert len(found.rows) == 30
    assert found.verdict is DriftVerdict.DRIFT


@pytest.mark.parametrize(("change", "name", "plant"), PLANTED, ids=[f"{c.value} {n}" for c, n, _ in PLANTED])
def test_each_planted_change_is_found_alone(
    baseline: TrustedBaseline, tmp_path: Path, change: Change, name: str, plant: Callable[[Tree], None]
) -> None:
    tree = monitor()
    plant(tree)
    found = drift(baseline, packed(tree, tmp_path / "dump.tar"))
    linked = {"bin/ash"} if name == "bin/busybox" else set()
    assert {(row.change, row.path) for row in found.rows} == {(change, n) for n in {name, *linked}}


def test_what_may_run_is_told_as_more_severe_than_data(baseline: TrustedBaseline, tmp_path: Path) -> None:
    tree = monitor()
    for _change, _name, plant in PLANTED:
        plant(tree)
    found = drift(baseline, packed(tree, tmp_path / "dump.tar"))
    severities = {finding.detail.split(": ")[1]: finding.severity for finding in drift_findings(found)}
    assert severities["usr/bin/backdoor"] is Severity.CRITICAL
    assert severities["bin/busybox"] is Severity.HIGH
    assert severities["etc/hosts"] is Severity.MEDIUM
    detail = {row.path: row.detail for row in found.rows}
    assert "now runs as its owner" in detail["bin/busybox"]
    assert "anybody may write it" in detail["var/log/messages"]


def test_data_may_change_where_the_profile_says_so_but_programs_and_rights_may_not(
    baseline: TrustedBaseline, tmp_path: Path
) -> None:
    tree = monitor()
    set_("var/log/messages", content=b"other\n")(tree)
    set_("var/log/new", content=b"new\n")(tree)
    gone("var/log/old")(tree)
    profile = with_policy(mutable_paths=("/var/log/**", "/etc/ho*ts"))
    set_("etc/hosts", content=b"other\n")(tree)
    found = drift(baseline, packed(tree, tmp_path / "dump.tar"), profile)
    assert found.verdict is DriftVerdict.NO_DRIFT
    assert found.expected == 4
    set_("var/log/.x", content=PROGRAM, mode=0o755)(tree)
    set_("var/log/messages", mode=0o4755)(tree)
    found = drift(baseline, packed(tree, tmp_path / "dump.tar"), profile)
    assert {(row.change, row.path) for row in found.rows} == {
        (Change.ADDED, "var/log/.x"), (Change.RE_MODED, "var/log/messages"), (Change.CHANGED, "var/log/messages"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/log/a/b", True),
        ("/var/log", False),
        ("/etc/ab", True),
        ("/etc/a/b", False),
        ("/x.y", True),
        ("/xzy", False),
    ],
)
def test_patterns_of_paths_are_taken_literally_but_for_stars(path: str, expected: bool) -> None:
    assert is_mutable(path, ("/var/log/**", "/etc/*", "/x.y")) is expected


TOOLS: dict[str, tuple[str, str]] = {
    "squashfs gzip": ("mksquashfs", "mksquashfs t out -noappend -no-progress -quiet -comp gzip"),
    "squashfs xz": ("mksquashfs", "mksquashfs t out -noappend -no-progress -quiet -comp xz -always-use-fragments"),
    "squashfs of another builder": ("gensquashfs", "gensquashfs -D t -k -x -q out"),
    "squashfs from tar": ("tar2sqfs", "tar --xattrs -C t -cf - . | tar2sqfs -q out"),
    "ext4": ("mke2fs", "mke2fs -q -t ext4 -d t out 16M"),
    "ext2": ("mke2fs", "mke2fs -q -t ext2 -b 1024 -d t out 16M"),
    "erofs": ("mkfs.erofs", "mkfs.erofs -zlz4 out t"),
    "jffs2": ("mkfs.jffs2", "mkfs.jffs2 -r t -o out -e 131072 -l -n --with-xattr"),
    "tar": ("tar", "tar --xattrs -C t -cf out ."),
    "tar with its folder, gzip": ("tar", "tar --xattrs --sort=name --format=pax -czf out t"),
    "tar of another builder": ("bsdtar", "bsdtar --format pax -C t -cf out bin etc lib usr var dev"),
    "a disk with a partition": (
        "sfdisk",
        "mke2fs -q -t ext4 -d t p 16M && (head -c 1048576 /dev/zero; cat p) > out && echo 2048,,L | sfdisk -q out",
    ),
    "a zip with a squashfs": (
        "zip", "mksquashfs t r.sqfs -noappend -no-progress -quiet && zip -q out.zip r.sqfs && mv out.zip out",
    ),
}  # fmt: skip
"""Builders that keep everything a baseline holds."""
LOSSY: dict[str, tuple[str, str]] = {
    "cpio": ("cpio", "cd t && find . -depth | cpio -o -H newc --quiet > ../out"),
    "iso9660": ("genisoimage", "genisoimage -quiet -R -o out t"),
    "ubifs": ("mkfs.ubifs", "mkfs.ubifs -r t -o out -m 2048 -e 126976 -c 200"),
}
"""Builders that lose capabilities."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tree ``t`` on disk: what may not be made without root is left out."""
    folder = tmp_path_factory.mktemp("packing")
    root = folder / "t"
    for name, thing in monitor().items():
        path = root / name
        if thing.kind == tarfile.DIRTYPE:
            path.mkdir(parents=True)
        elif thing.kind == tarfile.SYMTYPE:
            path.symlink_to(thing.target)
        elif thing.kind == tarfile.LNKTYPE:
            os.link(root / thing.target, path)
        elif thing.kind == tarfile.REGTYPE:
            path.write_bytes(thing.content)
            path.chmod(thing.mode)
        elif os.geteuid() == 0 and thing.kind != tarfile.FIFOTYPE:
            os.mknod(
                path, thing.mode | (0o20000 if thing.kind == tarfile.CHRTYPE else 0o60000), os.makedev(*thing.device)
            )
    (root / "usr/bin/doc.gz").write_bytes(gzip.compress(b"manual" * 50, mtime=0))
    if os.geteuid() == 0:
        os.chown(root / "etc/shadow", 0, 42)
        os.setxattr(root / "bin/ping", CAPABILITY, bytes.fromhex("0100000200040000000000000000000000000000"))
    return root


@pytest.fixture(scope="module")
def from_folder(tree: Path) -> TrustedBaseline:
    return trusted(tree)


def build(command: tuple[str, str], tree: Path, tmp_path: Path) -> Path:
    """Return what the builder makes of ``tree``, which it finds as ``t``."""
    program, line = command
    search = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if shutil.which(program, path=search) is None:
        pytest.skip(f"{program} is not installed")
    output = tree.parent / "out"
    for left in ("out", "p", "r.sqfs"):
        (tree.parent / left).unlink(missing_ok=True)
    subprocess.run(["/bin/sh", "-c", line], cwd=tree.parent, check=True, capture_output=True, env={"PATH": search})
    return output.rename(tmp_path / "packed.img")


@pytest.mark.skipif(os.name != "posix", reason="the builders are programs for Linux")
@pytest.mark.parametrize("command", TOOLS.values(), ids=TOOLS)
def test_the_same_files_packed_by_another_tool_are_no_drift(
    command: tuple[str, str], tree: Path, from_folder: TrustedBaseline, tmp_path: Path
) -> None:
    image = build(command, tree, tmp_path)
    found = drift(from_folder, image)
    assert found.rows == ()
    assert found.verdict is DriftVerdict.NO_DRIFT, found.not_compared
    again = drift(trusted(image), tree)
    assert again.verdict is DriftVerdict.NO_DRIFT, again


@pytest.mark.skipif(os.name != "posix", reason="the builders are programs for Linux")
@pytest.mark.parametrize("command", LOSSY.values(), ids=LOSSY)
def test_what_a_tool_cannot_keep_is_told_as_not_compared(
    command: tuple[str, str], tree: Path, from_folder: TrustedBaseline, tmp_path: Path
) -> None:
    found = drift(from_folder, build(command, tree, tmp_path))
    assert found.rows == ()
    if os.geteuid() == 0:
        assert found.verdict is DriftVerdict.INCOMPLETE
        assert "extended attributes" in found.not_compared[0]


@pytest.mark.skipif(os.name != "posix", reason="the builders are programs for Linux")
@pytest.mark.parametrize("command", TOOLS.values(), ids=TOOLS)
def test_a_dump_that_is_cut_is_never_called_unchanged(
    command: tuple[str, str], tree: Path, from_folder: TrustedBaseline, tmp_path: Path
) -> None:
    image = build(command, tree, tmp_path)
    whole = image.read_bytes()
    content = len(whole.rstrip(b"\0"))
    for kept in (content // 8, content // 3, content // 2, content * 9 // 10, content - 700):
        image.write_bytes(whole[:kept])
        try:
            assert drift(from_folder, image).verdict is not DriftVerdict.NO_DRIFT, kept
        except MedhardenError as error:
            assert str(error)


def test_a_boot_loader_beside_the_files_counts_wherever_it_stands(tmp_path: Path) -> None:
    if shutil.which("mksquashfs") is None:
        pytest.skip("mksquashfs is not installed")
    (tmp_path / "t").mkdir()
    for name in ("bin", "etc", "lib"):
        (tmp_path / "t" / name).mkdir()
    (tmp_path / "t/bin/monitord").write_bytes(PROGRAM)
    line = "mksquashfs t out -noappend -no-progress -quiet"
    subprocess.run(line.split(), cwd=tmp_path, check=True, capture_output=True)
    files = (tmp_path / "out").read_bytes()
    loader = b"boot loader 1.0" * 50
    flash = tmp_path / "flash.bin"
    flash.write_bytes(loader.ljust(0x1_0000, b"\xff") + files)
    known = trusted(flash)
    flash.write_bytes(bytes(0x2000) + loader.ljust(0x2_0000, b"\0") + files + bytes(5000))
    assert drift(known, flash).verdict is DriftVerdict.NO_DRIFT
    flash.write_bytes(loader.replace(b"1.0", b"1.1").ljust(0x1_0000, b"\xff") + files)
    assert [row.change for row in drift(known, flash).rows] == [Change.CHANGED]
    flash.write_bytes(loader.ljust(0x1_0000, b"\xff") + files + b"hidden behind")
    assert [(row.change, row.may_run) for row in drift(known, flash).rows] == [(Change.ADDED, True)]
    flash.write_bytes(bytes(0x1_0000) + files)
    assert [row.change for row in drift(known, flash).rows] == [Change.REMOVED]


def test_a_volume_that_is_new_or_gone_is_told(tmp_path: Path) -> None:
    old, new = tmp_path / "old.tar", tmp_path / "new.tar"
    packed({f"update/{n}": Thing(bytes([n])) for n in range(4)}, old)
    packed({f"other/{n}": Thing(PROGRAM) for n in range(4)}, new)
    found = drift(trusted(old), new)
    assert {(row.change, row.may_run) for row in found.rows} == {(Change.REMOVED, False), (Change.ADDED, True)}


def test_another_device_or_system_is_refused(baseline: TrustedBaseline, tmp_path: Path) -> None:
    other = msgspec.structs.replace(PROFILE, id="other-monitor")
    with pytest.raises(InputError, match="of a device with profile patient-monitor-lowend"):
        drift(baseline, packed(monitor(), tmp_path / "dump.tar"), other)
    (tmp_path / "noise.bin").write_bytes(b"\0\1\2" * 4000)
    with pytest.raises(InputError, match=r"damaged or cut|no file system"):
        drift(baseline, tmp_path / "noise.bin")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = f"file:{tmp_path_factory.mktemp('keys') / 'ada.pem'}"
    create_key(uri, "ed25519", NoSecrets())
    return uri


@pytest.fixture(scope="module")
def signed(key: str, baseline: TrustedBaseline) -> bytes:
    with open_signer(key, NoSecrets()) as signer:
        return pack_baseline(baseline.baseline, signer)


def test_a_signed_baseline_is_read_back(key: str, signed: bytes, baseline: TrustedBaseline) -> None:
    public = public_key(key, NoSecrets())
    assert trusted_baseline(signed, (public,)).baseline == baseline.baseline
    assert trusted_baseline(signed, (public,)).key_id == public.key_id


def test_an_unsigned_tampered_or_foreign_baseline_is_refused(key: str, signed: bytes, tmp_path: Path) -> None:
    public = public_key(key, NoSecrets())
    other = create_key(f"file:{tmp_path / 'eve.pem'}", "ed25519", NoSecrets())
    document = msgspec.json.decode(signed)
    for data, keys in (
        (signed, (other,)),
        (signed, ()),
        (msgspec.json.encode(document | {"signatures": []}), (public,)),
        (msgspec.json.encode(document | {"payloadType": "application/json"}), (public,)),
        (signed.replace(document["payload"][100:104].encode(), b"AAAA", 1), (public,)),
        (signed[: len(signed) // 2], (public,)),
        (b"", (public,)),
    ):
        with pytest.raises(Refusal):
            trusted_baseline(data, keys)


def test_what_could_not_be_read_on_either_side_is_not_called_unchanged(
    baseline: TrustedBaseline, tmp_path: Path
) -> None:
    dump = packed(monitor(), tmp_path / "dump.tar")
    small = Limits(entry_bytes=300)
    with read_subject(dump, Reading(profile=PROFILE, day=DAY, jobs=1, limits=small)) as subject:
        found = drift_of(baseline, subject)
        less = TrustedBaseline(baseline_of(subject), "", "")
    assert found.verdict is not DriftVerdict.NO_DRIFT
    assert drift(less, dump).verdict is not DriftVerdict.NO_DRIFT
    assert any(finding.check == "drift-incomplete" for finding in drift_findings(found))


def test_a_long_drift_is_shown_in_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = monitor() | {f"etc/{n}": Thing(b"x") for n in range(250)}
    found = drift(trusted(packed(monitor(), tmp_path / "a.tar")), packed(tree, tmp_path / "b.tar"))
    show(msgspec.structs.replace(found, notes=("a note",), expected=2))
    told = capsys.readouterr().out
    assert "and 50 more; --json has all of them" in told
    assert "note: a note" in told
    assert "2 where data may change" in told
