"""Management of vital signs monitors whose programs are built without protections."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import compressed_tar
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_WEAK = {"usr/bin/device_manager": hosted_program(b"device manager", calls=("recvfrom", "strcpy", "sprintf"))}
_HARDENED = {
    "usr/bin/device_manager": protected_program(b"strcpy is not used", calls=("recvfrom", "strncpy", "snprintf")),
}

TWIN = Twin(
    name="hillrom-mdm",
    device="Vital signs monitor and its service tool",
    advisory="ICSMA-21-152-01",
    cves=("CVE-2021-27410", "CVE-2021-27408"),
    container="Compressed tar archive",
    image="manager-files.tgz",
    mechanism=(
        "The program that takes messages from the network writes outside its memory. The file shows that it calls "
        "functions that do not look at lengths, and that nothing would stop it; the bench shows whether it happens."
    ),
    for_patient="A prepared message stops the monitor, or makes it run foreign code.",
    difference="Lengths are looked at, and the program is built with all protections.",
    weak=lambda: compressed_tar(_WEAK),
    hardened=lambda: compressed_tar(_HARDENED),
    expected=(
        expected_at(
            "canary-missing",
            "manager-files.tar!usr/bin/device_manager",
            _WEAK["usr/bin/device_manager"],
            b"\x7fELF",
        ),
        expected_at(
            "program-memory-open",
            "manager-files.tar!usr/bin/device_manager",
            _WEAK["usr/bin/device_manager"],
            b"\x7fELF",
        ),
    ),
)
