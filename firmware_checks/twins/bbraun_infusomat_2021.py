"""Infusion pump that takes critical settings without knowing who made them."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import ubifs
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_WEAK = {
    "opt/space/config_update.sh": (
        b"#!/bin/sh\nwget http://10.4.0.12/space/druglib.tar -O /tmp/druglib.tar\n"
        b"sha1sum -c /tmp/druglib.sha1\ntar xf /tmp/druglib.tar -C /opt/space/config\n"
    ),
    "opt/space/can_server": hosted_program(b"pump answers: %s", calls=("sprintf", "strcpy", "recv", "system")),
}
_HARDENED = {
    "opt/space/config_update.sh": (
        b"#!/bin/sh\n# wget http://10.4.0.12/space/druglib.tar was used until 2020\n"
        b"curl --cacert /etc/keys/ca.pem https://10.4.0.12/space/druglib.tar -o /tmp/druglib.tar\n"
        b"openssl dgst -sha256 -verify /etc/keys/pharmacy.pem -signature /tmp/druglib.sig /tmp/druglib.tar || exit 1\n"
        b"tar xf /tmp/druglib.tar -C /opt/space/config\n"
    ),
    "opt/space/can_server": protected_program(b"pump answers: %s", calls=("snprintf", "strncpy", "recv")),
}

TWIN = Twin(
    name="bbraun-infusomat-2021",
    device="Infusion pump with a communication module",
    advisory="ICSMA-21-294-01",
    cves=("CVE-2021-33885", "CVE-2021-33882", "CVE-2021-33883", "CVE-2021-33884", "CVE-2021-33886"),
    container="UBIFS in flash memory",
    image="space-com.ubifs",
    mechanism=(
        "The drug library travels unencrypted and is held against a checksum only; the program behind it copies what "
        "the network sends without looking at lengths."
    ),
    for_patient="Somebody in the hospital's network can make the pump give another dose than the one that is shown.",
    difference=(
        "The transfer is encrypted, the library is signed by the pharmacy, and programs are built with protections."
    ),
    weak=lambda: ubifs(_WEAK),
    hardened=lambda: ubifs(_HARDENED),
    expected=(
        expected_at(
            "update-not-verified", "opt/space/config_update.sh", _WEAK["opt/space/config_update.sh"], b"tar xf"
        ),
        expected_at("canary-missing", "opt/space/can_server", _WEAK["opt/space/can_server"], b"\x7fELF"),
    ),
)
