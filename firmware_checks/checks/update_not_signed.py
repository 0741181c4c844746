"""Does the file carry a signature that a device could verify before it installs the update?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.formats.mcuboot import build_image
from firmware_checks.inventory import Inventory
from firmware_checks.region import Region
from toolkit.core.findings import Finding, Severity

SHOWN = 5


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    layers = [layer for root in inventory.roots for layer in _layers(root)]
    unsigned: dict[str, list[Region]] = {}
    for layer in layers:
        if layer.facts.get("signed") is False:
            unsigned.setdefault(layer.format, []).append(layer)
    for alike in unsigned.values():
        detail = f"{alike[0].title}: the format has a place for a signature and it is empty"
        others = f" (and so in {len(alike) - 1} more)" if len(alike) > 1 else ""
        yield check.finding(Severity.HIGH, detail + others, *(r.span.evidence(0) for r in alike[:SHOWN]))
    programs = [r for r in inventory.regions() if r.program is not None]
    if programs and not any("signed" in r.facts for r in layers):
        evidence = [r.span.evidence(0) for r in programs[:SHOWN]]
        yield check.finding(Severity.MEDIUM, _protection(list(inventory.regions())), *evidence)


def _layers(region: Region) -> Iterator[Region]:
    """Yield what wraps the update: below a place for a signature, or inside a program, other questions are asked."""
    yield region
    if "signed" not in region.facts and region.program is None:
        for child in region.children:
            yield from _layers(child)


def _protection(regions: list[Region]) -> str:
    """Say what protects the content instead; a checksum is a guard against accidents only."""
    algorithms = sorted({value.algorithm for r in regions for value in r.integrity})
    if not algorithms:
        return "no signature in a format we know, and no checksum either"
    return f"no signature in a format we know; only check values that anybody can compute: {', '.join(algorithms)}"


CHECK = Check(
    name="update-not-signed",
    question="Does the file carry a signature that a device could verify before it installs the update?",
    title="The update carries no signature that we recognise",
    remedy=(
        "Take the file only from the manufacturer's own channel, compare its SHA-256 with one obtained another way, "
        "and ask the manufacturer how the device tells a genuine update from a forged one."
    ),
    severity_rule="High when the format has a place for a signature and it is empty, medium when it has none.",
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("345", "347")
    ),
    run=_run,
    weak_example=lambda: build_image(b"program"),
    hardened_example=lambda: build_image(b"program", (0x22, b"a signature")),
)
