"""What those who assign CVE names write about affected versions, read as far as it can be read strictly.

Source: https://github.com/CVEProject/cve-schema (``containers.cna.affected``). People write anything into these fields:
``n/a``, ``All Versions``, ``< 6.1.12``, one range split over two entries. What is not plainly a version or a bound
makes an open range with a doubt, so that it is shown and never dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from firmware_checks.vulnerabilities.record import Configuration, Node, ProductMatch

__all__ = ["AffectedProduct", "configurations_of", "product_field", "ranges_in_words"]

_VERSION = re.compile(r"[vVrR]?[._-]?\d[\w.+~-]*(?: (?:sp|sr|p|patch|rc|beta|update) ?\d+)?", re.IGNORECASE)
_BOUND = re.compile(rf"(?P<sign>>=|<=|>|<|=)\s*(?P<version>{_VERSION.pattern})", re.IGNORECASE)
_WORDS_BEFORE = re.compile(
    rf"(?:(?:all )?versions? )?(?P<word>prior to|before|earlier than|through|up to)(?: and including)? (?:versions? )?"
    rf"(?P<version>{_VERSION.pattern})",
    re.IGNORECASE,
)
_WORDS_AFTER = re.compile(
    rf"(?:versions? )?(?P<version>{_VERSION.pattern}) (?:and|or) (?:prior|earlier|below|older)(?: versions?)?",
    re.IGNORECASE,
)
_NO_BOUND = frozenset({"", "unspecified", "*", "n/a", "na", "-", "unknown"})
_NOT_FIELD = re.compile(r"[^a-z0-9._+\-!/~]+")
_GIT = re.compile(r"[0-9a-f]{12,40}")
MOST_RANGES = 10_000


class _Change(msgspec.Struct):
    at: str = ""
    status: str = ""


class AffectedVersion(msgspec.Struct, rename="camel"):
    """A version or a range, as written."""

    version: str = ""
    status: str = ""
    version_type: str = ""
    less_than: str = ""
    less_than_or_equal: str = ""
    changes: list[_Change] = []


class AffectedProduct(msgspec.Struct, rename="camel"):
    """A product with what is said about its versions."""

    vendor: str = ""
    product: str = ""
    default_status: str = ""
    versions: list[AffectedVersion] = []
    cpes: list[str] = []
    program_files: list[str] = []


def product_field(text: str) -> str:
    """Return ``text`` as a field of a CPE name: lower case, underscores for blanks."""
    return _NOT_FIELD.sub("_", text.strip().lower()).strip("_") or "-"


def configurations_of(products: Sequence[AffectedProduct]) -> Iterator[Configuration]:
    """Yield one configuration for each product that is named."""
    for product in products:
        if product.product.strip().lower() not in _NO_BOUND:
            matches = list(_matches(product))[:MOST_RANGES]
            if matches:
                yield Configuration(nodes=[Node(cpe_match=matches)])


def _matches(product: AffectedProduct) -> Iterator[ProductMatch]:
    vendor, name = product_field(product.vendor), product_field(product.product)
    escaped = [
        field.replace("/", "\\/").replace("!", "\\!").replace("+", "\\+").replace("~", "\\~")
        for field in (vendor, name)
    ]
    criteria = f"cpe:2.3:a:{':'.join(escaped)}:*:*:*:*:*:*:*:*"
    said = [version for version in product.versions if version.status in ("affected", "")]
    if not said and product.default_status != "unaffected":
        yield ProductMatch(criteria=criteria, doubt="the source names no versions")
    for version in said:
        if not (version.version_type == "git" or _GIT.fullmatch(version.version)):
            yield from _ranges(version, criteria)


def _ranges(said: AffectedVersion, criteria: str) -> Iterator[ProductMatch]:
    text = said.version.strip()
    end, last = said.less_than.strip(), said.less_than_or_equal.strip()
    if not (_is_open(end) and _is_open(last)):
        yield _between(text, end, last, criteria)
    elif end or last:
        yield from _from_words(text, criteria, is_open_end=True)
    else:
        yield from _from_words(text, criteria, is_open_end=False)


def _is_open(bound: str) -> bool:
    return bound.lower() in _NO_BOUND


def _between(low: str, end: str, last: str, criteria: str) -> ProductMatch:
    match = ProductMatch(criteria=criteria)
    end, last = end.lstrip("<= "), last.lstrip("<= ")
    bad = [bound for bound in (end, last) if not _is_open(bound) and not _VERSION.fullmatch(bound)]
    if bad:
        match.doubt = f"the source writes the end of the range as {bad[0][:60]!r}"
        return match
    match.version_end_excluding = end if not _is_open(end) else None
    match.version_end_including = last if match.version_end_excluding is None else None
    if _VERSION.fullmatch(low) and low != "0":
        match.version_start_including = low
    elif low.lower() not in _NO_BOUND and low != "0":
        match.doubt = f"the source writes the start of the range as {low[:60]!r}"
    return match


def _from_words(text: str, criteria: str, *, is_open_end: bool) -> Iterator[ProductMatch]:
    match = ProductMatch(criteria=criteria)
    if _VERSION.fullmatch(text):
        match.version_start_including = text
        match.version_end_including = None if is_open_end else text
        yield match
        return
    found = ranges_in_words(text)
    for each in found:
        yield msgspec.structs.replace(match, **each)
    if not found:
        match.doubt = "the source names no versions" if _is_open(text) else f"the source says {text[:60]!r}"
        yield match


def ranges_in_words(text: str) -> list[dict[str, str]]:
    """Return bounds for ``< 6.1.12``, ``>=1.0, <2.0``, ``versions prior to 5.63``; empty when it is anything else."""
    plain = text.strip()
    bounds = list(_BOUND.finditer(plain))
    if bounds and not _BOUND.sub("", plain).strip(" ,&|"):
        signs = {">=": "version_start_including", ">": "version_start_excluding", "<": "version_end_excluding",
                 "<=": "version_end_including"}  # fmt: skip
        result: dict[str, str] = {}
        for bound in bounds:
            names = [signs[bound["sign"]]] if bound["sign"] != "=" else [signs[">="], signs["<="]]
            if any(name in result for name in names):
                return []
            result |= dict.fromkeys(names, bound["version"])
        return [result]
    if found := _WORDS_BEFORE.search(plain):
        is_last = found["word"].lower() in ("through", "up to")
        return (
            [{"version_end_including" if is_last else "version_end_excluding": found["version"]}]
            if _is_whole(plain, found)
            else []
        )
    found = _WORDS_AFTER.search(plain)
    return [{"version_end_including": found["version"]}] if found and _is_whole(plain, found) else []


def _is_whole(text: str, found: re.Match[str]) -> bool:
    """Tell whether nothing but the product's name stands beside the range."""
    rest = text[: found.start()] + text[found.end() :]
    return re.fullmatch(r"[A-Za-z][\w +/-]{0,40}|[\s.,]*", rest.strip()) is not None and not re.search(r"\d", rest)
