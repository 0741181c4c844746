"""NVD 1.1 year feeds, as old offline copies have them.

Source: https://csrc.nist.gov/schema/nvd/feed/1.1/nvd_cve_feed_json_1.1.schema
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from firmware_checks.vulnerabilities.feed import Feed, FeedHead, Item, Member, decode
from firmware_checks.vulnerabilities.record import (
    AND,
    MOST_DEPTH,
    OR,
    Configuration,
    Cvss,
    Node,
    ProductMatch,
    Record,
    SourceKind,
    Status,
    cwe_numbers,
)
from toolkit.core.errors import FormatError

__all__ = ["FEED"]

_REJECTED = ("** REJECT **", "Rejected reason:")


class _Match(msgspec.Struct, rename="camel", gc=False):
    cpe23_uri: str = msgspec.field(name="cpe23Uri")
    vulnerable: bool = True
    version_start_including: str | None = None
    version_start_excluding: str | None = None
    version_end_including: str | None = None
    version_end_excluding: str | None = None


class _Node(msgspec.Struct):
    operator: str = OR
    negate: bool = False
    children: list[_Node] = []
    cpe_match: list[_Match] = []


class _Nodes(msgspec.Struct):
    nodes: list[_Node] = []


class _Meta(msgspec.Struct):
    id: str = msgspec.field(name="ID")


class _Text(msgspec.Struct):
    lang: str = ""
    value: str = ""


class _Description(msgspec.Struct):
    description_data: list[_Text] = []


class _Problem(msgspec.Struct):
    description: list[_Text] = []


class _ProblemType(msgspec.Struct):
    problemtype_data: list[_Problem] = []


class _Cve(msgspec.Struct):
    meta: _Meta = msgspec.field(name="CVE_data_meta")
    description: _Description = msgspec.field(default_factory=_Description)
    problemtype: _ProblemType = msgspec.field(default_factory=_ProblemType)


class _Score(msgspec.Struct, rename="camel"):
    vector_string: str = ""
    base_score: float = 0.0


class _V3(msgspec.Struct):
    score: _Score = msgspec.field(name="cvssV3")


class _V2(msgspec.Struct):
    score: _Score = msgspec.field(name="cvssV2")


class _Impact(msgspec.Struct):
    v3: _V3 | None = msgspec.field(default=None, name="baseMetricV3")
    v2: _V2 | None = msgspec.field(default=None, name="baseMetricV2")


class _Entry(msgspec.Struct, rename="camel"):
    cve: _Cve
    configurations: _Nodes = msgspec.field(default_factory=_Nodes)
    impact: _Impact = msgspec.field(default_factory=_Impact)
    published_date: str = ""
    last_modified_date: str = ""


class _Feed(msgspec.Struct):
    items: list[msgspec.Raw] = msgspec.field(name="CVE_Items")
    timestamp: str = msgspec.field(default="", name="CVE_data_timestamp")


def _read(member: Member) -> Iterator[FeedHead | Item]:
    feed = decode(member.data(), _Feed)
    yield FeedHead(kind="nvd", date=feed.timestamp[:10])
    for raw in feed.items:
        yield _record(decode(raw, _Entry))


def _record(entry: _Entry) -> Record:
    texts = entry.cve.description.description_data
    text = next((text.value for text in texts if text.lang == "en"), "")
    nodes = [Configuration(nodes=[_node(node)]) for node in entry.configurations.nodes]
    status = Status.ANALYSED if nodes else Status.NOT_ANALYSED
    problems = entry.cve.problemtype.problemtype_data
    scores = [metric.score for metric in (entry.impact.v3, entry.impact.v2) if metric is not None]
    return Record(
        name=entry.cve.meta.id,
        status=Status.REJECTED if text.startswith(_REJECTED) else status,
        published=entry.published_date[:10],
        modified=entry.last_modified_date.removesuffix("Z"),
        text=text,
        cvss=[Cvss(score.base_score, score.vector_string) for score in scores],
        cwes=cwe_numbers([text.value for problem in problems for text in problem.description]),
        configurations=[_flattened(configuration) for configuration in nodes],
    )


def _node(node: _Node, depth: int = 0) -> Node:
    if depth > MOST_DEPTH:
        raise FormatError(f"nodes are nested more than {MOST_DEPTH} deep")
    return Node(
        operator=node.operator,
        negate=node.negate,
        children=[_node(child, depth + 1) for child in node.children],
        cpe_match=[
            ProductMatch(
                criteria=match.cpe23_uri,
                vulnerable=match.vulnerable,
                version_start_including=match.version_start_including,
                version_start_excluding=match.version_start_excluding,
                version_end_including=match.version_end_including,
                version_end_excluding=match.version_end_excluding,
            )
            for match in node.cpe_match
        ],
    )


def _flattened(configuration: Configuration) -> Configuration:
    """Return a node of nothing but children as a configuration, which is how 2.0 writes the same."""
    (node,) = configuration.nodes
    if node.children and not node.cpe_match:
        return Configuration(
            operator=node.operator if node.operator == AND else OR, negate=node.negate, nodes=node.children
        )
    return configuration


FEED = Feed(
    name="nvd1",
    title="NVD 1.1 feed",
    recognises=lambda member: b'"CVE_data_type"' in member.head or b'"CVE_Items"' in member.head,
    read=_read,
    source=SourceKind.NVD,
)
