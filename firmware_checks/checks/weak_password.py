"""Does an account have a password that everybody tries first?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.credentials.well_known import Guesser
from firmware_checks.grouping import MOST_EVIDENCE
from firmware_checks.inventory import Inventory
from firmware_checks.observer import Seen
from firmware_checks.observers.accounts import Account, PasswordScheme
from firmware_checks.observers.embedded_secrets import Secret, SecretKind
from toolkit.core.findings import Evidence, Finding, Severity

_NOT_COMPARED = (PasswordScheme.EMPTY, PasswordScheme.LOCKED, PasswordScheme.ELSEWHERE)


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    guesser = Guesser()
    of_nobody: dict[str, list[Evidence]] = defaultdict(list)
    for user, stored, seen in _stored(inventory):
        guess = guesser.guess(user, stored)
        if guess is not None and user:
            detail = f"the password of the account {user} is no secret: {guess.reason}"
            yield check.finding(Severity.CRITICAL, detail, seen.evidence)
        elif guess is not None:
            of_nobody[seen.path].append(seen.evidence)
    for path, evidence in of_nobody.items():
        detail = f"{len(evidence)} passwords that {path} keeps are no secret; which account they open does not show"
        yield check.finding(Severity.HIGH, detail, *evidence[:MOST_EVIDENCE])
    if guesser.unfinished:
        left = guesser.unfinished
        detail = f"{left} passwords were compared with a part of the list only, because each takes long to compare"
        yield check.finding(Severity.INFO, detail)
    if guesser.uncompared:
        detail = f"{guesser.uncompared} passwords are kept in a strong way that nothing here can compare: not looked at"
        yield check.finding(Severity.INFO, detail)


def _stored(inventory: Inventory) -> Iterator[tuple[str, str, Seen[Account] | Seen[Secret]]]:
    for seen in inventory.observed(Account):
        if seen.what.scheme not in _NOT_COMPARED:
            yield seen.what.user, seen.what.stored, seen
    known = {seen.what.stored for seen in inventory.observed(Account)}
    for secret in inventory.observed(Secret):
        if secret.what.kind is SecretKind.PASSWORD_HASH and secret.what.value not in known:
            yield secret.what.user, secret.what.value, secret


def _files(stored: bytes) -> bytes:
    return archive_of({"etc/shadow": b"root:" + stored + b":18000:0:99999:7:::\ndaemon:*:18000:0:99999:7:::\n"})


CHECK = Check(
    name="weak-password",
    question="Does an account have a password that everybody tries first?",
    title="The password of an account is a well-known one",
    remedy=(
        "The password is on public lists and is tried first in every attack. Keep the device off networks that others "
        "reach, change the password where the device lets you, and ask the manufacturer for software without it."
    ),
    severity_rule=(
        "Critical: whoever has read a list of default passwords is let in; high where no account is named."
    ),
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.5", "CR 1.7"), iec_81001=("5.7",), cra=("I.2b", "I.2d"), mds2=("AUTH",),
        cwe=("1392", "521"),
    ),
    run=_run,
    weak_example=lambda: _files(b"$1$ab$XAY7Cxo/ue.AAKn2rbkP3."),
    hardened_example=lambda: _files(b"$1$saltsalt$" + b"a" * 22),
)  # fmt: skip
