"""Home monitor of implants with one password for the operating system and a shell on its debug port."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import jffs2

_WEAK = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
    "etc/shadow": b"root:$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/:17000:0:99999:7:::\n",
    "etc/inittab": b"::sysinit:/etc/init.d/rcS\nttyS0::respawn:/bin/sh\n",
}
_HARDENED = {
    "etc/passwd": b"root:x:0:0:root:/root:/sbin/nologin\n",
    "etc/shadow": b"root:!$6$saltsalt$" + b"a" * 86 + b":19000:0:99999:7:::\n",
    "etc/inittab": b"::sysinit:/etc/init.d/rcS\n#ttyS0::respawn:/bin/sh\n::ctrlaltdel:/sbin/reboot\n",
}

TWIN = Twin(
    name="medtronic-mycarelink-18a",
    device="Home monitor of pacemakers and defibrillators",
    advisory="ICSMA-18-179-01",
    cves=("CVE-2018-8870", "CVE-2018-8868"),
    container="JFFS2 in flash memory",
    image="monitor-flash.jffs2",
    mechanism="The superuser has the same well-known password in every monitor, and a shell waits at the debug port.",
    for_patient="Somebody who opens the case can use the monitor close to a patient to talk to the implant.",
    difference="The superuser is locked, and the debug port starts nothing.",
    weak=lambda: jffs2(_WEAK),
    hardened=lambda: jffs2(_HARDENED),
    expected=(
        expected_at("weak-password", "etc/shadow", _WEAK["etc/shadow"], b"root"),
        expected_at("console-without-login", "etc/inittab", _WEAK["etc/inittab"], b"ttyS0"),
    ),
)
