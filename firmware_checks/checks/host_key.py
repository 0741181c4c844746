"""Is the key by which the device shows who it is part of the image?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.key_examples import key_pem
from firmware_checks.format import EntryKind
from firmware_checks.grouping import is_host_key
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    found = [e for e in inventory.entries if e.kind is EntryKind.FILE and e.size != 0 and is_host_key(e.path)]
    if found:
        names = ", ".join(entry.name.rpartition("/")[2] for entry in found[:6])
        places = [Evidence(path=entry.path, offset=0) for entry in found[:20]]
        yield check.finding(Severity.HIGH, f"{len(found)} host keys: {names}", *places)


CHECK = Check(
    name="ssh-host-key",
    question="Is the key by which the device shows who it is part of the image?",
    title="The key by which the device shows who it is is part of the image",
    remedy=(
        "Every device of this model has the same SSH host key, so anybody with the file can pose as the "
        "device and read the passwords that service staff type. Ask the manufacturer to let each device make "
        "its own key at first start."
    ),
    severity_rule="High: anybody with the file can pose as the device towards service staff.",
    controls=Controls(
        fda=("A", "C"),
        iec_62443=("CR 1.2", "CR 1.5"),
        iec_81001=("5.7",),
        cra=("I.2b", "I.2d"),
        mds2=("NAUT", "RMOT"),
        cwe=("321",),
    ),
    run=_run,
    weak_example=lambda: archive_of({"etc/ssh/ssh_host_ed25519_key": key_pem()}),
    hardened_example=lambda: archive_of(
        {"etc/ssh/ssh_host_ed25519_key": b"", "etc/ssh/ssh_host_ed25519_key.pub": b"ssh-ed25519 AAAA"}
    ),
)
