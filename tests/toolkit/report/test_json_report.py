"""The JSON report and its schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.core.errors import FormatError, InputError
from toolkit.report.json_report import from_json, schema, to_json
from toolkit.report.model import SCHEMA_VERSION, Report


@given(st.data())
def test_a_report_written_and_read_again_is_the_same(reports: st.SearchStrategy[Report], data: st.DataObject) -> None:
    report = data.draw(reports)
    written = to_json(report)
    assert from_json(written) == report
    assert to_json(from_json(written)) == written


@given(st.data())
def test_every_report_is_valid_by_its_schema(reports: st.SearchStrategy[Report], data: st.DataObject) -> None:
    document = msgspec.json.decode(to_json(data.draw(reports)))
    jsonschema.Draft202012Validator(schema()).validate(document)


def test_the_bytes_are_the_same_each_time_and_end_in_a_line_end(sample_report: Report) -> None:
    written = to_json(sample_report)
    assert written == to_json(msgspec.structs.replace(sample_report))
    assert written.endswith(b"}\n")
    assert b"\r" not in written


def test_the_order_in_which_facts_were_found_does_not_show(sample_report: Report) -> None:
    first = sample_report.regions[0]
    one = msgspec.structs.replace(first, facts={"a": 1, "b": 2})
    other = msgspec.structs.replace(first, facts={"b": 2, "a": 1})
    written = [to_json(msgspec.structs.replace(sample_report, regions=(row,))) for row in (one, other)]
    assert written[0] == written[1]


def test_the_schema_says_which_draft_it_follows_and_what_it_is() -> None:
    document = schema()
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"] == f"urn:medharden:report:{SCHEMA_VERSION}"
    assert document["title"] == "medharden report"


def test_every_record_and_field_of_the_schema_is_described() -> None:
    silent = [
        f"{name}.{field}"
        for name, record in schema()["$defs"].items()
        for field, about in [("", record), *record.get("properties", {}).items()]
        if not about.get("description")
    ]
    assert silent == []


def _with_unknown_field(document: dict[str, Any]) -> None:
    document["subject"]["path"] = "/home"


def _with_another_version(document: dict[str, Any]) -> None:
    document["schema_version"] = "2.0"


def _without_subject(document: dict[str, Any]) -> None:
    del document["subject"]


def _with_a_negative_size(document: dict[str, Any]) -> None:
    document["subject"]["size"] = -1


def _with_nothing_left_unexamined(document: dict[str, Any]) -> None:
    document["not_examined"] = []


def _with_a_number_as_text(document: dict[str, Any]) -> None:
    document["subject"]["size"] = "1"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_with_unknown_field, "path"),
        (_with_another_version, "2.0"),
        (_without_subject, "subject"),
        (_with_a_negative_size, "subject.size"),
        (_with_nothing_left_unexamined, "not_examined"),
        (_with_a_number_as_text, "subject.size"),
    ],
)
def test_what_is_not_a_report_is_refused_with_the_reason(damage: Any, says: str, sample_report: Report) -> None:
    document = msgspec.json.decode(to_json(sample_report))
    damage(document)
    with pytest.raises(FormatError, match=says):
        from_json(msgspec.json.encode(document))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_bytes_that_are_no_report_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="not a report"):
        from_json(data)


def test_a_report_cut_short_is_refused(empty_report: Report) -> None:
    written = to_json(empty_report)
    for end in range(0, len(written) - 2, 7):
        with pytest.raises(FormatError):
            from_json(written[:end])


def test_a_name_that_is_not_unicode_is_told_in_one_line(empty_report: Report) -> None:
    subject = msgspec.structs.replace(empty_report.subject, name="\udcff.bin")
    with pytest.raises(InputError, match="not Unicode") as caught:
        to_json(msgspec.structs.replace(empty_report, subject=subject))
    assert str(caught.value).isprintable()
