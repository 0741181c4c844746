"""Does the image hold the key of a wireless network?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_by_kind
from firmware_checks.inventory import Inventory
from firmware_checks.observers.embedded_secrets import SecretKind
from toolkit.core.findings import Finding, Severity

_KINDS = (SecretKind.WIFI_KEY,)
_WEAK = {"etc/wpa_supplicant.conf": b'network={\n ssid="ICU"\n psk="ward seven 2019"\n}\n'}
_HARDENED = {
    "etc/wpa_supplicant.conf": b'network={\n ssid="guest"\n key_mgmt=NONE\n #psk="example only"\n}\n',
    "usr/bin/wifi": b'\0psk=\0psk="%s"\0 psk=$PSK\0wpa_passphrase=%s\0',
}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_by_kind(check, inventory, _KINDS, Severity.HIGH)


CHECK = Check(
    name="wireless-key",
    question="Does the image hold the key of a wireless network?",
    title="The key of a wireless network is in the image",
    remedy=(
        "Whoever gets this memory or file can join that network as a device would. In a dump of a used "
        "device: wipe it before it leaves the house and change the key of the network. In an update: ask the "
        "manufacturer what network this is."
    ),
    severity_rule="High: a network of the hospital, or of the maker, is open to whoever has the file.",
    controls=Controls(
        fda=("C", "E"),
        iec_62443=("CR 1.5", "CR 4.1", "CR 4.2"),
        iec_81001=("5.7",),
        cra=("I.2e", "I.2m"),
        mds2=("STCF", "SGUD"),
        cwe=("312", "522"),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
