"""Reader of implants that accepts a program nobody signed."""

from __future__ import annotations

from firmware_checks.formats.mcuboot import build_image
from firmware_checks.twin import Expected, Twin
from firmware_checks.twin_containers.programs import microcontroller_program

_PROGRAM = microcontroller_program(b"reader 2.1", b"app update")

TWIN = Twin(
    name="medtronic-mcl-smart",
    device="Hand-held reader of pacemakers",
    advisory="ICSMA-20-345-01",
    cves=("CVE-2020-27252", "CVE-2020-25187", "CVE-2020-25183"),
    container="MCUboot image",
    image="reader-app.bin",
    mechanism=(
        "The reader runs a program that is not signed: what it verified and what it then installed were not the same. "
        "In the file one sees that the place for a signature is empty."
    ),
    for_patient="A reader that runs foreign software sends made-up values to the clinic, or none.",
    difference="The image is signed and names a version below which the device does not go.",
    weak=lambda: build_image(_PROGRAM),
    hardened=lambda: build_image(_PROGRAM, (0x01, bytes(32)), (0x22, bytes(70)), protected=((0x50, b"\x07\0\0\0"),)),
    expected=(Expected(check="update-not-signed", path="", offset=0),),
)
