"""Does the image hold the secret of a tunnel into another network?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_by_kind
from firmware_checks.inventory import Inventory
from firmware_checks.observers.embedded_secrets import SecretKind
from toolkit.core.findings import Finding, Severity

_KINDS = (SecretKind.VPN_SECRET,)
_WEAK = {"etc/ipsec.secrets": b'10.0.0.1 service.example : PSK "river-Stone-41"\n'}
_HARDENED = {
    "etc/ipsec.secrets": b"# 10.0.0.1 : PSK is kept in the secure element\n: PSK %prompt\n",
    "etc/wireguard/wg0.conf": b"[Interface]\nPrivateKey = \nListenPort = 51820\n",
}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_by_kind(check, inventory, _KINDS, Severity.HIGH)


CHECK = Check(
    name="tunnel-secret",
    question="Does the image hold the secret of a tunnel into another network?",
    title="The secret of a tunnel into another network is in the image",
    remedy=(
        "With this secret anybody can reach the network at the other end, often the service network of the "
        "manufacturer and through it other hospitals. Close the remote access of the device until the "
        "manufacturer has changed the secret."
    ),
    severity_rule="High: the network at the other end of the tunnel is open to whoever has the file.",
    controls=Controls(
        fda=("A", "C"),
        iec_62443=("CR 1.5", "CR 4.1"),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2e"),
        mds2=("RMOT", "STCF"),
        cwe=("321", "522"),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
