"""Is a password kept in a way that gives it away to whoever gets hold of the file?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observers.accounts import Account, PasswordScheme, scheme_of
from firmware_checks.observers.embedded_secrets import Secret, SecretKind
from toolkit.core.findings import Evidence, Finding, Severity

_OBSOLETE = {
    PasswordScheme.DESCRYPT: "all but the first eight characters are ignored, and each is found within hours",
    PasswordScheme.MD5: "millions of guesses a second can be made",
    PasswordScheme.APR1: "millions of guesses a second can be made",
    PasswordScheme.MD5_PLAIN: "thousands of millions of guesses a second can be made",
    PasswordScheme.SHA1: "thousands of millions of guesses a second can be made",
    PasswordScheme.OTHER: "it is kept as it is typed, or in a way that is not known",
}


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    users: dict[PasswordScheme, dict[tuple[str, str], Evidence]] = defaultdict(dict)
    for seen in inventory.observed(Account):
        if seen.what.scheme in _OBSOLETE:
            users[seen.what.scheme].setdefault((seen.what.user, seen.path), seen.evidence)
    for secret in inventory.observed(Secret):
        if secret.what.kind is SecretKind.PASSWORD_HASH and scheme_of(secret.what.value) in _OBSOLETE:
            name = secret.what.user or f"not named, {secret.path}:{secret.what.offset}"
            users[scheme_of(secret.what.value)].setdefault((name, secret.path), secret.evidence)
    for scheme, of_users in users.items():
        names = list(dict.fromkeys(user for user, _path in of_users))
        whose = ", ".join(names[:8])
        detail = f"{len(names)} kept as {scheme.value} ({whose}): {_OBSOLETE[scheme]}"
        yield check.finding(Severity.MEDIUM, detail, *list(of_users.values())[:20])


def _files(stored: bytes) -> bytes:
    return archive_of({"etc/shadow": b"root:" + stored + b":18000:0:99999:7:::\ndaemon:*:18000:0:99999:7:::\n"})


CHECK = Check(
    name="obsolete-password-hash",
    question="Is a password kept in a way that gives it away to whoever gets hold of the file?",
    title="A password is kept in an obsolete way",
    remedy=(
        "Whoever gets this file finds the password with an ordinary computer, and it often fits every device. "
        "Treat the file as secret and ask the manufacturer for passwords kept with yescrypt, bcrypt or SHA-512."
    ),
    severity_rule="Medium: the file has to be had first, then the password is found with little work.",
    controls=Controls(
        fda=("A", "C"), iec_62443=("CR 1.5", "CR 4.3"), iec_81001=("5.7",), cra=("I.2e",), mds2=("AUTH", "STCF"),
        cwe=("916", "328"),
    ),
    run=_run,
    weak_example=lambda: _files(b"ab1cdEf2gHi3j"),
    hardened_example=lambda: _files(b"$y$j9T$" + b"a" * 22 + b"$" + b"b" * 43),
)  # fmt: skip
