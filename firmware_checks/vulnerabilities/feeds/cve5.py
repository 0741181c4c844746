"""CVE records, version 5: what those who assign the names say themselves; also OpenSSL and the kernel about themselves.

Source: https://github.com/CVEProject/cve-schema
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from firmware_checks.vulnerabilities.affected_text import AffectedProduct, configurations_of
from firmware_checks.vulnerabilities.feed import Feed, FeedHead, Item, Member, decode
from firmware_checks.vulnerabilities.record import Configuration, Cvss, Record, SourceKind, Status, cwe_numbers

__all__ = ["FEED"]

_HEAD = re.compile(rb'"CVE_RECORD"|^\s*\{\s*"(?:containers|cveMetadata)"\s*:')
_AUTHORITIES = frozenset({"openssl", "curl", "linux"})
"""Short names of makers who say of their own products what is affected."""


class _Metadata(msgspec.Struct, rename="camel"):
    cve_id: str
    state: str = ""
    date_published: str = ""
    date_updated: str = ""


class _Text(msgspec.Struct):
    lang: str = ""
    value: str = ""


class _Problem(msgspec.Struct, rename="camel"):
    cwe_id: str = ""


class _ProblemType(msgspec.Struct):
    descriptions: list[_Problem] = []


class _Score(msgspec.Struct, rename="camel"):
    vector_string: str = ""
    base_score: float = 0.0


class _Metric(msgspec.Struct):
    v40: _Score | None = msgspec.field(default=None, name="cvssV4_0")
    v31: _Score | None = msgspec.field(default=None, name="cvssV3_1")
    v30: _Score | None = msgspec.field(default=None, name="cvssV3_0")
    v2: _Score | None = msgspec.field(default=None, name="cvssV2_0")

    @property
    def scores(self) -> list[_Score]:
        return [score for score in (self.v40, self.v31, self.v30, self.v2) if score is not None]


class _Provider(msgspec.Struct, rename="camel"):
    short_name: str = ""
    date_updated: str = ""


class _Container(msgspec.Struct, rename="camel"):
    provider_metadata: _Provider = msgspec.field(default_factory=_Provider)
    affected: list[AffectedProduct] = []
    descriptions: list[_Text] = []
    problem_types: list[_ProblemType] = []
    metrics: list[_Metric] = []
    date_public: str = ""
    cpe_applicability: list[Configuration] = []


class _Containers(msgspec.Struct):
    cna: _Container
    adp: list[_Container] = []


class _Cve(msgspec.Struct, rename="camel"):
    cve_metadata: _Metadata
    containers: _Containers


def _read(member: Member) -> Iterator[FeedHead | Item]:
    record = _record(decode(member.data(), _Cve))
    yield FeedHead(kind="cve5", date=record.modified[:10])
    yield record


def _record(cve: _Cve) -> Record:
    meta, cna = cve.cve_metadata, cve.containers.cna
    every = [cna, *cve.containers.adp]
    configurations = [c for part in every for c in part.cpe_applicability]
    configurations = configurations or [c for part in every for c in configurations_of(part.affected)]
    status = Status.ANALYSED if configurations else Status.NOT_ANALYSED
    scores = [
        Cvss(score.base_score, score.vector_string, part.provider_metadata.short_name or "cna")
        for part in every
        for metric in part.metrics
        for score in metric.scores
    ]
    maker = cna.provider_metadata.short_name.lower()
    return Record(
        name=meta.cve_id,
        status=Status.REJECTED if meta.state == "REJECTED" else status,
        published=(meta.date_published or cna.date_public)[:10],
        modified=meta.date_updated or cna.provider_metadata.date_updated or meta.date_published or cna.date_public,
        text=next((text.value for text in cna.descriptions if text.lang.startswith("en")), ""),
        cvss=scores,
        cwes=cwe_numbers(
            [problem.cwe_id for part in every for kind in part.problem_types for problem in kind.descriptions]
        ),
        configurations=configurations,
        origin=maker,
        source_files=sorted({file for product in cna.affected for file in product.program_files}),
        is_authority=maker in _AUTHORITIES,
    )


FEED = Feed(
    name="cve5",
    title="CVE record 5",
    recognises=lambda member: _HEAD.search(member.head) is not None,
    read=_read,
    source=SourceKind.CNA,
)
