"""Does the device talk to computers outside that its profile does not know?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.exposure.known_projects import is_of_known_project
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observer import Seen
from firmware_checks.observers.remote_addresses import RemoteAddress
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Row]:
    allowed = _allowed(profile)
    for seen in inventory.observed(RemoteAddress):
        what = seen.what
        if what.host in (allowed or ()) or not (what.is_number or allowed is not None):
            continue
        words = f"{what.host}: {what.use}" if what.use else f"{what.host}: an address of the public internet"
        yield _severity(inventory, seen), words, seen.evidence


def _allowed(profile: DeviceProfile | None) -> frozenset[str] | None:
    """Return the computers the profile knows; None when it does not say."""
    known = [i.sockets.peers for i in profile.interfaces if i.sockets.peers is not None] if profile is not None else []
    return frozenset(peer for peers in known for peer in peers) if known else None


def _severity(inventory: Inventory, seen: Seen[RemoteAddress]) -> Severity:
    if seen.what.use.startswith("mounted"):
        return Severity.HIGH
    if is_of_known_project(inventory, seen.path):
        return Severity.LOW
    return Severity.HIGH if seen.what.use and seen.what.is_number else Severity.MEDIUM


_WEAK = {"opt/bin/monitor.sh": (b"#!/bin/sh\nmount -t nfs -o nolock 202.114.4.119:/pm /mnt\nHL7_HOST=202.114.4.120\n")}
_HARDENED = {
    "opt/bin/monitor.sh": (
        b"#!/bin/sh\n"
        b"# mount -t nfs 202.114.4.119:/pm /mnt\n"
        b"mount -t nfs 10.114.4.119:/pm /mnt\n"
        b"VERSION=52.114.33.119\n"
        b"DOC=203.0.113.7\n"
        b"OID=1.3.6.1\n"
        b"NET=255.255.255.0\n"
    )
}


CHECK = Check(
    name="hard-coded-address",
    question="Does the device talk to computers outside that its profile does not know?",
    title="The software names a computer outside the hospital",
    remedy=(
        "The device may send patient data to this computer, or take software and commands from it. Find "
        "out from the manufacturer whose computer it is and what it is for; until then block all traffic "
        "from the device to addresses outside the hospital."
    ),
    severity_rule=(
        "High when the address is used to mount a folder or to fetch something, medium when it only stands "
        "there, low in a program of a known project; names of hosts count only when the profile lists the "
        "computers the device may talk to."
    ),
    controls=Controls(
        fda=(
            "D",
            "E",
        ),
        iec_62443=(
            "CR 5.2",
            "CR 7.7",
        ),
        iec_81001=("5.7",),
        cra=(
            "I.2e",
            "I.2j",
        ),
        mds2=("SAHD",),
        cwe=(
            "912",
            "1327",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
