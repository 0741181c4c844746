"""Which components' libraries the programs of an image load."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from firmware_checks.fact_collection import FileFacts
from firmware_checks.identity import Identities
from firmware_checks.version_election import Linked

__all__ = ["Libraries"]

FAMILY = 3
"""Projects that are released together share the first letters of their names."""


class Libraries:
    """The libraries of one image; ``copies`` tells by path which components' versions a file holds besides its own."""

    def __init__(
        self, files: Mapping[str, FileFacts], identities: Identities, copies: Mapping[str, set[tuple[str, str]]]
    ) -> None:
        self._files = files
        self._identities = identities
        self._copies = copies
        self._names: dict[str, str | None] = {}

    def linked(self, facts: FileFacts) -> frozenset[str]:
        """Return the names of the components whose libraries a file loads, directly or through others."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = list(facts.linkage.needed) if facts.linkage is not None else []
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            component = self._name_of(name)
            found.update([component] if component is not None else [])
            waiting += self._needed_by.get(name, ())
        return frozenset(found)

    @cached_property
    def _needed_by(self) -> dict[str, tuple[str, ...]]:
        """What each library of the image asks for, by the name others ask for it."""
        linkages = (facts.linkage for facts in self._files.values() if facts.linkage is not None)
        return {linkage.soname: linkage.needed for linkage in linkages if linkage.soname is not None}

    def _name_of(self, name: str) -> str | None:
        """Return the name of the component that a library is."""
        if name not in self._names:
            identity = self._identities.of_file(f"lib/{name}")
            self._names[name] = None if identity is None else identity.name
        return self._names[name]

    def known_of(self, facts: FileFacts, known: Mapping[str, set[str]]) -> Linked:
        """Return what is known about the libraries that a file loads, its own component's left out."""
        own = facts.identity.name if facts.identity is not None else ""
        direct = facts.linkage.needed if facts.linkage is not None else ()
        identities = [self._identities.of_file(f"lib/{name}") for name in direct]
        return Linked(
            names=direct,
            is_family=any(
                i is not None and i.name != own and i.name[:FAMILY] == own[:FAMILY] != "lib" for i in identities
            ),
            versions=frozenset(v for name in self.linked(facts) if name != own for v in known.get(name, ()))
            | frozenset(v for owner, v in self._copies.get(facts.path, ()) if owner != own),
            keys=frozenset().union(*(i.keys for i in identities if i is not None and i.name not in {own, "glibc"})),
        )
