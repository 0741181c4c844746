"""Does remote access allow outdated protection?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observers.cipher_settings import WeakSetting
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    places: dict[str, list[Evidence]] = defaultdict(list)
    allowed: dict[str, dict[str, None]] = defaultdict(dict)
    for seen in inventory.observed(WeakSetting):
        if seen.what.is_of_ssh:
            places[seen.path].append(seen.evidence)
            allowed[seen.path].update(dict.fromkeys(seen.what.allows))
    for path, evidence in places.items():
        yield check.finding(Severity.MEDIUM, f"{path} allows {', '.join(allowed[path])}", *evidence)


CHECK = Check(
    name="weak-ssh-setting",
    question="Does remote access allow outdated protection?",
    title="Remote access allows outdated protection",
    remedy=(
        "Somebody on the same network may read or change what service staff do over SSH. Keep remote access "
        "closed while it is not needed, and ask the manufacturer to allow only current algorithms."
    ),
    severity_rule="Medium: it takes a place in the network, and often the other side to be old, too.",
    controls=Controls(
        fda=("C",),
        iec_62443=("CR 3.1", "CR 4.3"),
        iec_81001=("5.7",),
        cra=("I.2e",),
        mds2=("TXCF", "TXIG"),
        cwe=("326", "327"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/ssh/sshd_config": b"Ciphers aes256-ctr,arcfour\nMACs hmac-md5\n"}),
    hardened_example=lambda: archive_of(
        {"etc/ssh/sshd_config": b"#Ciphers arcfour\nCiphers aes256-gcm@openssh.com\nMACs -hmac-md5\n"}
    ),
)
