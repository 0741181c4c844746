from __future__ import annotations

import json
import tomllib
from typing import Any

import jsonschema
import msgspec
import pytest

from device_profiles.editor_schema import editor_schema
from device_profiles.loader import load, profiles

KNOWN = profiles()
SCHEMA = editor_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("profile_id", KNOWN)
def test_it_accepts_every_shipped_file_and_what_it_becomes(profile_id: str) -> None:
    VALIDATOR.validate(tomllib.loads(KNOWN[profile_id].read_text(encoding="utf-8")))
    VALIDATOR.validate(json.loads(msgspec.json.encode(load(profile_id, known=KNOWN))))


def valid() -> dict[str, Any]:
    return tomllib.loads(KNOWN["contec-cms50dplus"].read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"titel": "x"},
        {"update": {"authenticity": "edcsa"}},
        {"update": {"model_binding": "yes"}},
        {"platform": {"mcu": [{"id": "main", "flash": "64 kb"}]}},
        {"platform": {"memory_map": [{"id": "a", "start": "0x0"}]}},
        {"interfaces": [{"type": "uart"}]},
        {"interfaces": []},
        {"evidence": [{"fields": ["*"], "status": "assumed"}]},
        {"id": "Not An Id"},
    ],
)
def test_it_refuses_what_the_loader_refuses(wrong: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid({**valid(), **wrong})


def test_a_profile_without_parent_must_say_more() -> None:
    content = valid()
    del content["extends"]
    assert not VALIDATOR.is_valid(content)
    assert VALIDATOR.is_valid({**content, "safety": {"therapy": "none", "worst_case_harm": "minor"}})


def descriptions(schema: Any) -> list[str]:
    if not isinstance(schema, dict):
        return []
    found = [d for inner in schema.values() for d in descriptions(inner)]
    return [*found, *(field.get("description", "") for field in schema.get("properties", {}).values())]


def test_every_field_is_explained() -> None:
    found = descriptions(SCHEMA)
    assert len(found) > 100
    assert all(len(description) > 3 for description in found)
