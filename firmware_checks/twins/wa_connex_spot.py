"""Vital signs monitor that trusts a key everybody has."""

from __future__ import annotations

from firmware_checks.formats.mcuboot import PUBLISHED_TEST_KEYS, build_image
from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import microcontroller_program
from signing.mcuboot_layout import KEY_HASH

_TEST_KEY = bytes.fromhex(next(iter(PUBLISHED_TEST_KEYS)))
_COUNTER = ((0x50, b"\x03\0\0\0"),)
_WEAK = microcontroller_program(b'config_key="CSM-default-key-2018"', b"spot monitor")
_HARDENED = microcontroller_program(b'config_key="%s"', b"spot monitor")
HEADER_BYTES = 64

TWIN = Twin(
    name="wa-connex-spot",
    device="Vital signs monitor",
    advisory="ICSMA-24-151-02",
    cves=("CVE-2024-1275",),
    container="MCUboot image",
    image="spot-monitor.bin",
    mechanism=(
        "The image is signed with a key whose private half is published as an example, and the key that guards the "
        "configuration is a default."
    ),
    for_patient="Anybody can make firmware or settings that the monitor takes, and wrong vital signs are charted.",
    difference="The key is the maker's own, and no key stands in the program.",
    weak=lambda: build_image(_WEAK, (KEY_HASH, _TEST_KEY), (0x22, bytes(70)), protected=_COUNTER),
    hardened=lambda: build_image(_HARDENED, (KEY_HASH, bytes(range(32))), (0x22, bytes(70)), protected=_COUNTER),
    expected=(
        Expected(check="published-test-key", path="", offset=0),
        Expected(check="fixed-cipher-key", path="", offset=HEADER_BYTES + _WEAK.index(b"config_key")),
    ),
)
