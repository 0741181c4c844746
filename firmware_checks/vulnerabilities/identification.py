"""Which product of the data a component is: by CPE name, by package URL, or by name alone."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from firmware_checks.vulnerabilities.cpe import parse_cpe
from firmware_checks.vulnerabilities.knowledge import KnowledgeBase, KnownProduct
from toolkit.core.errors import FormatError
from toolkit.report.model import Component

__all__ = ["Identifier", "Identity", "Via"]

_PURL_VERSION = re.compile(r"@[^?#]*|[?#].*$")
_SEPARATORS = re.compile(r"[\s_./-]+")


class Via(enum.StrEnum):
    """How a component was identified."""

    KNOWLEDGE = "knowledge"
    """It is a product of the knowledge base, which lists all its names."""
    CPE = "cpe"
    """Its rule states vendor and product."""
    NAME = "name"
    """Nothing but a name, under which several vendors may have products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A component as the data may call it."""

    via: Via
    known: KnownProduct | None = None
    products: tuple[tuple[str, str], ...] = ()
    """Vendor and product of each CPE name it goes by."""
    names: tuple[str, ...] = ()
    """Names of products to try where no vendor is known."""


class Identifier:
    """Finds the product of a component among those of a knowledge base."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._by_cpe: dict[tuple[str, str], KnownProduct] = {}
        self._by_purl: dict[str, KnownProduct] = {}
        self._by_name: dict[str, KnownProduct] = {}
        self._products: dict[str, tuple[tuple[str, str], ...]] = {}
        for product in knowledge.products:
            cpes = [parse_cpe(f"cpe:2.3:{name}") for name in product.cpes]
            self._products[product.name] = tuple(dict.fromkeys((cpe.vendor, cpe.product) for cpe in cpes))
            self._by_cpe |= dict.fromkeys(self._products[product.name], product)
            self._by_purl |= dict.fromkeys(product.purls, product)
            self._by_name |= {_plain(name): product for name in (*product.aliases, product.name)}

    def identify(self, component: Component) -> Identity:
        """Return what ``component`` goes by."""
        stated = _vendor_and_product(component.cpe)
        known = self._known(component, stated)
        if known is not None:
            products = self._products[known.name]
            extra = () if stated is None or stated in products else (stated,)
            return Identity(via=Via.KNOWLEDGE, known=known, products=products + extra)
        if stated is not None:
            return Identity(via=Via.CPE, products=(stated,))
        return Identity(via=Via.NAME, names=_spellings(component.name))

    def _known(self, component: Component, stated: tuple[str, str] | None) -> KnownProduct | None:
        if stated is not None and stated in self._by_cpe:
            return self._by_cpe[stated]
        purl = _PURL_VERSION.sub("", component.purl or "")
        return self._by_purl.get(purl) or (self._by_name.get(_plain(component.name)) if stated is None else None)


def _vendor_and_product(cpe: str | None) -> tuple[str, str] | None:
    try:
        name = parse_cpe(cpe) if cpe else None
    except FormatError:
        return None
    return (name.vendor, name.product) if name else None


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())


def _spellings(name: str) -> tuple[str, ...]:
    """Return ``name`` as CPE names spell it: with underscores, with dashes, and as it is."""
    lower = name.strip().lower()
    return tuple(dict.fromkeys((lower, _SEPARATORS.sub("_", lower), _SEPARATORS.sub("-", lower))))
