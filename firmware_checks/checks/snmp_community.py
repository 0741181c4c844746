"""Does the device answer SNMP requests with a community everybody knows?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.service_settings import OpenSetting, Service
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(OpenSetting):
        if seen.what.service is Service.SNMP:
            yield (Severity.HIGH if seen.what.is_grave else Severity.MEDIUM), seen.what.words, seen.evidence


_WEAK = {"etc/snmp/snmpd.conf": b"rocommunity public\nrwcommunity private\n"}
_HARDENED = {
    "etc/snmp/snmpd.conf": (
        b"# rwcommunity private\n"
        b"rocommunity public localhost\n"
        b"rocommunity public default -V systemonly\n"
        b"rouser monitor priv\n"
    )
}


CHECK = Check(
    name="snmp-community",
    question="Does the device answer SNMP requests with a community everybody knows?",
    title="Network management answers to a well-known community",
    remedy=(
        "Whoever sends the well-known word can read how the device and its network are set up; where "
        "writing is allowed, change it. Block UDP port 161 at the device's network port, or set other "
        "communities, and ask the manufacturer for SNMP version 3."
    ),
    severity_rule=(
        "High when settings may be changed with a well-known community, medium when they may be read or a "
        "community with write access is sent readably."
    ),
    controls=Controls(
        fda=("A",),
        iec_62443=(
            "CR 1.5",
            "CR 1.1",
        ),
        iec_81001=("5.7",),
        cra=(
            "I.2b",
            "I.2d",
        ),
        mds2=("SAHD",),
        cwe=(
            "1392",
            "319",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
