"""What a bill of materials says, whatever format it came in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Sbom", "SbomComponent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomComponent:
    """One part; text is empty where the document does not say, which includes saying ``NOASSERTION``."""

    reference: str
    """Name by which the rest of the document refers to it; empty when nothing can."""
    name: str
    version: str = ""
    supplier: str = ""
    kind: str = ""
    """The type that the document gives, for example ``library``."""
    purl: str = ""
    cpe: str = ""
    other_identifiers: tuple[str, ...] = ()
    """SWID tags, SWHID, OmniBOR."""
    hashes: tuple[str, ...] = ()
    """``algorithm:value``."""
    licenses: tuple[str, ...] = ()
    support_level: str = ""
    end_of_support: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbom:
    """One document."""

    format: str
    """``CycloneDX`` or ``SPDX``."""
    version: str
    """Of the format."""
    encoding: str
    """``JSON``, ``XML`` or ``tag-value``."""
    timestamp: str = ""
    authors: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    context: str = ""
    """When in the life of the software it was made, for example ``build``."""
    primary: SbomComponent | None = None
    """What the document is about."""
    components: tuple[SbomComponent, ...] = ()
    """The parts, without the primary."""
    related: frozenset[str] = frozenset()
    """References that take part in a relationship."""
    says_how_complete: bool = False
    """Whether it says of any part that what is below it is known, or not."""

    @property
    def everything(self) -> tuple[SbomComponent, ...]:
        """The primary and its parts."""
        return self.components if self.primary is None else (self.primary, *self.components)
