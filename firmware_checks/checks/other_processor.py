"""Is the image made for the kind of processor that the device has?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile, Platform, Processor
from firmware_checks.check import Check, profile_with
from firmware_checks.controls import NOT_APPLICABLE, Controls
from firmware_checks.expected_processor import expected_architectures
from firmware_checks.formats import elf
from firmware_checks.inventory import Inventory
from toolkit.core.findings import Finding, Severity

__all__ = ["CHECK"]


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    expected = expected_architectures(profile) if profile is not None else frozenset()
    if not expected:
        return
    programs = [(r, r.program) for r in inventory.regions() if r.program is not None]
    wrong = [(region, program) for region, program in programs if program.arch not in expected]
    if programs and len(wrong) == len(programs):
        region, program = wrong[0]
        detail = f"the program is for {program.arch}, the profile names {', '.join(sorted(expected))}"
        yield check.finding(Severity.HIGH, detail, region.span.evidence(0))


CHECK = Check(
    name="other-processor",
    question="Is the image made for the kind of processor that the device has?",
    title="The image is made for another processor than the device has",
    remedy=(
        "Do not install the file before it is clear that it is for this model: compare the model and the file's name."
    ),
    severity_rule="High: installed, it would not run or would damage the device.",
    controls=Controls(
        fda=("D",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=NOT_APPLICABLE, mds2=("CSUP",), cwe=NOT_APPLICABLE
    ),
    run=_run,
    weak_example=elf.FORMAT.example,
    hardened_example=lambda: b"No program at all.\n",
    example_profile=lambda: profile_with(Platform(mcu=(Processor(id="main", core="MSP430"),))),
)
