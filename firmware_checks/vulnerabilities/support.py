"""Until when a version is supported by its makers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from firmware_checks.vulnerabilities.database import Database, StoredCycle
from firmware_checks.vulnerabilities.identification import Identity
from firmware_checks.vulnerabilities.knowledge import KnownProduct, Lifecycle, SupportState
from firmware_checks.vulnerabilities.versions import compare
from toolkit.report.vulnerability import ComponentSupport, Support

__all__ = ["mended_no_more", "support_of"]


def support_of(identity: Identity, version: str, database: Database | None, today: date) -> tuple[Support, ...]:
    """Return what is known about the support of ``version`` on the day ``today``; empty when nothing is."""
    found: list[Support] = []
    if identity.known is not None:
        found += (_known(row, today) for row in _lines(identity.known, version))
    if database is not None:
        found += (_stored(cycle, today) for cycle in database.cycles(_names(identity)) if _is_in(version, cycle.cycle))
    return tuple(found)


def mended_no_more(support: Iterable[ComponentSupport]) -> dict[tuple[str, str | None], ComponentSupport]:
    """Return by name and version the components that no source says are mended for all who use them, and who says so.

    Where sources disagree the later day counts.
    """
    found: dict[tuple[str, str | None], ComponentSupport] = {}
    mended: set[tuple[str, str | None]] = set()
    for said in support:
        key = said.component, said.component_version
        if said.state not in _NO_MORE:
            mended.add(key)
        elif key not in found or (said.until or "") > (found[key].until or ""):
            found[key] = said
    return {key: said for key, said in found.items() if key not in mended}


def _lines(product: KnownProduct, version: str) -> list[Lifecycle]:
    return [row for row in product.lifecycle if row.range.holds(version, product.scheme)]


def _known(row: Lifecycle, today: date) -> Support:
    state = row.state.value if row.state is not None else _state(row.until, row.paid_until, today)
    return Support(
        state=state,
        until=row.until.isoformat() if row.until else None,
        paid_until=row.paid_until.isoformat() if row.paid_until else None,
        line=row.versions,
        basis=row.basis.value,
        source=row.source,
    )


def _stored(cycle: StoredCycle, today: date) -> Support:
    until, paid = _day(cycle.end_of_support), _day(cycle.end_of_paid_support)
    state = _state(until, paid, today) if until is not None else _WORDS.get(cycle.end_of_support, "unknown")
    return Support(
        state=state,
        until=until.isoformat() if until else None,
        paid_until=paid.isoformat() if paid else None,
        line=cycle.cycle,
        basis="announced",
        source=f"https://endoflife.date/{cycle.product}",
    )


_NO_MORE = (SupportState.ENDED.value, "paid")
_WORDS = {"yes": SupportState.ENDED.value, "no": SupportState.SUPPORTED.value}


def _state(until: date | None, paid_until: date | None, today: date) -> str:
    if until is None or until >= today:
        return SupportState.SUPPORTED.value
    return "paid" if paid_until is not None and paid_until >= today else SupportState.ENDED.value


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _is_in(version: str, cycle: str) -> bool:
    """Tell whether ``version`` belongs to the line ``cycle``: 3.0.13 to 3.0, not 3.10 to 3.1."""
    return version == cycle or version.startswith((f"{cycle}.", f"{cycle}-")) or compare(version, cycle) == 0


def _names(identity: Identity) -> list[str]:
    cpes = [f"cpe:2.3:{part}:{vendor}:{name}" for vendor, name in identity.products for part in "ao"]
    known = identity.known
    return [*cpes, *identity.names, *((known.name, *known.purls) if known is not None else ())]
