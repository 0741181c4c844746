"""Reasons why a vulnerability does not apply: shown where it is sure, and silent wherever there is doubt."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from firmware_checks.facts.busybox_applets import applets_in
from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.not_affected.explain import explain_with, faults_of
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
    (found,) = explain_with([match()], {"CVE-2024-1001": fault}, known)
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
    assert table.digits("6.2.1") == ("1", "", False)
    assert table.digits("5.10.3") == ("1", "", True)
    assert table.digits("5.4") == ("", "1", False)


def test_a_setting_said_both_ways_is_on() -> None:
    config = read_config('CONFIG_A=y\n# CONFIG_A is not set\nCONFIG_B=n\nCONFIG_C="x"\nCONFIG_D=m\nCONFIG_A=m\n')
    assert config.on == {"A", "C", "D"}
    assert config.off == {"B"}
    assert config.modules == {"D"}


def test_what_newer_versions_hold_elsewhere_is_looked_for_where_it_was() -> None:
    table = KernelFiles(
        "versions\t5.10 6.1\nsettings\t12\tA B\nsettings\t2\tC\nmoved\t1\tnew\told/x.c old/y.c\tx.c\n"
        "moved\t1\tnew\t?\tu.c\nold\tA\t\t1\tx.c\nold\tB\t\t1\ty.c\nnew\tC\t\t2\tn.c u.c x.c\n"
    )
    assert table.origins("new/x.c", "1") == ("old/x.c", "old/y.c")
    assert table.origins("new/u.c", "1") is None
    assert table.origins("new/n.c", "1") == ()


def test_a_file_that_was_divided_stays_when_one_of_the_older_files_is_built() -> None:
    assert is_out(kernel("drivers/crypto/intel/qat/qat_common/qat_asym_algs.c", config=""))
    on = "CONFIG_CRYPTO=y\nCONFIG_CRYPTO_HW=y\nCONFIG_CRYPTO_DEV_QAT=m\n"
    assert kernel("drivers/crypto/intel/qat/qat_common/qat_asym_algs.c", config=on) == match()


def test_a_setting_that_comes_with_a_later_version_cannot_be_on() -> None:
    assert is_out(kernel("drivers/net/wireless/realtek/rtw89/core.c", config=""))
    on = "".join(f"CONFIG_{name}=y\n" for name in ("NETDEVICES", "WLAN", "WLAN_VENDOR_REALTEK"))
    assert is_out(kernel("drivers/net/wireless/realtek/rtw89/core.c", config=on))
    assert kernel("drivers/net/wireless/realtek/rtw89/core.c", config=on, version="5.17.1") == match()


def test_between_two_versions_that_were_read_both_must_rule_it_out() -> None:
    off = "# CONFIG_JFS_FS is not set\n"
    assert is_out(kernel("fs/jfs/jfs_dmap.c", config=off, version="5.17.1"))
    assert kernel("fs/jfs/jfs_dmap.c", config="CONFIG_JFS_FS=m\n", version="5.17.1") == match()


def test_machines_of_the_same_processor_are_told_apart() -> None:
    file = "arch/arm/mach-axxia/platsmp.c"
    assert is_out(kernel(file, config="# CONFIG_ARCH_AXXIA is not set\n", architecture="arm"))
    assert kernel(file, config="CONFIG_ARCH_AXXIA=y\nCONFIG_SMP=y\n", architecture="arm") == match()


def test_what_only_says_how_to_build_does_not_decide() -> None:
    assert is_out(kernel("fs/jfs/Kconfig", "fs/jfs/jfs_dmap.c", config=""))
    assert kernel("fs/jfs/Makefile", config="") == match()


def test_programs_beside_the_kernel_are_not_in_it() -> None:
    found = kernel("tools/perf/builtin-top.c", "samples/bpf/hbm.c")
    assert is_out(found)
    assert found.confidence is Confidence.MEDIUM
    assert kernel("tools/perf/builtin-top.c", "kernel/fork.c", config="") == match()


def test_a_file_that_only_the_text_names_makes_less_sure() -> None:
    known = Known(component="linux", version="5.10.100", config=FILLING)
    found = answer(Fault(source_files=("fs/jfs/jfs_dmap.c",), is_told_in_text=True), known)
    assert is_out(found)
    assert found.confidence is Confidence.MEDIUM


def test_of_the_kernel_files_say_more_than_an_option() -> None:
    fault = Fault(source_files=("crypto/authenc.c",), options=("CONFIG_CRYPTO_USER_API_AEAD",))
    config = FILLING + "CONFIG_CRYPTO=y\nCONFIG_CRYPTO_AUTHENC=y\n# CONFIG_CRYPTO_USER_API_AEAD is not set\n"
    assert answer(fault, Known(component="linux", version="5.10.100", config=config)) == match()


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
    found = explain_with(given, faults, Known(component="busybox", applets=frozenset(NAMES)))
    assert [each.id for each in found] == [each.id for each in given]
    assert is_out(found[0])
    assert found[1:] == tuple(given[1:])


def test_the_files_come_from_the_database_and_the_rest_from_the_facts(lab: Any) -> None:
    record = lab.record("CVE-2024-1001", lab.plain(lab.row("o:linux:linux_kernel", versionEndExcluding="6.0")))
    record["cve"]["x_programFiles"] = ["fs/jfs/jfs_dmap.c"]
    lab.take_records(record)
    product = next(each for each in shipped_knowledge().products if each.name == "busybox")
    told = lab.record("CVE-2020-1002", lab.plain(lab.row("o:linux:linux_kernel", versionEndExcluding="6.0")))
    told["cve"]["descriptions"][1]["value"] = "A flaw in fs/jfs/jfs_dmap.c in the Linux kernel before 6.0."
    lab.take_records(told)
    with Database(lab.path) as database:
        matches = [match(), match("CVE-2011-2716"), match("GHSA-aaaa-bbbb-cccc"), match("CVE-2020-1002")]
        faults = faults_of(matches, product, database)
    assert faults["CVE-2020-1002"] == Fault(source_files=("fs/jfs/jfs_dmap.c",), is_told_in_text=True)
    assert faults["CVE-2024-1001"] == Fault(source_files=("fs/jfs/jfs_dmap.c",))
    assert faults["CVE-2011-2716"].applets == ("udhcpc",)
    assert faults["GHSA-aaaa-bbbb-cccc"] == Fault()
    assert faults_of([match()], None, None) == {"CVE-2024-1001": Fault()}
