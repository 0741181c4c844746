"""NVD 2.0: year and ``modified`` feeds, pages of the API, single records, and one record per line.

Source: https://csrc.nist.gov/schema/nvd/api/2.0/cve_api_json_2.0.schema
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from firmware_checks.vulnerabilities.affected_text import AffectedProduct, configurations_of
from firmware_checks.vulnerabilities.feed import Feed, FeedHead, Item, Member, decode
from firmware_checks.vulnerabilities.record import (
    Configuration,
    Cvss,
    Record,
    SourceKind,
    Status,
    cwe_numbers,
)
from toolkit.core.errors import FormatError

__all__ = ["FEED"]

_HEAD = re.compile(rb'"NVD_CVE"|^\s*\{\s*(?:"cve"\s*:\s*\{\s*)?"id"\s*:\s*"CVE-[^{]*"vulnStatus"')
_WRAPPED = re.compile(rb'\s*\{\s*"cve"\s*:')
_KEEPER = "nvd@nist.gov"
_AUTHORITIES = ("openssl-cna", "curl-project", "kernel-cna")
"""Makers whose own ranges stand in merged records, as ``x_configSource`` names them."""


class _Text(msgspec.Struct, gc=False):
    lang: str = ""
    value: str = ""


class _CvssData(msgspec.Struct, rename="camel", gc=False):
    vector_string: str | None = None
    base_score: float = 0.0


class _Metric(msgspec.Struct, rename="camel"):
    cvss_data: _CvssData
    source: str | None = None


class _Metrics(msgspec.Struct):
    v40: list[_Metric] = msgspec.field(default=[], name="cvssMetricV40")
    v31: list[_Metric] = msgspec.field(default=[], name="cvssMetricV31")
    v30: list[_Metric] = msgspec.field(default=[], name="cvssMetricV30")
    v2: list[_Metric] = msgspec.field(default=[], name="cvssMetricV2")


class _Weakness(msgspec.Struct):
    description: list[_Text] = []


class _Said(msgspec.Struct, rename="camel"):
    affected_data: list[AffectedProduct] = []


class _Cve(msgspec.Struct, rename="camel"):
    id: str
    vuln_status: str | None = None
    published: str | None = None
    last_modified: str | None = None
    descriptions: list[_Text] = []
    metrics: _Metrics = msgspec.field(default_factory=_Metrics)
    weaknesses: list[_Weakness] = []
    configurations: list[Configuration] | None = None
    affected: list[_Said] | None = None
    x_config_source: list[str] = msgspec.field(default=[], name="x_configSource")
    x_program_files: list[str] = msgspec.field(default=[], name="x_programFiles")


class _Row(msgspec.Struct):
    cve: _Cve


class _Page(msgspec.Struct, rename="camel"):
    timestamp: str = ""
    vulnerabilities: list[msgspec.Raw] = []


def _read(member: Member) -> Iterator[FeedHead | Item]:
    if b'"NVD_CVE"' in member.head:
        page = decode(member.data(), _Page)
        yield FeedHead(kind="nvd", date=page.timestamp[:10])
        for raw in page.vulnerabilities:
            yield _record(decode(raw, _Row).cve)
        return
    yield FeedHead(kind="nvd")
    lines = member.lines()
    first = next(lines)
    if first.rstrip().endswith(b"}"):
        yield from _lines(chain([first], lines))
    else:
        yield _record(_one(b"\n".join(chain([first], lines))))


def _lines(lines: Iterable[bytes]) -> Iterator[Item]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _record(_one(line))
            except FormatError as error:
                raise FormatError(f"line {number}: {error}") from error


def _one(data: bytes) -> _Cve:
    return decode(data, _Row).cve if _WRAPPED.match(data) else decode(data, _Cve)


def _record(cve: _Cve) -> Record:
    metrics = cve.metrics
    configurations = cve.configurations or []
    status = Status.REJECTED if cve.vuln_status == "Rejected" else Status.ANALYSED
    if not configurations and status is not Status.REJECTED:
        status = Status.NOT_ANALYSED
        configurations = [c for row in cve.affected or () for c in configurations_of(row.affected_data)]
    return Record(
        name=cve.id,
        status=status,
        published=(cve.published or "")[:10],
        modified=cve.last_modified or cve.published or "",
        text=next((text.value for text in cve.descriptions if text.lang == "en"), ""),
        cvss=[_cvss(metric) for group in (metrics.v40, metrics.v31, metrics.v30, metrics.v2) for metric in group],
        cwes=cwe_numbers([text.value for weakness in cve.weaknesses for text in weakness.description]),
        configurations=configurations,
        origin=" ".join(cve.x_config_source),
        source_files=cve.x_program_files,
        is_authority=any(source.startswith(_AUTHORITIES) for source in cve.x_config_source),
    )


def _cvss(metric: _Metric) -> Cvss:
    source = "" if metric.source == _KEEPER else metric.source or "unknown"
    return Cvss(metric.cvss_data.base_score, metric.cvss_data.vector_string or "", source)


FEED = Feed(
    name="nvd2",
    title="NVD 2.0 feed, API page or records",
    recognises=lambda member: _HEAD.search(member.head) is not None,
    read=_read,
    source=SourceKind.NVD,
)
