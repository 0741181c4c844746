"""Device whose operating system gives too little memory when asked for very much (BadAlloc)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import FLASH, intel_hex, microcontroller_program

_OLD, _NEW = b"FreeRTOS Kernel V9.0.0", b"FreeRTOS Kernel V11.3.0"
_WEAK = microcontroller_program(_OLD, b"IDLE", b"Tmr Svc")
_HARDENED = microcontroller_program(_NEW, b"IDLE", b"Tmr Svc", b"moved on from V9 in 2023")

TWIN = Twin(
    name="badalloc",
    device="Device with a real-time operating system",
    advisory="ICSA-21-119-04",
    cves=("CVE-2021-30636", "CVE-2021-27431"),
    container="Intel HEX",
    image="sensor.hex",
    mechanism=(
        "A very large request for memory is added up wrongly, so a queue gets too little and overwrites what follows."
    ),
    for_patient="A prepared message makes a sensor or pump stop or run foreign code.",
    difference="A release of the operating system in which sizes are added up with care.",
    weak=lambda: intel_hex(_WEAK),
    hardened=lambda: intel_hex(_HARDENED),
    expected=(
        Expected(
            check="vulnerable-component",
            path="",
            address=FLASH + _WEAK.index(_OLD),
            vulnerability="CVE-2021-31571",
        ),
    ),
)
