"""Reasons why a vulnerability does not apply: shown where it is sure, and silent wherever there is doubt."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.not_affected.applets import applets_in
from firmware_checks.vulnerabilities.not_affected.explain import explain, faults_of
from firmware_checks.vulnerabilities.not_affected.kernel_config import read_config
from firmware_checks.vulnerabilities.not_affected.kernel_files import KernelFiles, kernel_files
from firmware_checks.vulnerabilities.not_affected.reason import Fault, Known
from toolkit.report.model import Confidence
from toolkit.report.vulnerability import Justification, Match, MatchStatus, Provenance

FILLING = "".join(f"CONFIG_FILLING_{number}=y\n" for number in range(120))
SHIPPED = kernel_files()


def match(name: str = "CVE-2024-1001", status: MatchStatus = MatchStatus.AFFECTED) -> Match:
    said = Provenance(source="nvd", record=name, product="o:linux:linux_kernel", range="*")
    return Match(
        id=name, status=status, confidence=Confidence.HIGH, reason="by its version", range="*", provenance=(said,)
    )


def answer(fault: Fault, known: Known) -> Match:
    (found,) = explain([match()], {"CVE-2024-1001": fault}, known)
    return found


def kernel(*files: str, config: str | None = None, version: str | None = "5.10.100", **more: Any) -> Match:
    text = None if config is None else FILLING + config
    known = Known(component="linux", version=version, config=text, **more)
    return answer(Fault(source_files=files), known)


def is_out(found: Match) -> bool:
    return found.status is MatchStatus.NOT_AFFECTED


def test_a_driver_that_is_switched_off_is_not_in_the_kernel() -> None:
    found = kernel("fs/jfs/jfs_dmap.c", config="# CONFIG_JFS_FS is not set\n")
    assert is_out(found)
    assert found.justification is Justification.CODE_NOT_PRESENT
    assert found.evidence == ("fs/jfs/jfs_dmap.c: CONFIG_JFS_FS off",)
    assert found.confidence is Confidence.HIGH
    assert found.provenance == match().provenance


@pytest.mark.parametrize("value", ["y", "m"])
def test_a_driver_that_is_compiled_in_stays(value: str) -> None:
    assert kernel("fs/jfs/jfs_dmap.c", config=f"CONFIG_JFS_FS={value}\n") == match()


def test_one_file_that_is_compiled_in_is_enough() -> None:
    config = "# CONFIG_JFS_FS is not set\nCONFIG_EXT4_FS=y\n"
    assert kernel("fs/jfs/jfs_dmap.c", "fs/ext4/inode.c", config=config) == match()


@pytest.mark.parametrize(
    "file", ["kernel/fork.c", "mm/page_alloc.c", "fs/nowhere/known.c", "include/linux/fs.h", "Makefile"]
)
def test_what_is_always_built_or_not_known_stays(file: str) -> None:
    assert kernel(file, config="", architecture="arm", modules=frozenset(), has_builtin_list=True) == match()


def test_a_setting_that_this_version_has_and_the_configuration_does_not_name_is_off() -> None:
    assert is_out(kernel("fs/jfs/jfs_dmap.c", config=""))


def test_an_older_kernel_must_say_that_the_setting_is_off() -> None:
    assert kernel("fs/jfs/jfs_dmap.c", config="", version="4.4.1") == match()
    said = kernel("fs/jfs/jfs_dmap.c", config="# CONFIG_JFS_FS is not set\n", version="4.4.1")
    assert is_out(said)
    assert said.confidence is Confidence.MEDIUM
    assert kernel("fs/jfs/jfs_dmap.c", config="", version=None) == match()


def test_a_part_of_a_configuration_shows_nothing() -> None:
    known = Known(component="linux", version="5.10.1", config="# CONFIG_JFS_FS is not set\n")
    assert answer(Fault(source_files=("fs/jfs/jfs_dmap.c",)), known) == match()


def test_a_file_that_moved_counts_when_its_module_is_the_same() -> None:
    assert is_out(kernel("fs/smb/client/connect.c", config="# CONFIG_CIFS is not set\n"))
    assert kernel("fs/smb/client/connect.c", config="CONFIG_CIFS=m\n") == match()


def test_documents_and_tools_beside_the_code_do_not_decide() -> None:
    assert is_out(kernel("Documentation/x.rst", "fs/jfs/jfs_dmap.c", config=""))
    assert kernel("Documentation/x.rst", config="") == match()


@pytest.mark.parametrize(
    ("own", "file", "expected"),
    [
        ("arm", "arch/x86/kvm/x86.c", True),
        ("arm", "arch/arm/mm/fault.c", False),
        ("arm64", "arch/arm/xen/enlighten.c", False),
        (None, "arch/x86/kvm/x86.c", False),
        ("arm", "arch/Kconfig", False),
    ],
)
def test_code_for_another_processor_is_out(own: str | None, file: str, expected: bool) -> None:
    assert is_out(kernel(file, architecture=own)) is expected


def test_without_a_configuration_the_list_of_modules_decides_when_it_is_whole() -> None:
    others = frozenset({"kernel/fs/ext4/ext4.ko", "kernel/net/nfc/nfc.ko.xz"})
    assert is_out(kernel("fs/jfs/jfs_dmap.c", modules=others, has_builtin_list=True))
    assert kernel("fs/jfs/jfs_dmap.c", modules=others) == match()
    assert kernel("net/nfc/core.c", modules=others, has_builtin_list=True) == match()
    assert kernel("fs/jfs/jfs_dmap.c") == match()


def test_a_configuration_of_another_kernel_than_the_modules_shows_nothing() -> None:
    there = frozenset({"kernel/fs/jfs/jfs.ko"})
    assert kernel("fs/jfs/jfs_dmap.c", config="", modules=there, has_builtin_list=True) == match()


def test_no_file_of_which_every_setting_is_on_is_dropped() -> None:
    folders = ("fs/jfs", "net/nfc", "drivers/net/ethernet/intel/ice", "drivers/usb/gadget/function", "sound/usb")
    for folder in folders:
        for path in files_of(folder):
            rows = SHIPPED.built(path)
            for row in rows:
                config = "".join(f"CONFIG_{name}=m\n" for name in row.ways[0])
                assert kernel(path, config=config) == match(), path


def files_of(folder: str) -> Iterable[str]:
    SHIPPED.built(f"{folder}/x.c")
    packed = Path(__file__).parents[4] / "firmware_checks/vulnerabilities/not_affected/kernel_files.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line.startswith(f"{folder}\t"))
    found = {f"{folder}/{name}" for row in rows for name in row[-1].split()}
    assert found
    return sorted(found)


def test_any_of_several_ways_to_build_a_file_keeps_it() -> None:
    table = KernelFiles("versions\t5.10\nsettings\t1\tA B C\na/b\tA B,C\tm\t1\tx.c\n")
    assert table.built("a/b/x.c")[0].ways == (("A", "B"), ("C",))
    assert table.has_setting("A", "1")
    assert not table.has_setting("D", "1")
    assert table.floor("6.2.1") == "1"
    assert table.floor("5.4") == ""


def test_a_setting_said_both_ways_is_on() -> None:
    config = read_config('CONFIG_A=y\n# CONFIG_A is not set\nCONFIG_B=n\nCONFIG_C="x"\n')
    assert config.on == {"A", "C"}
    assert config.off == {"B"}


NAMES = ["[", "[[", "cat", "cp", "echo", "ls", "mount", "sh", "udhcpc", "vi"]


def program(*names: str) -> bytes:
    return b"\x7fELF\0zz top\0" + b"".join(name.encode() + b"\0" for name in names) + b"\xff\0BusyBox v1.33.1\0"


def test_the_applets_are_read_from_the_program() -> None:
    found = applets_in(program(*NAMES))
    assert found is not None
    assert set(NAMES) <= found
    assert applets_in(program("alpha", "beta", "delta", "gamma", "omega")) is None
    assert applets_in(b"") is None


def busybox(fault: Fault, applets: Iterable[str] | None) -> Match:
    known = Known(component="busybox", applets=None if applets is None else frozenset(applets))
    return answer(fault, known)


def test_a_busybox_without_the_applet_is_not_affected() -> None:
    found = busybox(Fault(applets=("awk",)), NAMES)
    assert is_out(found)
    assert "awk" in found.reason
    assert busybox(Fault(applets=("awk", "vi")), NAMES) == match()
    assert busybox(Fault(applets=("awk",)), None) == match()
    assert busybox(Fault(), NAMES) == match()


def test_sh_may_be_ash() -> None:
    assert busybox(Fault(applets=("ash",)), NAMES) == match()


def library(*symbols: str, functions: Iterable[str] | None) -> Match:
    known = Known(component="mbedtls", functions=None if functions is None else frozenset(functions))
    return answer(Fault(symbols=symbols), known)


def test_a_function_of_the_interface_that_was_not_linked_is_out() -> None:
    assert is_out(library("mbedtls_x509_set_extension", functions=["mbedtls_ssl_init"]))
    assert library("mbedtls_ssl_init", functions=["mbedtls_ssl_init"]) == match()
    assert library("mbedtls_ssl_init", functions=None) == match()
    assert library("mbedtls_ssl_init", functions=["main"]) == match()
    assert library("inner", functions=["mbedtls_ssl_init"]) == match()


def test_an_option_that_is_said_to_be_off_is_a_reason_and_a_missing_one_is_not() -> None:
    fault = Fault(options=("CONFIG_CMD_NFS",))
    assert is_out(answer(fault, Known(component="u-boot", config="# CONFIG_CMD_NFS is not set\n")))
    assert answer(fault, Known(component="u-boot", config="CONFIG_ARM=y\n")) == match()
    assert answer(fault, Known(component="u-boot")) == match()


def test_nothing_disappears_and_an_earlier_reason_is_kept() -> None:
    given = [match("CVE-2024-1001"), match("CVE-2024-2", MatchStatus.NOT_AFFECTED), match("CVE-2024-3")]
    fault = Fault(applets=("awk",))
    faults = {"CVE-2024-1001": fault, "CVE-2024-2": fault}
    found = explain(given, faults, Known(component="busybox", applets=frozenset(NAMES)))
    assert [each.id for each in found] == [each.id for each in given]
    assert is_out(found[0])
    assert found[1:] == tuple(given[1:])


def test_the_files_come_from_the_database_and_the_rest_from_the_facts(lab: Any) -> None:
    record = lab.record("CVE-2024-1001", lab.plain(lab.row("o:linux:linux_kernel", versionEndExcluding="6.0")))
    record["cve"]["x_programFiles"] = ["fs/jfs/jfs_dmap.c"]
    lab.take_records(record)
    product = next(each for each in shipped_knowledge().products if each.name == "busybox")
    with Database(lab.path) as database:
        matches = [match(), match("CVE-2011-2716"), match("GHSA-aaaa-bbbb-cccc")]
        faults = faults_of(matches, product, database)
    assert faults["CVE-2024-1001"] == Fault(source_files=("fs/jfs/jfs_dmap.c",))
    assert faults["CVE-2011-2716"].applets == ("udhcpc",)
    assert faults["GHSA-aaaa-bbbb-cccc"] == Fault()
    assert faults_of([match()], None, None) == {"CVE-2024-1001": Fault()}
