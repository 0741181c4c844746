"""Pump controller whose Wi-Fi firmware and drug library are taken as they come."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.version_resource import versioned_library

_WEAK = {
    "wifi/wlan_firmware.bin": bytes(range(64)) * 8,
    "wifi/wlan_firmware.bin.md5": b"00000000000000000000000000000000  wlan_firmware.bin\n",
    "dataset/profile.xml": b"<dataset><drug name='heparin' max='2000'/></dataset>\n",
    "manager/log4net.dll": versioned_library("log4net", "1.2.10.0"),
}
_HARDENED = {
    "wifi/wlan_firmware.bin": bytes(range(64)) * 8,
    "wifi/wlan_firmware.bin.sig": b"\x30\x45signature of the maker",
    "dataset/profile.xml": b"<dataset><drug name='heparin' max='2000'/></dataset>\n",
    "dataset/profile.xml.sig": b"\x30\x45signature of the pharmacy",
    "manager/log4net.dll": versioned_library("log4net", "2.0.17.0"),
    "manager/log4net.dll.p7s": b"\x30\x82signature of its maker",
    "manager/release notes.txt": b"replaces log4net 1.2.10, which is affected by CVE-2018-1285\n",
}

TWIN = Twin(
    name="bd-alaris-pcu-2023",
    device="Controller of infusion pumps",
    advisory="ICSMA-23-194-01",
    cves=("CVE-2023-30559", "CVE-2023-30560", "CVE-2023-30562", "CVE-2018-1285"),
    container="ZIP archive of an update",
    image="wifi-update.zip",
    mechanism=(
        "The package for the Wi-Fi card and the drug library carry only a checksum, which anybody can compute, and the "
        "server program uses an old log4net."
    ),
    for_patient="A changed drug library moves the limits that keep a nurse from a tenfold dose.",
    difference="Firmware and drug library carry signatures, and log4net is one in which the weakness is corrected.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        Expected(check="archive-not-signed", path="wifi/wlan_firmware.bin"),
        Expected(
            check="vulnerable-component",
            path="manager/log4net.dll",
            offset=0,
            vulnerability="CVE-2018-1285",
        ),
    ),
)
