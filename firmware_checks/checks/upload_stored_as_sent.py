"""Does a web page of the device store files under any name a browser sends?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.uploads import StoredUpload
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(StoredUpload):
        yield Severity.HIGH, "a page stores a file under the name that a browser sends with it", seen.evidence


_WEAK = {
    "www/upload.php": b"<?php\nmove_uploaded_file($_FILES['f']['tmp_name'], 'files/' . $_FILES['f']['name']);\n",
}
_HARDENED = {
    "www/upload.php": (
        b"<?php\n// move_uploaded_file($t, 'files/' . $_FILES['f']['name']);\n"
        b"$name = bin2hex(random_bytes(16)) . '.pdf';\n"
        b"move_uploaded_file($_FILES['f']['tmp_name'], 'files/' . $name);\n"
    ),
    "www/picture.php": (
        b"<?php\n$kind = pathinfo($_FILES['f']['name'], PATHINFO_EXTENSION);\nif ($kind !== 'png') exit;\n"
        b"move_uploaded_file($_FILES['f']['tmp_name'], 'files/' . $_FILES['f']['name']);\n"
    ),
}


CHECK = Check(
    name="upload-stored-as-sent",
    question="Does a web page of the device store files under any name a browser sends?",
    title="A web page stores files as they are sent",
    remedy=(
        "Whoever reaches the web page can put a program into the device and have it run, or replace a file of it. "
        "Block the web port of the device except for the service computer, and ask the manufacturer for a release "
        "that looks at what is sent."
    ),
    severity_rule="High: the web page has to be reached, and may ask for a login first.",
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.5", "CR 3.4"), iec_81001=("5.5",), cra=("I.2k",), mds2=("SAHD",), cwe=("434",)
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
