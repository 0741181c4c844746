"""Do several accounts have the same password?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observers.accounts import Account, PasswordScheme
from toolkit.core.findings import Evidence, Finding, Severity

_NOT_KEPT = (PasswordScheme.EMPTY, PasswordScheme.LOCKED, PasswordScheme.ELSEWHERE)


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    by_stored: dict[str, dict[str, Evidence]] = defaultdict(dict)
    for seen in inventory.observed(Account):
        if seen.what.scheme not in _NOT_KEPT:
            by_stored[seen.what.stored].setdefault(seen.what.user, seen.evidence)
    for users in by_stored.values():
        if len(users) > 1:
            detail = f"the passwords of {', '.join(list(users)[:8])} are kept with the same salt and are the same"
            yield check.finding(Severity.MEDIUM, detail, *list(users.values())[:8])


def _files(second: bytes) -> bytes:
    lines = (b"root:$y$j9T$salt$" + b"k" * 43, b"service:$y$j9T$salt$" + second * 43, b"daemon:*", b"bin:*")
    return archive_of({"etc/shadow": b"".join(line + b":18000:0:99999:7:::\n" for line in lines)})


CHECK = Check(
    name="shared-password",
    question="Do several accounts have the same password?",
    title="Several accounts share one password",
    remedy=(
        "Whoever knows the password of one account has the others too, and what was done cannot be traced to a person. "
        "Ask the manufacturer for a password of its own for each account."
    ),
    severity_rule="Medium: one known password opens several accounts.",
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.3", "CR 1.5"), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH", "PAUT"),
        cwe=("1391",),
    ),
    run=_run,
    weak_example=lambda: _files(b"k"),
    hardened_example=lambda: _files(b"m"),
)  # fmt: skip
