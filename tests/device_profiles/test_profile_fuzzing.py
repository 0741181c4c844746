from __future__ import annotations

import copy
import datetime as dt
import tomllib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from device_profiles import loader
from device_profiles.facts import leaves
from device_profiles.loader import profiles
from device_profiles.schema import DeviceProfile
from device_profiles.shape import Choice, Items, Number, Table, Words, profile_shape, shape_at
from device_profiles.validation import examine, missing
from toolkit.core.errors import ProfileError

KNOWN = profiles()
SHELF = loader._Shelf(KNOWN)
SOURCES = [tomllib.loads(file.read_text(encoding="utf-8")) for file in KNOWN.values()]

keys = st.sampled_from(["id", "type", "extends", "without", "evidence", "fields", "platform", "x", "a.b", "a b\n", ""])
scalars = st.one_of(
    st.none().map(lambda _: {}),
    st.booleans(),
    st.integers(),
    st.integers(10**4000, 10**4001),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["*", "main", "cpap", "64 KiB", "update.channels", "none", "contec-cms8000"]),
    st.dates(min_value=dt.date(1970, 1, 1)),
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(keys, v, max_size=3), max_leaves=6)


def compose(content: dict[str, Any]) -> DeviceProfile | None:
    try:
        return loader._finish(loader._compose(content, SHELF, None, ()), "mutated.toml")
    except ProfileError as error:
        assert error.problems
        assert all(line.isprintable() for line in error.problems)
        return None


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@given(st.data())
def test_a_mutated_profile_is_a_profile_or_a_list_of_problems(data: st.DataObject) -> None:
    content = copy.deepcopy(data.draw(st.sampled_from(SOURCES)))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(content)[1:]))
        target = content
        for step in way:
            target = target[step]
        action = data.draw(st.sampled_from(["replace", "drop", "add"]))
        if action == "drop":
            del target[last]
        elif action == "add" and isinstance(target, dict):
            target[data.draw(keys)] = data.draw(values)
        else:
            target[last] = data.draw(values)
        if not content:
            break
    profile = compose(content)
    if profile is not None:
        assert msgspec.json.decode(msgspec.json.encode(profile), type=DeviceProfile) == profile
        assert {s.path for s in profile.facts()} == {p for e in profile.evidence for p in e.fields}


@given(st.dictionaries(keys | st.sampled_from(list(profile_shape().fields)), values, max_size=6))
def test_any_tables_are_a_profile_or_a_list_of_problems(content: dict[str, Any]) -> None:
    compose(content)


@given(st.sampled_from(SOURCES))
def test_what_fits_the_schema_fits_it_still_when_it_is_examined_again(content: dict[str, Any]) -> None:
    clean, problems = examine(content)
    assert problems == []
    assert examine(clean) == (clean, [])


def test_the_schema_as_a_tree_agrees_with_the_one_that_decodes() -> None:
    schemas = msgspec.json.schema(DeviceProfile)["$defs"]

    def compare(name: str, table: Table) -> None:
        reference = schemas[name]
        assert list(table.fields) == list(reference["properties"])
        assert [f.name for f in table.fields.values() if f.required] == reference["required"]
        for field in table.fields.values():
            assert field.description == reference["properties"][field.name]["description"]
            inner = field.shape.item if isinstance(field.shape, Items) else field.shape
            if isinstance(inner, Table):
                found = reference["properties"][field.name]
                compare((found.get("items") or found)["$ref"].rpartition("/")[2], inner)

    compare("DeviceProfile", profile_shape())


def test_every_shipped_fact_has_a_place_in_the_tree() -> None:
    for source in SOURCES:
        clean, _ = examine(source)
        for path, value in leaves(clean):
            shape = shape_at(path)
            assert isinstance(shape, Choice | Items | Number | Words) or isinstance(value, bool), path
    assert shape_at("platform.nothing") is None
    assert shape_at("safety.therapy.more") is None


def test_an_empty_profile_misses_what_every_profile_must_have() -> None:
    assert [problem.path for problem in missing({})] == [
        "schema_version", "id", "kind", "title", "safety.therapy", "safety.worst_case_harm", "evidence",
    ]  # fmt: skip
