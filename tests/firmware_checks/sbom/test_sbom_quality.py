"""What a bill of materials lacks is counted, and turned into questions to the vendor."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from firmware_checks.sbom.quality import FIELDS, MOST_NAMES, Guide, Quality, QualityRow, Verdict, judge
from firmware_checks.sbom.reading import sbom_of

NTIA = {"author", "timestamp", "supplier", "name", "version", "identifier", "dependency"}


def _row(quality: Quality, name: str) -> QualityRow:
    return next(row for row in quality.rows if row.field == name)


def _judged(document: dict[str, Any], guide: Guide = Guide.NTIA) -> Quality:
    return judge(sbom_of(json.dumps(document).encode()), guide)


def _complete() -> dict[str, Any]:
    part = {
        "type": "library",
        "name": "zlib",
        "version": "1.3",
        "bom-ref": "zlib",
        "publisher": "zlib project",
        "purl": "pkg:generic/zlib@1.3",
        "hashes": [{"alg": "SHA-256", "content": "00" * 32}],
        "licenses": [{"license": {"id": "Zlib"}}],
        "properties": [
            {"name": "cdx:fda:level-of-support", "value": "actively maintained"},
            {"name": "cdx:fda:end-of-support-date", "value": "2030-01-01"},
        ],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {
            "timestamp": "2026-03-01T10:00:00+01:00",
            "authors": [{"name": "Acme"}],
            "tools": {"components": [{"name": "maker"}]},
            "lifecycles": [{"phase": "build"}],
            "component": {**json.loads(json.dumps(part)), "name": "pump", "bom-ref": "pump"},
        },
        "components": [part],
        "dependencies": [{"ref": "pump", "dependsOn": ["zlib"]}],
        "compositions": [{"aggregate": "complete"}],
    }


@pytest.mark.parametrize("guide", Guide)
def test_a_complete_document_is_complete(guide: Guide) -> None:
    quality = _judged(_complete(), guide)
    assert quality.complete
    assert {row.verdict for row in quality.rows} == {Verdict.COMPLETE}
    assert not any(row.ask or row.without for row in quality.rows)


def test_each_list_asks_for_its_own_fields() -> None:
    asked = {guide: {field.name for field in FIELDS if guide in field.guides} for guide in Guide}
    assert asked[Guide.NTIA] == NTIA
    assert asked[Guide.CISA] == NTIA | {"hash", "license", "tool", "context", "known-unknowns"}
    assert asked[Guide.FDA] == NTIA | {"support-level", "end-of-support"}


REMOVED: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "author": ("document", lambda d: d["metadata"].pop("authors")),
    "timestamp": ("document", lambda d: d["metadata"].update(timestamp="last week")),
    "tool": ("document", lambda d: d["metadata"].pop("tools")),
    "context": ("document", lambda d: d["metadata"].pop("lifecycles")),
    "known-unknowns": ("document", lambda d: d.pop("compositions")),
    "supplier": ("component", lambda d: d["components"][0].pop("publisher")),
    "name": ("component", lambda d: d["components"][0].update(name=" ")),
    "version": ("component", lambda d: d["components"][0].pop("version")),
    "identifier": ("component", lambda d: d["components"][0].pop("purl")),
    "hash": ("component", lambda d: d["components"][0].pop("hashes")),
    "license": ("component", lambda d: d["components"][0].pop("licenses")),
    "support-level": ("component", lambda d: d["components"][0]["properties"].pop(0)),
    "end-of-support": ("component", lambda d: d["components"][0]["properties"].pop(1)),
}


@pytest.mark.parametrize("name", REMOVED)
def test_what_is_taken_away_is_missed_and_nothing_else(name: str) -> None:
    scope, remove = REMOVED[name]
    document = _complete()
    remove(document)
    guide = next(g for g in Guide if any(f.name == name and g in f.guides for f in FIELDS))
    quality = _judged(document, guide)
    assert not quality.complete
    assert [row.field for row in quality.rows if row.verdict is not Verdict.COMPLETE] == [name]
    row = _row(quality, name)
    assert row.ask
    if scope == "document":
        assert (row.present, row.of, row.verdict) == (0, 1, Verdict.MISSING)
    else:
        assert (row.present, row.of, row.verdict, len(row.without)) == (1, 2, Verdict.PARTLY, 1)


def test_without_relationships_every_component_is_missed() -> None:
    document = _complete()
    del document["dependencies"]
    assert _row(_judged(document), "dependency").verdict is Verdict.MISSING


def test_a_dependency_on_nothing_relates_nothing() -> None:
    document = _complete()
    document["dependencies"] = [{"ref": "zlib", "dependsOn": []}, {"ref": "pump"}]
    assert _row(_judged(document), "dependency").present == 0


def test_an_empty_document_is_not_complete() -> None:
    quality = _judged({"bomFormat": "CycloneDX", "specVersion": "1.5"})
    assert {row.verdict for row in quality.rows} == {Verdict.MISSING}


def test_only_some_components_are_named() -> None:
    document = _complete()
    document["components"] = [{"name": f"part {n}"} for n in range(40)]
    row = _row(_judged(document), "version")
    assert (row.present, row.of, len(row.without)) == (1, 41, MOST_NAMES)


def test_spdx_of_2_3_can_hold_what_the_fda_asks_for(spdx_json: dict[str, Any]) -> None:
    quality = _judged(spdx_json, Guide.FDA)
    assert _row(quality, "end-of-support").present == 1
    assert _row(quality, "support-level").present == 1
    assert quality.format == "SPDX 2.3 JSON"
