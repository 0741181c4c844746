"""Wireless module of an infusion pump with Telnet, FTP and fixed passwords."""

from __future__ import annotations

from firmware_checks.twin import Twin, expected_at
from firmware_checks.twin_containers.file_systems import cramfs
from firmware_checks.twin_containers.programs import protected_program

_WEAK = {
    "etc/inetd.conf": (
        b"telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n"
        b"ftp stream tcp nowait root /usr/sbin/ftpd ftpd -w /\n"
    ),
    "opt/wbm/wbm.conf": b"ftp_user=wbm\nftp_password=Sgm4spc2\n",
    "opt/wbm/menu.ini": b"biomed_code=06120\n",
}
_HARDENED = {
    "etc/inetd.conf": (
        b"#telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n#ftp stream tcp nowait root /usr/sbin/ftpd ftpd\n"
    ),
    "opt/wbm/wbm.conf": b"ftp_user=\nftp_password=\n# ftp_password=secret99 until release 6\n",
    "opt/wbm/menu.ini": b"biomed_code=\n",
    "opt/wbm/wbm": protected_program(b"Enter biomed code", b"password incorrect", b"telnet is not available"),
    "usr/share/man/man8/telnetd.8": b".TH TELNETD 8\n.SH SYNOPSIS\ntelnetd -l /bin/login\n",
}

TWIN = Twin(
    name="baxter-spectrum-2020",
    device="Wireless module of an infusion pump",
    advisory="ICSMA-20-170-04",
    cves=("CVE-2020-12045", "CVE-2020-12047", "CVE-2020-12043", "CVE-2020-12039", "CVE-2020-12040"),
    container="cramfs root file system",
    image="wbm-root.cramfs",
    mechanism="Telnet and FTP are open, their passwords and the code of the technicians' menu are in the file.",
    for_patient="Somebody in radio range can switch off the module, or read and change what the pump is told.",
    difference="Both services are off, and no password or code is in the file.",
    weak=lambda: cramfs(_WEAK),
    hardened=lambda: cramfs(_HARDENED),
    expected=(
        expected_at("telnet-service", "etc/inetd.conf", _WEAK["etc/inetd.conf"], b"telnet "),
        expected_at("file-transfer-service", "etc/inetd.conf", _WEAK["etc/inetd.conf"], b"ftp "),
        expected_at("hard-coded-password", "opt/wbm/wbm.conf", _WEAK["opt/wbm/wbm.conf"], b"ftp_password"),
        expected_at("fixed-service-code", "opt/wbm/menu.ini", _WEAK["opt/wbm/menu.ini"], b"biomed_code"),
    ),
)
