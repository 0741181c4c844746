"""Insulin pump with the physicians' code and the key of its radio link in the program."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import FLASH, intel_hex, microcontroller_program

_WEAK = microcontroller_program(
    b"physician_pin=3022", b'ble_aes_key="0f1e2d3c4b5a69788796a5b4c3d2e1f0"', b"Bolus %u.%02u U"
)
_HARDENED = microcontroller_program(
    b"physician_pin=", b"Enter physician PIN", b'ble_aes_key="%s"', b"PIN 0000 is not allowed", b"Bolus %u.%02u U"
)

TWIN = Twin(
    name="sooil-dana",
    device="Insulin pump with Bluetooth",
    advisory="ICSMA-21-012-01",
    cves=("CVE-2020-27256", "CVE-2020-27269", "CVE-2020-27264"),
    container="Intel HEX",
    image="pump-ble.hex",
    mechanism="One code opens the physicians' menu of all pumps, and the key of the radio link is the same everywhere.",
    for_patient="Somebody nearby can command insulin, or change the limits that keep a dose safe.",
    difference="The code is set for each patient, and each pump agrees on keys of its own.",
    weak=lambda: intel_hex(_WEAK),
    hardened=lambda: intel_hex(_HARDENED),
    expected=(
        Expected(check="fixed-service-code", path="", address=FLASH + _WEAK.index(b"physician_pin")),
        Expected(check="fixed-cipher-key", path="", address=FLASH + _WEAK.index(b"ble_aes_key")),
    ),
)
