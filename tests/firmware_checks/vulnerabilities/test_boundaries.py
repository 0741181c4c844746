"""The last vulnerable release of a range is affected and the first mended one is not, for real vulnerabilities.

Releases are those of the makers' own histories; ranges are theirs too, in OpenSSL letters, OpenSSH patches and so on.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from firmware_checks.vulnerabilities.knowledge import shipped_knowledge
from firmware_checks.vulnerabilities.matcher import Matcher
from firmware_checks.vulnerabilities.ranges import parse_range
from toolkit.report.vulnerability import MatchStatus

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
FULL = DATA / "cve_nvd2_merged_2026-08.jsonl.xz"
SUPPLEMENT = DATA / "cve_nvd2_embedded_supplement.jsonl.xz"

# part:vendor:product, vulnerability, affected, last vulnerable release, first release that is not
ROWS = """
a:openssl:openssl        CVE-2014-0160    >=1.0.1,<1.0.1g         1.0.1f            1.0.1g
a:openssl:openssl        CVE-2016-0800    >=1.0.2,<1.0.2g         1.0.2f-fips       1.0.2g-fips
a:openssl:openssl        CVE-2019-1551    >=1.1.1,<1.1.1e         1.1.1d            1.1.1e
a:openssl:openssl        CVE-2019-1551    >=1.0.2,<1.0.2u         1.0.2t            1.0.2u
a:openssl:openssl        CVE-2021-3449    >=1.1.1,<1.1.1k         1.1.1j            1.1.1k
a:openssl:openssl        CVE-2021-3712    >=1.0.2,<1.0.2za        1.0.2y            1.0.2za
a:openssl:openssl        CVE-2022-0778    >=1.0.2,<1.0.2zd        1.0.2zc           1.0.2zd
a:openssl:openssl        CVE-2022-3602    >=3.0.0,<3.0.7          3.0.6             3.0.7
a:openbsd:openssh        CVE-2023-38408   <9.3-p2                 9.3p1             9.3p2
a:openbsd:openssh        CVE-2023-51385   <9.6                    9.5p1             9.6p1
a:openbsd:openssh        CVE-2016-10009   <=7.3                   7.3p1             7.4p1
a:busybox:busybox        CVE-2021-42386   >=1.16.0,<1.34.0        1.33.1            1.34.0
a:busybox:busybox        CVE-2018-1000500 <1.32.0                 1.31.1            1.32.0
a:busybox:busybox        CVE-2015-9261    <1.27.2                 1.27.1            1.27.2
a:busybox:busybox        CVE-2021-28831   <=1.32.1                1.32.1.git        1.33.0
a:haxx:curl              CVE-2023-38545   >=7.69.0,<8.4.0         8.3.0             8.4.0
a:haxx:curl              CVE-2021-22890   >=7.63.0,<=7.75.0       7.75.0            7.76.0
a:haxx:curl              CVE-2021-22898   >=7.7,<=7.76.1          7.76.1            7.77.0
a:dropbear_ssh_project:dropbear_ssh CVE-2017-9078 <2017.75        2016.74           2017.75
a:dropbear_ssh_project:dropbear_ssh CVE-2016-7406 <=2016.73       2016.73           2016.74
a:dropbear_ssh_project:dropbear_ssh CVE-2025-47203 <2025.88       2025.87           2025.88
a:dropbear_ssh_project:dropbear_ssh CVE-2013-4421 <2013.59        0.53.1            2013.59
a:wolfssl:wolfssl        CVE-2024-5991    <5.7.2                  5.7.0             5.7.2-stable
a:wolfssl:wolfssl        CVE-2024-1543    <5.6.6                  v5.6.4-stable     v5.6.6-stable
a:wolfssl:wolfssl        CVE-2022-25638   <5.2.0                  5.1.1             5.2.0
a:arm:mbed_tls           CVE-2020-36424   <2.7.17                 2.7.16            2.7.17
a:arm:mbed_tls           CVE-2020-36424   >=2.8.0,<2.16.8         2.16.7            2.16.8
a:arm:mbed_tls           CVE-2020-36424   >=2.17.0,<2.24.0        2.23.0            2.24.0
a:arm:mbed_tls           CVE-2019-16910   >=2.17.0,<2.19.0        2.18.1            2.19.0
o:zephyrproject:zephyr   CVE-2020-10071   <=2.2.0                 v2.2.0            v2.3.0
o:zephyrproject:zephyr   CVE-2020-13598   >=2.0.0,<=2.3.0         2.3.0             zephyr-v2.4.0
o:amazon:freertos        CVE-2021-31571   <10.4.3                 V10.4.2           V10.4.3
o:amazon:freertos        CVE-2021-31572   <10.4.3                 202011.00         202012.00
o:amazon:freertos        CVE-2018-16525   <=10.0.1                V10.0.1           V10.1.0
a:denx:u-boot            CVE-2019-14192   <=2019.07               2019.07           2019.10-rc1
a:denx:u-boot            CVE-2020-8432    <=2020.01               2020.01           2020.04
a:denx:u-boot            CVE-2021-27138   <=2021.01               2021.01-g1a2b3c4  2021.04
a:thekelleys:dnsmasq     CVE-2020-25681   <2.83                   2.82              2.83
a:thekelleys:dnsmasq     CVE-2017-14491   <=2.77                  2.77              2.78
a:zlib:zlib              CVE-2018-25032   >=1.2.2.2,<1.2.12       1.2.11            1.2.12
a:zlib:zlib              CVE-2016-9841    >=1.2.0,<1.2.9          1.2.8             1.2.9
a:libexpat_project:libexpat CVE-2024-45490 <2.6.3                 R_2_6_2           R_2_6_3
a:libexpat_project:libexpat CVE-2022-40674 <2.4.9                 2.4.8             2.4.9
a:sqlite:sqlite          CVE-2020-15358   <3.32.3                 3.32.2            3.32.3
a:sqlite:sqlite          CVE-2019-16168   >=3.8.5,<=3.29.0        3.29.0            3.30.0
a:net-snmp:net-snmp      CVE-2022-24810   <5.9.2                  5.9.1             5.9.2
a:net-snmp:net-snmp      CVE-2018-18065   <5.8                    5.8.rc2           5.8
a:eclipse:mosquitto      CVE-2024-8376    <2.0.19                 2.0.18            2.0.19
a:eclipse:mosquitto      CVE-2017-7655    >=1.0,<=1.4.15          1.4.15            1.5
a:lighttpd:lighttpd      CVE-2022-22707   >=1.4.46,<=1.4.63       1.4.63            1.4.64
a:lighttpd:lighttpd      CVE-2018-19052   <1.4.50                 1.4.49            1.4.50
a:w1.fi:hostapd          CVE-2019-16275   <=2.9                   2.9               2.10
a:w1.fi:hostapd          CVE-2019-11555   <2.8                    2.7               2.8
a:sudo_project:sudo      CVE-2021-3156    <1.9.5-p2               1.9.5p1           1.9.5p2
a:sudo_project:sudo      CVE-2025-32463   >=1.9.14,<1.9.17-p1     1.9.17            1.9.17p1
a:sudo_project:sudo      CVE-2019-14287   <1.8.28                 1.8.27            1.8.28
a:samba:samba            CVE-2023-34968   >=4.17.0,<4.17.10       4.17.9            4.17.10
a:isc:bind               CVE-2020-8616    >=9.14.0,<=9.14.11      9.14.11           9.14.12
a:libpng:libpng          CVE-2019-7317    >=1.6.0,<1.6.37         1.6.36            1.6.37
a:freetype:freetype      CVE-2020-15999   >=2.6.0,<2.10.4         2.10.3            2.10.4
a:gnu:bash               CVE-2016-9401    <4.4                    4.4-rc2           4.4
a:bluez:bluez            CVE-2020-0556    <5.54                   5.53              5.54
a:bluez:bluez            CVE-2018-10910   <5.51                   5.50              5.51
o:windriver:vxworks      CVE-2019-12258   >=6.6,<6.9.4.12         6.9.4.11          6.9.4.12
a:libssh2:libssh2        CVE-2019-13115   <1.9.0                  1.8.2             1.9.0
a:espressif:esp-idf      CVE-2025-68473   >=5.3-beta1,<5.3.5      v5.3.4            v5.3.5
a:apache:nuttx           CVE-2025-48768   >=10.0.0,<12.10.0       12.9.0            12.10.0
a:proftpd:proftpd        CVE-2020-9272    <1.3.6c                 1.3.6b            1.3.6c
a:proftpd:proftpd        CVE-2021-46854   <1.3.7c                 1.3.7b            1.3.7c
a:tcpdump:tcpdump        CVE-2018-16451   <4.9.3                  4.9.2             4.9.3
a:xmlsoft:libxml2        CVE-2016-4658    <2.9.5                  2.9.4             2.9.5
a:tukaani:xz             CVE-2025-31115   >=5.3.3alpha,<5.8.1     5.8.0             5.8.1
o:linux:linux_kernel     CVE-2022-0847    >=5.8,<5.10.102         5.10.101          5.10.102
o:linux:linux_kernel     CVE-2022-0847    >=5.15,<5.15.25         5.15.24-generic   5.15.25-generic
o:linux:linux_kernel     CVE-2024-56658   >=6.2,<6.6.67           6.6.66            6.6.67
o:linux:linux_kernel     CVE-2024-56658   >=6.7,<6.12.6           6.12.5            6.12.6
a:jquery:jquery          CVE-2020-11022   >=1.2,<3.5.0            3.4.1             3.5.0
"""

SCHEMES = {"openbsd openssh": "openssh", "linux linux_kernel": "linux", "amazon freertos": "freertos"}


class Row(NamedTuple):
    product: str
    vulnerability: str
    affected: str
    last: str
    fixed: str

    @property
    def range(self) -> str:
        return self.affected.replace(",", " ")

    @property
    def scheme(self) -> str:
        vendor, product = self.product.split(":")[1:]
        return SCHEMES.get(f"{vendor} {product}", "generic")


CASES = [Row(*line.split()) for line in ROWS.strip().splitlines()]


def _product_file(product: str, scheme: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", product.partition(":")[2])
    return (
        f'name = "{name}"\ntitle = "{name}"\nscheme = "{scheme}"\nreviewed = 2026-11-24\ncpes = ["{product}"]\n'
        + "".join(
            f'[[vulnerability]]\nid = "{vulnerability}"\naffected = [{ranges}]\nseverity = "high"\n'
            f'summary = "A vulnerability whose bounds are tested."\nsource = "makers"\n'
            for vulnerability, ranges in _ranges_of(product)
        )
    )


def _ranges_of(product: str) -> Iterator[tuple[str, str]]:
    rows = [row for row in CASES if row.product == product]
    for vulnerability in dict.fromkeys(row.vulnerability for row in rows):
        yield vulnerability, ", ".join(f'"{row.range}"' for row in rows if row.vulnerability == vulnerability)


def _bounds(text: str) -> dict[str, str]:
    versions = parse_range(text)
    low = {"versionStartIncluding": versions.low} if versions.low else {}
    name = "versionEndIncluding" if versions.high_is_inside else "versionEndExcluding"
    return low | ({name: versions.high} if versions.high else {})


def test_there_are_enough_vulnerabilities_and_products() -> None:
    assert len({row.vulnerability for row in CASES}) >= 60
    assert len({row.product for row in CASES}) >= 25


def test_bounds_hold_in_a_knowledge_base_and_in_a_database(lab: Any) -> None:
    products = dict.fromkeys((row.product, row.scheme) for row in CASES)
    knowledge = lab.knowledge(*(_product_file(product, scheme) for product, scheme in products))
    records = [
        lab.record(
            row.vulnerability,
            *(
                lab.plain(lab.row(other.product, **_bounds(other.range)))
                for other in CASES
                if other.vulnerability == row.vulnerability
            ),
        )
        for row in CASES
    ]
    lab.take_records(*records, knowledge=knowledge)
    for matcher in (Matcher(knowledge), Matcher(lab.knowledge_of_names(knowledge), lab.database())):
        assert _wrong(lab, matcher) == []


def _wrong(lab: Any, matcher: Matcher) -> list[str]:
    wrong = []
    for row in CASES:
        for version, is_expected in ((row.last, True), (row.fixed, False)):
            component = lab.component("x", version, cpe=f"cpe:2.3:{row.product}:{version}")
            found = {match.id: match for match in matcher.match(component)}
            if (row.vulnerability in found) != is_expected:
                wrong.append(f"{row.product} {version} {row.vulnerability} {'missed' if is_expected else 'too much'}")
            elif is_expected and found[row.vulnerability].status is not MatchStatus.AFFECTED:
                wrong.append(f"{row.product} {version} {row.vulnerability}: {found[row.vulnerability].reason}")
    return wrong


def test_what_is_shipped_agrees_with_the_bounds(lab: Any) -> None:
    matcher = Matcher(shipped_knowledge())
    known = {
        (cpe, row.id)
        for product in shipped_knowledge().products
        for cpe in product.cpes
        for row in product.vulnerability
    }
    wrong = []
    for row in CASES:
        if (row.product, row.vulnerability) in known:
            for version, is_expected in ((row.last, True), (row.fixed, False)):
                component = lab.component("x", version, cpe=f"cpe:2.3:{row.product}:{version}")
                if any(match.id == row.vulnerability for match in matcher.match(component)) != is_expected:
                    wrong.append(f"{row.product} {version} {row.vulnerability}")
    assert wrong == []


def _lines(path: Path) -> Iterator[bytes]:
    with lzma.open(path) as file:
        yield from file


def test_bounds_hold_in_the_real_data(lab: Any) -> None:
    if not FULL.is_file():
        pytest.skip("the reference data is not beside this repository")
    wanted = re.compile(rb'"id":"(?:' + b"|".join(row.vulnerability.encode() for row in CASES) + rb')"')
    lines = [line for path in (FULL, SUPPLEMENT) for line in _lines(path) if wanted.search(line[:60])]
    products = dict.fromkeys((row.product, row.scheme) for row in CASES)
    knowledge = lab.knowledge(*(_product_file(product, scheme) for product, scheme in products))
    lab.take(lab.write(b"".join(lines), "real.jsonl"), knowledge=knowledge)
    there = {line.split(b'"', 6)[5].decode() for line in lines}
    wrong = _wrong(lab, Matcher(lab.knowledge_of_names(knowledge), lab.database()))
    missed = [text for text in wrong if text.split()[2].rstrip(":") in there]
    assert "\n".join(missed) == ""
    assert len(there) >= 50
