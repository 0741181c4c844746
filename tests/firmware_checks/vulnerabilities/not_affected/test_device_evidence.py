"""What an image shows of the code in it is gathered, and nothing is concluded from what was not seen."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from firmware_checks.fact_collection import FileFacts
from firmware_checks.fact_reader import Holding, HoldingKind, Relation, Statement
from firmware_checks.format import EntryKind
from firmware_checks.image import open_image
from firmware_checks.inventory import FileEntry, Inventory
from firmware_checks.region import Program, Region
from firmware_checks.scan import Scanner
from firmware_checks.span import Linear, Span
from firmware_checks.vulnerabilities.not_affected.backports import ChangeLog, Package, mended_by_distribution
from firmware_checks.vulnerabilities.not_affected.device import DeviceEvidence, device_evidence, explain
from firmware_checks.vulnerabilities.not_affected.reason import Fault
from toolkit.core.findings import Evidence
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Component, Confidence, Coverage, ImageSummary, RegionKind, Subject, Unread
from toolkit.report.vulnerability import Justification, Match, MatchStatus, Provenance

CVE = "CVE-2024-1001"
FILLING = "".join(f"CONFIG_FILLING_{number}=y\n" for number in range(120))
NOTHING_LEFT = Coverage(
    total_bytes=1,
    recognised_bytes=1,
    padding_bytes=0,
    encrypted_bytes=0,
    unknown_bytes=0,
    unread_bytes=0,
    recognised_ratio=1.0,
)
BUILT_IN = Holding(kind=HoldingKind.BUILTIN_MODULES, names=frozenset({"kernel/fs/ext4/ext4.ko"}))


def match(status: MatchStatus = MatchStatus.AFFECTED, name: str = CVE) -> Match:
    said = Provenance(source="nvd", record=name, product="a:x:x", range="*")
    return Match(id=name, status=status, confidence=Confidence.HIGH, reason="by version", range="*", provenance=(said,))


def component(name: str = "linux", version: str | None = "5.10.100", *seen: tuple[str, str]) -> Component:
    evidence = tuple(Evidence(path=path, excerpt=excerpt) for path, excerpt in seen)
    return Component(
        name=name, title=name, category="library", version=version, confidence=Confidence.HIGH, evidence=evidence
    )


def facts(path: str, *holdings: Holding, statements: Iterable[Statement] = ()) -> FileFacts:
    return FileFacts(
        path=path,
        name=path.rpartition("/")[2],
        provenance=Linear(0),
        address=None,
        is_elf=False,
        is_object=False,
        is_text=False,
        holdings=list(holdings),
        statements=list(statements),
    )


def config(text: str, version: str = "5.10.100", processor: str = "arm") -> Holding:
    head = f"#\n# Automatically generated file; DO NOT EDIT.\n# Linux/{processor} {version} Kernel Configuration\n#\n"
    return Holding(kind=HoldingKind.KERNEL_CONFIG, subject=version, text=head + FILLING + text)


def inventory(
    files: Mapping[str, tuple[Holding, ...]] | None = None,
    entries: Iterable[str] = (),
    coverage: Coverage = NOTHING_LEFT,
    regions: Iterable[Region] = (),
    statements: Iterable[Statement] = (),
) -> Inventory:
    told = {path: facts(path, *holdings) for path, holdings in (files or {}).items()}
    if statements:
        told["i!var/lib/dpkg/status"] = facts("i!var/lib/dpkg/status", statements=statements)
    return Inventory(
        subject=Subject(name="i", size=1, sha256="0" * 64),
        image=ImageSummary(format="tar"),
        roots=tuple(regions),
        components=(),
        coverage=coverage,
        files=told,
        entries=tuple(
            FileEntry(path=path, kind=EntryKind.FILE, size=1, mode=None, uid=None, gid=None, target="")
            for path in entries
        ),
    )


def kernel(seen: Inventory, *files: str, version: str | None = "5.10.100") -> Match:
    (found,) = explain([match()], component(version=version), device_evidence(seen), {CVE: Fault(source_files=files)})
    return found


def is_out(found: Match) -> bool:
    return found.status is MatchStatus.NOT_AFFECTED


def test_the_configuration_in_the_image_decides_and_is_named_as_evidence() -> None:
    seen = inventory({"i!boot/config": (config("CONFIG_EXT4_FS=y\n# CONFIG_JFS_FS is not set\n"),)})
    found = kernel(seen, "fs/jfs/jfs_dmap.c")
    assert is_out(found)
    assert found.justification is Justification.CODE_NOT_PRESENT
    assert "seen in i!boot/config" in found.evidence
    assert kernel(seen, "fs/ext4/inode.c", "fs/jfs/jfs_dmap.c") == match()


def test_the_configuration_of_another_version_says_nothing() -> None:
    seen = inventory({"i!boot/config": (config("# CONFIG_JFS_FS is not set\n", version="5.4.1"),)})
    assert kernel(seen, "fs/jfs/jfs_dmap.c") == match()
    assert kernel(seen, "fs/jfs/jfs_dmap.c", version=None) == match()


def test_of_two_configurations_each_must_rule_it_out() -> None:
    off, on = config("# CONFIG_JFS_FS is not set\n"), config("CONFIG_JFS_FS=y\n")
    assert kernel(inventory({"a": (off,), "b": (on,)}), "fs/jfs/jfs_dmap.c") == match()
    assert is_out(kernel(inventory({"a": (off,), "b": (off,)}), "fs/jfs/jfs_dmap.c"))


MODULES = ("i!lib/modules/5.10.100/kernel/fs/fuse/fuse.ko", "i!lib/modules/5.10.100/kernel/net/nfc/nfc.ko.xz")
LIST = "i!lib/modules/5.10.100/modules.builtin"


def test_a_module_that_the_image_does_not_have_is_not_in_the_device() -> None:
    seen = inventory({LIST: (BUILT_IN,)}, MODULES)
    (tree,) = device_evidence(seen).module_trees
    assert tree.has_builtin_list
    assert tree.names == {*MODULES, "kernel/fs/ext4/ext4.ko"}
    assert is_out(kernel(seen, "fs/jfs/jfs_dmap.c"))
    assert kernel(seen, "fs/fuse/dev.c") == match()
    assert kernel(seen, "net/nfc/core.c") == match()
    assert kernel(seen, "fs/ext4/inode.c") == match()


def test_a_list_of_built_in_modules_beside_no_release_says_nothing() -> None:
    assert device_evidence(inventory({"i!modules.builtin": (BUILT_IN,)})).module_trees == ()


def test_the_modules_of_several_file_systems_count_together() -> None:
    seen = inventory({LIST: (BUILT_IN,)}, (*MODULES, "i!initrd!usr/lib/modules/5.10.100/kernel/fs/jfs/jfs.ko"))
    assert kernel(seen, "fs/jfs/jfs_dmap.c") == match()


def test_a_setting_built_as_module_needs_its_file_and_no_list_of_what_is_built_in() -> None:
    as_module = (config("CONFIG_JFS_FS=m\nCONFIG_FUSE_FS=m\nCONFIG_EXT4_FS=y\n"),)
    found = kernel(inventory({"i!boot/config": as_module}, MODULES), "fs/jfs/jfs_dmap.c")
    assert is_out(found)
    assert "built as a module" in found.reason
    assert kernel(inventory({"i!boot/config": as_module}, MODULES), "fs/fuse/dev.c") == match()
    assert kernel(inventory({"i!boot/config": as_module}, MODULES), "fs/ext4/inode.c") == match()
    assert kernel(inventory({"i!boot/config": as_module}), "fs/jfs/jfs_dmap.c") == match()


@pytest.mark.parametrize(
    "more",
    [
        {"encrypted_bytes": 2 << 20},
        {"unread": (Unread(path="i!rootfs", reason="encrypted", size=9),)},
        {"limits_hit": ("depth",)},
    ],
)
def test_modules_may_stand_in_what_was_not_read(more: dict[str, Any]) -> None:
    fields = {name: getattr(NOTHING_LEFT, name) for name in Coverage.__struct_fields__} | more
    seen = inventory({LIST: (BUILT_IN,)}, MODULES, coverage=Coverage(**fields))
    assert device_evidence(seen).module_trees == ()
    assert kernel(seen, "fs/jfs/jfs_dmap.c") == match()


def region(path: str, arch: str | None, format_name: str = "elf") -> Region:
    span = Span(path, Window.of(b"x"))
    program = Program(arch=arch) if arch is not None else None
    return Region(span=span, format=format_name, kind=RegionKind.PROGRAM, title="x", program=program)


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ([region("i!lib/modules/5.10/a.ko", "arm")], "arm"),
        ([region("i!kernel", "aarch64", "linux-image")], "arm64"),
        ([region("i!bin/sh", "arm")], None),
        ([region("i!a.ko", "arm"), region("i!b.ko", "x86_64")], None),
        ([region("i!a.ko", None)], None),
        ([region("i!a.ko", "avr")], None),
    ],
)
def test_the_kernel_and_its_modules_tell_the_processor_and_programs_do_not(
    regions: list[Region], expected: str | None
) -> None:
    assert device_evidence(inventory(regions=regions)).processor == expected
    assert is_out(kernel(inventory(regions=regions), "arch/powerpc/kernel/setup.c")) is (expected is not None)


def test_busybox_is_asked_for_its_sub_programs() -> None:
    held = Holding(kind=HoldingKind.APPLETS, names=frozenset({"cat", "ls", "sh"}))
    evidence = device_evidence(inventory({"i!bin/busybox": (held,)}))
    faults = {CVE: Fault(applets=("awk",))}
    for seen in ((), (("i!bin/busybox", "BusyBox v1.35.0"),)):
        (found,) = explain([match()], component("busybox", "1.35.0", *seen), evidence, faults)
        assert is_out(found)
        assert "seen in i!bin/busybox" in found.evidence
    (kept,) = explain([match()], component("busybox", "1.35.0"), DeviceEvidence(), faults)
    assert kept == match()


def test_a_library_is_asked_for_its_functions_where_no_symbol_table_was_stripped() -> None:
    held = Holding(kind=HoldingKind.FUNCTIONS, names=frozenset({"mbedtls_ssl_init", "main"}))
    evidence = device_evidence(inventory({"i!pumpd": (held,)}))
    faults = {CVE: Fault(symbols=("mbedtls_x509_set_extension",))}
    (found,) = explain([match()], component("mbedtls", "2.16.0", ("i!pumpd", "")), evidence, faults)
    assert is_out(found)
    for seen in (("i!pumpd", ""), ("i!other", "")), ():
        (kept,) = explain([match()], component("mbedtls", "2.16.0", *seen), evidence, faults)
        assert kept == match()


def installed(release: str, version: str = "1.1.1n", purl_type: str = "deb", name: str = "openssl") -> Statement:
    return Statement(
        name=name,
        version=version,
        release=release,
        relation=Relation.LISTS,
        offset=0,
        excerpt=f"libssl1.1 {release}",
        purl_type=purl_type,
    )


def distribution(*statements: Statement, logs: Iterable[Holding] = (), given: Match | None = None) -> Match:
    files = {f"i!changelog{number}": (log,) for number, log in enumerate(logs)}
    evidence = device_evidence(inventory(files, statements=statements))
    (found,) = explain([given or match()], component("openssl", "1.1.1n"), evidence, {})
    return found


def log(release: str, *names: str) -> Holding:
    return Holding(kind=HoldingKind.CHANGES, subject="openssl", release=release, names=frozenset(names))


def test_a_corrected_package_is_an_open_question() -> None:
    found = distribution(installed("1.1.1n-0+deb11u5"))
    assert found.status is MatchStatus.UNDER_INVESTIGATION
    assert "back-ported" in found.reason
    assert found.evidence == ("i!var/lib/dpkg/status: libssl1.1 1.1.1n-0+deb11u5",)
    other = distribution(installed("1.1.1n-0+deb11u5"), logs=[log("1.1.1n-0+deb11u5", "CVE-2020-1")])
    assert "its change log does not name it" in other.reason


@pytest.mark.parametrize("release", ["1.1.1n-1ubuntu2.7", "1.1.1n-5.el8_6", "1.1.1n-0+deb11u5+b1"])
def test_distributions_count_their_corrections_in_several_ways(release: str) -> None:
    assert distribution(installed(release)).status is MatchStatus.UNDER_INVESTIGATION


def test_a_release_without_corrections_stays_affected() -> None:
    assert distribution(installed("1.1.1n-1")) == match()
    assert distribution(installed("1.1.1k-0+deb11u5", version="1.1.1k")) == match()
    assert distribution(installed("1.1.1n-0+deb11u5", purl_type="pypi")) == match()
    assert distribution(installed("1.1.1n-0+deb11u5", name="nginx")) == match()


def test_what_the_change_log_of_the_very_release_names_is_mended() -> None:
    for release in ("1.1.1n-0+deb11u5", "1.1.1n-0+deb11u5+b2"):
        found = distribution(installed(release), logs=[log("1.1.1n-0+deb11u5", CVE)])
        assert is_out(found)
        assert found.justification is Justification.CODE_NOT_PRESENT
        assert found.evidence == (f"i!changelog0: names {CVE}",)
    later = distribution(installed("1.1.1n-0+deb11u4"), logs=[log("1.1.1n-0+deb11u5", CVE)])
    assert later.status is MatchStatus.UNDER_INVESTIGATION


def test_every_package_of_the_version_must_be_mended() -> None:
    both = (installed("1.1.1n-0+deb11u5"), installed("1.1.1n-0+deb11u3"))
    assert not is_out(distribution(*both, logs=[log("1.1.1n-0+deb11u5", CVE)]))


def test_what_is_open_or_ruled_out_is_not_opened_again() -> None:
    for status in (MatchStatus.UNDER_INVESTIGATION, MatchStatus.NOT_AFFECTED):
        given = match(status)
        assert distribution(installed("1.1.1n-0+deb11u5"), given=given) == given


def test_a_package_is_known_by_its_row_when_its_name_is_another() -> None:
    package = Package(path="status", name="linux-signed", version="5.10.1", release="5.10.1-1", excerpt="linux-image")
    assert package.is_of(component("linux", "5.10.1", ("status", "linux-image")))
    assert not package.is_of(component("linux", "5.10.1", ("status", "other")))
    change_log = ChangeLog(path="c", package="linux-signed", release="5.10.1-1", mended=frozenset({CVE}))
    assert is_out(mended_by_distribution(match(), [package], [change_log]))
    assert mended_by_distribution(match(), [], [change_log]) == match()


def test_nothing_disappears() -> None:
    names = [f"CVE-2024-{number}" for number in range(2000, 2020)]
    seen = inventory({"i!boot/config": (config(""),)})
    faults = {name: Fault(source_files=("fs/jfs/jfs_dmap.c",)) for name in names[::2]}
    found = explain([match(name=name) for name in names], component(), device_evidence(seen), faults)
    assert [each.id for each in found] == names
    assert [is_out(each) for each in found] == [True, False] * 10


def test_it_is_all_gathered_from_an_image_by_a_scan(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    text = config("# CONFIG_JFS_FS is not set\n").text
    changes = (
        "openssl (1.1.1n-0+deb11u5) bullseye-security; urgency=medium\n\n  * CVE-2024-1001 (overflow)\n\n"
        " -- A. Maintainer <maintainer@example.org>  Sat, 27 May 2023 10:00:00 +0200\n"
    )
    files = {
        "boot/config-5.10.100": text.encode(),
        "lib/modules/5.10.100/modules.builtin": b"kernel/fs/ext4/ext4.ko\n",
        "lib/modules/5.10.100/kernel/fs/fuse/fuse.ko": b"\x7fELF" + bytes(60),
        "usr/share/doc/libssl1.1/changelog.Debian.gz": gzip.compress(changes.encode(), mtime=0),
        "var/lib/dpkg/status": (
            b"Package: libssl1.1\nStatus: install ok installed\nSource: openssl\nVersion: 1.1.1n-0+deb11u5\n"
        ),
    }
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with open_image(path, Limits()) as image:
        seen = Scanner().take_inventory(image)
    evidence = device_evidence(seen)
    assert evidence.processor == "arm"
    assert [tree.release for tree in evidence.module_trees] == ["5.10.100"]
    assert [each.mended for each in evidence.change_logs] == [frozenset({CVE})]
    openssl = next(each for each in seen.components if each.name == "openssl")
    (found,) = explain([match()], openssl, evidence, {})
    assert is_out(found)
    assert is_out(kernel(seen, "fs/jfs/jfs_dmap.c"))
