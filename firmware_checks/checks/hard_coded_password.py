"""Is a password written into the software?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import findings_by_kind
from firmware_checks.inventory import Inventory
from firmware_checks.observers.embedded_secrets import SecretKind
from toolkit.core.findings import Finding, Severity

_KINDS = (
    SecretKind.PASSWORD,
    SecretKind.ADDRESS,
    SecretKind.COMMAND,
    SecretKind.BASIC,
    SecretKind.COMPARED,
    SecretKind.DIALOGUE,
    SecretKind.CONNECTION,
)
_WEAK = {
    "opt/pump/gateway.conf": b"[ftp]\nuser = service\npassword = Wx7!pump22\n",
    "usr/bin/upload.sh": b"#!/bin/sh\ncurl -T log.bin ftp://monitor:Sx81tropic@10.0.0.9/in/\n",
}
_HARDENED = {
    "opt/pump/gateway.conf": b"[ftp]\nuser = service\npassword = ${FTP_PASSWORD}\npassword_file = /run/secret\n",
    "usr/bin/upload.sh": b'#!/bin/sh\ncurl -n -T log ftp://10.0.0.9/in/\necho "Password:"\npassword=$(cat /run/p)\n',
    "usr/bin/tool": b"usage: --password=PASSWORD\0password: %s\0Enter password: \0https://user:password@host/\0",
}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from findings_by_kind(check, inventory, _KINDS, Severity.HIGH)


CHECK = Check(
    name="hard-coded-password",
    question="Is a password written into the software?",
    title="A password is written into the software",
    remedy=(
        "The password is the same in every device of this model and can be read by whoever has the update "
        "file, so it protects nothing. Block the service it opens from other networks, and ask the "
        "manufacturer for a release in which each device has a password of its own."
    ),
    severity_rule="High: whoever has the file can use it on every device; low where only libraries hold it.",
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.5",), iec_81001=("5.7",), cra=("I.2b", "I.2d"), mds2=("AUTH",), cwe=("798", "259")
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
