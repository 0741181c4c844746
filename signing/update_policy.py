"""What an update must prove to be right for a device: the rules come from the device profile, the facts from the unit.

Whatever is not known counts against the package: a bench that does not say which revision is on the table gets only
packages that fit every revision the profile names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_profiles.vocabulary import Approver, SignaturePolicy, UnknownClock, UpdateKind
from signing.package.release import File, Release
from signing.refusal import Refusal
from signing.unit import Unit, not_older
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from device_profiles.schema import DeviceProfile, MemoryRegion, UpdatableComponent

__all__ = ["UpdateRules", "check_release", "rules_of"]

FEWEST_OVERRIDE_PEOPLE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRules:
    """The update policy of one profile, with what is left out filled in."""

    profile: str
    vendor: str
    model: str
    hardware_revisions: tuple[str, ...]
    regions: tuple[str, ...]
    approvals: tuple[Approver, ...]
    signatures: SignaturePolicy
    algorithms: tuple[str, ...] | None
    components: Mapping[str, UpdatableComponent]
    memory: Mapping[str, MemoryRegion]
    unknown_clock: UnknownClock
    override_people: int


def rules_of(profile: DeviceProfile) -> UpdateRules:
    """Return the rules that ``profile`` states; ``InputError`` when it does not say enough to judge a package."""
    policy = profile.policy.update
    vendor = policy.vendor or profile.identity.manufacturer
    if vendor is None:
        raise InputError(f"profile {profile.id} names no vendor: state policy.update.vendor or identity.manufacturer")
    if not policy.components:
        raise InputError(f"profile {profile.id} names no part that may be updated: state policy.update.components")
    return UpdateRules(
        profile=profile.id,
        vendor=vendor,
        model=policy.model or profile.id,
        hardware_revisions=policy.hardware_revisions or (),
        regions=policy.regions or (),
        approvals=policy.approvals or tuple(Approver),
        signatures=policy.signatures or SignaturePolicy.FIPS,
        algorithms=policy.algorithms,
        components={component.id: component for component in policy.components},
        memory={region.id: region for region in profile.platform.memory_map},
        unknown_clock=policy.unknown_clock or UnknownClock.OVERRIDE,
        override_people=max(FEWEST_OVERRIDE_PEOPLE, policy.override_people or 0),
    )


def check_release(release: Release, rules: UpdateRules, unit: Unit | None) -> None:
    """Return if ``release`` is meant for this device and not older than what runs in it; refuse it if not.

    With ``unit`` None the question is only whether it is right for the model: some device of ours could take it.
    """
    _same("vendor", release.vendor, rules.vendor)
    _same("model", release.model, rules.model)
    if unit is None:
        _meets("hardware", "hardware revision", release.hardware_revisions, rules.hardware_revisions)
        _meets("region", "region", release.regions, rules.regions)
    else:
        revision, region = unit.hardware_revision, unit.region
        _covers("hardware", "hardware revision", release.hardware_revisions, revision, rules.hardware_revisions)
        _covers("region", "region", release.regions, region, rules.regions)
        _check_bootloader(release, unit)
        _check_requirements(release, unit)
    seen: set[str] = set()
    for file in release.payloads:
        component = str(file.component)
        if component in seen:
            raise Refusal("binding.component", f"two files are for the component {component}")
        seen.add(component)
        _check_place(file, rules)
        _check_rollback(file, rules.components[component], unit or Unit())


def _same(what: str, said: str, wanted: str) -> None:
    if said != wanted:
        raise Refusal(f"binding.{what}", f"the update is for {what} {said!r}, this device is {wanted!r}")


def _meets(rule: str, what: str, said: Iterable[str], ours: tuple[str, ...]) -> None:
    if ours and not set(said) & set(ours):
        raise Refusal(f"binding.{rule}", f"the update is for {what} {sorted(said)}, the profile has {list(ours)}")


def _covers(rule: str, what: str, said: Iterable[str], unit: str | None, ours: tuple[str, ...]) -> None:
    """Check that the update fits the unit, or every one we have where the unit is not known."""
    allowed = set(said)
    if unit is None and not ours:
        raise Refusal(f"binding.{rule}", f"nobody says which {what} this device has; name it in the record of the unit")
    for one in ours if unit is None else (unit,):
        if one not in allowed:
            raise Refusal(f"binding.{rule}", f"the update is not for {what} {one!r}, only for {sorted(allowed)}")
    if unit is not None and ours and unit not in ours:
        raise Refusal(f"binding.{rule}", f"{what} {unit!r} of this device is not one the profile knows: {list(ours)}")


def _check_bootloader(release: Release, unit: Unit) -> None:
    if release.minimum_bootloader is None:
        return
    if unit.bootloader is None or not not_older(unit.bootloader, release.minimum_bootloader):
        there = f"this device has {unit.bootloader}" if unit.bootloader else "that of this device is not known"
        raise Refusal("binding.bootloader", f"boot loader {release.minimum_bootloader} is needed; {there}")


def _check_requirements(release: Release, unit: Unit) -> None:
    """Check that other components are there already, or come with this update."""
    coming = {file.component: file.version for file in release.payloads}
    for wanted in release.requires:
        before = unit.installed.get(wanted.component)
        there = coming.get(wanted.component) or (before.version if before is not None else None)
        if there is None or not not_older(there, wanted.at_least):
            found = f"this device has {there}" if there else "that of this device is not known"
            message = f"{wanted.component} {wanted.at_least} or newer is needed; {found}"
            raise Refusal("binding.dependency", message)


def _check_place(file: File, rules: UpdateRules) -> None:
    component = rules.components.get(str(file.component))
    if component is None:
        raise Refusal("binding.component", f"this device has no component {file.component!r} that may be updated")
    kind = component.kind or UpdateKind.FIRMWARE
    if kind.value != file.purpose.value:
        raise Refusal("binding.component", f"component {component.id} takes {kind}, {file.name} is {file.purpose}")
    if component.largest is not None and file.size > component.largest:
        raise Refusal("binding.size", f"{file.name} has {file.size} bytes, {component.id} takes {component.largest}")
    if component.slots is not None:
        _check_slot(file, component.slots, rules)
    elif file.slot is not None or file.load_address is not None:
        raise Refusal("binding.slot", f"{file.name} names a place, but the profile names none for {component.id}")


def _check_slot(file: File, slots: tuple[str, ...], rules: UpdateRules) -> None:
    if file.slot not in slots:
        raise Refusal("binding.slot", f"{file.name} is for slot {file.slot}, {file.component} goes to {list(slots)}")
    region = rules.memory.get(str(file.slot))
    if region is None:
        raise Refusal("binding.slot", f"slot {file.slot} is no memory region of the profile")
    if file.size > region.size:
        raise Refusal("binding.size", f"{file.name} has {file.size} bytes, slot {region.id} has {region.size}")
    address = region.start if file.load_address is None else file.load_address
    if not region.start <= address <= region.end - file.size:
        message = f"{file.name} would lie at {address:#x}, outside slot {region.id} ({region.start:#x}-{region.end:#x})"
        raise Refusal("binding.address", message)


def _check_rollback(file: File, component: UpdatableComponent, unit: Unit) -> None:
    version, counter = str(file.version), file.security_counter or 0
    if component.minimum_version is not None and not not_older(version, component.minimum_version):
        message = f"{component.id} {version} is older than {component.minimum_version}, which the profile asks for"
        raise Refusal("rollback.version", message)
    before = unit.installed.get(component.id)
    lowest = max(component.minimum_counter or 0, before.security_counter if before else 0)
    if counter < lowest:
        message = f"security counter {counter} of {component.id} is lower than {lowest}: that version was withdrawn"
        raise Refusal("rollback.counter", message)
    if before is None:
        return
    if not not_older(version, before.version):
        message = f"{component.id} {version} is older than {before.version}, which runs in this device"
        raise Refusal("rollback.version", message)
    same = not_older(before.version, version)
    if same and before.sha256 is not None and before.sha256 != file.sha256:
        message = f"{component.id} {version} runs in this device already, with another content"
        raise Refusal("rollback.same-version", message)
