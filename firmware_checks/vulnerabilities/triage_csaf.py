"""Reading decisions of users in CSAF 2.0. Source: OASIS CSAF 2.0, sections 3.2.1 to 3.2.3 and profile 5 (VEX)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from firmware_checks.vulnerabilities.triage import Decided, Named, decode, expiry_at, name_of, source_text
from toolkit.core.errors import FormatError
from toolkit.report.vulnerability import Justification

__all__ = ["csaf_decisions"]

MOST_DEPTH = 12


class _Helper(msgspec.Struct):
    purl: str = ""
    cpe: str = ""


class _CsafProduct(msgspec.Struct):
    product_id: str
    name: str
    product_identification_helper: _Helper = msgspec.field(default_factory=_Helper)


class _Branch(msgspec.Struct):
    category: str
    name: str
    branches: list[_Branch] = []
    product: _CsafProduct | None = None


class _Relationship(msgspec.Struct):
    full_product_name: _CsafProduct
    product_reference: str


class _Tree(msgspec.Struct):
    branches: list[_Branch] = []
    full_product_names: list[_CsafProduct] = []
    relationships: list[_Relationship] = []


class _Words(msgspec.Struct):
    details: str = ""
    text: str = ""
    product_ids: list[str] | None = None


class _Flag(msgspec.Struct):
    label: Justification
    product_ids: list[str] | None = None


class _CsafVulnerability(msgspec.Struct):
    cve: str = ""
    ids: list[dict[str, Any]] = []
    product_status: dict[str, list[str]] = {}
    flags: list[_Flag] = []
    threats: list[_Words] = []
    remediations: list[_Words] = []
    notes: list[_Words] = []


class _Publisher(msgspec.Struct):
    name: str


class _Tracking(msgspec.Struct):
    current_release_date: str


class _CsafHead(msgspec.Struct):
    csaf_version: str
    publisher: _Publisher
    tracking: _Tracking


class _Csaf(msgspec.Struct):
    document: _CsafHead
    vulnerabilities: list[_CsafVulnerability]
    product_tree: _Tree = msgspec.field(default_factory=_Tree)


_PRODUCT_STATUSES = {
    "known_affected": "affected",
    "first_affected": "affected",
    "last_affected": "affected",
    "known_not_affected": "not_affected",
    "fixed": "fixed",
    "first_fixed": "fixed",
    "under_investigation": "under_investigation",
    "recommended": "",
}


def csaf_decisions(data: bytes) -> Iterator[Decided]:
    """Yield what a CSAF document decides; raise ``FormatError`` where it is not as the format asks."""
    document = decode(data, _Csaf)
    names = _csaf_names(document.product_tree)
    for number, row in enumerate(document.vulnerabilities):
        name = row.cve or next((str(each.get("text", "")) for each in row.ids), "")
        place = f"vulnerabilities[{number}] ({name})"
        if not name:
            raise FormatError(f"{place}: has neither a cve nor an id")
        for word, products in row.product_status.items():
            if word not in _PRODUCT_STATUSES:
                raise FormatError(f"{place}: {word[:80]!r} is no product status of CSAF")
            for product in products if _PRODUCT_STATUSES[word] else ():
                yield _csaf_decision(document.document, row, name, place, product, _PRODUCT_STATUSES[word], names)


def _csaf_decision(
    head: _CsafHead,
    row: _CsafVulnerability,
    name: str,
    place: str,
    product: str,
    status: str,
    names: dict[str, Named],
) -> Decided:
    if product not in names:
        raise FormatError(f"{place}: product {product[:80]!r} is not in the product tree")
    reasons = [flag.label for flag in row.flags if flag.product_ids is None or product in flag.product_ids]
    words = [
        each.details or each.text
        for each in (*row.threats, *row.remediations, *row.notes)
        if each.product_ids is None or product in each.product_ids
    ]
    if status == "not_affected" and not reasons and not words:
        raise FormatError(f"{place}: known_not_affected needs a flag or a threat that says why")
    return Decided(
        id=name,
        component=names[product],
        status=status,
        justification=reasons[0] if reasons else None,
        statement=" ".join(filter(None, words)),
        source=source_text("CSAF", head.publisher.name),
        decided=head.tracking.current_release_date,
        expires=expiry_at(place, *words),
    )


def _csaf_names(tree: _Tree) -> dict[str, Named]:
    """Return the component that each product id stands for; a part of a product is the part, not the product."""
    names = {each.product_id: _csaf_name(each) for each in tree.full_product_names}
    for branch in tree.branches:
        _walk(branch, {}, names, 0)
    for relationship in tree.relationships:
        own = relationship.full_product_name
        names[own.product_id] = names.get(relationship.product_reference) or _csaf_name(own)
    return names


def _walk(branch: _Branch, above: dict[str, str], names: dict[str, Named], depth: int) -> None:
    here = {**above, branch.category: branch.name}
    if branch.product is not None:
        names[branch.product.product_id] = _csaf_name(
            branch.product, here.get("product_name", ""), here.get("product_version", "")
        )
    if depth < MOST_DEPTH:
        for child in branch.branches:
            _walk(child, here, names, depth + 1)


def _csaf_name(product: _CsafProduct, name: str = "", version: str = "") -> Named:
    helper = product.product_identification_helper
    return name_of(helper.purl or name or product.name, cpe=helper.cpe, name=name, version=version)
