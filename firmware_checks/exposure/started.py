"""Whether an image shows that a service is started, and not only that it could be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from firmware_checks.exposure.service_kinds import ServiceKind
from firmware_checks.grouping import Row
from firmware_checks.inventory import Inventory
from firmware_checks.observer import Seen
from firmware_checks.observers.started_services import Start, StartedService
from toolkit.core.findings import Severity

__all__ = ["is_started", "service_rows", "services"]

_LINK = re.compile(r"(?:^|/)(?:rc[S0-6]?|rc\d)\.d/S\d\d[^/]+$")
_WANTED = re.compile(r"\.(?:wants|requires)/[^/]+\.(?:service|socket)$")
_BY_ITSELF = re.compile(r"(?:^|/)(?:S\d\d[^/]*|rcS|rcK|rc\.local)$")


def services(inventory: Inventory, kinds: Sequence[ServiceKind]) -> Iterator[tuple[Seen[StartedService], bool]]:
    """Yield the services of ``kinds``, and whether the image shows that they are started."""
    links = set(_linked(inventory, _LINK))
    wanted = set(_linked(inventory, _WANTED))
    for seen in inventory.observed(StartedService):
        if seen.what.kind in kinds:
            yield seen, is_started(seen, links, wanted)


def _linked(inventory: Inventory, wanted: re.Pattern[str]) -> Iterator[str]:
    """Yield base names of what links of that form lead to, and of the links."""
    for entry in inventory.entries:
        if wanted.search(entry.name):
            yield entry.name.rpartition("/")[2]
            yield entry.target.rpartition("/")[2]


def is_started(seen: Seen[StartedService], links: set[str], wanted: set[str]) -> bool:
    """Tell whether what starts the service is itself started; where no links are kept, all scripts count as started."""
    name = seen.path.rpartition("!")[2].rpartition("/")[2]
    if seen.what.start is Start.INIT_SCRIPT:
        return _BY_ITSELF.search(name) is not None or not links or name in links
    if seen.what.start is Start.UNIT:
        if seen.what.kind is ServiceKind.CONSOLE or _WANTED.search(seen.path):
            return True  # systemd starts terminals by itself, and what lies in a folder of what is wanted
        stem = name.rpartition(".")[0].partition("@")[0]
        return stem in {unit.rpartition(".")[0].partition("@")[0] for unit in wanted}
    return True


def service_rows(inventory: Inventory, kinds: Sequence[ServiceKind], severity: Severity, what: str) -> Iterator[Row]:
    """Yield a row for each service: ``severity`` where it is started, low where it only could be."""
    for seen, started in services(inventory, kinds):
        if started:
            yield severity, f"{what}: {seen.what.program}, started by {seen.what.start.value}", seen.evidence
        else:
            yield (
                Severity.LOW,
                f"{what}: {seen.what.program} is installed; nothing in the file starts it",
                seen.evidence,
            )
