"""Answering "are we affected?": the devices of a hospital against the security advisories of makers and authorities."""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_checks.vulnerabilities.advisory_names import NameMatch, compare_names, weaker
from firmware_checks.vulnerabilities.advisory_versions import VersionMatch, compare_version
from firmware_checks.vulnerabilities.assets import Asset, AssetList, BrokenRow
from firmware_checks.vulnerabilities.feed import CsafAdvisory, UnknownFeed, feed_of, feeds, members
from firmware_checks.vulnerabilities.tables import open_for_reading
from toolkit.core.errors import FormatError, InputError
from toolkit.report.model import Confidence

__all__ = [
    "AdvisoryAnswer",
    "AdvisoryMatch",
    "AdvisoryStatus",
    "AssetAnswer",
    "match_assets",
    "read_advisories",
    "stored_advisories",
]

_SURE = (Confidence.HIGH, Confidence.CERTAIN)
_MENDED = frozenset({"fixed", "first_fixed"})
_SAFE = frozenset({*_MENDED, "known_not_affected"})
CAUTION = (
    "No match means that no advisory in this data names the device; it does not mean that the device is safe. "
    "Check the name and version on the type plate before acting."
)


class AdvisoryStatus(enum.StrEnum):
    """What an advisory means for one device; the most urgent first."""

    AFFECTED = "affected"
    UNKNOWN_VERSION = "unknown_version"
    """It may be affected: the list of devices states no version."""
    UNDER_INVESTIGATION = "under_investigation"
    """It may be affected: the name or the version cannot be told apart for sure."""
    FIXED = "fixed"
    NOT_AFFECTED = "not_affected"


_STATUSES = tuple(AdvisoryStatus)


class _Verdict(msgspec.Struct, frozen=True):
    status: AdvisoryStatus
    confidence: Confidence
    reason: str
    said: str


class AdvisoryMatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one advisory says about one device."""

    advisory: Annotated[str, Meta(description="Number of the advisory.")]
    title: Annotated[str, Meta(description="Its title.")]
    url: Annotated[str, Meta(description="Where it is published; empty where it does not say.")]
    released: Annotated[str, Meta(description="Day of its latest version.")]
    status: Annotated[AdvisoryStatus, Meta(description="What it means for the device.")]
    vulnerabilities: Annotated[tuple[str, ...], Meta(description="CVE names that this is said of.")]
    vendor: Annotated[str, Meta(description="Maker as the advisory writes it.")]
    product: Annotated[str, Meta(description="Product as the advisory writes it.")]
    product_confidence: Annotated[Confidence, Meta(description="How sure it is that this is the device.")]
    product_reason: Annotated[str, Meta(description="Why.")]
    versions: Annotated[str, Meta(description="Versions as the advisory writes them; * for all.")]
    version_confidence: Annotated[Confidence, Meta(description="How sure the comparison of versions is.")]
    version_reason: Annotated[str, Meta(description="Why.")]


class AssetAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device and what is said about it; without matches no advisory of this data names it."""

    asset: Asset
    matches: tuple[AdvisoryMatch, ...]


class AdvisoryAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer for a whole list of devices."""

    advisories: Annotated[int, Meta(description="Number of advisories that were asked.")]
    newest: Annotated[str, Meta(description="Day of the newest of them; empty where none says.")]
    caution: Annotated[str, Meta(description="What the answer does not say.")]
    assets: tuple[AssetAnswer, ...]
    broken_rows: Annotated[tuple[BrokenRow, ...], Meta(description="Rows that could not be read: not answered.")]
    unread: Annotated[tuple[str, ...], Meta(description="Files of advisories that could not be read, and why.")] = ()


def read_advisories(paths: Sequence[Path]) -> tuple[list[CsafAdvisory], list[str]]:
    """Read CSAF files and archives of them; return also what could not be read, one line each."""
    known = feeds()
    found: list[CsafAdvisory] = []
    unread: list[str] = []
    for path in paths:
        for member in members(path):
            try:
                feed = feed_of(member, known)
                if feed.name != "csaf":
                    raise UnknownFeed("this is no CSAF advisory")
                found += [item for item in feed.read(member) if isinstance(item, CsafAdvisory)]
            except FormatError as error:
                unread.append(f"{member.name}: {error}")
    if not found:
        raise InputError("there is no CSAF advisory in these files" + (f": {unread[0]}" if unread else ""))
    return found, unread


def stored_advisories(path: Path) -> list[CsafAdvisory]:
    """Return the advisories of a database; raise ``InputError`` when it has none."""
    with closing(open_for_reading(path)) as database:
        try:
            return _stored(database, path)
        except sqlite3.Error as error:
            raise InputError(f"{path}: cannot be read: {error}") from error


def _stored(database: sqlite3.Connection, path: Path) -> list[CsafAdvisory]:
    products: dict[str, list[tuple[str, str, str, str, str]]] = {}
    for advisory, *row in database.execute(
        "SELECT advisory, vulnerability, status, vendor, product, version FROM advisory_product ORDER BY advisory, row"
    ):
        vulnerability, status, vendor, product, version = map(str, row)
        products.setdefault(advisory, []).append((vulnerability, status, vendor, product, version))
    heads = database.execute("SELECT id, title, publisher, released, url FROM advisory ORDER BY id").fetchall()
    if not heads:
        raise InputError(f"{path}: this database has no advisories; import some with medharden db import")
    return [
        CsafAdvisory(
            id=number, title=title, publisher=publisher, released=released, url=url,
            products=tuple(products.get(number, ())),
        )
        for number, title, publisher, released, url in heads
    ]  # fmt: skip


def match_assets(
    listed: AssetList, advisories: Iterable[CsafAdvisory], *, unread: Sequence[str] = ()
) -> AdvisoryAnswer:
    """Return what ``advisories`` mean for each device of the list, in the order of the list."""
    newest_of = {}
    for advisory in sorted(advisories, key=lambda item: item.released):
        newest_of[advisory.id] = advisory
    ordered = [newest_of[number] for number in sorted(newest_of)]
    grouped = [(advisory, _by_product(advisory)) for advisory in ordered]
    known: dict[tuple[str, str, str | None], tuple[AdvisoryMatch, ...]] = {}
    answers = []
    for asset in listed.assets:
        key = (asset.manufacturer, asset.model, asset.version)
        if key not in known:
            found = [match for advisory, products in grouped for match in _matches(asset, advisory, products)]
            known[key] = tuple(sorted(found, key=_urgency))
        answers.append(AssetAnswer(asset=asset, matches=known[key]))
    return AdvisoryAnswer(
        advisories=len(ordered),
        newest=max((advisory.released[:10] for advisory in ordered), default=""),
        caution=CAUTION,
        assets=tuple(answers),
        broken_rows=listed.broken,
        unread=tuple(unread),
    )


_Statements = dict[str, list[tuple[str, str]]]
"""For each vulnerability what is said: status and version text."""


def _by_product(advisory: CsafAdvisory) -> dict[tuple[str, str], _Statements]:
    found: dict[tuple[str, str], _Statements] = {}
    for vulnerability, status, vendor, product, version in advisory.products:
        found.setdefault((vendor, product), {}).setdefault(vulnerability, []).append((status, version))
    return found


def _urgency(match: AdvisoryMatch) -> tuple[int, int, str, str, str]:
    sure = list(Confidence).index(match.product_confidence)
    return _STATUSES.index(match.status), -sure, match.advisory, match.product, match.versions


def _matches(
    asset: Asset, advisory: CsafAdvisory, products: dict[tuple[str, str], _Statements]
) -> Iterator[AdvisoryMatch]:
    """Yield what the advisory says; where one of its names is surely the device, vague ones do not count."""
    named = {
        names: found
        for names in products
        if (found := compare_names(asset.manufacturer, asset.model, *names)) is not None
    }
    ranks = list(Confidence)
    best = max((ranks.index(found.confidence) for found in named.values()), default=0)
    for names, found in named.items():
        if ranks[best] in _SURE and found.confidence is Confidence.LOW:
            continue
        verdicts: dict[_Verdict, list[str]] = {}
        for vulnerability, statements in products[names].items():
            verdicts.setdefault(_verdict(asset, statements, found), []).append(vulnerability)
        for verdict, vulnerabilities in verdicts.items():
            yield _match(advisory, names, found, verdict, vulnerabilities)


def _match(
    advisory: CsafAdvisory, names: tuple[str, str], found: NameMatch, verdict: _Verdict, vulnerabilities: list[str]
) -> AdvisoryMatch:
    return AdvisoryMatch(
        advisory=advisory.id,
        title=advisory.title,
        url=advisory.url,
        released=advisory.released[:10],
        status=verdict.status,
        vulnerabilities=tuple(vulnerabilities),
        vendor=names[0],
        product=names[1],
        product_confidence=found.confidence,
        product_reason=found.reason,
        versions=verdict.said,
        version_confidence=verdict.confidence,
        version_reason=verdict.reason,
    )


def _verdict(asset: Asset, statements: list[tuple[str, str]], named: NameMatch) -> _Verdict:
    """Return what all statements about one vulnerability of one product come to."""
    found = [(status, text, compare_version(asset.version, text, asset.model)) for status, text in statements]
    verdicts = [_one(status, text, version) for status, text, version in found]
    safe = [
        verdict
        for verdict, (status, _, version) in zip(verdicts, found, strict=True)
        if status in _SAFE and version.is_bounded and version.place == "inside"
    ]
    bad_is_open = all(not version.is_bounded for status, _, version in found if status not in _SAFE)
    verdict = safe[0] if safe and bad_is_open else min(verdicts, key=lambda item: _STATUSES.index(item.status))
    said = " | ".join(dict.fromkeys(text.replace("vers:all/*", "*") for _, text in statements))
    verdict = msgspec.structs.replace(verdict, said=said)
    if named.confidence is Confidence.LOW and verdict.status is not AdvisoryStatus.UNKNOWN_VERSION:
        reason = f"if it is this product, it is {verdict.status.replace('_', ' ')}: {verdict.reason}"
        verdict = msgspec.structs.replace(verdict, status=AdvisoryStatus.UNDER_INVESTIGATION, reason=reason)
    return verdict


def _one(status: str, text: str, version: VersionMatch) -> _Verdict:
    place = version.place
    if place == "no_version":
        verdict = AdvisoryStatus.UNKNOWN_VERSION
    elif place == "inside":
        verdict = AdvisoryStatus.FIXED if status in _MENDED else AdvisoryStatus.AFFECTED
        if status == "known_not_affected":
            verdict = AdvisoryStatus.NOT_AFFECTED
        elif status == "under_investigation":
            verdict = AdvisoryStatus.UNDER_INVESTIGATION
    elif place == "unclear" or status in _SAFE or status == "under_investigation":
        verdict = AdvisoryStatus.UNDER_INVESTIGATION
    else:
        verdict = AdvisoryStatus.FIXED if place == "later" else AdvisoryStatus.NOT_AFFECTED
    return _Verdict(verdict, weaker(version.confidence), version.reason, text)
