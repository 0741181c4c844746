"""Ventilator whose configuration is guarded by a password in the file and by a checksum."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.stick import stick

_WEAK = {
    "update/t1_firmware.bin": b"ventilator 2.2.3 " * 16,
    "update/sha256.txt": b"%s  t1_firmware.bin\n" % (b"0" * 64),
    "config/device.xml": b'<device><access level="config" password="Hmt1conf"/></device>\n',
    "log/events.txt": b"10:02 configuration written, checksum 0x5F3A91C2 accepted\n",
}
_HARDENED = {
    "update/t1_firmware.bin": b"ventilator 2.2.4 " * 16,
    "update/t1_firmware.bin.sig": b"\x30\x45signature of the maker",
    "config/device.xml": (
        b'<device><!-- password="Hmt1conf" until 2.2.3 --><access level="config" password=""/></device>\n'
    ),
    "log/events.txt": b"10:02 configuration written, signature verified\n",
}

TWIN = Twin(
    name="hamilton-t1",
    device="Ventilator for transport",
    advisory="ICSMA-21-047-01",
    cves=("CVE-2020-27278", "CVE-2020-27282", "CVE-2020-27290"),
    container="USB stick (FAT)",
    image="ventilator-stick.img",
    mechanism=(
        "The password for the configuration is in a file, and the update has only a checksum with it, which anybody "
        "can compute: a checksum is no signature."
    ),
    for_patient="A configuration that was changed can stop a ventilator from starting while a patient is moved.",
    difference="The update is signed, and no password is in the file.",
    weak=lambda: stick(_WEAK),
    hardened=lambda: stick(_HARDENED),
    expected=(
        expected_at("hard-coded-password", "config/device.xml", _WEAK["config/device.xml"], b"password"),
        Expected(check="archive-not-signed", path="update/t1_firmware.bin"),
    ),
)
