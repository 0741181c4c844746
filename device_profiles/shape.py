"""The schema as a small tree that can be walked: the one door to how msgspec describes its records.

Validation, the editor schema, the template of a new profile and the way values are printed all follow this tree, so a
field is declared once, in ``device_profiles/schema.py``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from msgspec import inspect

from device_profiles.fields import FORM, UNIT
from device_profiles.schema import DeviceProfile

__all__ = [
    "Choice",
    "Field",
    "Flag",
    "Items",
    "Number",
    "Shape",
    "Table",
    "Words",
    "fields_of",
    "profile_shape",
    "shape_at",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """True or false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A text that must match ``pattern`` from end to end; ``form`` says so in words."""

    pattern: re.Pattern[str]
    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A whole number from ``lowest`` to ``highest``, both included."""

    lowest: int
    highest: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list; one of tables with an ``id`` is keyed by it."""

    item: Shape

    @property
    def keyed(self) -> bool:
        """Tell whether the items are tables that are known by their ``id``."""
        return isinstance(self.item, Table) and "id" in self.item.fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A named value of a table."""

    name: str
    description: str
    required: bool
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Named values."""

    description: str
    fields: dict[str, Field]


Shape: TypeAlias = Flag | Choice | Words | Number | Items | Table


@functools.cache
def profile_shape() -> Table:
    """Return the shape of a whole profile."""
    table = _shape(inspect.type_info(DeviceProfile), {})
    assert isinstance(table, Table)  # noqa: S101  # DeviceProfile is a table; told to the type checker
    return table


def fields_of(shape: Shape) -> tuple[Field, ...]:
    """Return the fields of a table, or of the tables in a list; none for plain values."""
    inner = shape.item if isinstance(shape, Items) else shape
    return tuple(inner.fields.values()) if isinstance(inner, Table) else ()


def shape_at(path: str) -> Shape | None:
    """Return the shape of the fact at ``path``; None when the schema has no such place."""
    shape: Shape = profile_shape()
    for name in path.split("."):
        if isinstance(shape, Items):
            shape = shape.item  # the name is the id of an item
        elif isinstance(shape, Table) and name in shape.fields:
            shape = shape.fields[name].shape
        else:
            return None
    return shape


def _shape(kind: inspect.Type, extra: dict[str, Any]) -> Shape:
    """Translate what msgspec says about a type; ``extra`` is what ``device_profiles/fields.py`` noted beside it."""
    match kind:
        case inspect.Metadata():
            return _shape(kind.type, {**extra, **(kind.extra or {})})
        case inspect.UnionType():
            return _shape(next(t for t in kind.types if not isinstance(t, inspect.NoneType)), extra)
        case inspect.VarTupleType():
            return Items(item=_shape(kind.item_type, extra))
        case inspect.StructType():
            return _table(kind)
        case _:
            return _plain(kind, extra)


def _plain(kind: inspect.Type, extra: dict[str, Any]) -> Shape:
    match kind:
        case inspect.BoolType():
            return Flag()
        case inspect.EnumType():
            return Choice(words=tuple(member.value for member in kind.cls))
        case inspect.StrType(pattern=str(pattern)):
            return Words(pattern=re.compile(pattern), form=extra[FORM])
        case inspect.IntType(ge=int(lowest), le=int(highest)):
            return Number(lowest=lowest, highest=highest, unit=extra[UNIT])
        case _:
            raise TypeError(f"{kind} has no place in a profile")


def _table(kind: inspect.StructType) -> Table:
    fields = (
        Field(name=f.name, description=_description(f.type), required=f.required, shape=_shape(f.type, {}))
        for f in kind.fields
    )
    return Table(description=(kind.cls.__doc__ or "").strip(), fields={f.name: f for f in fields})


def _description(kind: inspect.Type) -> str:
    return str((kind.extra_json_schema or {})["description"]) if isinstance(kind, inspect.Metadata) else ""
