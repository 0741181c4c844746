"""Does the device start rsh, rlogin or rexec, or trust other computers to name their users?"""

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
    yield from service_rows(inventory, (ServiceKind.REMOTE_SHELL,), Severity.HIGH, "remote shell")
    for seen in inventory.observed(OpenSetting):
        if seen.what.service is Service.TRUST:
            yield Severity.CRITICAL, seen.what.words, seen.evidence


_WEAK = {"etc/inetd.conf": b"shell stream tcp nowait root /usr/sbin/in.rshd in.rshd\n", "root/.rhosts": b"+ +\n"}
_HARDENED = {
    "etc/inetd.conf": b"#shell stream tcp nowait root /usr/sbin/in.rshd in.rshd\n",
    "etc/hosts.equiv": b"# + +\n",
}


CHECK = Check(
    name="remote-shell-service",
    question="Does the device start rsh, rlogin or rexec, or trust other computers to name their users?",
    title="Other computers can run commands without a password",
    remedy=(
        "These services believe what another computer says about its user: whoever can send packets to the "
        "device can run commands on it. Block TCP ports 512 to 514 at the device's network port and ask "
        "the manufacturer for software without them."
    ),
    severity_rule=(
        "Critical when every computer is trusted, high when such a service is started, low when it is only installed."
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
            "290",
            "306",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
