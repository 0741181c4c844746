"""Does the device start an FTP or TFTP server, or let everybody use one?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.exposure.service_kinds import ServiceKind
from firmware_checks.exposure.started import service_rows
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.service_settings import OpenSetting, Service
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    yield from service_rows(inventory, (ServiceKind.FTP, ServiceKind.TFTP), Severity.HIGH, "file transfer")
    for seen in inventory.observed(OpenSetting):
        if seen.what.service is Service.FTP:
            severity = Severity.CRITICAL if seen.what.is_grave else Severity.HIGH
            yield severity, seen.what.words, seen.evidence


_WEAK = {
    "etc/inetd.conf": (
        b"ftp stream tcp nowait root /usr/sbin/ftpd ftpd -w /\ntftp dgram udp wait root /usr/sbin/tcpd in.tftpd /srv\n"
    ),
    "etc/vsftpd.conf": b"anonymous_enable=YES\nanon_upload_enable=YES\n",
}
_HARDENED = {
    "etc/inetd.conf": b"# ftp stream tcp nowait root /usr/sbin/ftpd ftpd\n",
    "etc/vsftpd.conf": b"#anonymous_enable=YES\nanonymous_enable=NO\n",
    "usr/bin/get.sh": b"#!/bin/sh\nsftp pump@10.0.0.9\necho no ftpd here\n",
}


CHECK = Check(
    name="file-transfer-service",
    question="Does the device start an FTP or TFTP server, or let everybody use one?",
    title="Files on the device can be reached over FTP or TFTP",
    remedy=(
        "These services send files and passwords readably, and TFTP asks for no password at all: programs "
        "or settings of the device may be replaced from the network. Block TCP port 21 and UDP port 69 at "
        "the device's network port and ask the manufacturer for a protected way."
    ),
    severity_rule=(
        "Critical when everybody may store files, high when a server is started or lets everybody in, low "
        "when it is only installed."
    ),
    controls=Controls(
        fda=(
            "A",
            "D",
        ),
        iec_62443=(
            "CR 7.7",
            "CR 1.1",
        ),
        iec_81001=("5.7",),
        cra=("I.2j",),
        mds2=("SAHD",),
        cwe=(
            "319",
            "306",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
