"""Does a program that installs updates demand a signature, the right model and a newer version?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check, archive_of
from firmware_checks.controls import Controls
from firmware_checks.grouping import Row, grouped
from firmware_checks.inventory import Inventory
from firmware_checks.observers.updater_settings import MODEL, SIGNATURE, UpdaterGap
from toolkit.core.findings import Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    yield from grouped(check, _rows(inventory, profile))


_SEVERITIES = {SIGNATURE: Severity.HIGH, MODEL: Severity.MEDIUM}


def _rows(inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Row]:
    for seen in inventory.observed(UpdaterGap):
        yield _SEVERITIES.get(seen.what.lacks, Severity.LOW), seen.what.words, seen.evidence


_WEAK = {
    "etc/mender/mender.conf": b'{"ServerURL": "https://10.0.0.9"}\n',
    "etc/apt/sources.list": b"deb [trusted=yes] https://10.0.0.9/debian stable main\n",
}
_HARDENED = {
    "etc/mender/mender.conf": b'{"ServerURL": "https://10.0.0.9", "ArtifactVerifyKey": "/etc/mender/key.pem"}\n',
    "etc/apt/sources.list": (
        b"# deb [trusted=yes] https://10.0.0.9/debian stable main\ndeb https://10.0.0.9/debian stable main\n"
    ),
}


CHECK = Check(
    name="updater-accepts-unsigned",
    question="Does a program that installs updates demand a signature, the right model and a newer version?",
    title="The updater does not ask for all that proves an update",
    remedy=(
        "An update may be forged, made for another model, or an old release with known weaknesses, and is "
        "installed all the same. Compare every file with the manufacturer's own before it is installed, "
        "and ask for settings that refuse what is not signed, not for this model, or older."
    ),
    severity_rule=(
        "High when no signature is demanded, medium when the model is not named, low when older versions are taken."
    ),
    controls=Controls(
        fda=("H",),
        iec_62443=(
            "EDR 3.10",
            "CR 3.4",
        ),
        iec_81001=("6.3",),
        cra=(
            "I.2c",
            "I.2f",
        ),
        mds2=("CSUP",),
        cwe=(
            "347",
            "1328",
        ),
    ),
    run=_run,
    weak_example=lambda: archive_of(_WEAK),
    hardened_example=lambda: archive_of(_HARDENED),
)
