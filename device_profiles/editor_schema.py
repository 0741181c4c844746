"""The schema for editors: JSON Schema of a profile file, so that an editor completes and explains while one writes.

It describes a file, not a complete profile: a model may state one field of a table and inherit the rest, so within
tables only ``id`` is asked for. What is missing in the end is told by ``medharden profile validate``.
"""

from __future__ import annotations

from typing import Any, Final

from device_profiles.schema import SCHEMA_VERSION
from device_profiles.shape import Choice, Field, Items, Number, Shape, Table, Words, profile_shape
from device_profiles.validation import SIZE

__all__ = ["editor_schema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
IN_EVERY_FILE: Final = ("schema_version", "id", "kind", "title", "evidence")

JsonSchema = dict[str, Any]


def editor_schema() -> JsonSchema:
    """Return the JSON Schema (2020-12) of a device profile file."""
    shape = profile_shape()
    inherited = sorted(f.name for f in shape.fields.values() if f.required and f.name not in IN_EVERY_FILE)
    return {
        "$schema": DIALECT,
        "$id": f"urn:medharden:device-profile:{SCHEMA_VERSION}",
        "title": "medharden device profile",
        **_table(shape),
        "required": list(IN_EVERY_FILE),
        "if": {"not": {"required": ["extends"]}},
        "then": {"required": inherited},
    }


def _table(shape: Table) -> JsonSchema:
    return {
        "description": shape.description,
        "type": "object",
        "properties": {f.name: _field(f) for f in shape.fields.values()},
        "additionalProperties": False,
    }


def _field(field: Field) -> JsonSchema:
    return {**_schema(field.shape), "description": field.description}


def _schema(shape: Shape) -> JsonSchema:
    match shape:
        case Table():
            return _table(shape)
        case Items():
            return _items(shape)
        case Choice():
            return {"enum": list(shape.words)}
        case Words():
            return {"type": "string", "pattern": shape.pattern.pattern}
        case Number():
            return _number(shape)
        case _:  # a Flag
            return {"type": "boolean"}


def _items(shape: Items) -> JsonSchema:
    if not isinstance(shape.item, Table):
        return {"type": "array", "items": _schema(shape.item)}
    required = [f.name for f in shape.item.fields.values() if f.required and (f.name == "id" or not shape.keyed)]
    return {"type": "array", "minItems": 1, "items": {**_table(shape.item), "required": required}}


def _number(shape: Number) -> JsonSchema:
    number = {"type": "integer", "minimum": shape.lowest, "maximum": shape.highest}
    if shape.unit != "size":
        return number
    return {"anyOf": [{"type": "string", "pattern": f"^{SIZE.pattern}$"}, number]}
