"""Asks the fact readers about every file of an image while its bytes are held, and keeps what they say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from firmware_checks.fact_reader import Content, Fact, FactReader, Holding, Linkage, Statement
from firmware_checks.identity import Identities, Identity, normalised
from firmware_checks.own_versions import names_itself
from firmware_checks.readers.elf_file import constants
from firmware_checks.region import Region
from firmware_checks.span import Provenance, Span
from firmware_checks.version_points import built_name
from firmware_checks.version_texts import VersionText
from toolkit.core.errors import MedhardenError
from toolkit.core.findings import Evidence

__all__ = ["FactCollector", "FileFacts"]

MOST_STATEMENTS = 20_000
"""Of one file; the largest package databases have some thousand rows."""
RELOCATABLE = 1
"""Type of ELF files that are yet to be linked."""
MOST_EXCERPT_CHARACTERS = 80
MOST_OWN = 50
"""Matches of one short pattern; more of them tell nothing."""
_ARCHIVE = re.compile(r"([^!/]+)\.a![^!]*$")
"""The static library that an object file is in."""
_TEXT_BYTES = bytes([*b"\t\n\r\f\x1b", *range(0x20, 0x7F), *range(0x80, 0x100)])


@dataclass(slots=True)
class FileFacts:
    """What is known about one file of an image."""

    path: str
    name: str
    provenance: Provenance
    address: int | None
    is_elf: bool
    is_object: bool
    """Compiled and not yet part of a program."""
    is_text: bool
    identity: Identity | None = None
    linkage: Linkage | None = None
    statements: list[Statement] = field(default_factory=list)
    texts: list[VersionText] = field(default_factory=list)
    holdings: list[Holding] = field(default_factory=list)
    own: dict[str, VersionText] = field(default_factory=dict)
    """What the rule's patterns for the component's own files found, by version."""

    def evidence(self, offset: int, excerpt: str) -> Evidence:
        """Return where byte ``offset`` of the file is, with ``excerpt`` made printable."""
        shown = "".join(c if c.isprintable() and c.isascii() else "." for c in excerpt[:MOST_EXCERPT_CHARACTERS])
        return Evidence(
            path=self.path,
            offset=self.provenance.offset_at(offset),
            address=None if self.address is None else self.address + offset,
            excerpt=shown,
        )


@dataclass(slots=True)
class FactCollector:
    """Collects facts by path; ``on_defect`` hears of readers that failed for no reason in the file."""

    readers: Mapping[str, FactReader]
    identities: Identities
    on_defect: Callable[[str, Span, Exception], None]
    files: dict[str, FileFacts] = field(default_factory=dict)

    def collect(self, content: Content) -> None:
        """Ask about the file that ``content`` holds."""
        span = content.span
        wanted = [reader for reader in self.readers.values() if reader.wants(content)]
        if not wanted:
            if content.head[:2] == b"#!" or _is_text(content):
                self.files[span.path] = self._facts(content)
            return
        facts = self.files[span.path] = self._facts(content)
        for reader in wanted:
            self._ask(reader, content, facts)
        if content.elf is not None:
            archive = _ARCHIVE.search(span.path)
            by_name = self.identities.of_file(f"lib/{archive[1]}.so" if archive else content.path)
            facts.identity = None if _is_kernel_module(content) else self._chosen(content.path, facts, by_name)
            if not facts.is_object:
                self._search_own(content, facts)
        elif facts.texts:
            facts.identity = self.identities.of_text(content.path)

    def see(self, regions: Sequence[Region]) -> None:
        """Take note of what the files were found to hold: records in the form of text are no text."""
        for region in regions:
            if region.memory is not None and region.span.path in self.files:
                self.files[region.span.path].is_text = False

    def _chosen(self, path: str, facts: FileFacts, by_name: Identity | None) -> Identity | None:
        """Return which of the projects that have a program of this name it says it is; else ``by_name``."""
        built = next(filter(None, map(built_name, facts.texts[:1])), None)
        if built is not None and (by_name is None or not by_name.is_known):
            return self.identities.of_name(built)
        others = [i for i in self.identities.alternatives(path) if by_name is None or i.name != by_name.name]
        if not others or (by_name is not None and names_itself(facts.texts, _other_names(by_name, facts.name))):
            return by_name
        for identity in others:
            keys = identity.keys if by_name is None else _other_names(identity, facts.name)
            is_named_so = by_name is not None and normalised(by_name.name) == normalised(facts.name)
            if names_itself(facts.texts, keys, plainly=is_named_so):
                return identity
        return by_name

    def _facts(self, content: Content) -> FileFacts:
        span = content.span
        is_elf = content.elf is not None
        return FileFacts(
            path=span.path,
            name=content.name,
            provenance=span.provenance,
            address=span.address,
            is_elf=is_elf,
            is_object=content.name.endswith(".o") and is_elf,
            is_text=not is_elf and _is_text(content),
        )

    def _ask(self, reader: FactReader, content: Content, facts: FileFacts) -> None:
        try:
            for fact in reader.read(content):
                _keep(facts, fact)
                if len(facts.statements) >= MOST_STATEMENTS:
                    return
        except MedhardenError:
            return  # the structure is damaged: what it said before stays
        except Exception as error:  # noqa: BLE001  # a defect in one reader must not hide the rest of the image
            self.on_defect(f"{reader.name} facts", content.span, error)

    def _search_own(self, content: Content, facts: FileFacts) -> None:
        """Search the short patterns of the rule that the file belongs to."""
        rule = facts.identity.rule if facts.identity is not None else None
        ranges = constants(content.elf) if content.elf is not None else []
        for pattern in rule.own_patterns if rule is not None else ():
            view = content.span.window.view  # from the zero before the constants: the first of them may be it
            found_in = (pattern.finditer(view, max(0, start - 1), end) for start, end in ranges)
            for match in islice(chain.from_iterable(found_in), MOST_OWN):
                version = match["version"].decode("latin-1")
                found = VersionText(
                    number=version,
                    version=rule.spelled(version) if rule is not None else version,
                    before="",
                    after="",
                    near=("", ""),
                    offset=match.start("version"),
                )
                facts.own.setdefault(found.version, found)


def _is_kernel_module(content: Content) -> bool:
    """Tell whether the file is a part of the kernel, whatever programs have such a name."""
    return content.elf is not None and content.elf.header.type == RELOCATABLE and content.name.endswith(".ko")


def _other_names(identity: Identity, file_name: str) -> frozenset[str]:
    """Return the names of a component beside that of its file, which others have too."""
    return identity.keys - {normalised(file_name)}


def _keep(facts: FileFacts, fact: Fact) -> None:
    if isinstance(fact, Statement):
        facts.statements.append(fact)
    elif isinstance(fact, Linkage):
        facts.linkage = fact
    elif isinstance(fact, Holding):
        facts.holdings.append(fact)
    else:
        facts.texts.append(fact)


def _is_text(content: Content) -> bool:
    head = bytes(content.span.window.view[:512])
    return bool(head) and not head.translate(None, _TEXT_BYTES)
