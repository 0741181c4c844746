"""Does the image write where the device has no memory for it?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile, MemoryRegion, Platform
from device_profiles.vocabulary import RegionUse
from firmware_checks.address_map import Segment
from firmware_checks.check import Check, profile_with
from firmware_checks.controls import Controls
from firmware_checks.inventory import Inventory
from firmware_checks.region import SegmentPlace
from toolkit.core.findings import Evidence, Finding, Severity


def _run(check: Check, inventory: Inventory, profile: DeviceProfile | None) -> Iterator[Finding]:
    known = profile.platform.memory_map if profile is not None else ()
    if not known:
        return
    for region in inventory.regions():
        for segment in region.memory.segments if region.memory is not None else ():
            if not _inside(segment, known):
                detail = f"addresses {segment.address:#x} to {segment.end - 1:#x} are not in the profile's memory map"
                offset = segment.provenance.offset_at(0)
                yield check.finding(
                    Severity.MEDIUM, detail, Evidence(path=region.span.path, offset=offset, address=segment.address)
                )


def _inside(segment: Segment | SegmentPlace, known: tuple[MemoryRegion, ...]) -> bool:
    """Tell whether every address of ``segment`` is in some region of the memory map."""
    position = segment.address
    for region in sorted(known, key=lambda r: r.start):
        if region.start <= position < region.end:
            position = region.end
    return position >= segment.end


FLASH = MemoryRegion(id="flash", start=0x0800_0000, size=0x1000, use=RegionUse.APPLICATION)

CHECK = Check(
    name="outside-memory-map",
    question="Does the image write where the device has no memory for it?",
    title="The image writes outside the device's memory map",
    remedy=(
        "Make sure the file is for this model. If it is, ask the manufacturer what stands at these addresses "
        "and complete the device profile."
    ),
    severity_rule="Medium: the file or the device profile is wrong.",
    controls=Controls(
        fda=("D",), iec_62443=("CR 3.4",), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("787",)
    ),
    run=_run,
    weak_example=lambda: b":020000040900F1\r\n:0400000001020304F2\r\n:00000001FF\r\n",
    hardened_example=lambda: b":020000040800F2\r\n:0400000001020304F2\r\n:00000001FF\r\n",
    example_profile=lambda: profile_with(Platform(memory_map=(FLASH,))),
)
