"""Values as they are written in a profile: sizes with their unit, addresses in hexadecimal."""

from __future__ import annotations

import json
from typing import Any, Final

from device_profiles.shape import Items, Number, Shape, shape_at

__all__ = ["as_toml"]

UNITS: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def as_toml(path: str, value: Any) -> str:
    """Return the ``value`` of the fact at ``path`` as TOML, in the notation that people read best there."""
    return _value(shape_at(path), value)


def _value(shape: Shape | None, value: Any) -> str:
    if isinstance(value, list | tuple):
        item = shape.item if isinstance(shape, Items) else None
        return f"[{', '.join(_value(item, v) for v in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return _number(shape.unit if isinstance(shape, Number) else "", value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _number(unit: str, value: int) -> str:
    match unit:
        case "address":
            return f"{value:#010x}"
        case "hex16":
            return f"{value:#06x}"
        case "size":
            return next((f'"{value // size} {name}"' for size, name in UNITS if value % size == 0), str(value))
        case _:
            return str(value)
