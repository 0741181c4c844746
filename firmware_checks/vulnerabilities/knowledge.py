"""The knowledge base that is shipped: one TOML file per product in ``firmware_checks/vulnerabilities/products``.

It holds facts in our own words about what embedded medical devices are made of: the names a product goes by, how its
versions are ordered, until when it is supported, and the vulnerabilities that matter, with exact ranges. It is not
complete and does not pretend to be; the full database is what ``medharden db update`` fetches.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_checks.vulnerabilities.ranges import VersionRange, parse_range
from firmware_checks.vulnerabilities.versions import SchemeName
from toolkit.core.errors import RuleError
from toolkit.core.toml_rows import read_files

__all__ = [
    "Family",
    "KnowledgeBase",
    "KnownProduct",
    "KnownVulnerability",
    "Lifecycle",
    "SeverityWord",
    "SupportBasis",
    "SupportState",
    "decode_product",
    "load_knowledge",
    "shipped_knowledge",
]

FOLDER = "vulnerabilities/products"

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(?:[.-][a-z0-9]+)*\Z", max_length=64)]
CpeProduct = Annotated[str, Meta(pattern=r"^[aoh]:[^:\s]+:(?:\\:|[^:\s])+\Z")]
Purl = Annotated[str, Meta(pattern=r"^pkg:[a-z]+/[^@\s?#]+\Z")]
RangeText = Annotated[str, Meta(pattern=r"^(?:\*|=\S+|(?:>=|>)\S+(?: (?:<|<=)\S+)?|(?:<|<=)\S+)\Z")]
Sentence = Annotated[str, Meta(min_length=20, max_length=400, pattern=r"[.]\Z")]
Remark = Annotated[str, Meta(min_length=5, max_length=400, pattern=r"[.]\Z")]
SourceText = Annotated[str, Meta(min_length=5, max_length=200)]
Identifier = Annotated[
    str, Meta(pattern=r"^(?:CVE-\d{4}-\d{4,7}|GHSA(?:-[0-9a-z]{4}){3}|ICSM?A-\d\d-\d{3}-\d\d|(?!CVE)[A-Z]+-\d[\d-]+)\Z")
]


class SeverityWord(enum.StrEnum):
    """The word for a base score: low below 4, medium below 7, high below 9, critical from 9 to 10."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    UNKNOWN = "unknown"
    """Nobody has published a score."""


class Family(enum.StrEnum):
    """Vulnerabilities that became known together under one name."""

    RIPPLE20 = "ripple20"
    URGENT_11 = "urgent-11"
    AMNESIA_33 = "amnesia-33"
    NUCLEUS_13 = "nucleus-13"
    INFRA_HALT = "infra-halt"
    BADALLOC = "badalloc"
    NUMBER_JACK = "number-jack"
    NAME_WRECK = "name-wreck"
    ACCESS_7 = "access-7"
    SWEYNTOOTH = "sweyntooth"
    BRAKTOOTH = "braktooth"
    PWNEDPIPER = "pwnedpiper"
    BLUEBORNE = "blueborne"
    BLEEDINGTOOTH = "bleedingtooth"
    FRAGATTACKS = "fragattacks"
    KRACK = "krack"
    SACK_PANIC = "sack-panic"
    LOG4SHELL = "log4shell"


class SupportState(enum.StrEnum):
    """Whether the makers still mend these versions."""

    SUPPORTED = "supported"
    ENDED = "ended"


class SupportBasis(enum.StrEnum):
    """How it is known."""

    ANNOUNCED = "announced"
    """The makers have said so."""
    PRACTICE = "practice"
    """The makers mend only newer versions, without having said so."""


class Lifecycle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Until when the makers mend a line of versions; ``until`` or ``state``, not both."""

    versions: RangeText
    until: date | None = None
    """Last day of free support."""
    paid_until: date | None = None
    """Last day of support that must be bought."""
    state: SupportState | None = None
    """Where no day is known."""
    basis: SupportBasis = SupportBasis.ANNOUNCED
    source: SourceText
    """Page or document that says so."""
    note: Remark | None = None

    def __post_init__(self) -> None:
        if (self.until is None) == (self.state is None):
            raise ValueError("give either until or state")

    @property
    def range(self) -> VersionRange:
        """The versions this is said of."""
        return parse_range(self.versions)


class KnownVulnerability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One vulnerability of one product."""

    id: Identifier
    affected: Annotated[tuple[RangeText, ...], Meta(min_length=1)]
    """Ranges of affected versions; any of them is enough."""
    severity: SeverityWord
    cvss: Annotated[str, Meta(pattern=r"^(?:CVSS:[34]\.[01]/)?AV:[NALP]/\S+\Z")] | None = None
    """CVSS vector (4.0, 3.1, 3.0 or 2.0) as published."""
    cwes: Annotated[tuple[Annotated[int, Meta(ge=1, le=9_999)], ...], Meta(max_length=10)] = ()
    """Kinds of weakness, as numbers of CWE; empty where the source names none."""
    summary: Sentence
    """What can happen, in words of our own."""
    source: SourceText
    """Where the ranges come from."""
    families: tuple[Family, ...] = ()
    kev: date | None = None
    """Day on which CISA listed it as exploited."""
    condition: Remark | None = None
    """What must also be true of the device, in words: a feature, an option, a chip."""
    doubt: Remark | None = None
    """Where sources disagree about the ranges, and how."""
    applets: tuple[str, ...] = ()
    """Sub-programs that hold the fault; a device without them is not affected."""
    symbols: tuple[str, ...] = ()
    """Functions that hold the fault."""
    source_files: tuple[str, ...] = ()
    """Files of the source that hold the fault, from the root of the project."""
    options: tuple[str, ...] = ()
    """Build options without which the fault is not compiled in, as the project writes them."""

    @property
    def ranges(self) -> tuple[VersionRange, ...]:
        """The affected versions, read."""
        return tuple(parse_range(text) for text in self.affected)


class KnownProduct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One product: what it is called, how its versions are ordered, and what is known about them."""

    name: Slug
    """The name of the file; the name of the component rule where there is one."""
    title: Annotated[str, Meta(min_length=2, max_length=80)]
    scheme: SchemeName
    reviewed: date
    """Day on which the file was last held against its sources."""
    cpes: Annotated[tuple[CpeProduct, ...], Meta(min_length=1)]
    """``part:vendor:product`` under which vulnerability data has it; the usual one first."""
    purls: tuple[Purl, ...] = ()
    """Package URLs without version."""
    aliases: Annotated[tuple[str, ...], Meta()] = ()
    """Other names people and programs use, lower case."""
    lifecycle: tuple[Lifecycle, ...] = ()
    vulnerability: tuple[KnownVulnerability, ...] = ()

    def __post_init__(self) -> None:
        if any(alias != alias.lower() or alias != alias.strip() for alias in self.aliases):
            raise ValueError("aliases are lower case without blanks around")
        seen: set[str] = set()
        for row in self.vulnerability:
            if row.id in seen:
                raise ValueError(f"{row.id} stands twice")
            seen.add(row.id)


class KnowledgeBase(msgspec.Struct, frozen=True):
    """All products with the day of the newest review and a digest over the files."""

    products: tuple[KnownProduct, ...]
    sha256: str

    @property
    def date(self) -> date | None:
        """Day of the newest review; None when there is no product."""
        return max((product.reviewed for product in self.products), default=None)


def decode_product(name: str, product: KnownProduct) -> KnownProduct:
    """Return the product when it is named like its file ``name``; raise ``RuleError`` otherwise."""
    if f"{product.name}.toml" != name:
        raise RuleError(f"{name}: the product is named {product.name!r} and must be named like its file")
    return product


def load_knowledge(folder: Traversable | Path) -> KnowledgeBase:
    """Read the products in ``folder``; raise ``RuleError`` with the file and field that is wrong."""
    digest = hashlib.sha256()
    products: list[KnownProduct] = []
    for file in read_files(folder):
        digest.update(hashlib.sha256(file.data).digest())
        products.append(decode_product(file.name, file.decode(KnownProduct)))
    _refuse_shared_names(products)
    return KnowledgeBase(tuple(products), digest.hexdigest())


@cache
def shipped_knowledge() -> KnowledgeBase:
    """Return the knowledge base that comes with the program."""
    return load_knowledge(resources.files("firmware_checks").joinpath(FOLDER))


def _refuse_shared_names(products: Sequence[KnownProduct]) -> None:
    owners: dict[str, str] = {}
    for product in products:
        for name in {product.name, *product.aliases, *product.purls, *product.cpes}:
            if (owner := owners.setdefault(name, product.name)) != product.name:
                raise RuleError(f"{product.name}.toml: {name!r} is a name of {owner} too")
