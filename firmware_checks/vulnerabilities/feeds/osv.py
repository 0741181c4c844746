"""OSV records: one in JSON or YAML, or a list of them as curl publishes about itself.

Source: https://ossf.github.io/osv-schema/, https://github.com/google/oss-fuzz-vulns (YAML) and
https://curl.se/docs/vuln.json
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import yaml

from firmware_checks.vulnerabilities.affected_text import product_field
from firmware_checks.vulnerabilities.feed import Feed, FeedHead, Item, Member, decode
from firmware_checks.vulnerabilities.record import Configuration, Node, ProductMatch, Record, SourceKind, Status
from toolkit.core.errors import FormatError

__all__ = ["FEED"]

_HEAD = re.compile(
    rb'^\s*\[?\s*\{(?:\s*"[^"]*"\s*:\s*"(?:[^"\\]|\\.)*"\s*,)*\s*"(?:(?:schema_version|modified)"\s*:|affected"\s*:\s*\[)'
)
"""Texts first, then the one or the other key; texts can hold brackets of their own."""
_YAML_HEAD = re.compile(
    rb"^(?:---[ \t]*\r?\n)?(?:id|schema_version|modified|published|summary|details|aliases|affected)[ \t]*:"
)
_MAKER_LISTS = re.compile(r"CURL-CVE-")
"""Identifiers of records that a project publishes about itself."""
MOST_VERSIONS = 5_000
LARGEST_YAML_BYTES, DEEPEST_YAML = 8 << 20, 40


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class _Range(msgspec.Struct):
    type: str = ""
    events: list[_Event] = []


class _Package(msgspec.Struct):
    name: str = ""
    ecosystem: str = ""
    purl: str = ""


class _Affected(msgspec.Struct):
    package: _Package = msgspec.field(default_factory=_Package)
    ranges: list[_Range] = []
    versions: list[str] = []


class _Osv(msgspec.Struct):
    id: str
    modified: str = ""
    published: str = ""
    withdrawn: str = ""
    summary: str = ""
    details: str = ""
    aliases: list[str] = []
    affected: list[_Affected] = []


def _read(member: Member) -> Iterator[FeedHead | Item]:
    if _YAML_HEAD.match(member.head) is not None:
        row = _from_yaml(bytes(member.data(LARGEST_YAML_BYTES)))
        yield FeedHead(kind="osv", date=row.modified[:10])
        yield _record(row)
        return
    data = member.data()
    rows = decode(data, list[_Osv]) if data.lstrip()[:1] == b"[" else [decode(data, _Osv)]
    yield FeedHead(kind="osv", date=max((row.modified for row in rows), default="")[:10])
    for row in rows:
        yield _record(row)


def _from_yaml(data: bytes) -> _Osv:
    """Return the record in ``data``, all values as text; references within it are refused, as they can be a bomb."""
    loader = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
    depth = 0
    try:
        for event in yaml.parse(data, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST_YAML:
                raise FormatError(f"YAML with references, or nested more than {DEEPEST_YAML} deep")
        return msgspec.convert(yaml.load(data, Loader=loader), type=_Osv)  # noqa: S506  # base loaders make text only
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise FormatError(" ".join(str(error).split())) from error


def _record(row: _Osv) -> Record:
    name = next((alias for alias in row.aliases if alias.startswith("CVE-")), row.id)
    is_own = _MAKER_LISTS.match(row.id) is not None
    configurations = [c for product in row.affected for c in _configurations(product, is_own=is_own)]
    status = Status.ANALYSED if configurations else Status.NOT_ANALYSED
    return Record(
        name=name,
        status=Status.REJECTED if row.withdrawn else status,
        published=row.published[:10],
        modified=row.modified,
        text=row.summary or row.details,
        configurations=configurations,
        origin=row.id,
        is_authority=is_own,
    )


def _configurations(product: _Affected, *, is_own: bool) -> Iterator[Configuration]:
    name = product.package.name or ("curl" if is_own else "")
    if not name:
        return
    vendor, field = ("haxx", "curl") if is_own else (product_field(name), product_field(name))
    criteria = f"cpe:2.3:a:{vendor}:{field}:*:*:*:*:*:*:*:*".replace("/", "\\/")
    matches = [m for r in product.ranges if r.type != "GIT" for m in _between(r, criteria)]
    if not matches:
        exact = product.versions[:MOST_VERSIONS]
        matches = [ProductMatch(criteria=criteria, version_start_including=v, version_end_including=v) for v in exact]
    if not matches and product.ranges:
        matches = [ProductMatch(criteria=criteria, doubt="the source names commits, not versions")]
    if matches:
        yield Configuration(nodes=[Node(cpe_match=matches)])


def _between(versions: _Range, criteria: str) -> Iterator[ProductMatch]:
    start: str | None = None
    for event in versions.events:
        if event.introduced is not None:
            if start is not None:
                yield ProductMatch(criteria=criteria, version_start_including=_bound(start))
            start = event.introduced
        elif start is not None and (event.fixed or event.last_affected):
            yield ProductMatch(
                criteria=criteria,
                version_start_including=_bound(start),
                version_end_excluding=event.fixed,
                version_end_including=event.last_affected if event.fixed is None else None,
            )
            start = None
    if start is not None:
        yield ProductMatch(criteria=criteria, version_start_including=_bound(start))


def _bound(start: str) -> str | None:
    return None if start == "0" else start


FEED = Feed(
    name="osv",
    title="OSV records",
    recognises=lambda member: any(head.match(member.head) is not None for head in (_HEAD, _YAML_HEAD)),
    read=_read,
    source=SourceKind.OSV,
)
