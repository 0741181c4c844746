"""Small feeds in the genuine formats, and databases made from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware_checks.vulnerabilities.building import Imported, build
from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase, load_knowledge
from firmware_checks.vulnerabilities.matcher import Matcher
from toolkit.report.model import Component, Confidence
from toolkit.report.vulnerability import Match

NOTHING_KNOWN = KnowledgeBase((), "")
TODAY = "2026-11-24"
FIELDS = 11


class Lab:
    """Builds records as the NVD writes them, imports them, and asks about components."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "vulnerabilities.db"
        self._open: list[Database] = []

    @staticmethod
    def row(criteria: str, *, vulnerable: bool = True, **bounds: str) -> dict[str, Any]:
        """Return a ``cpeMatch`` row; ``criteria`` is a CPE name from the part on, filled up with ``*``."""
        fields = criteria.split(":")
        full = ":".join(["cpe", "2.3", *fields, *["*"] * (FIELDS - len(fields))])
        return {"vulnerable": vulnerable, "criteria": full, "matchCriteriaId": "x", **bounds}

    @staticmethod
    def node(*rows: dict[str, Any], operator: str = "OR", negate: bool = False) -> dict[str, Any]:
        return {"operator": operator, "negate": negate, "cpeMatch": list(rows)}

    def plain(self, *rows: dict[str, Any]) -> dict[str, Any]:
        """Return a configuration of one OR node."""
        return {"nodes": [self.node(*rows)]}

    def both(self, *nodes: dict[str, Any]) -> dict[str, Any]:
        """Return a configuration of nodes that must all hold."""
        return {"operator": "AND", "nodes": list(nodes)}

    @staticmethod
    def record(name: str, *configurations: dict[str, Any], modified: str = "2026-01-01T00:00:00", **more: Any) -> Any:
        """Return an NVD 2.0 record as the feeds have it, with a key that nobody knows."""
        vector = {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": 9.8}
        return {
            "cve": {
                "id": name,
                "vulnStatus": "Analyzed",
                "published": "2025-01-01T00:00:00.000",
                "lastModified": modified,
                "descriptions": [{"lang": "es", "value": "no"}, {"lang": "en", "value": f"Something in {name}."}],
                "metrics": {
                    "cvssMetricV31": [{"source": "nvd@nist.gov", "type": "Primary", "cvssData": vector}],
                    "ssvcV203": [{"new": 1}],
                },
                "weaknesses": [{"description": [{"lang": "en", "value": "CWE-787"}]}],
                "configurations": list(configurations),
                "aKeyOfTheFuture": {"deep": [1, 2]},
                **more,
            }
        }

    @staticmethod
    def feed(*records: Any, timestamp: str = "2026-08-17T00:00:00") -> dict[str, Any]:
        return {"format": "NVD_CVE", "version": "2.0", "timestamp": timestamp, "vulnerabilities": list(records)}

    @staticmethod
    def component(name: str, version: str | None = None, **more: Any) -> Component:
        fields: dict[str, Any] = {"title": name, "category": "library", "confidence": Confidence.CERTAIN}
        return Component(name=name, version=version, **{**fields, **more})

    def write(self, document: Any, name: str = "feed.json") -> Path:
        path = self.folder / name
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        path.write_bytes(data)
        return path

    def take(self, *paths: Path, knowledge: KnowledgeBase = NOTHING_KNOWN) -> list[Imported]:
        return build(self.path, paths, knowledge, today=TODAY)

    def take_records(self, *records: Any, knowledge: KnowledgeBase = NOTHING_KNOWN) -> None:
        self.take(self.write(self.feed(*records)), knowledge=knowledge)

    def database(self) -> Database:
        self._open.append(Database(self.path))
        return self._open[-1]

    def knowledge(self, *texts: str) -> KnowledgeBase:
        """Return a knowledge base of products written in TOML; the first line names each."""
        folder = self.folder / "products"
        folder.mkdir(exist_ok=True)
        for text in texts:
            name = text.split('"')[1]
            (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        return load_knowledge(folder)

    @staticmethod
    def knowledge_of_names(knowledge: KnowledgeBase) -> KnowledgeBase:
        """Return the names and schemes of ``knowledge`` without what it knows of vulnerabilities."""
        bare = (msgspec.structs.replace(product, vulnerability=()) for product in knowledge.products)
        return KnowledgeBase(tuple(bare), knowledge.sha256)

    def ask(
        self,
        component: Component,
        *environment: Component,
        knowledge: KnowledgeBase = NOTHING_KNOWN,
    ) -> dict[str, Match]:
        database = self.database() if self.path.exists() else None
        return {match.id: match for match in Matcher(knowledge, database, environment).match(component)}

    def close(self) -> None:
        for database in self._open:
            database.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()
