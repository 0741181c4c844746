"""Do files of the system let every user change programs, or run them as the superuser?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.format import EntryKind
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import FileEntry, Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


_STARTUP = re.compile(
    r"(?:^|/)(?:s?bin/|etc/(?:init\.d|rc\S*\.d|cron\S*|profile\S*|inittab|passwd|shadow|sudoers\S*)(?:/|$)|lib/systemd/)"
)
_USUAL = re.compile(r"(?:^|/)(?:s?bin/[^/]+|lib(?:exec)?/\S+)$")
EVERYBODY_WRITES, SET_USER, STICKY = 0o002, 0o4000, 0o1000


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for entry in inventory.entries:
        if entry.mode is None or entry.kind is not EntryKind.FILE or _is_without_modes(entry):
            continue
        if entry.mode & EVERYBODY_WRITES and entry.uid in (0, None) and _STARTUP.search(entry.name):
            words = "every user may change a file that the superuser runs or trusts"
            yield Severity.HIGH, words, Evidence(path=entry.path, excerpt=f"mode {entry.mode:04o}")
        elif entry.mode & SET_USER and entry.uid in (0, None):
            usual = _USUAL.search(entry.name) is not None and not entry.mode & EVERYBODY_WRITES
            severity = Severity.LOW if usual else Severity.MEDIUM
            words = f"a program runs with the rights of the superuser{'' if usual else ', in an unusual place'}"
            yield severity, words, Evidence(path=entry.path, excerpt=f"mode {entry.mode:04o}")


def _is_without_modes(entry: FileEntry) -> bool:
    """Tell whether the container gives every file all rights because it has no modes."""
    return entry.mode == 0o777 and entry.uid is None


CHECK = Check(
    name="special-files-inside",
    question="Do files of the system let every user change programs, or run them as the superuser?",
    title="Files give every user more rights than needed",
    remedy=(
        "Whoever gets in as any user can change these files, or use these programs to become the "
        "superuser, and then change how the device treats a patient. Ask the manufacturer for a release in "
        "which only the superuser can change programs and settings."
    ),
    severity_rule=(
        "High when everybody may change a program or a start-up file that the superuser runs, medium for a "
        "program with the rights of the superuser in an unusual place, low for the usual ones."
    ),
    controls=Controls(
        fda=("B",),
        iec_62443=("CR 2.1",),
        iec_81001=("5.7",),
        cra=("I.2d",),
        mds2=("SAHD",),
        cwe=(
            "732",
            "250",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(
        {"etc/init.d/S50app": b"#!/bin/sh\n", "bin/su": b"su"}, modes={"etc/init.d/S50app": 0o777, "bin/su": 0o4755}
    ),
    hardened_example=lambda: archive_of(
        {"etc/init.d/S50app": b"#!/bin/sh\n", "tmp/x": b"x", "bin/su": b"su"},
        modes={"etc/init.d/S50app": 0o755, "tmp/x": 0o666},
    ),
)
