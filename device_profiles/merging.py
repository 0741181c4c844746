"""How the facts of a model lie over those of the profile it extends.

Tables are merged name by name. Tables in a list are merged by their ``id``: inherited ones keep their place, new ones
follow in their order. Everything else, a list of plain values included, is replaced as a whole. Merging the same
content twice changes nothing, and merging three profiles gives the same result in whichever order pairs are taken.
"""

from __future__ import annotations

from typing import Any

from device_profiles.facts import Content, is_keyed

__all__ = ["merge", "without"]


def merge(base: Content, over: Content) -> Content:
    """Return ``base`` with the content of ``over`` laid over it; neither is changed."""
    merged = dict(base)
    for name, value in over.items():
        merged[name] = _merge_value(merged[name], value) if name in merged else value
    return merged


def without(base: Content, path: str) -> Content | None:
    """Return ``base`` without what stands at ``path``; None when nothing stands there."""
    name, _, rest = path.partition(".")
    if name not in base:
        return None
    if not rest:
        return {k: v for k, v in base.items() if k != name}
    value = base[name]
    inner = (
        _items_without(value, rest) if is_keyed(value) else without(value, rest) if isinstance(value, dict) else None
    )
    if inner is None:
        return None
    return {k: inner if k == name else v for k, v in base.items() if k != name or inner}


def _merge_value(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return merge(base, over)
    if is_keyed(base) and is_keyed(over):
        by_id = {item["id"]: item for item in base}
        for item in over:
            by_id[item["id"]] = merge(by_id.get(item["id"], {}), item)
        return list(by_id.values())
    return over


def _items_without(items: list[Content], path: str) -> list[Content] | None:
    """Remove an item, or a field of an item, from tables known by their id."""
    name, _, rest = path.partition(".")
    found = next((item for item in items if item["id"] == name), None)
    if found is None:
        return None
    if not rest:
        return [item for item in items if item is not found]
    shorter = None if rest == "id" else without(found, rest)
    return None if shorter is None else [shorter if item is found else item for item in items]
