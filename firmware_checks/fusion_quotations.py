"""What in an image speaks about software that is inside, and what only mentions some.

Documents mention. A program mentions the libraries it links: what it says about them is what it was built against.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from firmware_checks.component_rules import Category, ComponentRule
from firmware_checks.fact_collection import FileFacts
from firmware_checks.fusion_libraries import Libraries
from firmware_checks.identity import Identities
from firmware_checks.patterns import Hit
from firmware_checks.span import Span
from toolkit.report.model import Component, Confidence

__all__ = ["Hits", "Quotations", "is_document", "number_of", "versions_at", "without_quotations"]

Hits = Sequence[tuple[Span, Hit]]
BUILT_IN = frozenset({Category.LIBRARY, Category.CRYPTO, Category.SDK})
NEVER_BUILT_IN = frozenset({Category.APPLICATION, Category.OPERATING_SYSTEM, Category.BOOTLOADER})
_DOCUMENT = re.compile(
    r"(?:^|[!/])(?:usr/|opt/[^!/]+/)?(?:local/)?(?:share/)?(?:doc|docs|man|info|gtk-doc|licenses?|locale|help)/|"
    r"(?:^|[!/])(?:changelog|changes|news|readme|copying|licen[cs]e|copyright|authors|notice|release.?notes)[^!/]*$|"
    r"\.(?:html?|md|rst|adoc|pdf|pod|po|mo)$",
    re.IGNORECASE,
)


def is_document(path: str) -> bool:
    """Tell whether the file is text for people about software and not software."""
    return _DOCUMENT.search(path) is not None


def versions_at(hits: Hits) -> dict[str, set[tuple[str, str]]]:
    """Return owners of rules and the versions that their patterns found, by path: copies inside, or quotations."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for span, hit in hits:
        version = dict(hit.groups).get("version")
        if version is not None:
            found[span.path].add((hit.pattern.owner, number_of(version)))
    return found


class Quotations:
    """Tells for the texts that rules found in one image which are about something that is not there."""

    def __init__(
        self,
        hits: Hits,
        files: Mapping[str, FileFacts],
        rules: Mapping[str, ComponentRule],
        identities: Identities,
        libraries: Libraries,
    ) -> None:
        self._hits = hits
        self._files = files
        self._rules = rules
        self._identities = identities
        self._libraries = libraries

    def left_out(self) -> Iterator[tuple[Span, Hit]]:
        """Yield what remains without quotations."""
        told = self._told_by_own_libraries()
        for span, hit in self._hits:
            if not self._is_quoted(span.path, hit.pattern.owner) and not self._is_passing(span.path, hit, told):
                yield span, hit

    def _is_quoted(self, path: str, owner: str) -> bool:
        """Tell whether what a rule found in the file at ``path`` is about something that is not in it."""
        if is_document(path):
            return True
        facts = self._files.get(path)
        rule = self._rules.get(owner)
        if facts is None or rule is None or (facts.identity is not None and facts.identity.name == owner):
            return False
        if facts.is_text:
            return not _goes_by(rule, path, self._identities)
        if (facts.is_object and facts.identity is not None) or _is_plugin_of(owner, facts):
            return True
        return self._is_other_program(facts, rule) or owner in self._libraries.linked(facts)

    @staticmethod
    def _is_other_program(facts: FileFacts, rule: ComponentRule) -> bool:
        """Tell whether a program of a known project names a program: those are not built into others."""
        is_known = facts.identity is not None and facts.identity.is_known
        is_dynamic = facts.linkage is not None and facts.linkage.is_dynamic
        is_program = rule.category in NEVER_BUILT_IN or (
            bool(rule.files) and not rule.sonames and rule.category not in BUILT_IN
        )
        return is_known and is_dynamic and is_program

    def _told_by_own_libraries(self) -> dict[str, set[str]]:
        """Return the versions that the own libraries of components tell, by name of the rule."""
        told: dict[str, set[str]] = {}
        for span, hit in self._hits:
            facts = self._files.get(span.path)
            version = dict(hit.groups).get("version")
            if (
                version
                and facts
                and facts.identity
                and facts.identity.name == hit.pattern.owner
                and ".so" in facts.name
            ):
                told.setdefault(hit.pattern.owner, set()).add(version)
        return told

    def _is_passing(self, path: str, hit: Hit, told: Mapping[str, set[str]]) -> bool:
        """Tell whether a program names, in one place only, another version than the library that is there has.

        It was built with the header of that version; a copy of the library inside would show in more than one place.
        """
        facts = self._files.get(path)
        owner, version = hit.pattern.owner, dict(hit.groups).get("version")
        if facts is None or facts.linkage is None or not facts.linkage.is_dynamic or version is None:
            return False
        is_own = facts.identity is not None and facts.identity.name == owner
        return not is_own and version not in told.get(owner, {version}) and self._places[path, owner] == 1

    @cached_property
    def _places(self) -> Counter[tuple[str, str]]:
        return Counter((span.path, hit.pattern.owner) for span, hit in self._hits)


def _is_plugin_of(owner: str, facts: FileFacts) -> bool:
    """Tell whether programs of ``owner`` load the file: it was built for a version of them."""
    return ".so" in facts.name and f"lib/{owner}/" in facts.path


def _goes_by(rule: ComponentRule, path: str, identities: Identities) -> bool:
    """Tell whether a folder or file on ``path`` has a name of the component."""
    keys = identities.of_rule(rule).keys
    words = re.findall(r"[a-z0-9+]+", path.lower())
    joined = (a + b for a, b in pairwise(words))
    return rule.category == Category.OPERATING_SYSTEM or not keys.isdisjoint(words) or not keys.isdisjoint(joined)


def number_of(version: str) -> str:
    """Return the digits and points at the start of a version."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return match.group() if match else version


def without_quotations(components: Iterable[Component], files: Mapping[str, FileFacts]) -> list[Component]:
    """Leave out versions that only texts tell, where a program of the component is there to tell its own."""
    made = list(components)

    def is_told_by_texts(component: Component) -> bool:
        own = (
            facts is not None and facts.is_text and (facts.identity is None or facts.identity.name != component.name)
            for facts in (files.get(evidence.path) for evidence in component.evidence)
        )
        return component.confidence is not Confidence.CERTAIN and all(own)

    told = {c.name for c in made if c.version is not None and not is_told_by_texts(c)}
    told |= {facts.identity.name for facts in files.values() if facts.is_elf and facts.identity is not None}
    return [c for c in made if c.name not in told or not is_told_by_texts(c)]
