"""Is there more than one account with all rights?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observer import Seen
from firmware_checks.observers.accounts import Account, PasswordScheme
from toolkit.core.findings import Finding, Severity

_SHUT = ("/nologin", "/false", "/sync", "/halt", "/shutdown")


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    by_file: dict[str, dict[str, Seen[Account]]] = defaultdict(dict)
    for seen in inventory.observed(Account):
        is_open = seen.what.scheme is not PasswordScheme.LOCKED and not seen.what.shell.endswith(_SHUT)
        if seen.what.uid == 0 and is_open:
            by_file[seen.path].setdefault(seen.what.user, seen)
    for path, roots in by_file.items():
        if len(roots) > 1:
            names = ", ".join(list(roots)[:8])
            detail = f"{len(roots)} accounts in {path} have the user number 0: {names}"
            yield check.finding(Severity.MEDIUM, detail, *[seen.evidence for seen in list(roots.values())[:8]])


def _files(number: int) -> bytes:
    passwd = f"root:x:0:0:root:/root:/bin/sh\nservice:x:{number}:0::/home/service:/bin/sh\nhalt:x:0:0::/:/sbin/halt\n"
    return archive_of({"etc/passwd": passwd.encode()})


CHECK = Check(
    name="several-superusers",
    question="Is there more than one account with all rights?",
    title="Several accounts have all rights",
    remedy=(
        "A second account with the user number 0 is as powerful as root and is easily forgotten, or was left as a way "
        "back in. Ask the manufacturer what it is for and to remove it."
    ),
    severity_rule="Medium: each such account opens the whole device, but its password is still needed.",
    controls=Controls(
        fda=("B",), iec_62443=("CR 1.3", "CR 2.1"), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH",), cwe=("250",)
    ),
    run=_run,
    weak_example=lambda: _files(0),
    hardened_example=lambda: _files(1000),
)
