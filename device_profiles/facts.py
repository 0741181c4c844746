"""Facts and their paths: ``interfaces.usb.serial.baud`` is the baud rate of the interface whose id is ``usb``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["NOT_FACTS", "Content", "is_keyed", "leaves"]

Content = dict[str, Any]
"""A profile, or a part of one, as plain dictionaries, lists and values: what a TOML file holds."""

NOT_FACTS: Final = frozenset(
    {"schema_version", "id", "kind", "extends", "without", "title", "summary", "policy", "evidence"}
)
"""Fields that name or arrange the profile, or state a decision of its owner; they need no evidence."""


def is_keyed(value: object) -> bool:
    """Tell whether ``value`` is a list of tables that are known by their ``id``."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(i, dict) and "id" in i for i in value)


def leaves(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield path and value of every fact in ``content``; a list of plain values is one fact."""
    for name, value in content.items():
        if name not in NOT_FACTS:
            yield from _below(name, value)


def _below(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _below(f"{path}.{name}", inner)
    elif is_keyed(value):
        for item in value:
            yield from _below(f"{path}.{item['id']}", {k: v for k, v in item.items() if k != "id"})
    else:
        yield path, value
