"""Does an archive hold names that lead out of the folder it is unpacked to?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.format import EntryKind
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    links: set[str] = set()
    for entry in inventory.entries:
        name = entry.name.replace("\\", "/")
        folder = entry.path[: -len(entry.name)]
        if ".." in name.split("/"):
            yield Severity.HIGH, "a name leads out of the folder", Evidence(path=entry.path, excerpt=name)
        elif name.startswith("/") or _DRIVE.match(name):
            yield Severity.MEDIUM, "a name is an absolute path", Evidence(path=entry.path, excerpt=name)
        elif any(f"{folder}{above}" in links for above in _above(name)):
            yield Severity.HIGH, "a file would be written through a link", Evidence(path=entry.path, excerpt=name)
        if entry.kind is EntryKind.SYMBOLIC_LINK and _leaves(name, entry.target):
            links.add(entry.path)


_DRIVE = re.compile(r"[A-Za-z]:/")


def _above(name: str) -> Iterator[str]:
    """Yield the folders ``name`` is in."""
    for found in re.finditer("/", name):
        yield name[: found.start()]


def _leaves(name: str, target: str) -> bool:
    """Tell whether a link leads out of the archive."""
    return target.startswith("/") or target.split("/").count("..") > name.count("/")


CHECK = Check(
    name="archive-leaves-folder",
    question="Does an archive hold names that lead out of the folder it is unpacked to?",
    title="An archive would write outside of its folder",
    remedy=(
        "A careless updater that unpacks this file overwrites programs or settings anywhere in the device. "
        "Do not install it; ask the manufacturer whether the file is genuine and whether its updater "
        "refuses such names."
    ),
    severity_rule=(
        "High: genuine updates have no need for such names; medium for absolute paths, which some programs leave."
    ),
    controls=Controls(
        fda=(
            "D",
            "H",
        ),
        iec_62443=(
            "CR 3.5",
            "CR 3.4",
        ),
        iec_81001=("5.7",),
        cra=("I.2f",),
        mds2=("CSUP",),
        cwe=(
            "22",
            "59",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(
        {"update/install.sh": b"#!/bin/sh\n", "../../etc/passwd": b"root::0:0::/:/bin/sh\n"}
    ),
    hardened_example=lambda: archive_of(
        {"update/install.sh": b"#!/bin/sh\n", "update/..config/a..b": b"x", "etc/passwd": b""}
    ),
)
