"""What other hospitals can look for: digests of the image and of foreign files, and computers, as STIX 2.1.

Source: OASIS STIX 2.1, sections 3.3 (bundle), 4.7 (indicator) and 9 (patterns), written by the library ``stix2``. Equal
reports give equal bytes: numbers are derived from what they name, and the time is the day of the report.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Iterator
from typing import Any, Final

from toolkit.core.errors import MissingExtra
from toolkit.core.findings import Finding
from toolkit.hardening.integrity.drift import Change
from toolkit.hardening.playbooks.catalogue import playbooks
from toolkit.hardening.siem.drift_report import DIGEST_MARK
from toolkit.report.exchange import derived_uuid, document_moment
from toolkit.report.model import Report

__all__ = ["stix_bundle"]

_OURS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:medharden:indicators")
_FOREIGN: Final = frozenset(f"drift-{change.value}" for change in (Change.ADDED, Change.CHANGED))
_SHA256: Final = re.compile("[0-9a-f]{64}")
_DOMAIN: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}")
Facts = tuple[str, str, str]
"""Pattern, name, and kind of indicator."""


def stix_bundle(report: Report) -> bytes:
    """Return a bundle of indicators as JSON; addresses inside of a house are left out, they mean nothing elsewhere."""
    try:
        import stix2  # type: ignore[import-untyped]  # has no types; takes half a second
    except ImportError as error:
        raise MissingExtra(feature="indicators as STIX", extra="stix") from error

    moment = document_moment(report)
    facts = list(dict.fromkeys(_facts(report)))
    objects = [_indicator(stix2, fact, moment) for fact in facts]
    bundle = stix2.Bundle(*objects, id=f"bundle--{derived_uuid(report, 'stix')}")
    text: str = bundle.serialize(indent=2, sort_keys=True)
    return f"{text}\n".encode()


def _indicator(stix2: Any, fact: Facts, moment: str) -> Any:
    pattern, name, kind = fact
    return stix2.Indicator(
        id=f"indicator--{uuid.uuid5(_OURS, pattern)}",
        created=moment,
        modified=moment,
        valid_from=moment,
        name=name,
        pattern=pattern,
        pattern_type="stix",
        indicator_types=[kind],
    )


def _facts(report: Report) -> Iterator[Facts]:
    digest = report.subject.sha256
    if _SHA256.fullmatch(digest):
        yield f"[file:hashes.'SHA-256' = '{digest}']", "Firmware image that was examined", "unknown"
    for finding in report.findings:
        yield from _foreign_files(finding)
        yield from _computers(finding)


def _foreign_files(finding: Finding) -> Iterator[Facts]:
    if finding.check not in _FOREIGN:
        return
    for place in finding.evidence:
        digest = place.excerpt.removeprefix(DIGEST_MARK)
        if _SHA256.fullmatch(digest):
            name = f"File that was not released ({finding.check})"
            yield f"[file:hashes.'SHA-256' = '{digest}']", name, "anomalous-activity"


def _computers(finding: Finding) -> Iterator[Facts]:
    telling = {check for playbook in playbooks() if playbook.indicators for check in playbook.checks}
    pattern = _pattern(finding.detail.partition(":")[0].strip()) if finding.check in telling else ""
    if pattern:
        yield pattern, f"Computer that the software names ({finding.check})", "anomalous-activity"


def _pattern(host: str) -> str:
    """Return what matches a computer; nothing for what is no public address and no name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"[domain-name:value = '{host.lower()}']" if _DOMAIN.fullmatch(host) else ""
    return f"[ipv4-addr:value = '{address}']" if address.is_global and address.version == 4 else ""
