"""Can the screen of the device be seen and operated over VNC?"""

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


_NO_PASSWORD = re.compile(r"-nopw\b|-SecurityTypes[ =]\S*None|--I-KNOW-THIS-IS-INSECURE", re.IGNORECASE)
_PASSWORD = re.compile(r"-rfbauth\b|-passwd|-usepw|-unixpw|-PasswordFile|-SecurityTypes[ =](?!\S*None)", re.IGNORECASE)
_ASKS_BY_ITSELF = ("vncserver", "tightvncserver", "tigervncserver", "AxedaDesktopServer")


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen, started in services(inventory, (ServiceKind.SCREEN,)):
        name, arguments = seen.what.program, seen.what.arguments
        asks = _PASSWORD.search(arguments) or name in _ASKS_BY_ITSELF
        if not started:
            yield Severity.LOW, f"{name} is installed; nothing in the file starts it", seen.evidence
        elif _NO_PASSWORD.search(arguments) or not asks:
            yield Severity.HIGH, f"{name} is started and asks for no password", seen.evidence
        else:
            yield Severity.MEDIUM, f"{name} is started, with a password", seen.evidence


_WEAK = {"opt/app/start.sh": b"#!/bin/sh\nx11vnc -forever -nopw -display :0 &\n"}
_HARDENED = {"opt/app/start.sh": (b"#!/bin/sh\n# x11vnc -nopw\necho 'x11vnc -nopw is not used'\nkillall x11vnc\n")}


CHECK = Check(
    name="screen-shared",
    question="Can the screen of the device be seen and operated over VNC?",
    title="The screen of the device is shared over the network",
    remedy=(
        "Whoever reaches the service sees patient data and can press every button that is on the screen. "
        "Block TCP ports 5800 and 5900 onwards at the device's network port, and ask the manufacturer how "
        "remote support is switched off and what it asks for."
    ),
    severity_rule=(
        "High when no password is asked for, medium when it is started with one (VNC encrypts nothing and "
        "its passwords have 8 characters), low when it is only installed."
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
            "306",
            "319",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
