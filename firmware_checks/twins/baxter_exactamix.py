"""Compounder of intravenous nutrition on Windows XP."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.windows import hive, registry_text

_SMB = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\LanmanServer\\Parameters"
_WEAK = {
    "WINDOWS/system32/config/software": hive(
        "SOFTWARE",
        {"Microsoft/Windows NT/CurrentVersion": {"CurrentVersion": "5.1", "ProductName": "Microsoft Windows XP"}},
    ),
    "setup/network.reg": registry_text({_SMB: {"SMB1": 1}}),
    "Program Files/ExactaMix/ExactaMix.ini": b"[Database]\r\nUser=exacta\r\nPassword=Mix4you!\r\n",
}
_HARDENED = {
    "WINDOWS/system32/config/software": hive(
        "SOFTWARE", {"Microsoft/Windows NT/CurrentVersion": {"CurrentVersion": "6.3", "ProductName": "Windows 10 IoT"}}
    ),
    "setup/network.reg": registry_text({_SMB: {"SMB1": 0}}),
    "Program Files/ExactaMix/ExactaMix.ini": (
        b"[Database]\r\nUser=exacta\r\nIntegratedSecurity=yes\r\n;Password=old\r\n"
    ),
}

TWIN = Twin(
    name="baxter-exactamix",
    device="Compounder of intravenous nutrition",
    advisory="ICSMA-20-170-01",
    cves=("CVE-2020-12012", "CVE-2020-12024", "CVE-2020-12016"),
    container="ZIP archive of a disk",
    image="compounder-disk.zip",
    mechanism="Windows XP with the first version of file sharing switched on, and a password in a settings file.",
    for_patient="A worm that gets into the hospital stops the pharmacy, or somebody changes a recipe for a newborn.",
    difference="A Windows that is still mended, the old file sharing off, and a login without a stored password.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        Expected(check="windows-unsupported", path="WINDOWS/system32/config/software"),
        expected_at("windows-remote-access", "setup/network.reg", _WEAK["setup/network.reg"], b'"SMB1"'),
        expected_at(
            "hard-coded-password",
            "Program Files/ExactaMix/ExactaMix.ini",
            _WEAK["Program Files/ExactaMix/ExactaMix.ini"],
            b"Password",
        ),
    ),
)
