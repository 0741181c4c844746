"""Generator for electrosurgery with passwords that are kept in a way broken long ago."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.file_systems import squashfs
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_WEAK = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nvalley:x:500:500::/home/valley:/usr/bin/rssh\n",
    "etc/shadow": b"root:ab01FAX.bQRSU:15000:0:99999:7:::\nvalley:cdV6nD/6fLmwU:15000:0:99999:7:::\n",
    "usr/bin/rssh": hosted_program(b"rssh 2.3.4", b"This account is restricted by rssh."),
    "opt/vl/remote.conf": b"username=vlexchange\npassword=Gen3rator\n",
}
_HARDENED = {
    "etc/passwd": b"root:x:0:0:root:/root:/sbin/nologin\nvalley:x:500:500::/home/valley:/sbin/nologin\n",
    "etc/shadow": b"root:*:19000:0:99999:7:::\nvalley:!$y$j9T$saltsaltsalt$" + b"a" * 43 + b":19000:0:99999:7:::\n",
    "usr/bin/transfer": protected_program(b"replaces rssh 2.3.4", b"restricted account"),
    "opt/vl/remote.conf": b"username=vlexchange\npassword_file=/run/secrets/vl\n",
}

TWIN = Twin(
    name="medtronic-valleylab",
    device="Generator for electrosurgery",
    advisory="ICSMA-19-311-02",
    cves=("CVE-2019-13543", "CVE-2019-13539", "CVE-2019-3464"),
    container="Squashfs root file system",
    image="generator-root.squashfs",
    mechanism=(
        "Passwords are kept with descrypt, another stands in a settings file, and the restricted shell has known holes."
    ),
    for_patient="Whoever gets in can change files of a generator that cuts tissue.",
    difference="Accounts are locked, passwords are not in the file, and the restricted shell is gone.",
    weak=lambda: squashfs(_WEAK),
    hardened=lambda: squashfs(_HARDENED),
    expected=(
        expected_at("obsolete-password-hash", "etc/shadow", _WEAK["etc/shadow"], b"root"),
        expected_at("hard-coded-password", "opt/vl/remote.conf", _WEAK["opt/vl/remote.conf"], b"password"),
        Expected(
            check="vulnerable-component",
            path="usr/bin/rssh",
            offset=_WEAK["usr/bin/rssh"].index(b"rssh 2.3.4"),
            vulnerability="CVE-2019-3464",
        ),
    ),
)
