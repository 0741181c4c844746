"""The text of a new profile: every field with its meaning, and what the parent says about it.

Lines that start with ``##`` are remarks; lines that start with ``#`` are settings to uncomment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from device_profiles.schema import SCHEMA_VERSION, DeviceProfile, Statement
from device_profiles.shape import Choice, Field, Flag, Items, Number, Shape, Words, fields_of, profile_shape
from device_profiles.writing import as_toml
from toolkit.core.errors import InputError

__all__ = ["FILL_IN", "new_profile"]

FILL_IN: Final = "FILL IN"
"""Mark of what only the author can know; ``medharden profile validate`` reminds of it."""
SECTIONS: Final = ("safety", "platform", "interfaces", "update", "data", "lifecycle", "hil", "policy")
PLACEHOLDERS: Final = {"size": '"64 KiB"', "address": "0x08000000", "hex16": "0x0000", "": "1"}


def new_profile(profile_id: str, parent: DeviceProfile) -> str:
    """Return the text of a model that extends ``parent``; it loads as it is. ``InputError`` for an unusable id."""
    shape = profile_shape()
    rule = shape.fields["id"].shape
    if isinstance(rule, Words) and not rule.pattern.fullmatch(profile_id):
        raise InputError(f"{profile_id!r} cannot be used as id; expected {rule.form}")
    lines = [*_head(profile_id, parent), *_identity(shape.fields["identity"])]
    stated = {statement.path: statement for statement in parent.facts()}
    for name in SECTIONS:
        lines += ["", *_section(name, shape.fields[name], stated)]
    return "\n".join([*lines, *_evidence(), ""])


def _head(profile_id: str, parent: DeviceProfile) -> Iterator[str]:
    yield f"## Device profile: what {parent.id} says holds for this device too, unless it is said otherwise here."
    yield "## 1. Replace every FILL IN. Uncomment what you know better than what is inherited, and correct it."
    yield "##    Where settings stand under a [[heading]], uncomment the heading and the id as well."
    yield "## 2. Say in [[evidence]] at the end how you know it."
    yield f"## 3. Check it: medharden profile validate {profile_id}.toml"
    yield ""
    yield f'schema_version = "{SCHEMA_VERSION}"'
    yield f'id = "{profile_id}"'
    yield 'kind = "model"'
    yield f'extends = "{parent.id}"'
    yield f'title = "{FILL_IN}: maker and model"'
    yield '# summary = "One or two sentences on what it is."'
    yield "## Inherited facts that do not hold here, for example an interface this model does not have."
    first = next((f"interfaces.{interface.id}" for interface in parent.interfaces), "update.integrity")
    yield f'# without = ["{first}"]'


def _identity(field: Field) -> Iterator[str]:
    """Write the one table that is never inherited from a class of devices."""
    yield from ("", f"## {field.description}", "[identity]")
    yield f'manufacturer = "{FILL_IN}"'
    yield f'model = "{FILL_IN}"'
    for inner in fields_of(field.shape):
        if inner.name not in ("manufacturer", "model"):
            yield from _setting(f"identity.{inner.name}", inner, {})


def _section(path: str, field: Field, stated: dict[str, Statement]) -> Iterator[str]:
    """Write a table: first its plain fields, then the tables in it."""
    if isinstance(field.shape, Items):
        yield from _entries(path, field, stated)
        return
    yield f"## {field.description}"
    yield f"[{path}]"
    inner = fields_of(field.shape)
    for plain in (f for f in inner if not fields_of(f.shape)):
        yield from _setting(f"{path}.{plain.name}", plain, stated)
    for table in (f for f in inner if fields_of(f.shape)):
        yield ""
        yield from _section(f"{path}.{table.name}", table, stated)


def _setting(path: str, field: Field, stated: dict[str, Statement]) -> Iterator[str]:
    """Write one field: its meaning, the words to choose from, and the inherited value or an example."""
    statement = stated.get(path)
    words = f" One of {', '.join(field.shape.words)}." if isinstance(field.shape, Choice) else ""
    inherited = f" Inherited, {statement.evidence.status}." if statement else ""
    yield f"## {field.description}{words}{inherited}"
    yield f"# {field.name} = {as_toml(path, statement.value) if statement else _placeholder(field.shape)}"


def _entries(path: str, field: Field, stated: dict[str, Statement]) -> Iterator[str]:
    """Write a list of tables: what is inherited, or one example."""
    yield f"## {field.description}"
    yield f"## Fields of an entry: {', '.join(_names(field.shape))}."
    below = f"{path}."
    by_id: dict[str, list[Statement]] = {}
    for statement in stated.values():
        if statement.path.startswith(below):
            by_id.setdefault(statement.path.removeprefix(below).partition(".")[0], []).append(statement)
    for name, statements in by_id.items():
        yield f"# [[{path}]]"
        yield f'# id = "{name}"'
        for statement in statements:
            yield f"# {statement.path.removeprefix(f'{below}{name}.')} = {as_toml(statement.path, statement.value)}"
    if not by_id:
        yield f"# [[{path}]]"
        yield from (f"# {f.name} = {_placeholder(f.shape)}" for f in fields_of(field.shape) if f.required)


def _names(shape: Shape) -> Iterator[str]:
    for field in fields_of(shape):
        inner = list(_names(field.shape))
        yield from (f"{field.name}.{name}" for name in inner)
        if not inner:
            yield field.name


def _placeholder(shape: Shape) -> str:
    """Return an example that stands where nothing is inherited."""
    match shape:
        case Choice():
            return f'"{" | ".join(shape.words)}"'
        case Number():
            return PLACEHOLDERS[shape.unit]
        case Items():
            return "[]"
        case Flag():
            return "false"
        case _:
            return '"..."'


def _evidence() -> Iterator[str]:
    yield from ("", "## How the facts stated above are known. Every one of them must be covered by an entry.")
    yield "## Status: measured, vendor_doc, advisory, public_teardown or assumed. A path covers everything below it."
    yield "[[evidence]]"
    yield 'fields = ["identity"]'
    yield 'status = "assumed"'
    yield f'source = "{FILL_IN}: type plate, service manual with page, advisory number, or what was measured and how"'
    yield '# url = "https://..."'
    yield '# date = "2026-01-31"'
