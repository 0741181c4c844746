from __future__ import annotations

import re
from pathlib import Path

from device_profiles.loader import load
from device_profiles.shape import Items, Table, fields_of, profile_shape
from device_profiles.vocabulary import EvidenceStatus

PAGE = (Path(__file__).parents[2] / "docs" / "device-profiles.md").read_text(encoding="utf-8")


def expected_rows(heading: str, table: Table) -> dict[str, list[str]]:
    rows = {heading: [f.name for f in table.fields.values() if not fields_of(f.shape)]}
    prefix = "" if heading == "top" else f"{heading.strip('[]')}."
    for field in table.fields.values():
        inner = field.shape.item if isinstance(field.shape, Items) else field.shape
        if isinstance(inner, Table):
            name = f"{prefix}{field.name}"
            rows |= expected_rows(f"[[{name}]]" if isinstance(field.shape, Items) else name, inner)
    return rows


def test_the_page_lists_every_field_and_no_other() -> None:
    rows = re.findall(r"^\| `?([^|`]+?)`? \| (`[^|]+`) \|$", PAGE, re.MULTILINE)
    assert {heading: re.findall("`(.+?)`", fields) for heading, fields in rows} == expected_rows("top", profile_shape())


def test_the_page_names_every_status() -> None:
    for status in EvidenceStatus:
        assert f"`{status}`" in PAGE


def test_the_example_on_the_page_loads(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "ward-pump.toml"
    path.write_text(example, encoding="utf-8")
    profile = load(path)
    assert profile.evidence_for("update.authenticity").status is EvidenceStatus.MEASURED
    assert profile.evidence_for("update.recovery").profile == "infusion-pump-lvp"
    assert all(interface.id != "cf" for interface in profile.interfaces)
