"""Programmer of implants that installs from a stick and holds old components."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.programs import hosted_program, protected_program
from firmware_checks.twin_containers.stick import stick

_WEAK = {
    "autorun.sh": b"#!/bin/sh\nmount /dev/sdb1 /media/usb\ncp -r /media/usb/app /opt/programmer\n",
    "app/libcrypto.so.0.9.8": hosted_program(b"OpenSSL 0.9.8e 23 Feb 2007"),
    "app/etc/shadow": b"service:$1$ab$AyOZlB5fbHZCTPC.bVbPL1:15000:0:99999:7:::\n",
}
_HARDENED = {
    "autorun.sh": (
        b"#!/bin/sh\nmount /dev/sdb1 /media/usb\ncp /media/usb/app.tar /run/app.tar\n"
        b"signify -V -p /etc/keys/maker.pub -m /run/app.tar || exit 1\ntar xf /run/app.tar -C /opt/programmer\n"
    ),
    "autorun.sh.sig": b"untrusted comment: signature of the maker\n",
    "app/about": protected_program(b"needs OpenSSL 0.9.8 or later"),
    "app/etc/shadow": b"service:!$y$j9T$saltsaltsalt$" + b"a" * 43 + b":19000:0:99999:7:::\n",
}

TWIN = Twin(
    name="bsci-zoom-21",
    device="Programmer of pacemakers and defibrillators",
    advisory="ICSMA-21-273-01",
    cves=("CVE-2021-38396", "CVE-2021-38398", "CVE-2021-38400"),
    container="USB stick (FAT)",
    image="programmer-stick.img",
    mechanism=(
        "Software on a stick is installed without a proof of its maker; components are old and a "
        "password is kept weakly."
    ),
    for_patient="A prepared stick makes the programmer set an implant as somebody else wants.",
    difference="What is on the stick is verified from a copy, components are current, the account is locked.",
    weak=lambda: stick(_WEAK),
    hardened=lambda: stick(_HARDENED),
    expected=(
        expected_at("update-not-verified", "autorun.sh", _WEAK["autorun.sh"], b"cp -r"),
        expected_at("obsolete-password-hash", "app/etc/shadow", _WEAK["app/etc/shadow"], b"service"),
        Expected(check="component-unsupported", path="app/libcrypto.so.0.9.8"),
    ),
)
