"""CISA's catalogue of known exploited vulnerabilities, as JSON and as CSV.

Source: https://www.cisa.gov/known-exploited-vulnerabilities-catalog
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

import msgspec

from firmware_checks.vulnerabilities.feed import Feed, FeedHead, Item, KnownExploited, Member, decode
from firmware_checks.vulnerabilities.record import vulnerability_number
from toolkit.core.errors import FormatError

__all__ = ["FEED"]

_CSV_HEAD = b"cveID,vendorProject,product"


class _Entry(msgspec.Struct, rename="camel"):
    cve_id: str = msgspec.field(name="cveID")
    date_added: str
    vulnerability_name: str = ""
    required_action: str = ""
    due_date: str = ""
    known_ransomware_campaign_use: str = ""


class _Catalogue(msgspec.Struct, rename="camel"):
    vulnerabilities: list[_Entry]
    date_released: str = ""
    catalog_version: str = ""
    count: int | None = None


def _read(member: Member) -> Iterator[FeedHead | Item]:
    is_csv = member.head.removeprefix(b"\xef\xbb\xbf").startswith(_CSV_HEAD)
    catalogue = _from_csv(member) if is_csv else decode(member.data(), _Catalogue)
    entries = catalogue.vulnerabilities
    if catalogue.count is not None and catalogue.count != len(entries):
        raise FormatError(f"the catalogue says it has {catalogue.count} entries and has {len(entries)}")
    date = catalogue.date_released[:10] or max((entry.date_added for entry in entries), default="")
    yield FeedHead(kind="kev", date=date, version=catalogue.catalog_version)
    for entry in entries:
        if vulnerability_number(entry.cve_id) is None:
            raise FormatError(f"{entry.cve_id[:40]!r} is no CVE name")
        yield KnownExploited(
            name=entry.cve_id,
            added=entry.date_added,
            due=entry.due_date,
            ransomware=entry.known_ransomware_campaign_use == "Known",
            title=entry.vulnerability_name,
            action=entry.required_action,
        )


def _from_csv(member: Member) -> _Catalogue:
    try:
        rows = list(csv.DictReader(member.data().decode("utf-8-sig").splitlines(keepends=True), strict=True))
        return msgspec.convert({"vulnerabilities": rows}, _Catalogue)
    except (UnicodeDecodeError, csv.Error, msgspec.ValidationError) as error:
        raise FormatError(f"the table is broken: {error}") from error


FEED = Feed(
    name="kev",
    title="CISA known exploited vulnerabilities",
    recognises=lambda member: b'"catalogVersion"' in member.head or _CSV_HEAD in member.head[:64],
    read=_read,
)
