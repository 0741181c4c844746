"""Whether a program belongs to a project that everybody can look at, or is somebody's own."""

from __future__ import annotations

from firmware_checks.inventory import Inventory

__all__ = ["is_of_known_project"]


def is_of_known_project(inventory: Inventory, path: str) -> bool:
    """Tell whether the file at ``path`` belongs to a component that shows by more than this file's name.

    A monitor's own program called ``monitor`` bears the name of a program of some project, too.
    """
    facts = inventory.files.get(path)
    identity = facts.identity if facts is not None else None
    if identity is None or not identity.is_known:
        return False
    name = identity.rule.name if identity.rule is not None else identity.name
    return any(component.name == name for component in inventory.components)
