"""Is there an account that asks for no password?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.observers.accounts import Account, PasswordScheme
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    for seen in inventory.observed(Account):
        if seen.what.scheme is PasswordScheme.EMPTY and not _is_shut(seen.what):
            yield check.finding(Severity.CRITICAL, f"the account {seen.what.user} has no password", seen.evidence)


def _is_shut(account: Account) -> bool:
    return account.shell.endswith(("/nologin", "/false"))


def _files(password: bytes) -> bytes:
    return archive_of(
        {
            "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nguest:x:99:99::/:/sbin/nologin\n",
            "etc/shadow": b"root:" + password + b":18000:0:99999:7:::\ndaemon:*:18000:0:99999:7:::\n",
        }
    )


CHECK = Check(
    name="account-without-password",
    question="Is there an account that asks for no password?",
    title="An account has no password",
    remedy=(
        "Anybody who reaches the login, at the device or over the network, becomes that user. Keep the device off "
        "the network and its service port closed, and ask the manufacturer for software in which the account is locked."
    ),
    severity_rule="Critical: whoever reaches the login is let in.",
    controls=Controls(
        fda=("A",), iec_62443=("CR 1.1", "CR 1.5"), iec_81001=("5.7",), cra=("I.2d",), mds2=("AUTH",), cwe=("258",)
    ),
    run=_run,
    weak_example=lambda: _files(b""),
    hardened_example=lambda: _files(b"$6$saltsalt$" + b"a" * 86),
)
