"""Does the image hold what opens a directory or a file server?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_by_kind
from firmware_checks.inventory import Inventory
from firmware_checks.observers.directory_secrets import DirectorySecret
from firmware_checks.observers.embedded_secrets import SecretKind
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_by_kind(check, inventory, (SecretKind.DIRECTORY,), Severity.HIGH)
    for seen in inventory.observed(DirectorySecret):
        yield check.finding(Severity.HIGH, seen.what.what, seen.evidence)


CHECK = Check(
    name="directory-secret",
    question="Does the image hold what opens a directory or a file server?",
    title="What opens a directory or a file server is in the image",
    remedy=(
        "Whoever gets this file or memory can read and write on that server, and perhaps act as a user of the "
        "hospital. In a dump of a used device: wipe it before it leaves the house and change the password. In "
        "an update: ask the manufacturer whose server it is."
    ),
    severity_rule="High: a server of the hospital or the maker is open to whoever has the file.",
    controls=Controls(
        fda=("A", "E"),
        iec_62443=("CR 1.5", "CR 4.1"),
        iec_81001=("5.7",),
        cra=("I.2d", "I.2e"),
        mds2=("STCF", "PAUT"),
        cwe=("522", "256"),
    ),
    run=_run,
    weak_example=lambda: archive_of(
        {"etc/fstab": b"//10.0.0.5/studies /mnt cifs username=ct,password=Wx7pump22,vers=1.0 0 0\n"}
    ),
    hardened_example=lambda: archive_of(
        {"etc/fstab": b"//10.0.0.5/studies /mnt cifs credentials=/run/secret,vers=3.0 0 0\n"}
    ),
)
