"""From the matches of one component to the same matches, with those marked that do not apply, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from firmware_checks.vulnerabilities.database import Database
from firmware_checks.vulnerabilities.feature_facts import features_of
from firmware_checks.vulnerabilities.judgement import lower
from firmware_checks.vulnerabilities.knowledge import KnownProduct
from firmware_checks.vulnerabilities.named_files import TOLD_IN_TEXT
from firmware_checks.vulnerabilities.not_affected.applets import applet_not_built
from firmware_checks.vulnerabilities.not_affected.features import feature_not_built
from firmware_checks.vulnerabilities.not_affected.functions import function_not_linked
from firmware_checks.vulnerabilities.not_affected.kernel import file_not_built
from firmware_checks.vulnerabilities.not_affected.options import option_off
from firmware_checks.vulnerabilities.not_affected.reason import Excuse, Fault, Known, Reason
from toolkit.report.vulnerability import Match, MatchStatus

__all__ = ["REASONS", "explain_with", "faults_of"]

REASONS: tuple[Reason, ...] = (file_not_built, applet_not_built, function_not_linked, option_off, feature_not_built)
"""Asked in this order; the first that has an answer counts."""
NOT_SAID = Fault()


def explain_with(matches: Iterable[Match], faults: Mapping[str, Fault], known: Known) -> tuple[Match, ...]:
    """Return all ``matches`` in their order; ``faults`` says by name of the vulnerability where each sits."""
    return tuple(_explained(match, faults.get(match.id, NOT_SAID), known) for match in matches)


def faults_of(matches: Iterable[Match], product: KnownProduct | None, database: Database | None) -> dict[str, Fault]:
    """Return where the vulnerabilities sit, as the shipped facts and ``database`` say."""
    rows = {row.id: row for row in product.vulnerability} if product is not None else {}
    features = _features_by_vulnerability(product)
    faults = {}
    for match in matches:
        row = rows.get(match.id)
        named = database.source_files(match.id) if database is not None else ()
        files = tuple(file for file in named if not file.startswith(TOLD_IN_TEXT))
        files = files or (row.source_files if row is not None else ())
        told = tuple(file.removeprefix(TOLD_IN_TEXT) for file in named) if not files else ()
        faults[match.id] = Fault(
            source_files=files or told,
            is_told_in_text=bool(told),
            applets=row.applets if row is not None else (),
            symbols=row.symbols if row is not None else (),
            options=row.options if row is not None else (),
            features=features.get(match.id, ()),
        )
    return faults


def _features_by_vulnerability(product: KnownProduct | None) -> dict[str, tuple[str, ...]]:
    parts = features_of(product.name) if product is not None else None
    found: dict[str, tuple[str, ...]] = {}
    for feature in parts.feature if parts is not None else ():
        for name in feature.vulnerabilities:
            found[name] = (*found.get(name, ()), feature.name)
    return found


def _explained(match: Match, fault: Fault, known: Known) -> Match:
    if match.status is MatchStatus.NOT_AFFECTED:
        return match
    excuse = next(filter(None, (reason(fault, known) for reason in REASONS)), None)
    return match if excuse is None else _excused(match, excuse, known)


def _excused(match: Match, excuse: Excuse, known: Known) -> Match:
    return msgspec.structs.replace(
        match,
        status=MatchStatus.NOT_AFFECTED,
        justification=excuse.justification,
        confidence=lower(match.confidence, excuse.confidence),
        reason=excuse.reason,
        evidence=(*excuse.evidence, *(f"seen in {path}" for path in known.seen_in)),
    )
