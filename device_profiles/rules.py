"""What must agree within a complete profile, beyond the kind of each value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from device_profiles.facts import Content
from device_profiles.validation import Problem
from device_profiles.vocabulary import Kind

__all__ = ["broken_rules"]

MAIN: Final = "main"
"""Address space of a memory region that names none."""


def broken_rules(content: Content) -> list[Problem]:
    """Return what does not agree in ``content``, a profile with everything inherited laid into it."""
    return [problem for rule in RULES for problem in rule(content)]


def _a_model_has_a_name(content: Content) -> Iterator[Problem]:
    """Ask a model for maker and name, and a parent; a class of devices has neither maker nor name."""
    identity = content.get("identity", {})
    if content.get("kind") == Kind.MODEL:
        if "extends" not in content:
            yield Problem("extends", "is missing: a model says which class of devices it belongs to")
        for name in ("manufacturer", "model"):
            if name not in identity:
                yield Problem(f"identity.{name}", "is missing: a model is known by maker and name")
    if content.get("kind") == Kind.ARCHETYPE:
        for name in ("manufacturer", "model"):
            if name in identity:
                yield Problem(f"identity.{name}", "belongs to a model; this is a class of devices (kind = archetype)")


def _regions_do_not_overlap(content: Content) -> Iterator[Problem]:
    """Compare neighbours in each address space."""
    regions = [r for r in content.get("platform", {}).get("memory_map", []) if "start" in r and "size" in r]
    for one, two in pairwise(sorted(regions, key=lambda r: (r.get("space", MAIN), r["start"], r["size"], r["id"]))):
        end = one["start"] + one["size"]
        if one.get("space", MAIN) == two.get("space", MAIN) and two["start"] < end:
            message = f"starts at {two['start']:#x}, inside {one['id']} which ends at {end:#x}"
            yield Problem(f"platform.memory_map.{two['id']}", message)


def _regions_lie_in_a_known_space(content: Content) -> Iterator[Problem]:
    """Look up the processor or storage a region belongs to."""
    platform = content.get("platform", {})
    known = [part["id"] for part in (*platform.get("mcu", []), *platform.get("storage", []))]
    for region in platform.get("memory_map", []):
        space = region.get("space", MAIN)
        if space not in known:
            message = f"is {space!r}, which is no id in platform.mcu or platform.storage"
            yield Problem(f"platform.memory_map.{region['id']}.space", message, space, known)


def _bench_rules_name_interfaces(content: Content) -> Iterator[Problem]:
    """Look up the interface a bench rule speaks of."""
    known = [interface["id"] for interface in content.get("interfaces", [])]
    for group in ("identify", "never_send", "make_safe"):
        for entry in content.get("hil", {}).get(group, []):
            name = entry.get("interface")
            if name is not None and name not in known:
                message = f"is {name!r}, which is no id in interfaces"
                yield Problem(f"hil.{group}.{entry['id']}.interface", message, name, known)


def _mutable_regions_are_mapped(content: Content) -> Iterator[Problem]:
    """Look up the memory regions whose content may change."""
    known = [region["id"] for region in content.get("platform", {}).get("memory_map", [])]
    for name in content.get("policy", {}).get("integrity", {}).get("mutable_regions", []):
        if name not in known:
            message = f"names {name!r}, which is no id in platform.memory_map"
            yield Problem("policy.integrity.mutable_regions", message, name, known)


RULES: Final[tuple[Callable[[Content], Iterator[Problem]], ...]] = (
    _a_model_has_a_name,
    _regions_do_not_overlap,
    _regions_lie_in_a_known_space,
    _bench_rules_name_interfaces,
    _mutable_regions_are_mapped,
)
