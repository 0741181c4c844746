"""Does the software open a service that the device's profile does not know?"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from device_profiles.schema import DeviceProfile, Interface, Platform, Sockets
from device_profiles.vocabulary import InterfaceType
from firmware_checks.check import Check, archive_of, profile_with
from firmware_checks.controls import Controls
from firmware_checks.exposure.service_kinds import ServiceKind
from firmware_checks.exposure.started import services
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


_PORTS = {
    ServiceKind.TELNET: 23,
    ServiceKind.FTP: 21,
    ServiceKind.TFTP: 69,
    ServiceKind.REMOTE_SHELL: 514,
    ServiceKind.SCREEN: 5900,
    ServiceKind.UPNP: 1900,
}


def _rows(inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Row]:
    if profile is None:
        return
    sockets = [interface.sockets for interface in profile.interfaces]
    listed = [ports for s in sockets for ports in (s.listen_tcp, s.listen_udp) if ports is not None]
    if not listed:
        return
    known = {port for ports in listed for port in ports}
    for seen, started in services(inventory, tuple(_PORTS)):
        port = _PORTS[seen.what.kind]
        if started and port not in known:
            words = f"{seen.what.program} ({seen.what.kind.value}, port {port}) is not in the profile"
            yield Severity.HIGH, words, seen.evidence


def _device() -> DeviceProfile:
    sockets = Sockets(listen_tcp=(104,))
    interface = Interface(id="network", type=InterfaceType.ETHERNET, sockets=sockets)
    return structs.replace(profile_with(Platform()), interfaces=(interface,))


CHECK = Check(
    name="interface-unknown",
    question="Does the software open a service that the device's profile does not know?",
    title="The software opens a service the device should not have",
    remedy=(
        "A service nobody expects is not guarded by the hospital's firewall rules. Block its port at the "
        "device's network port and ask the manufacturer what it is for."
    ),
    severity_rule="High: the profile lists the ports the device listens on, and this one is not among them.",
    controls=Controls(
        fda=("D",), iec_62443=("CR 7.7",), iec_81001=("5.7",), cra=("I.2j",), mds2=("SAHD",), cwe=("1125",)
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/init.d/S50ftp": b"#!/bin/sh\nvsftpd &\n"}),
    hardened_example=lambda: archive_of({"etc/init.d/S50ftp": b"#!/bin/sh\n# vsftpd &\nstorescp 104\n"}),
    example_profile=_device,
)
