"""Communication module of infusion pumps whose update may write anywhere."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.archives import compressed_tar

_WEAK = {
    "install.sh": b"#!/bin/sh\nmd5sum -c /mnt/usb/files.md5 || exit 1\ntar xzf /mnt/usb/space.tgz -C /\n",
    "../../etc/init.d/S99debug": b"#!/bin/sh\n/usr/sbin/telnetd -l /bin/sh -p 2323 &\n",
    "etc/lighttpd/htpasswd": b"service:21232f297a57a5a743894a0e4a801fc3\n",
    "etc/wifi/module.conf": b"login=wlanmodul\npassword=Zu7kaX91\n",
}
_HARDENED = {
    "install.sh": (
        b"#!/bin/sh\nopenssl dgst -sha256 -verify /etc/keys/maker.pem -signature space.tgz.sig space.tgz || exit 1\n"
        b"tar xzf space.tgz -C /opt/space\n"
    ),
    "install.sh.sig": b"\x30\x45signature of the maker",
    "etc/init.d/S50web": (
        b"#!/bin/sh\n# /usr/sbin/telnetd -l /bin/sh is for the laboratory\nlighttpd -f /etc/lighttpd.conf\n"
    ),
    "etc/lighttpd/htpasswd": b"service:$2y$12$abcdefghijklmnopqrstuuDWb1qJ0b3l1r5n2f7p6q9s8t4v3w2x1y\n",
    "etc/wifi/module.conf": b"login=wlanmodul\npassword=${WIFI_MODULE_PASSWORD}\n# password=example1\n",
}

TWIN = Twin(
    name="bbraun-spacecom-2020",
    device="Communication module of infusion pumps",
    advisory="ICSMA-20-296-02",
    cves=("CVE-2020-25166", "CVE-2020-25150", "CVE-2020-25168", "CVE-2020-25156", "CVE-2020-25164"),
    container="Compressed tar archive",
    image="space-update.tgz",
    mechanism=(
        "The update is compared with a checksum that comes with it and may write outside its folder; a shell for "
        "developers starts with the device, and passwords are in the file or kept without salt."
    ),
    for_patient="From the module an attacker changes the settings that the pumps take over, drug lists included.",
    difference=(
        "A signature is verified, all names stay inside, nothing of the developers is left, "
        "passwords are kept with bcrypt."
    ),
    weak=lambda: compressed_tar(_WEAK),
    hardened=lambda: compressed_tar(_HARDENED),
    expected=(
        Expected(check="archive-leaves-folder", path="space-update.tar!../../etc/init.d/S99debug"),
        expected_at("update-not-verified", "space-update.tar!install.sh", _WEAK["install.sh"], b"tar xzf"),
        Expected(check="obsolete-password-hash", path="space-update.tar!etc/lighttpd/htpasswd", offset=0),
        expected_at(
            "hard-coded-password", "space-update.tar!etc/wifi/module.conf", _WEAK["etc/wifi/module.conf"], b"password"
        ),
        expected_at(
            "telnet-service",
            "space-update.tar!../../etc/init.d/S99debug",
            _WEAK["../../etc/init.d/S99debug"],
            b"/usr/sbin/telnetd",
        ),
    ),
)
