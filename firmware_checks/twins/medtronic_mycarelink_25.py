"""Home monitor of implants whose file system is readable and has a user without a password."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import jffs2

_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nservice:x:500:500:service:/home/service:/bin/sh\n"
_WEAK = {
    "etc/passwd": _PASSWD,
    "etc/shadow": b"root:!:19000:0:99999:7:::\nservice::19000:0:99999:7:::\n",
    "var/lib/relay/session.log": b"2024-03-01 02:10:11 upload PatientID=40771982 device=ICD\n",
}
_HARDENED = {
    "etc/passwd": _PASSWD,
    "etc/shadow": b"root:!:19000:0:99999:7:::\nservice:!$y$j9T$saltsaltsalt$" + b"a" * 43 + b":19000:0:99999:7:::\n",
    "var/lib/relay/session.log": b"2024-03-01 02:10:11 upload PatientID=******** device=ICD\n",
    "usr/share/doc/shadow/README": b"An entry like 'guest::' has no password.\n",
}

TWIN = Twin(
    name="medtronic-mycarelink-25",
    device="Home monitor of pacemakers and defibrillators",
    advisory="ICSMA-25-205-01",
    cves=("CVE-2025-4394", "CVE-2025-4395"),
    container="JFFS2 in flash memory",
    image="relay-flash.jffs2",
    mechanism="The file system is not encrypted, and a built-in user of the operating system has an empty password.",
    for_patient=(
        "Somebody who has the monitor in hand for some minutes becomes its user, reads who the patient is, and can "
        "change what it sends to the physician."
    ),
    difference="The user is locked, and the log does not name the patient.",
    weak=lambda: jffs2(_WEAK),
    hardened=lambda: jffs2(_HARDENED),
    expected=(
        expected_at("account-without-password", "etc/shadow", _WEAK["etc/shadow"], b"service:"),
        expected_at("patient-log", "var/lib/relay/session.log", _WEAK["var/lib/relay/session.log"], b"PatientID"),
    ),
)
