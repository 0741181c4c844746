"""Is the update for this model, and does it lead back to something older?"""

from __future__ import annotations

from collections.abc import Iterator

from device_profiles.schema import DeviceProfile
from firmware_checks.expected_processor import expected_architectures
from firmware_checks.reviewing.authenticity import Authenticity, reason
from firmware_checks.reviewing.naming import said_for
from firmware_checks.vulnerabilities.versions import compare
from toolkit.report.model import RegionKind, Report
from toolkit.report.review import Change, ComponentChange, Difference, FactChange, Question, Reason, Weight
from toolkit.report.review_wording import ReviewLabel as Says

__all__ = ["downgrade", "model"]

OTHER_PROCESSOR, OUTSIDE_MEMORY = "other-processor", "outside-memory-map"
FOR_WHOM = frozenset(
    {
        "arch", "architecture", "board", "chip", "compatible", "device_types", "hardware_compatibility", "mcu_family",
        "mcus", "package", "pre_device", "project", "usb_product_id", "usb_vendor_id",
    }
)  # fmt: skip
"""Facts that say what an image is for; another value than the installed version has is for something else."""
GUESSED = frozenset({"mcu_family", "project", "package"})
"""The first is inferred from addresses and registers, the others are names: another one is a reason to ask."""
VERSIONS = ("version", "setup_version", "post_timestamp")
COUNTERS = frozenset({"security_counter", "secure_version"})
STAMPS = frozenset({"created", "created_s"})
"""When it was built, as it says itself."""
MOST_COMPONENTS = 5


def model(
    new: Report, difference: Difference | None, profile: DeviceProfile | None, trust: Authenticity
) -> Iterator[Reason]:
    """Yield whether it is for the device of the profile and of the installed version."""
    ask = Question.MODEL
    for fact in difference.facts if difference is not None else ():
        if fact.name in FOR_WHOM and _is_other(fact):
            values = {"name": fact.name.replace("_", " "), "old": _shown(fact.old), "new": _shown(fact.new)}
            is_guess = fact.name in GUESSED
            weight, label = (Weight.ASK, Says.MAYBE_OTHER) if is_guess else (Weight.NO_GO, Says.OTHER_THAN_CURRENT)
            yield reason(ask, weight, label, **values)
    if profile is None:
        yield reason(ask, Weight.ASK, Says.NO_PROFILE)
        return
    against = list(_against(new, profile))
    fits = [] if against else [*_for_it(new, profile, trust), *said_for(new, profile)]
    yield from against
    yield from fits
    if not against and not fits:
        yield reason(ask, Weight.ASK, Says.MODEL_UNKNOWN)


def _is_other(fact: FactChange) -> bool:
    """Tell whether nothing that the installed version is for is among what the update is for."""
    old, new = (set(v) if isinstance(v, tuple) else {v} for v in (fact.old, fact.new))
    return fact.old is not None and fact.new is not None and old.isdisjoint(new)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _against(new: Report, profile: DeviceProfile) -> Iterator[Reason]:
    outside = [finding for finding in new.findings if finding.check == OUTSIDE_MEMORY]
    for finding in new.findings:
        if finding.check == OTHER_PROCESSOR:
            yield reason(Question.MODEL, Weight.NO_GO, Says.OTHER_PROCESSOR, detail=finding.detail)
    if outside:
        inside = any(
            row.address is not None and any(m.start <= row.address < m.end for m in profile.platform.memory_map)
            for row in new.regions
        )
        weight, label = (Weight.ASK, Says.SOME_OTHER_MEMORY) if inside else (Weight.NO_GO, Says.OTHER_MEMORY)
        yield reason(Question.MODEL, weight, label, detail=outside[0].detail)


def _for_it(new: Report, profile: DeviceProfile, trust: Authenticity) -> Iterator[Reason]:
    """Yield what shows that it is for the device: the absence of a contradiction does not."""
    if trust.model:
        yield reason(Question.MODEL, Weight.FINE, Says.BOUND_TO_MODEL, model=trust.model)
    expected = expected_architectures(profile)
    if new.image.arch in expected:
        yield reason(Question.MODEL, Weight.FINE, Says.PROCESSOR_FITS, arch=new.image.arch_title or str(new.image.arch))
    placed = any(row.address is not None and row.kind is RegionKind.PROGRAM for row in new.regions)
    if placed and profile.platform.memory_map and new.image.arch in expected:
        yield reason(Question.MODEL, Weight.FINE, Says.MEMORY_FITS)


def downgrade(new: Report, difference: Difference | None) -> Iterator[Reason]:
    """Yield whether it is older than what is installed, and whether something still older could follow it."""
    ask = Question.DOWNGRADE
    if any(row.facts.get("downgrade_allowed") is True for row in new.regions):
        yield reason(ask, Weight.ASK, Says.DOWNGRADE_WANTED)
    if any(finding.check == "no-rollback-counter" for finding in new.findings):
        yield reason(ask, Weight.NOTE, Says.NO_COUNTER)
    if difference is None:
        yield reason(ask, Weight.ASK, Says.NO_CURRENT)
        return
    if difference.old.sha256 == difference.new.sha256:
        yield reason(ask, Weight.FINE, Says.SAME_FILE)
        return
    found = [r for fact in difference.facts for r in _step(fact)]
    older = [row for row in difference.components if row.change is Change.DOWNGRADED]
    found += [_older(row) for row in older[:MOST_COMPONENTS]]
    yield from found
    if all(r.weight is Weight.NOTE for r in found):
        yield from _newer_component(difference)


def _older(row: ComponentChange) -> Reason:
    values = {"name": row.title, "old": str(row.old), "new": str(row.new)}
    return reason(Question.DOWNGRADE, Weight.ASK, Says.COMPONENT_OLDER, **values)


def _newer_component(difference: Difference) -> Iterator[Reason]:
    """Yield a component that became newer, where the image itself says no version; else that nothing is known."""
    for row in difference.components:
        if row.change is Change.UPGRADED:
            values = {"what": row.title, "old": str(row.old), "new": str(row.new)}
            yield reason(Question.DOWNGRADE, Weight.FINE, Says.NOT_OLDER, **values)
            return
    yield reason(Question.DOWNGRADE, Weight.ASK, Says.ORDER_UNKNOWN)


def _step(fact: FactChange) -> Iterator[Reason]:
    """Yield what a changed version or counter says about the order of the two images."""
    ask = Question.DOWNGRADE
    old, new = str(fact.old), str(fact.new)
    if fact.name in COUNTERS and isinstance(fact.old, int):
        if fact.new is None:
            yield reason(ask, Weight.NO_GO, Says.COUNTER_GONE, old=old)
        elif isinstance(fact.new, int) and fact.new < fact.old:
            yield reason(ask, Weight.NO_GO, Says.COUNTER_LOWER, old=old, new=new)
    if fact.name in STAMPS and fact.old is not None and fact.new is not None and _is_earlier(fact):
        yield reason(ask, Weight.ASK, Says.STAMP_EARLIER, what=fact.title, old=old, new=new)
    if fact.name in VERSIONS and fact.old is not None and fact.new is not None:
        values = {"what": fact.title, "old": old, "new": new}
        is_inside = "/" in fact.path  # of one file among many, and not of the image
        if compare(old, new) > 0:
            yield _older_file(values) if is_inside else reason(ask, Weight.NO_GO, Says.OLDER, **values)
        elif not is_inside:
            yield reason(ask, Weight.FINE, Says.NOT_OLDER, **values)


def _is_earlier(fact: FactChange) -> bool:
    """Tell whether the new stamp, seconds or ISO 8601, is before the old one."""
    old, new = fact.old, fact.new
    if isinstance(old, int) and isinstance(new, int):
        return new < old
    return isinstance(old, str) and isinstance(new, str) and new < old


def _older_file(values: dict[str, str]) -> Reason:
    named = {"name": values["what"], "old": values["old"], "new": values["new"]}
    return reason(Question.DOWNGRADE, Weight.ASK, Says.COMPONENT_OLDER, **named)
