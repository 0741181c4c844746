"""Telemetry receiver whose Windows lets itself be used from afar (BlueKeep)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.archives import zip_archive
from firmware_checks.twin_containers.windows import hive

_SOFTWARE, _SYSTEM = "Windows/System32/config/SOFTWARE", "Windows/System32/config/SYSTEM"
_VERSION = "Microsoft/Windows NT/CurrentVersion"
_SERVER = "ControlSet001/Control/Terminal Server"
_WEAK = {
    _SOFTWARE: hive("SOFTWARE", {_VERSION: {"CurrentVersion": "6.1", "ProductName": "Windows Embedded Standard"}}),
    _SYSTEM: hive(
        "SYSTEM", {_SERVER: {"fDenyTSConnections": 0}, f"{_SERVER}/WinStations/RDP-Tcp": {"UserAuthentication": 0}}
    ),
}
_HARDENED = {
    _SOFTWARE: hive("SOFTWARE", {_VERSION: {"CurrentVersion": "6.3", "ProductName": "Windows 10 IoT Enterprise"}}),
    _SYSTEM: hive(
        "SYSTEM", {_SERVER: {"fDenyTSConnections": 1}, f"{_SERVER}/WinStations/RDP-Tcp": {"UserAuthentication": 1}}
    ),
}

TWIN = Twin(
    name="spacelabs-xtr",
    device="Receiver of telemetry from patients",
    advisory="ICSMA-20-049-01",
    cves=("CVE-2019-0708",),
    container="ZIP archive of a disk",
    image="receiver-disk.zip",
    mechanism="Remote Desktop of a Windows that is mended no more runs code for anybody before a login.",
    for_patient="The station that watches the hearts of a ward goes dark.",
    difference="A Windows that is still mended, with Remote Desktop off.",
    weak=lambda: zip_archive(_WEAK),
    hardened=lambda: zip_archive(_HARDENED),
    expected=(
        Expected(check="windows-unsupported", path=_SOFTWARE),
        Expected(check="windows-remote-access", path=_SYSTEM),
    ),
)
