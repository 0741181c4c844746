"""The answer for a list of devices as OpenVEX, for programs, and as a table, for the maintenance system.

Source of OpenVEX 0.2.0: https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md
"""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import quote

from firmware_checks.vulnerabilities.advisories import AdvisoryAnswer, AdvisoryMatch, AdvisoryStatus
from firmware_checks.vulnerabilities.assets import Asset
from toolkit.report.csv_tables import cell

__all__ = ["action_for", "as_openvex", "as_table"]

NO_ADVISORY, NOT_READ = "no_advisory", "not_read"
_VEX = {
    AdvisoryStatus.AFFECTED: "affected",
    AdvisoryStatus.UNKNOWN_VERSION: "under_investigation",
    AdvisoryStatus.UNDER_INVESTIGATION: "under_investigation",
    AdvisoryStatus.FIXED: "fixed",
    AdvisoryStatus.NOT_AFFECTED: "not_affected",
}
_ACTIONS = {
    AdvisoryStatus.AFFECTED: "Follow {advisory}: update as the maker says; until then take it off the network.",
    AdvisoryStatus.UNKNOWN_VERSION: "Read the version on the device and ask again; until then take it as affected.",
    AdvisoryStatus.UNDER_INVESTIGATION: "Compare type plate and version with {advisory}, or ask the maker.",
    AdvisoryStatus.FIXED: "Nothing to do for {advisory}; keep the record of the update.",
    AdvisoryStatus.NOT_AFFECTED: "Nothing to do for {advisory}.",
}  # fmt: skip
_HEAD = (
    "row", "asset_tag", "manufacturer", "model", "version", "location", "status", "advisory", "vulnerabilities",
    "advisory_product", "advisory_versions", "product_confidence", "product_reason", "version_confidence",
    "version_reason", "action", "url",
)  # fmt: skip


def action_for(match: AdvisoryMatch) -> str:
    """Return what to do about a match, in one sentence."""
    return _ACTIONS[match.status].format(advisory=match.advisory)


def as_table(answer: AdvisoryAnswer) -> str:
    """Return one line for each device and match as CSV; devices without a match and unread rows have a line too."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(_HEAD)
    for entry in answer.assets:
        asset = entry.asset
        first = (asset.row, asset.tag, asset.manufacturer, asset.model, asset.version or "", asset.location)
        if not entry.matches:
            writer.writerow(map(cell, _filled((*first, NO_ADVISORY))))
        for match in entry.matches:
            last = (
                match.status.value, match.advisory, " ".join(match.vulnerabilities), f"{match.vendor} {match.product}",
                match.versions, match.product_confidence.value, match.product_reason, match.version_confidence.value,
                match.version_reason, action_for(match), match.url,
            )  # fmt: skip
            writer.writerow(map(cell, (*first, *last)))
    for broken in answer.broken_rows:
        writer.writerow(
            map(cell, _filled((broken.row, "", "", "", "", "", NOT_READ, "", "", "", "", "", broken.problem)))
        )
    return stream.getvalue()


def _filled(cells: tuple[object, ...]) -> tuple[object, ...]:
    return (*cells, *[""] * (len(_HEAD) - len(cells)))


def as_openvex(answer: AdvisoryAnswer, moment: datetime) -> dict[str, Any]:
    """Return an OpenVEX document with a statement for each device, vulnerability and advisory."""
    statements = [
        _statement(entry.asset, match, vulnerability)
        for entry in answer.assets
        for match in entry.matches
        for vulnerability in match.vulnerabilities
        if vulnerability
    ]
    timestamp = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    content = json.dumps([timestamp, statements], sort_keys=True)
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "author": "medharden advisories match",
        "timestamp": timestamp,
        "version": 1,
        "statements": statements,
    }


def _statement(asset: Asset, match: AdvisoryMatch, vulnerability: str) -> dict[str, Any]:
    status = _VEX[match.status]
    name = asset.tag or f"row-{asset.row}"
    statement: dict[str, Any] = {
        "vulnerability": {"name": vulnerability},
        "products": [{"@id": f"urn:medharden:asset:{quote(name, safe='')}"}],
        "status": status,
        "status_notes": (
            f"{match.advisory}, {match.vendor} {match.product} {match.versions}. "
            f"Product: {match.product_confidence} ({match.product_reason}). "
            f"Version: {match.version_confidence} ({match.version_reason})."
        ),
    }
    if status == "affected":
        statement["action_statement"] = action_for(match)
    elif status == "not_affected":
        statement["impact_statement"] = f"The advisory does not mean this version: {match.version_reason}."
    return statement
