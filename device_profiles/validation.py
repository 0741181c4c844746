"""Finds everything that is wrong with a profile, not only the first thing, and says where.

A file is examined on its own (``examine``): what is misspelt, of the wrong kind or out of bounds is named with its path
and left out; the rest goes on. What a profile must have may be inherited, so it is asked for at the end (``missing``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from device_profiles.facts import Content
from device_profiles.shape import Choice, Items, Number, Shape, Table, Words, fields_of, profile_shape

__all__ = ["Problem", "did_you_mean", "examine", "missing", "size_in_bytes"]

SIZE: Final = re.compile(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB)")
SIZE_UNITS: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SHOWN_CHARACTERS: Final = 60
LONGEST_WORD: Final = 100
"""Comparing takes time with the product of the lengths; no name of ours is longer."""
_WRONG: Final = object()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a profile: where, and what; ``word`` is what may be a misspelling of one of ``known``."""

    path: str
    message: str
    word: str = ""
    known: Iterable[str] = ()

    def __str__(self) -> str:
        """Return place and message in one line."""
        return f"{self.path}: {self.message}" if self.path else self.message

    def with_suggestion(self) -> str:
        """Return the line with the closest known word, if one is close; comparing words takes a while."""
        return f"{self}{did_you_mean(self.word, self.known)}" if self.known else str(self)


def examine(content: Content) -> tuple[Content, list[Problem]]:
    """Return the part of ``content`` that fits the schema, sizes as bytes, and what is wrong with the rest."""
    examiner = _Examiner()
    clean = examiner.table("", content, profile_shape())
    return clean, examiner.problems


def missing(content: Content) -> list[Problem]:
    """Return what a complete profile must have and ``content``, which fits the schema, has not."""
    return list(_missing("", content, profile_shape()))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the closest of ``known``, or nothing when none is close."""
    close = difflib.get_close_matches(word[:LONGEST_WORD], list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def size_in_bytes(text: str) -> int | None:
    """Return the bytes in a size such as ``64 KiB``; None when it is not written like one."""
    match = SIZE.fullmatch(text)
    return int(match[1]) * SIZE_UNITS[match[2]] if match else None


class _Examiner:
    """Walks a profile along the schema and collects problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def table(self, path: str, value: Content, shape: Table) -> Content:
        """Return the fields of ``value`` that fit; empty tables state nothing and are left out."""
        clean: Content = {}
        for name, inner in value.items():
            where = _join(path, name)
            field = shape.fields.get(name)
            if field is None:
                self._unknown(path, name, shape)
                continue
            fitting = self._value(where, inner, field.shape)
            if fitting is not _WRONG and fitting != {}:
                clean[name] = fitting
        return clean

    def _value(self, path: str, value: Any, shape: Shape) -> Any:
        match shape:
            case Table():
                return self._table(path, value, shape)
            case Items():
                return self._items(path, value, shape)
            case Choice():
                return self._choice(path, value, shape)
            case Words():
                return self._words(path, value, shape)
            case Number():
                return self._number(path, value, shape)
            case _:  # a Flag
                return value if isinstance(value, bool) else self._wrong(path, value, "true or false")

    def _table(self, path: str, value: Any, shape: Table) -> Any:
        return self.table(path, value, shape) if isinstance(value, dict) else self._wrong(path, value, "a table")

    def _items(self, path: str, value: Any, shape: Items) -> Any:
        if not isinstance(value, list):
            return self._wrong(path, value, f"tables, each under [[{path}]]" if shape.keyed else "a list")
        if isinstance(shape.item, Table):
            return self._tables(path, value, shape.item, keyed=shape.keyed)
        fitting = [self._value(f"{path}[{i}]", item, shape.item) for i, item in enumerate(value)]
        return _WRONG if any(item is _WRONG for item in fitting) else fitting

    def _tables(self, path: str, value: list[Any], shape: Table, *, keyed: bool) -> Any:
        if not value:
            return self._report(path, "is empty; leave it out (`without` takes away what is inherited)")
        fitting = self._keyed(path, value, shape) if keyed else self._unkeyed(path, value, shape)
        return fitting or _WRONG

    def _keyed(self, path: str, value: list[Any], shape: Table) -> list[Content]:
        clean: dict[str, Content] = {}
        for i, item in enumerate(value):
            where = _place(path, i, item, shape)
            fitting = self._table(where, item, shape)
            if fitting is _WRONG or not self._has_id(where, item, fitting):
                continue
            if fitting["id"] in clean:
                self._report(where, "stands here a second time; an id names one table")
            clean.setdefault(fitting["id"], fitting)
        return list(clean.values())

    def _has_id(self, path: str, item: Content, fitting: Content) -> bool:
        if "id" not in item:
            self._report(f"{path}.id", "is missing; a table in this list is known by its id")
        return "id" in fitting

    def _unkeyed(self, path: str, value: list[Any], shape: Table) -> list[Content]:
        """Examine tables that are never inherited, so that what they must have is asked for here."""
        clean: list[Content] = []
        for i, item in enumerate(value):
            where = f"{path}[{i}]"
            before = len(self.problems)
            fitting = self._table(where, item, shape)
            if len(self.problems) == before:
                self.problems.extend(_missing(where, fitting, shape))
            if len(self.problems) == before:
                clean.append(fitting)
        return clean

    def _choice(self, path: str, value: Any, shape: Choice) -> Any:
        if not isinstance(value, str):
            return self._wrong(path, value, f"one of {', '.join(shape.words)}")
        if value in shape.words:
            return value
        message = f"is {_show(value)}; choose one of {', '.join(shape.words)}"
        return self._add(Problem(path, message, value, shape.words))

    def _words(self, path: str, value: Any, shape: Words) -> Any:
        if isinstance(value, str) and shape.pattern.fullmatch(value):
            return value
        return self._wrong(path, value, shape.form)

    def _number(self, path: str, value: Any, shape: Number) -> Any:
        number = size_in_bytes(value) if shape.unit == "size" and isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int):
            return self._wrong(path, value, _number_form(value, shape))
        if not shape.lowest <= number <= shape.highest:
            return self._wrong(path, value, f"a number from {shape.lowest} to {shape.highest}")
        return number

    def _wrong(self, path: str, value: Any, expected: str) -> Any:
        return self._report(path, f"is {_show(value)}; expected {expected}")

    def _unknown(self, path: str, name: str, shape: Table) -> None:
        lists = [f for f in shape.fields.values() if isinstance(f.shape, Items)]
        homes = [f"[[{_join(path, f.name)}]]" for f in lists if any(g.name == name for g in fields_of(f.shape))]
        if homes:
            message = f"is not a field here, but one of an entry under {' or '.join(homes)}, after its id"
            self._report(_join(path, name), message)
        else:
            message = f"is not a field here; the fields are {', '.join(shape.fields)}"
            self._add(Problem(_join(path, name), message, name, shape.fields))

    def _report(self, path: str, message: str) -> Any:
        return self._add(Problem(path, message))

    def _add(self, problem: Problem) -> Any:
        self.problems.append(problem)
        return _WRONG


def _missing(path: str, content: Content, shape: Table) -> Iterator[Problem]:
    for field in shape.fields.values():
        where = _join(path, field.name)
        value = content.get(field.name)
        if value is None and not field.required:
            continue
        if isinstance(field.shape, Table):
            yield from _missing(where, value or {}, field.shape)
        elif value is None:
            yield Problem(where, f"is missing: {field.description}")
        elif isinstance(field.shape, Items) and isinstance(field.shape.item, Table) and field.shape.keyed:
            for item in value:
                yield from _missing(f"{where}.{item['id']}", item, field.shape.item)


def _join(path: str, name: str) -> str:
    shown = name if re.fullmatch("[A-Za-z0-9_-]+", name) else _show(name)
    return f"{path}.{shown}" if path else shown


def _place(path: str, index: int, item: object, shape: Table) -> str:
    """Return the path of an item by its id, or by its position when the id cannot be used."""
    name = item.get("id") if isinstance(item, dict) else None
    rule = shape.fields["id"].shape
    usable = isinstance(name, str) and isinstance(rule, Words) and rule.pattern.fullmatch(name)
    return f"{path}.{name}" if usable else f"{path}[{index}]"


def _show(value: object) -> str:
    """Return ``value`` in a form that fits into a message: short, and without control characters."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case str():
            text = repr(value)
        case int() if abs(value) >> 64:
            text = hex(value)  # a number of many digits can only be written so
        case _:
            text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _number_form(value: object, shape: Number) -> str:
    if shape.unit == "size":
        return 'a size such as "64 KiB", or a number of bytes'
    if isinstance(value, str) and re.fullmatch("0x[0-9A-Fa-f]+|[0-9]+", value):
        return f"a whole number without quotes: {value}"
    return "a whole number, such as 0x08000000" if shape.unit else "a whole number"
