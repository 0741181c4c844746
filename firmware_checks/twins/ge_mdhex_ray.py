"""Ultrasound scanner with the same maintenance password everywhere, over FTP and Telnet."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import squashfs
from firmware_checks.twin_containers.programs import protected_program

_WEAK = {
    "etc/inetd.conf": (
        b"ftp stream tcp nowait root /usr/sbin/tcpd in.ftpd -l -a\n"
        b"telnet stream tcp nowait root /usr/sbin/tcpd in.telnetd\n"
    ),
    "etc/shadow": b"insite:$1$saltsalt$bFlh/PVK57U6ocrhPxXEK0:14000:0:99999:7:::\n",
    "opt/insite/sync.sh": b"#!/bin/sh\nlftp -u insite,2getin ftp://10.0.0.4\n",
}
_HARDENED = {
    "etc/inetd.conf": (
        b"# ftp stream tcp nowait root /usr/sbin/tcpd in.ftpd\n"
        b"# telnet stream tcp nowait root /usr/sbin/tcpd in.telnetd\n"
    ),
    "etc/shadow": b"insite:!:19000:0:99999:7:::\n",
    "opt/insite/sync.sh": b'#!/bin/sh\nsftp -i /etc/keys/own "$SITE_USER@10.0.0.4"\n',
    "usr/bin/scanner": protected_program(b"default password must be changed", b"ftp and telnet are off"),
}

TWIN = Twin(
    name="ge-mdhex-ray",
    device="Ultrasound scanner",
    advisory="ICSMA-20-343-01",
    cves=("CVE-2020-25175", "CVE-2020-25179"),
    container="Squashfs root file system",
    image="scanner-root.squashfs",
    mechanism=(
        "The maintenance server of the maker logs in over FTP and Telnet with a well-known password "
        "that nobody can change."
    ),
    for_patient="Images and names of patients can be read, deleted or changed by anybody in the network.",
    difference="Both services are off, the account is locked, and transfers use a key of the site.",
    weak=lambda: squashfs(_WEAK),
    hardened=lambda: squashfs(_HARDENED),
    expected=(
        expected_at("file-transfer-service", "etc/inetd.conf", _WEAK["etc/inetd.conf"], b"ftp "),
        expected_at("telnet-service", "etc/inetd.conf", _WEAK["etc/inetd.conf"], b"telnet "),
        expected_at("hard-coded-password", "opt/insite/sync.sh", _WEAK["opt/insite/sync.sh"], b"lftp"),
        expected_at("obsolete-password-hash", "etc/shadow", _WEAK["etc/shadow"], b"insite"),
    ),
)
