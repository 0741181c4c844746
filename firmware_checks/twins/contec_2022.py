"""Patient monitor that installs whatever lies on a USB stick."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.programs import hosted_program, protected_program
from firmware_checks.twin_containers.stick import stick

_WEAK = {
    "upgrade/upgrade.sh": (
        b"#!/bin/sh\nmount /dev/sda1 /mnt/usb\ncp /mnt/usb/upgrade/monitor /opt/bin/monitor\nreboot\n"
    ),
    "upgrade/monitor": hosted_program(b"Patient monitor 1.3", calls=("strcpy", "recvfrom"), debug=True),
    "upgrade/factory.ini": b"[menu]\nservice_code=81725\n",
}
_HARDENED = {
    "upgrade/upgrade.sh": (
        b"#!/bin/sh\nmount /dev/sda1 /mnt/usb\ncp /mnt/usb/upgrade/monitor.pkg /tmp/monitor.pkg\n"
        b"gpgv --keyring /etc/keys/update.gpg /mnt/usb/upgrade/monitor.pkg.sig /tmp/monitor.pkg || exit 1\n"
        b"tar xf /tmp/monitor.pkg -C /opt\n"
    ),
    "upgrade/monitor": protected_program(b"Patient monitor 1.4", b"Enter service code:", calls=("recvfrom",)),
    "upgrade/monitor.sig": b"\x89\x01signature of the maker",
    "upgrade/factory.ini": b"[menu]\n; service_code=00000 is an example\nservice_code=\ntelephone=+33 1 23 45\n",
}

TWIN = Twin(
    name="contec-2022",
    device="Patient monitor",
    advisory="ICSMA-22-244-01",
    cves=("CVE-2022-36385", "CVE-2022-38069", "CVE-2022-38453", "CVE-2022-38100", "CVE-2022-3027"),
    container="USB stick (FAT)",
    image="service-stick.img",
    mechanism=(
        "The monitor copies a program from a stick over its own without asking who made it, has one service code for "
        "all devices, and its programs still hold what developers need to take them apart."
    ),
    for_patient="Whoever plugs in a stick for a minute decides from then on which values and alarms the staff sees.",
    difference="What is on the stick is signed and verified from a copy, and no code is in the file.",
    weak=lambda: stick(_WEAK),
    hardened=lambda: stick(_HARDENED),
    expected=(
        expected_at("update-not-verified", "upgrade/upgrade.sh", _WEAK["upgrade/upgrade.sh"], b"cp /mnt"),
        expected_at("fixed-service-code", "upgrade/factory.ini", _WEAK["upgrade/factory.ini"], b"service_code"),
        Expected(check="archive-not-signed", path="upgrade/upgrade.sh"),
        Expected(check="canary-missing", path="upgrade/monitor", offset=0),
    ),
)
