"""Does the device announce itself and take orders over UPnP?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.exposure.service_kinds import ServiceKind
from firmware_checks.exposure.started import service_rows
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    yield from service_rows(inventory, (ServiceKind.UPNP,), Severity.MEDIUM, "UPnP")


_WEAK = {"etc/init.d/S80upnp": b"#!/bin/sh\nminiupnpd -i eth0 -a br0\n"}
_HARDENED = {"etc/init.d/S80upnp": b"#!/bin/sh\n# miniupnpd -i eth0\nkillall miniupnpd\n"}


CHECK = Check(
    name="upnp-service",
    question="Does the device announce itself and take orders over UPnP?",
    title="The device takes orders from the network over UPnP",
    remedy=(
        "UPnP asks nobody for a password: programs in the network can open ports and change settings. "
        "Block UDP port 1900 at the device's network port and ask the manufacturer whether the device "
        "needs it."
    ),
    severity_rule="Medium when it is started, low when it is only installed.",
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
        cwe=("306",),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
