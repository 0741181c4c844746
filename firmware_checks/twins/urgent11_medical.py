"""Device on VxWorks whose network stack is open to single packets (URGENT/11)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import FLASH, intel_hex, microcontroller_program

_OLD = b"VxWorks (for Freescale MPC5200) version 6.9.3."
_STACK = b"@(#) IPCOM $Name: VXWORKS_ITER18A_FRZ10 $ - INTERPEAK_COPYRIGHT_STRING"
_WEAK = microcontroller_program(_OLD, _STACK)
_HARDENED = microcontroller_program(b"lwIP/2.2.1", b"The gateway talks to devices with VxWorks and IPnet.")

TWIN = Twin(
    name="urgent11-medical",
    device="Device with the operating system VxWorks",
    advisory="ICSMA-19-274-01",
    cves=("CVE-2019-12256", "CVE-2019-12255", "CVE-2019-12260"),
    container="Intel HEX",
    image="monitor-vxworks.hex",
    mechanism="The network stack IPnet lets a single packet run code, without any open port or login.",
    for_patient="One computer in the network takes over every monitor, pump or scanner with this stack at once.",
    difference="Another network stack, in a release without known weaknesses of this kind.",
    weak=lambda: intel_hex(_WEAK),
    hardened=lambda: intel_hex(_HARDENED),
    expected=(
        Expected(
            check="vulnerable-component",
            path="",
            address=FLASH + _WEAK.index(_OLD),
            vulnerability="CVE-2019-12256",
        ),
        Expected(
            check="vulnerable-component",
            path="",
            address=FLASH + _WEAK.index(_STACK),
            vulnerability="CVE-2019-12255",
        ),
    ),
)
