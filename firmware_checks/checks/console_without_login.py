"""Does a connector of the device open a shell without asking who is there?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.exposure.service_kinds import ServiceKind
from firmware_checks.exposure.started import services
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


_NO_LOGIN = re.compile(r"(?:--autologin|-a)[ =]\S+|(?:-l|--login-program)[ =]?\S*/b?a?sh\b|--skip-login")
_SHELLS = ("sh", "ash", "bash", "sulogin")


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen, _started in services(inventory, (ServiceKind.CONSOLE,)):
        is_lasting = seen.what.line.endswith(("respawn", "askfirst", "once")) or not seen.what.line
        if seen.what.program in _SHELLS and is_lasting:
            yield Severity.HIGH, f"inittab opens {seen.what.program} on a terminal", seen.evidence
        elif _NO_LOGIN.search(seen.what.arguments):
            yield Severity.HIGH, f"{seen.what.program} logs somebody in without a password", seen.evidence


_WEAK = {"etc/inittab": b"::sysinit:/etc/init.d/rcS\nttyS0::askfirst:-/bin/sh\n"}
_HARDENED = {
    "etc/inittab": (
        b"::sysinit:/etc/init.d/rcS\n"
        b"# ttyS0::askfirst:-/bin/sh\n"
        b"ttyS0::respawn:/sbin/getty -L ttyS0 115200 vt100\n"
        b"~~:S:wait:/sbin/sulogin\n"
    )
}


CHECK = Check(
    name="console-without-login",
    question="Does a connector of the device open a shell without asking who is there?",
    title="A serial connector opens a shell without a login",
    remedy=(
        "Whoever plugs a cable into the service connector, or opens the case, has full control of the "
        "device within seconds. Keep the device where visitors cannot reach its connectors, seal the case, "
        "and ask the manufacturer for a release with a login."
    ),
    severity_rule="High: physical access is needed, and nothing else.",
    controls=Controls(
        fda=("A",),
        iec_62443=(
            "CR 1.1",
            "EDR 2.13",
        ),
        iec_81001=("5.7",),
        cra=("I.2d",),
        mds2=("AUTH",),
        cwe=(
            "306",
            "1299",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
