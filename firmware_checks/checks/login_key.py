"""Can somebody log in with a key that came with the image?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observers.key_material import AuthorizedKey
from toolkit.core.findings import Finding, Severity

_LINE = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV4YW1wbGUgZXhhbXBsZSBleGFtcGxlIDMy service@maker\n"


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for seen in inventory.observed(AuthorizedKey):
        detail = f"{seen.what.kind} key {seen.what.fingerprint} of {seen.what.owner}"
        yield check.finding(Severity.HIGH, detail, seen.evidence)


CHECK = Check(
    name="ssh-login-key",
    question="Can somebody log in with a key that came with the image?",
    title="Somebody can log in with a key that came with the image",
    remedy=(
        "Whoever holds the private half of this key can log in on every device of this model, and nobody in "
        "the hospital knows who that is. Block SSH from other networks, and ask the manufacturer whose key it "
        "is and to remove it."
    ),
    severity_rule="High: an unknown person can log in on every device.",
    controls=Controls(
        fda=("A",),
        iec_62443=("CR 1.5", "CR 1.13"),
        iec_81001=("5.7",),
        cra=("I.2b", "I.2d"),
        mds2=("AUTH", "RMOT"),
        cwe=("798", "506"),
    ),
    run=_run,
    weak_example=lambda: archive_of({"root/.ssh/authorized_keys": _LINE}),
    hardened_example=lambda: archive_of(
        {"root/.ssh/authorized_keys": b"# no keys\n# " + _LINE, "root/.ssh/known_hosts": b"h " + _LINE}
    ),
)
