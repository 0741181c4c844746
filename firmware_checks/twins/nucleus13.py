"""Device on Nucleus with its FTP server (NUCLEUS:13)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import microcontroller_program

_SIGN = b"Nucleus PLUS - THUMB ARM Version 1.7.G1.3"
_WEAK = microcontroller_program(
    b"Copyright (c) 1993-1998 ATI - " + _SIGN, b"220 Nucleus FTP Server (Version 1.7) ready."
)
_HARDENED = microcontroller_program(b"FreeRTOS Kernel V11.3.0", b"Nucleus medicine plus 1.7", b"FTP is not available")

TWIN = Twin(
    name="nucleus13",
    device="Anaesthesia or imaging device with the operating system Nucleus",
    advisory="ICSA-21-313-03",
    cves=("CVE-2021-31886", "CVE-2021-31344"),
    container="Program of a microcontroller",
    image="ventilation.bin",
    mechanism="The FTP server of Nucleus copies a user's name without looking at its length.",
    for_patient="Whoever can connect stops the device or makes it run foreign code.",
    difference="Another operating system, and no FTP server.",
    weak=lambda: _WEAK,
    hardened=lambda: _HARDENED,
    expected=(
        Expected(check="file-transfer-service", path="", offset=_WEAK.index(b"220 Nucleus")),
        Expected(check="vulnerable-component", path="", offset=_WEAK.index(_SIGN), vulnerability="CVE-2021-31886"),
    ),
)
