"""What one source says about one vulnerability, whatever format it came in."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from toolkit.core.errors import FormatError

__all__ = [
    "AND",
    "MOST_DEPTH",
    "OR",
    "Configuration",
    "Cvss",
    "Node",
    "ProductMatch",
    "Record",
    "SourceKind",
    "Status",
    "cwe_numbers",
    "require_shallow",
    "vulnerability_name",
    "vulnerability_number",
]

AND, OR = "AND", "OR"
MOST_DEPTH = 8
_CVE = re.compile(r"CVE-((?:19|20)\d\d)-(\d{4,8})")
_NUMBERS_PER_YEAR = 100_000_000


class SourceKind(enum.IntEnum):
    """Who says it; the numbers stand in databases and never change."""

    NVD = 1
    CNA = 2
    OSV = 3
    CSAF = 4


class Status(enum.IntEnum):
    """How far the source has looked at it; the numbers stand in databases and never change."""

    ANALYSED = 1
    NOT_ANALYSED = 2
    REJECTED = 3


class ProductMatch(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """One product with a range of versions, as the NVD writes it."""

    criteria: str
    """CPE 2.3 name."""
    vulnerable: bool = True
    """False: what the vulnerable product runs on."""
    version_start_including: str | None = None
    version_start_excluding: str | None = None
    version_end_including: str | None = None
    version_end_excluding: str | None = None
    doubt: str = ""
    """Why the range may be wrong, in words; the match is of low confidence then."""


class Node(msgspec.Struct, rename="camel", omit_defaults=True):
    """Products of which one (OR) or each (AND) must be there."""

    operator: str = OR
    negate: bool = False
    cpe_match: list[ProductMatch] = []
    children: list[Node] = []

    @property
    def is_plain(self) -> bool:
        """Tell whether any one of its products is enough."""
        return not self.negate and not self.children and (self.operator != AND or len(self.cpe_match) == 1)


def require_shallow(nodes: Sequence[Node]) -> None:
    """Raise ``FormatError`` when nodes stand in nodes deeper than any real record has them."""
    level = list(nodes)
    for _ in range(MOST_DEPTH):
        level = [child for node in level for child in node.children]
        if not level:
            return
    raise FormatError(f"nodes are nested more than {MOST_DEPTH} deep")


class Configuration(msgspec.Struct, rename="camel", omit_defaults=True):
    """Nodes of which one (OR) or each (AND) must hold."""

    operator: str = OR
    negate: bool = False
    nodes: list[Node] = []

    @property
    def is_plain(self) -> bool:
        """Tell whether any one vulnerable product is enough."""
        is_or = self.operator != AND or len(self.nodes) == 1
        return is_or and not self.negate and all(node.is_plain for node in self.nodes)


class Cvss(msgspec.Struct, array_like=True, frozen=True):
    """One assessment of how bad it is."""

    score: float
    vector: str
    source: str = ""
    """Who has assessed it; empty for the keeper of the database."""


@dataclass(slots=True, kw_only=True)
class Record:
    """One vulnerability as one source has it."""

    name: str
    status: Status = Status.ANALYSED
    published: str = ""
    modified: str = ""
    """Day or moment in ISO 8601; a newer one replaces an older one of the same source."""
    text: str = ""
    cvss: Sequence[Cvss] = ()
    cwes: Sequence[int] = ()
    configurations: Sequence[Configuration] = ()
    origin: str = ""
    """What the ranges rest on, where the source says so."""
    source_files: Sequence[str] = ()
    """Files of the product's source that hold the fault."""
    is_authority: bool = False
    """The makers themselves say it: it outranks what others say about their products."""
    ssvc: str = ""


def vulnerability_number(name: str) -> int | None:
    """Return a number that stands for a CVE name; None for other names."""
    found = _CVE.fullmatch(name)
    return int(found[1]) * _NUMBERS_PER_YEAR + int(found[2]) if found else None


def vulnerability_name(number: int) -> str:
    """Return the CVE name that ``number`` stands for."""
    return "CVE-%d-%04d" % divmod(number, _NUMBERS_PER_YEAR)  # noqa: UP031  # twice as quick, for thousands


def cwe_numbers(texts: Sequence[str]) -> list[int]:
    """Return the numbers of ``CWE-79`` and the like, each once, in order of mention."""
    return list(dict.fromkeys(int(text[4:]) for text in texts if text.startswith("CWE-") and text[4:].isdigit()))
