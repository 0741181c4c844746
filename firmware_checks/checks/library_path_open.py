"""Do programs look for their libraries where others may put some?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.hardening import Hardening, example_program
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


_OPEN = re.compile(r"^(?:/tmp|/var/tmp|/dev/shm|/home|/mnt|/media|/run/user)(?:/|$)")


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(Hardening):
        for folder in seen.what.search_path.split(":") if seen.what.search_path else ():
            place = Evidence(path=seen.path, offset=seen.evidence.offset, excerpt=f"RUNPATH {seen.what.search_path}")
            if _OPEN.match(folder):
                yield Severity.HIGH, f"libraries are first looked for in {folder}", place
            elif not folder.startswith(("/", "$ORIGIN", "${ORIGIN}")):
                yield Severity.MEDIUM, "libraries are looked for in a folder relative to where it is started", place


CHECK = Check(
    name="library-path-open",
    question="Do programs look for their libraries where others may put some?",
    title="Programs load libraries from folders others may write to",
    remedy=(
        "Whoever can put a file into that folder has the program run it, with the program's rights. Ask "
        "the manufacturer for a release without such paths, and let nobody but service staff log in to the "
        "device."
    ),
    severity_rule=(
        "High when everybody may write to the folder, medium when it depends on where the program is started."
    ),
    controls=Controls(
        fda=(
            "B",
            "D",
        ),
        iec_62443=("CR 3.4",),
        iec_81001=("5.5",),
        cra=("I.2k",),
        mds2=("SAHD",),
        cwe=("427",),
    ),
    run=_run,
    weak_example=lambda: archive_of({"usr/bin/pumpd": example_program()}),
    hardened_example=lambda: archive_of({"usr/bin/pumpd": example_program(path="$ORIGIN/../lib:/opt/app/lib")}),
)
