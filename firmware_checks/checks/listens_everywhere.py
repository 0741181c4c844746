"""Does a service listen on every network the device is connected to?"""

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
        if seen.what.service is Service.LISTENER:
            yield (Severity.HIGH if seen.what.is_grave else Severity.MEDIUM), seen.what.words, seen.evidence


_WEAK = {"opt/app/service.config": (b'<add key="url" value="http://0.0.0.0:8080/"/>\nlisten = 0.0.0.0:80\n')}
_HARDENED = {
    "opt/app/service.conf": (
        b"# listen = 0.0.0.0:80\nlisten = 127.0.0.1:80\nversion = 10.0.0.0.0\nnetmask = 0.0.0.0\ngateway 0.0.0.0\n"
    )
}


CHECK = Check(
    name="listens-everywhere",
    question="Does a service listen on every network the device is connected to?",
    title="A service listens on every network of the device",
    remedy=(
        "A service that only the device itself or one other computer needs can be reached by all of the "
        "hospital network. Let only the computers that need it reach its port, and ask the manufacturer "
        "which ones these are."
    ),
    severity_rule="Medium: what it gives to whoever reaches it is not known from the setting.",
    controls=Controls(
        fda=(
            "A",
            "D",
        ),
        iec_62443=(
            "CR 7.7",
            "CR 5.1",
        ),
        iec_81001=("5.7",),
        cra=("I.2j",),
        mds2=("SAHD",),
        cwe=("1327",),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
