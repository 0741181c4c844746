"""Does a web page of the device run what a browser sends?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.request_commands import RequestCommand
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(RequestCommand):
        if seen.what.is_seen:
            yield Severity.HIGH, f"{seen.what.call} runs what a request holds", seen.evidence
        else:
            words = "a program for web pages puts texts into command lines; what a request holds may be among them"
            yield Severity.MEDIUM, words, seen.evidence


_WEAK = {
    "www/cgi-bin/set.cgi": b'#!/bin/sh\neval "$QUERY_STRING"\n',
    "www/ping.php": b'<?php system("ping " . $_GET["host"]); ?>\n',
}
_HARDENED = {
    "www/cgi-bin/set.cgi": (
        b'#!/bin/sh\n# eval "$QUERY_STRING"\ncase "$QUERY_STRING" in rate=1) set_rate 1;; esac\necho eval\n'
    ),
    "www/ping.php": b'<?php $host = $_GET["host"]; echo htmlspecialchars($host); system("uptime"); ?>\n',
}


CHECK = Check(
    name="request-runs-commands",
    question="Does a web page of the device run what a browser sends?",
    title="What a browser sends is run as a command",
    remedy=(
        "Whoever reaches the web page of the device can run any command in it, without needing a mistake "
        "anywhere else. Block the web port of the device except for the service computer, and ask the "
        "manufacturer for a release that does not do this."
    ),
    severity_rule=(
        "High: the web page has to be reached, and may ask for a login first; medium for a compiled program, where the "
        "way from the request to the command is not seen."
    ),
    controls=Controls(
        fda=("D",),
        iec_62443=("CR 3.5",),
        iec_81001=("5.5",),
        cra=("I.2k",),
        mds2=("SAHD",),
        cwe=(
            "95",
            "78",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
