"""Device with the Treck network stack (Ripple20)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import microcontroller_program

_SIGN = b"Copyright Treck Incorporated  1997 - 2016"
_WEAK = microcontroller_program(_SIGN, b"DHCP client")
_HARDENED = microcontroller_program(b"Treck TCP/IP vulnerabilities do not apply to this pump", b"lwIP/2.2.1")

TWIN = Twin(
    name="ripple20",
    device="Infusion pump or other device with the Treck stack",
    advisory="ICSA-20-168-01",
    cves=("CVE-2020-11896", "CVE-2020-11897", "CVE-2020-11901"),
    container="Program of a microcontroller",
    image="pump-wifi.bin",
    mechanism=(
        "The network stack of Treck is linked into the program; it writes outside its memory when "
        "packets are malformed."
    ),
    for_patient="Somebody in the network takes over the module of the pump without a password.",
    difference="Another network stack; that the name is mentioned is no sign of it.",
    weak=lambda: _WEAK,
    hardened=lambda: _HARDENED,
    expected=(Expected(check="known-exploited", path="", offset=_WEAK.index(_SIGN), vulnerability="CVE-2020-11896"),),
)
