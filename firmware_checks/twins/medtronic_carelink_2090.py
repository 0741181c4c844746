"""Programmer of implants that fetches updates without knowing from whom."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.windows import hive

_WEAK = {
    "SDN/update.cmd": (
        b"@echo off\r\nrem fetch and install\r\nftp -s:login.txt 10.10.0.5\r\n"
        b"wget http://sdn.programmer-maker.com/updates/sw.exe\r\nsw.exe /quiet\r\n"
    ),
    "SDN/login.txt": b"open 10.10.0.5\r\nuser programmer Sdn2090pw\r\nget sw.exe\r\nbye\r\n",
    "../../WINDOWS/system32/sdn.dll": b"MZ" + bytes(62),
    "WINDOWS/system32/config/software": hive(
        "SOFTWARE", {"Microsoft/Windows NT/CurrentVersion": {"CurrentVersion": "5.1"}}
    ),
}
_HARDENED = {
    "SDN/update.cmd": (
        b"@echo off\r\nrem wget http://sdn.programmer-maker.com/updates/sw.exe\r\n"
        b"curl --cacert ca.pem https://sdn.programmer-maker.com/updates/sw.exe -o sw.exe\r\n"
        b"signtool verify /pa sw.exe || exit /b 1\r\nsw.exe /quiet\r\n"
    ),
    "SDN/update.cmd.p7s": b"\x30\x82signature of the maker",
    "SDN/login.txt": b"Ask the service desk for a user and a password.\r\n",
    "WINDOWS/system32/config/software": hive(
        "SOFTWARE", {"Microsoft/Windows NT/CurrentVersion": {"CurrentVersion": "6.3"}}
    ),
}

TWIN = Twin(
    name="medtronic-carelink-2090",
    device="Programmer of pacemakers (Windows XP)",
    advisory="ICSMA-18-058-01",
    cves=("CVE-2018-5446", "CVE-2018-5448", "CVE-2018-10596"),
    container="ZIP archive of a software package",
    image="programmer-sdn.zip",
    mechanism=(
        "The programmer fetches software over an unencrypted connection and runs it without verifying it; the password "
        "of the server is in the file, and names in the package lead out of its folder."
    ),
    for_patient="Whoever poses as the server decides what runs on the device that sets pacemakers.",
    difference=(
        "The connection proves the server, the program is verified before it runs, and nothing is kept in the file."
    ),
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        expected_at("update-not-verified", "SDN/update.cmd", _WEAK["SDN/update.cmd"], b"sw.exe /quiet"),
        expected_at("hard-coded-password", "SDN/login.txt", _WEAK["SDN/login.txt"], b"open"),
        Expected(check="archive-leaves-folder", path="../../WINDOWS/system32/sdn.dll"),
        Expected(check="windows-unsupported", path="WINDOWS/system32/config/software"),
    ),
)
