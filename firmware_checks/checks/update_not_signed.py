"""Does the file carry a signature that a device could verify before it installs the update?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.check import Check
from firmware_checks.controls import Controls
from firmware_checks.formats.mcuboot import build_image
from firmware_checks.inventory import Inventory
from firmware_checks.region import Region
from toolkit.core.findings import Finding, Severity

SHOWN = 5
_BESIDE = (".sig", ".sign", ".asc", ".gpg", ".p7s", ".p7m", ".minisig", ".cms")
"""Endings of a file that holds the signature of the one it stands beside."""


def _run(check: Check, inventory: Inventory, _profile: DeviceProfile | None) -> Iterator[Finding]:
    layers = [layer for root in inventory.roots for layer in _layers(root)]
    unsigned: dict[str, list[Region]] = {}
    for layer in layers:
        if layer.facts.get("signed") is False:
            unsigned.setdefault(layer.format, []).append(layer)
    names = {entry.path for entry in inventory.entries}
    for alike in unsigned.values():
        open_to_all = [layer for layer in alike if not _has_signature_beside(layer, names)]
        if not open_to_all:
            continue
        detail = f"{alike[0].title}: the format has a place for a signature and it is empty"
        others = f" (and so in {len(open_to_all) - 1} more)" if len(open_to_all) > 1 else ""
        is_part = open_to_all[0].format == "pe" and all(layer not in inventory.roots for layer in open_to_all)
        worth = Severity.MEDIUM if is_part else Severity.HIGH
        yield check.finding(worth, detail + others, *(r.span.evidence(0) for r in open_to_all[:SHOWN]))
    programs = [r for r in inventory.regions() if r.program is not None and not _has_signature_beside(r, names)]
    if programs and not any("signed" in r.facts for r in layers):
        is_system = all(program.format == "elf" and program not in inventory.roots for program in programs)
        evidence = [r.span.evidence(0) for r in (inventory.roots if is_system else programs)[:SHOWN]]
        worth = Severity.LOW if is_system else Severity.MEDIUM
        yield check.finding(worth, _protection(list(inventory.regions())), *evidence)


def _has_signature_beside(layer: Region, names: Collection[str]) -> bool:
    return any(f"{layer.span.path}{ending}" in names for ending in _BESIDE)


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
    severity_rule=(
        "High when the format has a place for a signature and it is empty; medium for a program of Windows among other "
        "files and for a format that has no such place; low for a system of programs, whose proof may be elsewhere."
    ),
    controls=Controls(
        fda=("H",), iec_62443=("EDR 3.10",), iec_81001=("6.3",), cra=("I.2f",), mds2=("CSUP",), cwe=("345", "347")
    ),
    run=_run,
    weak_example=lambda: build_image(b"program"),
    hardened_example=lambda: build_image(b"program", (0x22, b"a signature")),
)
