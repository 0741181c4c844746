"""Device with a small open network stack nobody mends (AMNESIA:33)."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import FLASH, intel_hex, microcontroller_program

_SIGN = b"Server: uIP/1.0 http://www.sics.se/~adam/uip/\r\n"
_WEAK = microcontroller_program(b"HTTP/1.0 200 OK\r\n" + _SIGN)
_HARDENED = microcontroller_program(b"HTTP/1.0 200 OK\r\nServer: lwIP/2.2.1\r\n", b"tested against uIP clients")

TWIN = Twin(
    name="amnesia33",
    device="Sensor or charger with a small network stack",
    advisory="ICSA-20-343-01",
    cves=("CVE-2020-13984", "CVE-2020-17437"),
    container="Intel HEX",
    image="charger.hex",
    mechanism="The stack uIP was copied into the firmware years ago; malformed packets stop it or overwrite memory.",
    for_patient="The device stops in the middle of its work, and starts again and again while somebody sends packets.",
    difference="A network stack that is still mended.",
    weak=lambda: intel_hex(_WEAK),
    hardened=lambda: intel_hex(_HARDENED),
    expected=(
        Expected(
            check="vulnerable-component",
            path="",
            address=FLASH + _WEAK.index(_SIGN) + len(b"S"),
            vulnerability="CVE-2020-13984",
        ),
    ),
)
