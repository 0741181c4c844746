"""Every shipped fact is held against the public feeds when they lie beside the repository (``../shared/data``).

The feeds are read here with the standard library alone, so that a fault of our own readers cannot hide a wrong fact.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from firmware_checks.vulnerabilities.knowledge import KnowledgeBase, KnownProduct, KnownVulnerability, shipped_knowledge
from firmware_checks.vulnerabilities.versions import SchemeName, version_key

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public feeds are not beside the repository")

FROM_THE_FEED = (
    "https://nvd.nist.gov/",
    "https://curl.se/docs/CVE-",
    "https://openssl-library.org/news/vulnerabilities/",
    "https://git.kernel.org/pub/scm/linux/security/vulns.git",
)
"""Sources whose ranges stand in the feed."""
LONGEST_SHARED_WORDS = 8
"""A summary that shares more words in a row with the record's text is not our own."""
_WORD = re.compile(r"[a-z0-9]+")
_COLON = re.compile(r"(?<!\\):")
_NOT_BASE = re.compile(r"/(?:E|RL|RC|RD|TD|CDP|CR|IR|AR|M[A-Z]+):[A-Z]+")
"""Parts of a vector that depend on time or place."""
_NO_UPDATE = {"*", "-"}
PAGES = {"linux": "linux-kernel"}
"""Pages of the end-of-life data whose file has another name."""


@dataclass
class Feeds:
    """What the feeds say about the identifiers that are shipped."""

    records: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    """Base score by vector, for each identifier."""
    exploited: dict[str, date] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    advisories: dict[str, set[str]] = field(default_factory=dict)
    """Identifiers that each CISA advisory is about."""
    weaknesses: dict[str, set[int]] = field(default_factory=dict)
    """Numbers of CWE that the NVD or CISA names, for each identifier."""
    cycles: dict[str, dict[str, date]] = field(default_factory=dict)
    """Last day of support by line of versions, for each product of the end-of-life data."""


@pytest.fixture(scope="module")
def knowledge() -> KnowledgeBase:
    return shipped_knowledge()


@pytest.fixture(scope="module")
def feeds(knowledge: KnowledgeBase) -> Feeds:
    wanted = {row.id for product in knowledge.products for row in product.vulnerability}
    found = Feeds(exploited=_exploited(), published=_published(), cycles=_cycles())
    for name in ("cve_nvd2_merged_2026-08.jsonl.xz", "cve_nvd2_embedded_supplement.jsonl.xz"):
        found.records.update(_records(DATA / name, wanted))
    for identifier, record in found.records.items():
        for metric in (each for metrics in record["metrics"].values() for each in metrics):
            _note(found, identifier, metric.get("cvssData"))
        for said in (text["value"] for each in record.get("weaknesses", ()) for text in each["description"]):
            _note_weakness(found, identifier, said)
    for advisory, row in _advisories():
        found.advisories.setdefault(advisory, set()).add(row.get("cve", ""))
        _note_weakness(found, row.get("cve", ""), row.get("cwe", {}).get("id", ""))
        for score in row.get("scores", ()) if row.get("cve") in wanted else ():
            _note(found, row["cve"], score.get("cvss_v3"))
    return found


def _note_weakness(found: Feeds, identifier: str, said: str) -> None:
    number = said.removeprefix("CWE-")
    if number.isdecimal():
        found.weaknesses.setdefault(identifier, set()).add(int(number))


def _note(found: Feeds, identifier: str, score: dict[str, Any] | None) -> None:
    """Keep a score; newer metrics such as SSVC have none."""
    if score is not None:
        vector = score["vectorString"]
        vector = vector if vector.startswith("CVSS:4") else _NOT_BASE.sub("", vector)
        found.scores.setdefault(identifier, {})[vector] = float(score["baseScore"])


def _records(path: Path, wanted: set[str]) -> Iterator[tuple[str, Any]]:
    with lzma.open(path, "rb") as file:
        for line in file:
            name = line[14:40].split(b'"', 1)[0].decode("ascii")
            if name in wanted:
                yield name, json.loads(line)["cve"]


def _advisories() -> Iterator[tuple[str, dict[str, Any]]]:
    with tarfile.open(DATA / "csaf_cisa_ot_all_2025-02-27.tar.gz", "r|gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            document = json.load(file) if file is not None else {}
            for row in document.get("vulnerabilities", ()):
                yield document["document"]["tracking"]["id"].lower(), row


def _exploited() -> dict[str, date]:
    with (DATA / "kev_catalog_2026-07-20.csv").open(encoding="utf-8", newline="") as file:
        return {row["cveID"]: date.fromisoformat(row["dateAdded"]) for row in csv.DictReader(file)}


def _published() -> set[str]:
    with gzip.open(DATA / "epss_scores_2026-08-16.csv.gz", "rt", encoding="ascii") as file:
        return {line.partition(",")[0] for line in file}


def _cycles() -> dict[str, dict[str, date]]:
    with gzip.open(DATA / "endoflife_2026-08-22.json.gz", "rt", encoding="utf-8") as file:
        products = json.load(file)["products"]
    return {
        slug: {
            release["cycle"]: date.fromisoformat(release["eol"])
            for release in product["releases"]
            if isinstance(release["eol"], str)
        }
        for slug, product in products.items()
    }


def _rows(knowledge: KnowledgeBase) -> Iterator[tuple[KnownProduct, KnownVulnerability]]:
    for product in knowledge.products:
        for row in product.vulnerability:
            yield product, row


def test_every_identifier_has_been_published(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    unknown = {row.id for _, row in _rows(knowledge) if row.id not in feeds.published and row.id not in feeds.records}
    assert not unknown


def test_nearly_every_vulnerability_can_be_checked(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    """A few of 2021 and 2022 are in none of the feeds; their facts were read from single records."""
    identifiers = {row.id for _, row in _rows(knowledge)}
    unchecked = {name for name in identifiers if name not in feeds.records and name not in feeds.scores}
    assert len(unchecked) < len(identifiers) / 20


def test_the_exploited_ones_are_marked_with_the_day_they_were_listed(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    wrong = [(row.id, row.kev) for _, row in _rows(knowledge) if row.kev != feeds.exploited.get(row.id)]
    assert not wrong


def test_the_kinds_of_weakness_are_those_that_were_published(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    rows = [row for _, row in _rows(knowledge)]
    wrong = [row.id for row in rows if not set(row.cwes) <= feeds.weaknesses.get(row.id, set())]
    assert not wrong
    missing = [row.id for row in rows if not row.cwes and feeds.weaknesses.get(row.id)]
    assert not missing
    assert sum(bool(row.cwes) for row in rows) >= 0.85 * len(rows)


def test_every_vector_is_one_that_was_published(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    wrong = [
        (row.id, row.cvss, sorted(feeds.scores[row.id]))
        for _, row in _rows(knowledge)
        if row.id in feeds.scores and row.cvss not in feeds.scores[row.id]
    ]
    assert not wrong


def test_the_word_for_the_severity_is_that_of_the_published_score(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    wrong = []
    for _, row in _rows(knowledge):
        score = feeds.scores.get(row.id, {}).get(row.cvss or "")
        if score is not None and row.severity.value != _word(score):
            wrong.append((row.id, row.severity, score))
    assert not wrong


def _word(score: float) -> str:
    bounds = ((0.1, "none"), (4.0, "low"), (7.0, "medium"), (9.0, "high"))
    return next((word for bound, word in bounds if score < bound), "critical")


def test_a_range_that_comes_from_a_feed_is_that_of_the_feed(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    """A row that differs names the source that is believed instead, or says in words what is doubted."""
    wrong = []
    for product, row in _rows(knowledge):
        if not row.source.startswith(FROM_THE_FEED) or row.doubt is not None or row.id not in feeds.records:
            continue
        for version, is_affected in _boundaries(feeds.records[row.id], product):
            if any(span.holds(version, product.scheme) for span in row.ranges) != is_affected:
                wrong.append((product.name, row.id, row.affected, version, is_affected))
    assert not wrong


def _boundaries(record: Any, product: KnownProduct) -> list[tuple[str, bool]]:
    """Return versions with what the record says of them: the ends of its ranges and its single versions."""
    matches = [match for match in _matches(record) if ":".join(match[0][2:5]) in product.cpes]
    inside: list[str] = []
    fixed: list[str] = []
    for fields, match in matches:
        if "versionEndExcluding" in match:
            fixed.append(match["versionEndExcluding"])
        elif "versionEndIncluding" in match:
            inside.append(match["versionEndIncluding"])
        elif fields[5] not in _NO_UPDATE:
            update = fields[6].replace("\\", "")
            inside.append(fields[5].replace("\\", "") + ("" if update in _NO_UPDATE else f"-{update}"))
        if "versionStartIncluding" in match and match.get("versionEndExcluding") != match["versionStartIncluding"]:
            inside.append(match["versionStartIncluding"])
    outside = [version for version in fixed if not any(_holds(match, version, product.scheme) for match in matches)]
    return [(version, True) for version in inside] + [(version, False) for version in outside]


def _matches(record: Any) -> Iterator[tuple[list[str], dict[str, str]]]:
    for configuration in record.get("configurations", ()):
        for node in configuration["nodes"]:
            for match in node["cpeMatch"]:
                if match["vulnerable"]:
                    yield _COLON.split(match["criteria"]), match


def _holds(row: tuple[list[str], dict[str, str]], version: str, scheme: SchemeName) -> bool:
    fields, match = row
    key = version_key(version, scheme)
    if fields[5] not in _NO_UPDATE:
        return key == version_key(fields[5].replace("\\", ""), scheme)
    return not (
        ("versionStartIncluding" in match and key < version_key(match["versionStartIncluding"], scheme))
        or ("versionStartExcluding" in match and key <= version_key(match["versionStartExcluding"], scheme))
        or ("versionEndExcluding" in match and key >= version_key(match["versionEndExcluding"], scheme))
        or ("versionEndIncluding" in match and key > version_key(match["versionEndIncluding"], scheme))
    )


def test_an_advisory_that_is_named_as_source_is_about_the_vulnerability(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    wrong = []
    for product, row in _rows(knowledge):
        advisory = row.source.rpartition("/")[2]
        if advisory in feeds.advisories and row.id not in feeds.advisories[advisory]:
            wrong.append((product.name, row.id, advisory))
    assert not wrong


def test_the_end_of_support_is_the_day_in_the_end_of_life_data(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    wrong = []
    for product in knowledge.products:
        for row in product.lifecycle:
            found = re.fullmatch(r"https://endoflife\.date/([a-z0-9-]+)", row.source)
            if found is None or row.until is None:
                continue
            cycles = feeds.cycles[PAGES.get(found[1], found[1])]
            days = [day for line, day in cycles.items() if row.range.holds(line, product.scheme)]
            if days != [row.until]:
                wrong.append((product.name, row.versions, row.until, days))
    assert not wrong


def test_every_summary_is_in_our_own_words(knowledge: KnowledgeBase, feeds: Feeds) -> None:
    copied = []
    for _, row in _rows(knowledge):
        if row.id in feeds.records:
            theirs = {run for text in feeds.records[row.id]["descriptions"] for run in _runs(text["value"])}
            if shared := theirs & set(_runs(row.summary)):
                copied.append((row.id, shared))
    assert not copied


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    for start in range(len(words) - LONGEST_SHARED_WORDS):
        yield tuple(words[start : start + LONGEST_SHARED_WORDS + 1])
