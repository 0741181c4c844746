"""Home monitor of implants whose update service trusts what it is given."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.archives import cpio

_WEAK = {
    "usr/bin/fetch_update.sh": (
        b"#!/bin/sh\nncftpget -u relay -p Rly24950x updates.relay-maker.com /tmp fw.tar\ntar xf /tmp/fw.tar -C /\n"
    ),
}
_HARDENED = {
    "usr/bin/fetch_update.sh": (
        b"#!/bin/sh\n# ncftpget -u relay -p example updates.relay-maker.com /tmp fw.tar\n"
        b"curl --cert /etc/keys/own.pem --cacert /etc/keys/ca.pem "
        b"https://updates.relay-maker.com/fw.tar -o /tmp/fw.tar\n"
        b"usign -V -m /tmp/fw.tar -p /etc/keys/maker.pub || exit 1\ntar xf /tmp/fw.tar -C /\n"
    ),
}

TWIN = Twin(
    name="medtronic-mycarelink-18b",
    device="Home monitor of pacemakers and defibrillators",
    advisory="ICSMA-18-219-01",
    cves=("CVE-2018-10626", "CVE-2018-10622"),
    container="cpio archive (first root file system)",
    image="initramfs.cpio",
    mechanism="The update service does not verify what it gets, and the password of the server is in its script.",
    for_patient="Data about the heart that the physician relies on can be made up.",
    difference="Each monitor has a certificate of its own, and a signature is verified before anything is unpacked.",
    weak=lambda: cpio(_WEAK),
    hardened=lambda: cpio(_HARDENED),
    expected=(
        expected_at("update-not-verified", "usr/bin/fetch_update.sh", _WEAK["usr/bin/fetch_update.sh"], b"tar xf"),
        expected_at("hard-coded-password", "usr/bin/fetch_update.sh", _WEAK["usr/bin/fetch_update.sh"], b"ncftpget"),
    ),
)
