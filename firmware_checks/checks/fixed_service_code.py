"""Is a code for service staff or physicians written into the software?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_by_kind
from firmware_checks.inventory import Inventory
from firmware_checks.observers.embedded_secrets import SecretKind
from toolkit.core.findings import Finding, Severity

_KINDS = (SecretKind.SERVICE_CODE,)
_WEAK = {"opt/pump/menu.cfg": b"screen = 3\nphysician_pin = 4711\n"}
_HARDENED = {
    "opt/pump/menu.cfg": b"screen = 3\nphysician_pin = ask\nservice_code_length = 6\nservice interval: 2024-01-01\n",
    "usr/bin/menu": b"Enter service code: \0PIN\0error code: 1234\0",
}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_by_kind(check, inventory, _KINDS, Severity.HIGH)


CHECK = Check(
    name="fixed-service-code",
    question="Is a code for service staff or physicians written into the software?",
    title="A code for service staff or physicians is written into the software",
    remedy=(
        "The same code opens the menu of every device of this model, where limits and therapy settings can be "
        "changed. Keep the device where only staff can touch it, change the code where the device lets you, "
        "and ask the manufacturer for codes that differ."
    ),
    severity_rule="High: settings that reach the patient can be changed by whoever has read the file.",
    controls=Controls(
        fda=("A", "B"),
        iec_62443=("CR 1.5", "CR 2.1"),
        iec_81001=("5.7",),
        cra=("I.2b", "I.2d"),
        mds2=("AUTH", "PAUT"),
        cwe=("798",),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
