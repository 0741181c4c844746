"""Does the device start a Telnet server?"""

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


_NO_LOGIN = re.compile(r"-l\s*\S*/b?a?sh\b")


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen, started in services(inventory, (ServiceKind.TELNET,)):
        if started and _NO_LOGIN.search(seen.what.arguments):
            yield Severity.CRITICAL, f"{seen.what.program} opens a shell without asking who is there", seen.evidence
        elif started:
            yield Severity.HIGH, f"Telnet: {seen.what.program}, started by {seen.what.start.value}", seen.evidence
        else:
            yield (
                Severity.LOW,
                f"Telnet: {seen.what.program} is installed; nothing in the file starts it",
                seen.evidence,
            )


_WEAK = {"etc/init.d/rcS": b"#!/bin/sh\nmount -a\ntelnetd -l /bin/sh &\n"}
_HARDENED = {
    "etc/init.d/rcS": (b"#!/bin/sh\n# telnetd -l /bin/sh\nkillall telnetd\necho telnetd is gone\n"),
    "etc/inetd.conf": b"#telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n",
    "etc/services": b"telnet 23/tcp\n",
}


CHECK = Check(
    name="telnet-service",
    question="Does the device start a Telnet server?",
    title="The device can be entered over Telnet",
    remedy=(
        "Telnet sends passwords and commands readably: whoever listens in the hospital network can take "
        "the device over, and change therapy or alarms. Block TCP port 23 at the device's network port and "
        "ask the manufacturer for software without it."
    ),
    severity_rule=(
        "Critical when it opens a shell without a login, high when it is started, low when it is only installed."
    ),
    controls=Controls(
        fda=(
            "A",
            "D",
        ),
        iec_62443=(
            "CR 7.7",
            "CR 1.1",
        ),
        iec_81001=("5.7",),
        cra=("I.2j",),
        mds2=("SAHD",),
        cwe=(
            "319",
            "306",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
