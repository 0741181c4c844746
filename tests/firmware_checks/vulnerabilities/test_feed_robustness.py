"""Every format of vulnerability data with keys of the future, cut anywhere, in YAML, and other odd forms."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest

from toolkit.core.errors import InputError

DOCUMENTS: dict[str, Any] = json.loads((Path(__file__).parent / "feed_documents.json").read_text(encoding="utf-8"))
CVE = "CVE-2024-12345"
OSV_YAML = """id: OSV-2024-77
summary: Heap-buffer-overflow in [pump]
details: |
  {lambda}
modified: '2026-06-16T00:20:16.101181Z'
published: 2026-06-16
affected:
- package:
    name: pump
    ecosystem: OSS-Fuzz
  ranges:
  - type: GIT
    events:
    - introduced: d7de7a9bd806d602d4fc08f9dcce2632f7a49c52
  versions:
  - 1.10
  - '1.4'
schema_version: 1.7.5
"""


def _ids(lab: Any, name: str, version: str) -> dict[str, str]:
    found = lab.ask(lab.component(name, version, cpe=f"cpe:2.3:a:{name}:{name}"))
    return {match.id: match.range for match in found.values()}


MAPS = ("products", "product_status")
"""Their keys are names of things, none of which is unknown."""


def _of_the_future(value: Any, key: str = "") -> Any:
    """Return ``value`` with keys that nobody knows in every object."""
    if isinstance(value, list):
        return [_of_the_future(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _of_the_future(item, name) for name, item in value.items()}
    return found if key in MAPS else {**found, "aKeyOfTheFuture": {"deep": [1, {"x": None}]}, "another": "x"}


def _content(lab: Any) -> dict[str, list[Any]]:
    """Return the rows of every table but those that name files."""
    connection = sqlite3.connect(lab.path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables if name != "feed"}  # noqa: S608  # our own names
    connection.close()
    return rows


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_format_may_have_keys_that_nobody_knows(lab: Any, kind: str) -> None:
    lab.take(lab.write(DOCUMENTS[kind], "x.json"))
    plain = _content(lab)
    lab.path.unlink()
    lab.take(lab.write(_of_the_future(DOCUMENTS[kind]), "x.json"))
    assert _content(lab) == plain


@pytest.mark.parametrize("kind", [*DOCUMENTS, "osv yaml"])
def test_every_format_cut_anywhere_is_told_in_one_line_and_changes_nothing(lab: Any, kind: str) -> None:
    lab.take_records(lab.record(CVE, lab.plain(lab.row("a:acme:pump:1.4"))))
    before = lab.path.read_bytes()
    data = OSV_YAML.encode() if kind == "osv yaml" else json.dumps(DOCUMENTS[kind]).encode()
    ends = {*range(0, len(data) - 1, max(1, len(data) // 25)), len(data) - 2}
    for end in sorted(ends):
        try:
            lab.take(lab.write(data[:end], "cut.json"))
        except InputError as error:
            assert "\n" not in str(error)
            assert "cut.json" in str(error)
            assert lab.path.read_bytes() == before
        else:
            assert kind == "osv yaml"  # a line less can be a whole document
            lab.path.write_bytes(before)


@pytest.mark.parametrize("start", ["", "---\n", "affected first"])
def test_osv_is_taken_in_yaml_and_versions_stay_what_is_written(lab: Any, start: str) -> None:
    text = OSV_YAML if start == "affected first" else start + OSV_YAML
    if start == "affected first":
        head, _, rest = text.partition("affected:")
        text = f"affected:{rest}{head}"
    (done,) = lab.take(lab.write(text.encode(), "OSV-2024-77.yaml"))
    assert (done.kind, done.date, done.counts) == ("osv", "2026-06-16", {"records": 1})
    assert _ids(lab, "pump", "1.10") == {"OSV-2024-77": "=1.10"}
    assert _ids(lab, "pump", "1.1") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id: &a x\nsummary: *a\n", "references"),
        ("id: x\naffected: " + "[" * 50 + "]" * 50, "nested more than 40"),
        ("id: x\naffected: 7\n", "affected"),
        ("summary: no name\n", "id"),
        ("id: [x\n", "did not find"),
        ("id: \x07\n", "control characters"),
    ],
)
def test_yaml_that_could_harm_or_is_broken_is_refused(lab: Any, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        lab.take(lab.write(text.encode(), "x.yaml"))
    assert "\n" not in str(error.value)


def test_osv_records_with_brackets_in_their_text_are_not_passed_over(lab: Any) -> None:
    row = {"id": "OSV-2024-1", "details": 'operator[] {"lambda"}', "modified": "2026-01-01T00:00:00Z", "affected": []}
    first = {
        "affected": [{"package": {"name": "pump"}, "versions": ["1"]}],
        "id": "OSV-2024-2",
        "modified": "2026-01-02",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, document in enumerate((row, first)):
            archive.writestr(f"{number}.json", json.dumps(document))
    (done,) = lab.take(lab.write(packed.getvalue(), "all.zip"))
    assert done.counts == {"records": 2}


def test_osv_ranges_that_are_odd_are_read_as_they_stand(lab: Any) -> None:
    events = [{"fixed": "0.5"}, {"introduced": "1"}, {"introduced": "2"}, {"fixed": "3"}]
    affected = [{"package": {"name": "pump"}, "ranges": [{"events": events}]}, {"versions": ["nobody's"]}]
    lab.take(lab.write({"id": "OSV-2024-3", "modified": "2026-01-01", "affected": affected}))
    assert _ids(lab, "pump", "1.5") == {"OSV-2024-3": ">=1"}
    assert _ids(lab, "pump", "2.5") == {"OSV-2024-3": ">=1"}
    assert _ids(lab, "pump", "0.4") == {}


def test_csaf_vex_is_taken_with_its_statuses(lab: Any) -> None:
    vex: dict[str, Any] = json.loads(json.dumps(DOCUMENTS["csaf"]))
    vex["document"]["category"] = "csaf_vex"
    vex["vulnerabilities"][0]["flags"] = [{"label": "vulnerable_code_not_present", "product_ids": ["P3"]}]
    vex["vulnerabilities"][0]["product_status"] = {"known_affected": ["P1"], "known_not_affected": ["P3"]}
    (done,) = lab.take(lab.write(vex, "vex.json"))
    assert (done.kind, done.counts) == ("csaf", {"advisories": 1})
    rows = _content(lab)["advisory_product"]
    assert {(row[2], row[3], row[5]) for row in rows} == {
        (CVE, "known_affected", "Pump"),
        (CVE, "known_not_affected", "Pump on Board"),
    }
