"""CSAF 2.0 security advisories, such as CISA's for industrial and medical devices.

Source: https://docs.oasis-open.org/csaf/csaf/v2.0/csaf-v2.0.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from firmware_checks.vulnerabilities.feed import CsafAdvisory, Feed, FeedHead, Item, Member, decode

__all__ = ["FEED"]

_HEAD = re.compile(rb'"csaf_version"|"category"\s*:\s*"csaf_')
_AFFECTED = ("known_affected", "first_affected", "last_affected", "under_investigation")
_NOT_AFFECTED = ("known_not_affected", "fixed", "first_fixed")
MOST_PRODUCTS = 20_000
MOST_DEPTH = 12


class _Product(msgspec.Struct):
    product_id: str
    name: str = ""


class _Branch(msgspec.Struct):
    category: str = ""
    name: str = ""
    branches: list[_Branch] = []
    product: _Product | None = None


class _Relationship(msgspec.Struct):
    full_product_name: _Product


class _Tree(msgspec.Struct):
    branches: list[_Branch] = []
    full_product_names: list[_Product] = []
    relationships: list[_Relationship] = []


class _Vulnerability(msgspec.Struct):
    cve: str = ""
    product_status: dict[str, list[str]] = {}


class _Named(msgspec.Struct):
    name: str = ""


class _Reference(msgspec.Struct):
    category: str = ""
    url: str = ""


class _Tracking(msgspec.Struct):
    id: str
    current_release_date: str = ""


class _Head(msgspec.Struct):
    tracking: _Tracking
    title: str = ""
    publisher: _Named = msgspec.field(default_factory=_Named)
    references: list[_Reference] = []


class _Document(msgspec.Struct):
    document: _Head
    product_tree: _Tree = msgspec.field(default_factory=_Tree)
    vulnerabilities: list[_Vulnerability] = []


def _read(member: Member) -> Iterator[FeedHead | Item]:
    advisory = decode(member.data(), _Document)
    head = advisory.document
    released = head.tracking.current_release_date[:10]
    yield FeedHead(kind="csaf", date=released)
    names = _names(advisory.product_tree)
    rows = [
        (vulnerability.cve, status, *names.get(product, ("", product, "")))
        for vulnerability in advisory.vulnerabilities
        for status in (*_AFFECTED, *_NOT_AFFECTED)
        for product in vulnerability.product_status.get(status, ())
    ]
    yield CsafAdvisory(
        id=head.tracking.id,
        title=head.title,
        publisher=head.publisher.name,
        released=head.tracking.current_release_date,
        url=next((reference.url for reference in head.references if reference.category == "self"), ""),
        products=tuple(rows[:MOST_PRODUCTS]),
    )


def _names(tree: _Tree) -> dict[str, tuple[str, str, str]]:
    """Return vendor, product and version text of each product id."""
    names = {product.product_id: ("", product.name, "") for product in tree.full_product_names}
    for relationship in tree.relationships:
        product = relationship.full_product_name
        names[product.product_id] = ("", product.name, "")
    for branch in tree.branches:
        _walk(branch, {}, names, 0)
    return names


def _walk(branch: _Branch, above: dict[str, str], names: dict[str, tuple[str, str, str]], depth: int) -> None:
    here = {**above, branch.category: branch.name}
    if branch.product is not None:
        version = here.get("product_version_range") or here.get("product_version") or ""
        product = here.get("product_name") or branch.product.name
        names[branch.product.product_id] = (here.get("vendor", ""), product, version)
    if depth < MOST_DEPTH:
        for child in branch.branches:
            _walk(child, here, names, depth + 1)


FEED = Feed(
    name="csaf",
    title="CSAF advisories",
    recognises=lambda member: _HEAD.search(member.head) is not None,
    read=_read,
)
