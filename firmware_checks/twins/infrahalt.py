"""Device with the network stack of InterNiche (INFRA:HALT)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import microcontroller_program

_OLD, _NEW = b"InterNiche Portable TCP/IP, v3.1 \n", b"InterNiche Portable TCP/IP, v4.3 \n"
_WEAK = microcontroller_program(_OLD)
_HARDENED = microcontroller_program(_NEW, b"releases before v4.3 are not supported")

TWIN = Twin(
    name="infrahalt",
    device="Device with the network stack NicheStack",
    advisory="ICSA-21-217-01",
    cves=("CVE-2020-25928", "CVE-2020-35683"),
    container="Program of a microcontroller",
    image="laboratory-module.bin",
    mechanism="Answers to questions for names are copied without looking at the length they claim.",
    for_patient="A false answer from the network stops the device or runs foreign code in it.",
    difference="The release of the stack in which this is corrected.",
    weak=lambda: _WEAK,
    hardened=lambda: _HARDENED,
    expected=(
        Expected(check="vulnerable-component", path="", offset=_WEAK.index(_OLD), vulnerability="CVE-2020-25928"),
    ),
)
