from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.merging import merge, without

ids = st.sampled_from(["one", "two", "three"])
scalars = st.one_of(st.integers(0, 3), st.booleans(), st.lists(st.integers(0, 3), max_size=2))


def keyed(item: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    pairs = st.dictionaries(ids, item, min_size=1, max_size=3)
    return pairs.map(lambda found: [{"id": name, **fields} for name, fields in found.items()])


def some(content: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=content)


inner = some({"x": scalars, "y": scalars})
items = keyed(some({"x": scalars, "table": inner}))
contents = some({"scalar": scalars, "table": some({"x": scalars, "items": items}), "items": items})


@given(contents, contents)
def test_merging_is_the_same_every_time_and_changes_nothing_the_second_time(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    once = merge(base, over)
    assert merge(base, over) == once
    assert merge(once, over) == once
    assert merge({}, over) == over
    assert merge(base, {}) == base


@given(contents, contents, contents)
def test_three_profiles_give_the_same_whichever_pair_is_merged_first(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


def test_a_table_in_a_list_keeps_its_place_and_the_fields_that_are_not_overridden() -> None:
    base = {"interfaces": [{"id": "usb", "type": "usb_device", "reach": "bedside"}, {"id": "ble", "type": "ble"}]}
    over = {"interfaces": [{"id": "wifi", "type": "wifi"}, {"id": "usb", "reach": "bench"}]}
    assert merge(base, over) == {
        "interfaces": [
            {"id": "usb", "type": "usb_device", "reach": "bench"},
            {"id": "ble", "type": "ble"},
            {"id": "wifi", "type": "wifi"},
        ]
    }


def test_a_list_of_plain_values_is_replaced_as_a_whole() -> None:
    assert merge({"update": {"channels": ["sd_card"]}}, {"update": {"channels": []}}) == {"update": {"channels": []}}


CONTENT = {
    "scalar": 1,
    "table": {"x": 1, "y": 2},
    "lonely": {"x": 1},
    "items": [{"id": "one", "x": 1, "t": {"x": 1, "y": 1}}, {"id": "two", "t": {"x": 1}}],
    "single": [{"id": "one"}],
}


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("scalar", {k: v for k, v in CONTENT.items() if k != "scalar"}),
        ("table.x", {**CONTENT, "table": {"y": 2}}),
        ("lonely.x", {k: v for k, v in CONTENT.items() if k != "lonely"}),
        ("single.one", {k: v for k, v in CONTENT.items() if k != "single"}),
        ("items.one", {**CONTENT, "items": [CONTENT["items"][1]]}),  # type: ignore[index]
        (
            "items.one.t.x",
            {**CONTENT, "items": [{"id": "one", "x": 1, "t": {"y": 1}}, CONTENT["items"][1]]},  # type: ignore[index]
        ),
        ("items.two.t.x", {**CONTENT, "items": [CONTENT["items"][0], {"id": "two"}]}),  # type: ignore[index]
    ],
)
def test_what_is_taken_away_is_gone_and_the_rest_stays(path: str, left: dict[str, Any]) -> None:
    before = repr(CONTENT)
    assert without(CONTENT, path) == left
    assert repr(CONTENT) == before


@pytest.mark.parametrize(
    "path",
    ["nothing", "scalar.x", "table.z", "items.three", "items.one.z", "items.one.id", "items.one.t.z", "single.x"],
)
def test_what_is_not_there_cannot_be_taken_away(path: str) -> None:
    assert without(CONTENT, path) is None
