"""Control panel of a pneumatic tube system with fixed passwords and unsigned firmware (PwnedPiper)."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import cramfs

_PASSWD = b"root:%s:0:0:root:/root:/bin/sh\nuser:%s:500:500::/home/user:/bin/sh\n"
_WEAK = {
    "etc/passwd": _PASSWD % (b"$1$ab$XAY7Cxo/ue.AAKn2rbkP3.", b"$1$cd$tWOPBw3mTkdEUH1G9nWPT1"),
    "etc/init.d/S45telnet": b"#!/bin/sh\n/usr/sbin/telnetd &\n",
    "usr/bin/upgrade.sh": b"#!/bin/sh\nnc -l -p 12345 > /tmp/fw.bin\nflashcp /tmp/fw.bin /dev/mtd1\n",
}
_HARDENED = {
    "etc/passwd": _PASSWD % (b"x", b"x"),
    "etc/shadow": b"root:*:19000:0:99999:7:::\nuser:!!:19000:0:99999:7:::\n",
    "etc/init.d/S45telnet": b"#!/bin/sh\n# telnetd is not started any more\nexit 0\n",
    "usr/bin/upgrade.sh": (
        b"#!/bin/sh\nminisign -V -p /etc/keys/maker.pub -m /tmp/fw.bin || exit 1\nflashcp /tmp/fw.bin /dev/mtd1\n"
    ),
}

TWIN = Twin(
    name="pwnedpiper",
    device="Control panel of a pneumatic tube system",
    advisory="ICSMA-21-215-01",
    cves=("CVE-2021-37163", "CVE-2021-37160", "CVE-2021-37161"),
    container="cramfs root file system",
    image="nexus-root.cramfs",
    mechanism=(
        "Telnet is open with passwords that are the same in every panel, and any firmware that is sent is flashed."
    ),
    for_patient="Blood, medicines and samples do not arrive, or at the wrong ward.",
    difference="Accounts are locked, Telnet is off, and a signature is verified before anything is flashed.",
    weak=lambda: cramfs(_WEAK),
    hardened=lambda: cramfs(_HARDENED),
    expected=(
        expected_at("obsolete-password-hash", "etc/passwd", _WEAK["etc/passwd"], b"root"),
        expected_at("telnet-service", "etc/init.d/S45telnet", _WEAK["etc/init.d/S45telnet"], b"/usr/sbin"),
        expected_at("update-not-verified", "usr/bin/upgrade.sh", _WEAK["usr/bin/upgrade.sh"], b"flashcp"),
    ),
)
