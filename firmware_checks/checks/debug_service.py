"""Does the device start a debugger, or bind a shell to a network port?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.exposure.service_kinds import ServiceKind
from firmware_checks.exposure.started import service_rows
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    yield from service_rows(inventory, (ServiceKind.OPEN_SHELL,), Severity.CRITICAL, "shell bound to a network port")
    yield from service_rows(inventory, (ServiceKind.DEBUGGER,), Severity.HIGH, "debugger")
    for entry in inventory.entries:
        if entry.name.endswith(("bin/gdbserver", "bin/lldb-server")):
            yield Severity.LOW, "debugger: a program for remote debugging is installed", Evidence(path=entry.path)


_WEAK = {
    "etc/init.d/S99debug": (b"#!/bin/sh\ngdbserver :2345 --attach $(pidof monitor) &\nnc -l -p 4444 -e /bin/sh &\n")
}
_HARDENED = {
    "etc/init.d/S99debug": (b"#!/bin/sh\n# gdbserver :2345\nnc -z 10.0.0.9 80\n[ -x /usr/bin/gdbserver ] && exit 1\n")
}


CHECK = Check(
    name="debug-service",
    question="Does the device start a debugger, or bind a shell to a network port?",
    title="A way in for developers was left open",
    remedy=(
        "A debugger lets whoever reaches it read and change everything while the device treats a patient. "
        "Keep the device on a network of its own and ask the manufacturer for a release without debugging "
        "services."
    ),
    severity_rule=(
        "Critical when a shell is bound to a port, high when a debugger is started, low when it is only installed."
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
            "489",
            "1191",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
