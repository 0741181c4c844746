"""Whether a configuration of a record holds for a device: AND, OR, NOT and "running on", with unknowns kept unknown.

A device is known in part: the software that was found, perhaps the hardware. What was not found is not absent; it is
unknown, and a vulnerability that needs it "applies if". Only what contradicts what was found is false: a program for
Windows in an image that runs Linux.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from firmware_checks.vulnerabilities.cpe import ANY, NONE, Cpe, parse_cpe
from firmware_checks.vulnerabilities.record import AND, Configuration, Node, ProductMatch
from firmware_checks.vulnerabilities.rows import bounds_of
from firmware_checks.vulnerabilities.versions import AFTER_ALL, BEFORE_ALL, SchemeName, version_key
from toolkit.core.errors import FormatError

__all__ = ["Environment", "Truth", "Verdict", "evaluate", "is_foreign_target"]

_FOREIGN_VENDORS = frozenset({"microsoft", "apple", "hp", "ibm", "sun", "sgi", "sco", "novell"})
_FOREIGN_TARGETS = frozenset(
    {
        "windows",
        "macos",
        "mac_os_x",
        "mac_os",
        "mac",
        "iphone_os",
        "ipados",
        "ios",
        "android",
        "solaris",
        "aix",
        "hp-ux",
    }
)
"""Operating systems that an image with Linux, or with another system of its own, does not run on."""
NAMES_IN_A_CONDITION = 4


class Truth(enum.Enum):
    """True, false, or not known."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    def negated(self) -> Truth:
        """Return the opposite; what is not known stays so."""
        return {Truth.YES: Truth.NO, Truth.NO: Truth.YES, Truth.UNKNOWN: Truth.UNKNOWN}[self]


@dataclass(frozen=True, slots=True)
class Environment:
    """What is known to be in the device."""

    products: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Possible versions by vendor and product; none where the version is not known."""
    schemes: Mapping[tuple[str, str], SchemeName] = field(default_factory=dict)
    has_own_system: bool = False
    """Whether an operating system was found that is none of the desktop's."""

    def scheme(self, product: tuple[str, str]) -> SchemeName:
        """Return how the versions of ``product`` are ordered."""
        return self.schemes.get(product, SchemeName.DASHED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it holds, and what it depends on when that is not known."""

    truth: Truth
    conditions: tuple[str, ...] = ()


def evaluate(configuration: Configuration, environment: Environment) -> Verdict:
    """Tell whether ``configuration`` holds in ``environment``."""
    parts = (_node(node, environment) for node in configuration.nodes)
    return _combined(parts, is_and=configuration.operator == AND, negate=configuration.negate)


def is_foreign_target(software: str, environment: Environment) -> bool:
    """Tell whether an edition for ``software`` cannot be what runs in this device."""
    return environment.has_own_system and software in _FOREIGN_TARGETS


def _node(node: Node, environment: Environment) -> Verdict:
    parts = [*(_leaf(match, environment) for match in node.cpe_match), *(_node(c, environment) for c in node.children)]
    return _combined(parts, is_and=node.operator == AND, negate=node.negate)


def _combined(parts: Iterable[Verdict], *, is_and: bool, negate: bool) -> Verdict:
    verdicts = list(parts)
    decisive = Truth.NO if is_and else Truth.YES
    truths = {verdict.truth for verdict in verdicts}
    if decisive in truths:
        truth = decisive
    elif Truth.UNKNOWN in truths:
        truth = Truth.UNKNOWN
    else:
        truth = decisive.negated()
    truth = truth.negated() if negate else truth
    return Verdict(truth, tuple(_conditions(verdicts, is_and=is_and)) if truth is Truth.UNKNOWN else ())


def _conditions(verdicts: list[Verdict], *, is_and: bool) -> Iterator[str]:
    names = list(dict.fromkeys(name for v in verdicts if v.truth is Truth.UNKNOWN for name in v.conditions))
    if is_and:
        yield from names
    elif names:
        more = len(names) - NAMES_IN_A_CONDITION
        yield " or ".join(names[:NAMES_IN_A_CONDITION]) + (f" or one of {more} more" if more > 0 else "")


def _leaf(match: ProductMatch, environment: Environment) -> Verdict:
    try:
        cpe = parse_cpe(match.criteria)
    except FormatError:
        return Verdict(Truth.UNKNOWN, (match.criteria[:60],))
    product = cpe.vendor, cpe.product
    if product in environment.products:
        return _of_versions(match, cpe, environment)
    if cpe.part == "o" and environment.has_own_system and cpe.vendor in _FOREIGN_VENDORS:
        return Verdict(Truth.NO)
    return Verdict(Truth.UNKNOWN, (_shown(cpe, match),))


def _of_versions(match: ProductMatch, cpe: Cpe, environment: Environment) -> Verdict:
    product = cpe.vendor, cpe.product
    scheme = environment.scheme(product)
    low, high = bounds_of(match, cpe, scheme)
    if (low, high) == (BEFORE_ALL, AFTER_ALL):
        return Verdict(Truth.YES)
    inside = {low <= version_key(version, scheme) < high for version in environment.products[product]}
    if len(inside) == 1:
        return Verdict(Truth.YES if True in inside else Truth.NO)
    return Verdict(Truth.UNKNOWN, (_shown(cpe, match),))


def _shown(cpe: Cpe, match: ProductMatch) -> str:
    kind = {"h": "hardware", "o": "system", "a": "software"}.get(cpe.part, "product")
    version = "" if cpe.version in (ANY, NONE) else f" {cpe.full_version}"
    end = match.version_end_excluding or match.version_end_including
    return f"{kind} {cpe.vendor} {cpe.product}{version}{f' up to {end}' if end else ''}"
