"""The report for machines: JSON that is the records of ``model`` and nothing else, and its schema."""

from __future__ import annotations

from typing import Any

import msgspec

from toolkit.core.errors import FormatError, InputError
from toolkit.report.model import SCHEMA_VERSION, Report

__all__ = ["from_json", "schema", "to_json"]


def to_json(report: Report) -> bytes:
    """Return the report as JSON; equal reports give equal bytes."""
    try:
        return msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2) + b"\n"
    except UnicodeEncodeError as error:
        raise InputError(
            f"{report.subject.name!a}: the report holds text that is not Unicode: {error.object!a}"
        ) from error


def from_json(data: bytes) -> Report:
    """Return the report that ``data`` holds; raise ``FormatError`` where it is not a report of this version."""
    try:
        report = msgspec.json.decode(data, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"not a report: {error}") from error
    if report.schema_version != SCHEMA_VERSION:
        raise FormatError(f"report of version {report.schema_version!a}; this program reads {SCHEMA_VERSION}")
    return report


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:medharden:report:{SCHEMA_VERSION}",
        "title": "medharden report",
        "description": "What medharden says about one firmware image; offsets and addresses in bytes.",
        **msgspec.json.schema(Report),
    }
