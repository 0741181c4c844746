"""endoflife.date: until when lines of versions are supported.

Source: https://endoflife.date/docs/api/v1/ (``/products/full``); also the older form with the fields of API v0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from firmware_checks.vulnerabilities.feed import Cycle, Feed, FeedHead, Item, Member, decode

__all__ = ["FEED"]

_DAY = bool | str | None


class _Identifier(msgspec.Struct):
    id: str
    type: str = ""


class _Latest(msgspec.Struct):
    name: str = ""


class _Release(msgspec.Struct, rename="camel"):
    cycle: str | float | None = None
    name: str | None = None
    release_date: str | None = None
    eol: _DAY = None
    eol_from: str | None = None
    is_eol: bool | None = None
    eoes: _DAY = None
    eoes_from: str | None = None
    latest: str | float | _Latest | None = None


class _Product(msgspec.Struct):
    name: str
    label: str = ""
    identifiers: list[_Identifier] = []
    releases: list[_Release] = []


class _Document(msgspec.Struct, rename="camel"):
    products: dict[str, _Product] = {}
    result: list[_Product] = []
    generated_at: str = msgspec.field(default="", name="generated_at")
    last_modified: str = msgspec.field(default="", name="last_modified")


def _read(member: Member) -> Iterator[FeedHead | Item]:
    document = decode(member.data(), _Document)
    products = _by_name(document)
    days = [r.release_date for p in products.values() for r in p.releases if r.release_date]
    stated = (document.last_modified or document.generated_at)[:10]
    yield FeedHead(kind="endoflife", date=stated or max(days, default=""))
    for slug, product in products.items():
        for release in product.releases:
            yield _cycle(slug, product, release)


def _by_name(document: _Document) -> Mapping[str, _Product]:
    return document.products or {product.name: product for product in document.result}


def _cycle(slug: str, product: _Product, release: _Release) -> Cycle:
    latest = release.latest.name if isinstance(release.latest, _Latest) else release.latest
    return Cycle(
        product=slug,
        label=product.label or slug,
        identifiers=tuple(identifier.id for identifier in product.identifiers),
        cycle=str(release.cycle if release.cycle is not None else release.name or ""),
        released=release.release_date or "",
        end_of_support=_day(release.eol_from or release.eol, release.is_eol),
        end_of_paid_support=_day(release.eoes_from or release.eoes, None),
        latest=str(latest or ""),
    )


def _day(day: _DAY, otherwise: bool | None) -> str:  # as the data has it: a day, yes, no or nothing
    value = otherwise if day is None else day
    return {True: "yes", False: "no", None: ""}[value] if value is None or isinstance(value, bool) else value


FEED = Feed(
    name="endoflife",
    title="endoflife.date",
    recognises=lambda member: (
        b'"releases"' in member.head and (b'"products"' in member.head or b'"result"' in member.head)
    ),
    read=_read,
)
