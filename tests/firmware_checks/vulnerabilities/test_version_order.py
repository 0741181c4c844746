"""Versions stand in the order in which their makers released them."""

from __future__ import annotations

import csv
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.vulnerabilities.versions import SchemeName, any_update, compare, just_after, version_key

CASES = Path(__file__).resolve().parents[4] / "shared" / "data" / "version_compare_cases.csv"
SCHEMES = {scheme.value: scheme for scheme in SchemeName}
G = SchemeName.GENERIC

HISTORIES: dict[str, tuple[SchemeName, str]] = {
    # each list is a release history, oldest first
    "openssl 0.9": (G, "0.9.6 0.9.6a 0.9.6m 0.9.7-beta1 0.9.7 0.9.7m 0.9.8 0.9.8a 0.9.8za 0.9.8zb 0.9.8zh"),
    "openssl 1": (G, "1.0.0-beta1 1.0.0 1.0.0t 1.0.1 1.0.1g 1.0.2-beta1 1.0.2 1.0.2a 1.0.2k 1.0.2u 1.0.2za 1.0.2zn"),
    "openssl 1.1": (G, "1.1.0-pre6 1.1.0 1.1.0l 1.1.1-pre9 1.1.1 1.1.1a 1.1.1w 1.1.1za 3.0.0-alpha5 3.0.0-beta2"),
    "openssl 3": (G, "3.0.0 3.0.9 3.0.10 3.0.13 3.1.0-alpha1 3.1.0 3.2.0 3.2.1"),
    "openssh": (SchemeName.OPENSSH, "3.9p1 4.3p2 5.9p1 6.6p1 6.6.1p1 7.2p1 7.2p2 7.4p1 8.9p1 9.3p1 9.3p2 9.8p1 10.0p1"),
    "linux": (SchemeName.LINUX, "2.4.37.9 2.6.0-test1 2.6.9 2.6.32.9 2.6.32.71 3.0-rc1 3.0 4.4.302 4.20 5.0-rc8 5.0"),
    "linux now": (SchemeName.LINUX, "5.4.210 5.10 5.10.9 5.10.100 5.15.148 6.1-rc1 6.1-rc8 6.1 6.1.12 6.6.17 6.12"),
    "busybox": (G, "0.60.5 1.00-pre1 1.00-rc3 1.00 1.1.3 1.9.2 1.10.0 1.19.4 1.33.0 1.33.1 1.34.0 1.35.0 1.36.1"),
    "ntp": (G, "4.2.0 4.2.6p5 4.2.7p26 4.2.8-beta4 4.2.8 4.2.8p1-beta1 4.2.8p1 4.2.8p9 4.2.8p10 4.2.8p18"),
    "dropbear": (G, "0.44 0.53.1 2011.54 2012.55 2013.62 2016.74 2017.75 2018.76 2020.81 2022.82 2022.83 2024.84"),
    "u-boot": (G, "1.1.4 1.3.4-rc2 1.3.4 2008.10 2015.07 2019.04-rc4 2019.04 2022.07-rc5 2022.07"),
    "freertos": (SchemeName.FREERTOS, "V9.0.0rc2 V9.0.0 V10.4.3 V10.4.3-LTS-Patch-3 202212.00 V11.0.0 202406.01"),
    "expat": (G, "R_1_95_8 R_2_0_1 R_2_1_0 R_2_2_10 R_2_4_9 R_2_5_0 R_2_6_2"),
    "sqlite": (G, "3.6.23.1 3.7.17 3.8.0 3.8.0.1 3.8.0.2 3.8.1 3.8.10.2 3.31.1 3.39.4"),
    "lwip": (G, "STABLE-1_4_1 STABLE-2_1_0_RC1 STABLE-2_1_2"),
    "sudo": (G, "1.8.2 1.8.31p2 1.8.32 1.9.0b1 1.9.0 1.9.5 1.9.5p1 1.9.5p2 1.9.12p2"),
    "samba": (G, "3.0.37 3.6.25 4.0.0alpha18 4.0.0beta8 4.0.0rc6 4.0.0 4.9.18 4.10.2 4.15.0rc1 4.15.0"),
    "bind": (G, "9.9.4 9.9.4-P2 9.11.0 9.11.4-P1 9.11.4-P2 9.16.0 9.16.27 9.18.0"),
    "isc dhcp": (G, "4.1.0 4.1-ESV 4.1-ESV-R15 4.1-ESV-R15-P1 4.1-ESV-R16 4.2.0 4.4.2-P1 4.4.3"),
    "vxworks": (G, "5.5.1 6.5 6.9.3.3 6.9.4.12 7 7-SR0540 7-SR0610 7-SR0620"),
    "qnx": (G, "6.4.1 6.5.0 6.5.0-sp1 6.6.0 7.0 7.1"),
    "zephyr": (G, "1.14.0-rc3 1.14.0 1.14.2 2.2.0 2.4.0 2.7.0-rc1 zephyr-v2.7.0 2.7.3 3.0.0-rc3 3.0.0"),
    "curl": (G, "7.9.8 7.10-pre1 7.10 7.19.4 7.83.1 7.84.0 8.3.0 8.4.0"),
    "mbedtls": (G, "0.14.3 1.3.22 2.1.18 2.7.16 2.7.17 2.16.8 2.16.11 2.28.0 3.0.0p1 3.1.0"),
    "wolfssl": (G, "2.9.4 3.15.3 3.15.7-stable v4.6.0-stable 4.7.0 5.1.1 5.5.0"),
    "dnsmasq": (G, "2.47 2.48test2 2.48 2.73rc4 2.73 2.78 2.80 2.83 2.90"),
    "python": (G, "2.7.18 3.9.0a6 3.9.0b1 3.9.0rc2 3.9.0 3.9.1 3.10.0"),
    "net-snmp": (G, "5.4.2.1 5.7.3.pre5 5.7.3.rc1 5.7.3 5.8.rc2 5.8 5.9.1"),
    "proftpd": (G, "1.3.5rc4 1.3.5 1.3.5a 1.3.5e 1.3.6rc1 1.3.6 1.3.6b"),
    "libpng": (G, "1.0.4beta12 1.0.4 1.2.9beta1 1.2.9 1.2.59 1.6.36 1.6.37"),
    "nordic softdevice": (G, "2.0.0-7.alpha 2.0.1 6.1.1 7.0.1 7.2.0 7.3.0"),
    "windows": (G, "6 7 7-sp1 8 8.1 10"),
    "libjpeg": (G, "6 6a 6b 7 8 8d 9 9e"),
    "imagemagick": (SchemeName.DASHED, "6.9.7 6.9.7-4 6.9.7-10 6.9.8-1 7.0.8-4 7.0.8-40 7.0.10-0 7.0.10-9"),
    "dates": (G, "2020-02-10 2020-02-11 2020-02-12"),
}  # fmt: skip

SAME = [
    (G, "1.0.2k-fips", "1.0.2k"), (G, "1.2", "1.2.0"), (G, "1.2.0.0", "1.2"), (G, "v2.7.0", "2.7.0"),
    (G, "1.36.1.git", "1.36.1"), (G, "R_2_4_9", "2.4.9"), (G, "STABLE-2_1_2_RELEASE", "2.1.2"),
    (G, "3.15.7-stable", "3.15.7"), (G, "1:1.2.11", "1.2.11"), (G, "2019.04-g1a2b3c4", "2019.04"),
    (G, "2019.04-00012-gdeadbeef", "2019.04"), (G, "1.1.1k-1+deb11u1", "1.1.1k"), (G, "7.68.0-1ubuntu2.7", "7.68.0"),
    (G, "1.33.2-r3", "1.33.2"), (G, "2.4.57+dfsg", "2.4.57"), (G, "curl-7_86_0", "7.86.0"),
    (G, "1.0.2K", "1.0.2k"), (G, "4.2.8P10", "4.2.8p10"), (G, "4.2.8-p10", "4.2.8p10"), (G, "7 SR0540", "7-sr0540"),
    (G, "2.1.0-rc1", "2.1.0.RC1"), (G, "2.1.0-rc.1", "2.1.0rc1"), (G, "2020-02-11", "2020.02.11"),
    (G, "1, 0, 0, 4", "1.0.0.4"),
    (G, " 1.2.3 ", "1.2.3"), (G, "01.02.03", "1.2.3"), (G, "6.5.0 SP1", "6.5.0-sp1"),
    (SchemeName.OPENSSH, "7.2p1", "7.2"), (SchemeName.OPENSSH, "OpenSSH_8.9p1", "8.9"),
    (SchemeName.LINUX, "5.15.0-91-generic", "5.15.0"), (SchemeName.LINUX, "4.9.118-perf", "4.9.118"),
    (SchemeName.LINUX, "4.19.152+", "4.19.152"), (SchemeName.LINUX, "2.6.32-431.el6.x86_64", "2.6.32"),
    (SchemeName.LINUX, "4.4.38-rt49", "4.4.38"), (SchemeName.LINUX, "2.6.31.8-a1-00123", "2.6.31.8"),
    (SchemeName.LINUX, "5.4.0-1045-raspi", "5.4"), (SchemeName.FREERTOS, "V10.4.3", "10.4.3"),
    (SchemeName.FREERTOS, "FreeRTOS Kernel V10.4.6", "10.4.6"),
]  # fmt: skip


def _adjacent() -> list[tuple[SchemeName, str, str]]:
    pairs = []
    for scheme, text in HISTORIES.values():
        versions = text.split()
        pairs += [(scheme, a, b) for a, b in pairwise(versions)]
    return pairs


@pytest.mark.parametrize(("scheme", "earlier", "later"), _adjacent())
def test_a_later_release_is_later(scheme: SchemeName, earlier: str, later: str) -> None:
    assert compare(earlier, later, scheme) == -1
    assert compare(later, earlier, scheme) == 1


@pytest.mark.parametrize("product", HISTORIES)
def test_every_two_releases_of_a_history_are_in_order(product: str) -> None:
    scheme, text = HISTORIES[product]
    assert all(compare(a, b, scheme) == -1 for a, b in combinations(text.split(), 2))


@pytest.mark.parametrize(("scheme", "one", "other"), SAME)
def test_prefixes_and_build_tails_do_not_count(scheme: SchemeName, one: str, other: str) -> None:
    assert compare(one, other, scheme) == 0


def test_there_are_enough_cases() -> None:
    assert len(_adjacent()) + len(SAME) >= 150


def test_the_cases_of_the_reference_are_all_right() -> None:
    if not CASES.is_file():
        pytest.skip("the reference data is not beside this repository")
    with CASES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wrong = [
        row
        for row in rows
        if compare(row["a"], row["b"], SCHEMES.get(row["scheme"], G)) != int(row["expected_sign_a_vs_b"])
    ]
    assert rows
    assert not wrong


@pytest.mark.parametrize(
    ("bundle", "kernel_before", "kernel_after"),
    [("202012.00", "10.4.3", "10.4.4"), ("202212.01", "10.5.1", "10.6.0"), ("200101.00", "10.2.0", "10.2.1")],
)
def test_a_freertos_bundle_stands_behind_its_kernel(bundle: str, kernel_before: str, kernel_after: str) -> None:
    assert compare(bundle, kernel_before, SchemeName.FREERTOS) == 1
    assert compare(bundle, kernel_after, SchemeName.FREERTOS) == -1


def test_any_update_holds_patches_and_candidates_but_no_letters_and_no_further_numbers() -> None:
    low, high = any_update("4.2.8", G)
    inside = ["4.2.8", "4.2.8p10", "4.2.8-rc1", "4.2.8-p1-beta2"]
    assert all(low <= version_key(version) < high for version in inside)
    assert not any(low <= version_key(version) < high for version in ("4.2.8a", "4.2.8.1", "4.2.7p26", "4.2.9"))


def test_a_name_without_numbers_is_the_same_as_itself_alone() -> None:
    assert compare("xp", "XP") == 0
    assert compare("xp", "vista") != 0
    assert compare("", "-") != 0


@given(st.text(max_size=300), st.sampled_from(list(SchemeName)))
def test_any_text_has_a_key_and_a_successor(text: str, scheme: SchemeName) -> None:
    key = version_key(text, scheme)
    assert key < just_after(key) < b"\xff"


@given(st.lists(st.integers(0, 10**45), min_size=1, max_size=6), st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_numbers_are_compared_as_numbers(one: list[int], other: list[int]) -> None:
    def trimmed(numbers: list[int]) -> list[int]:
        kept = [int(str(number)[:38]) for number in numbers]
        while len(kept) > 1 and kept[-1] == 0:
            kept.pop()
        return kept

    a, b = trimmed(one), trimmed(other)
    assert compare(".".join(map(str, one)), ".".join(map(str, other))) == (a > b) - (a < b)
