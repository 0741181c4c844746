"""Whose a file is: its name, the rules and the table of owners tell which component it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from firmware_checks.component_rules import ComponentRule
from firmware_checks.file_owners import (
    is_project,
    owner_of_folder,
    owner_of_library,
    owner_of_plugin,
    owners_of_program,
)

__all__ = ["Identities", "Identity", "normalised"]

_NOT_NAME = re.compile(r"[^a-z0-9+]")
_SERIES = re.compile(r"[-_.]?\d+(?:\.\d+)*[a-z]?$")
_PACKAGED = re.compile(r"^(?:lua|php|apache2?mod|libapache2mod|nginxmod|pd|tcl)(?=[a-z0-9]{4})")
"""What distributions put before the name of what extends a program: ``lua-lpeg``, ``libapache2-mod-python``."""
_SUFFIX = re.compile(r"\.(?:exe|dll|ko|bin|elf|cgi|static|real|wrapped|py|pl|sh|so)$", re.IGNORECASE)
_PROGRAM_FOLDER = re.compile(r"(?:^|^(?!(?:.*/)?lib(?:32|64)?/).*/)(?:s?bin|libexec)/[^/]+$|^[^/]+$")
_LIBRARY_FOLDER = re.compile(r"(?:^|[!/])(?:lib|lib32|lib64)/(?:[a-z0-9_]+-linux-[a-z0-9]+/)?[^/]+$|^[^/]+$")
"""Where programs and libraries stand; anywhere else are plug-ins, which have names and versions of their own."""
_PERL_MODULE = re.compile(r"/perl(?:5|-base)?/.*auto/")
"""Parts of Perl modules tell the module's version, or Perl's."""
_EXTENSION = re.compile(r"(?:^|/)lib/php/(?:extensions/[^/]+|\d{8}|modules)/([a-z0-9_]+)\.so$")
"""What extends PHP has the name of what it opens to scripts."""
_DESCRIPTION = re.compile(r"/(?P<all>(?:[^/]*\.)?(?P<last>[^/.]+))\.(?:metainfo|appdata)\.xml$")
"""A description of a desktop program, called by an address whose last part is the name."""
MOST_FOLDERS = 3
"""How far up the folder of the project is looked for."""
_FOLDERS_OF_ALL = frozenset(["share", "lib", "usr", "local", "opt", "etc", "src", "vendor", "third_party", "plugins"])
LEAST_KEY_CHARACTERS = 2


@dataclass(frozen=True, slots=True)
class Identity:
    """A component as files and texts may call it."""

    name: str
    rule: ComponentRule | None = None
    keys: frozenset[str] = field(default=frozenset(), compare=False)
    """Its names in normal form: what a version must stand behind to be its own."""
    file_keys: frozenset[str] = field(default=frozenset(), compare=False)
    """Names of the one file: a tool may count its own versions."""
    is_known: bool = True
    """Whether more than the name of one file tells that there is such a component."""
    is_plugin: bool = field(default=False, compare=False)
    """Whether the file is loaded by the component's programs and may have a version of its own."""


def normalised(name: str) -> str:
    """Return ``name`` in lower case with letters and digits alone, so that ``Net-SNMP`` and ``net_snmp`` are one."""
    return _NOT_NAME.sub("", name.lower())


def _variants(names: Iterable[str]) -> frozenset[str]:
    """Return normal forms of ``names``, with and without ``lib`` in front and a series at the end."""
    found: set[str] = set()
    for name in names:
        trimmed = _SERIES.sub("", name)
        for form in (name, trimmed, name.removeprefix("lib"), trimmed.removeprefix("lib")):
            found.add(normalised(form))
    found |= {f"gnu{key[1:]}" for key in found if key.startswith("g")}
    found |= {_PACKAGED.sub("", key) for key in found}
    return frozenset(key for key in found if len(key) >= LEAST_KEY_CHARACTERS and not key.isdigit())


class Identities:
    """Answers whose a file or a name is, for one set of rules."""

    def __init__(self, rules: Sequence[ComponentRule]) -> None:
        self._names: dict[str, ComponentRule] = {}
        self._series: dict[str, ComponentRule] = {}
        self._exact: dict[tuple[bool, str], ComponentRule] = {}
        self._starts: list[tuple[bool, str, ComponentRule]] = []
        self._of_rule: dict[str, Identity] = {}
        for rule in rules:
            for name in (*rule.aliases, rule.name):
                self._names[normalised(name)] = rule
        for rule in rules:
            self._series.setdefault(normalised(_SERIES.sub("", rule.name)), rule)
        for rule in rules:
            for is_library, names in ((True, rule.sonames), (False, (rule.name, *rule.files))):
                self._add_files(rule, names, is_library=is_library)

    @staticmethod
    def _identity(rule: ComponentRule) -> Identity:
        names = (rule.name, rule.title, *rule.aliases, *(s.rstrip("*-_") for s in (*rule.sonames, *rule.files)))
        return Identity(rule.name, rule, _variants(names))

    def _add_files(self, rule: ComponentRule, names: Iterable[str], *, is_library: bool) -> None:
        for name in names:
            if name.endswith("*"):
                self._starts.append((is_library, name[:-1], rule))
            else:
                self._exact.setdefault((is_library, name), rule)

    def of_rule(self, rule: ComponentRule) -> Identity:
        """Return the identity of a rule's component."""
        known = self._of_rule.get(rule.name)
        if known is None:  # most rules are of components that are not there
            known = self._of_rule[rule.name] = self._identity(rule)
        return known

    def of_name(self, name: str) -> Identity:
        """Return the identity of what calls itself ``name``: a rule's where one knows the name."""
        form = normalised(name)
        trimmed = normalised(_SERIES.sub("", name))  # of lua5.3; but mpg321 is not a series of mpg123
        rule = self._names.get(form) or self._names.get(trimmed) or self._series.get(form)
        return self.of_rule(rule) if rule is not None else Identity(name, None, _variants([name]))

    def of_file(self, path: str) -> Identity | None:
        """Return whose the program or library at ``path`` is; None where its name does not tell."""
        base = path.rpartition("/")[2]
        stem, mark, _ = base.partition(".so")
        if mark:
            return None if _PERL_MODULE.search(path) else self._of_library(path, stem)
        in_place = _PROGRAM_FOLDER.search(path) is not None
        owners = owners_of_program(base)
        in_own_folder = path.endswith(f"/{base}/{base}") or any(f"/{owner}/" in path for owner in owners)
        owners = owners if in_place or in_own_folder else ()
        rule = self._exact.get((False, base)) if len(owners) == 1 else self._rule_of(base, is_library=False)
        if rule is not None and not in_place and not owners and base not in (rule.name, *rule.files):
            plugin = self._of_plugin(path, base)  # of whom the folder is says more than how the name starts
            if plugin is not None:
                return plugin
        if owners == (base,) and rule is not self.of_name(base).rule:  # a project called like its program
            rule = None
        if rule is not None and (len(owners) < 2 or base in rule.files):  # not a name that several use
            return self._with(self.of_rule(rule), file_name=base)
        if len(owners) == 1:
            return self._with(self.of_name(owners[0]), owners[0], file_name=base)
        if owners:
            return None
        return self._by_itself(_SUFFIX.sub("", base)) if in_place else self._of_plugin(path, base)

    def of_text(self, path: str) -> Identity | None:
        """Return whose the script, version file or description at ``path`` is."""
        if _PROGRAM_FOLDER.search(path):
            return self.of_file(path)
        described = _DESCRIPTION.search(path)
        names = (
            [described["last"], described["all"]] if described else reversed(path.split("/")[-1 - MOST_FOLDERS : -1])
        )
        for name in names:
            if name in _FOLDERS_OF_ALL:
                return None
            known = self._of_project(name.lower())
            if known is not None:
                return known
        return None

    def _of_project(self, name: str) -> Identity | None:
        """Return the project of that name, or with a program or folder of that name that nobody else has."""
        identity, owner = self.of_name(name), owner_of_folder(name)
        if identity.rule is not None or (owner is None and is_project(name)):
            return identity
        if owner is not None:
            return self._with(self.of_name(owner), owner)
        return self.of_file(f"usr/bin/{name}") if len(owners_of_program(name)) == 1 else None

    def alternatives(self, path: str) -> tuple[Identity, ...]:
        """Return whose the program at ``path`` may be, where several projects make one of that name."""
        base = path.rpartition("/")[2]
        return tuple(self._with(self.of_name(owner), owner) for owner in owners_of_program(base))

    def _of_library(self, path: str, stem: str) -> Identity | None:
        rule = self._rule_of(stem, is_library=True)
        if rule is not None:
            return self._with(self.of_rule(rule), file_name=stem)
        in_place = _LIBRARY_FOLDER.search(path) is not None
        owner = owner_of_library(stem) if in_place else None
        if owner is not None:
            return self._with(self.of_name(owner), owner, file_name=stem)
        by_start = self._by_start(stem, is_library=True)
        if by_start is not None:
            return self._with(self.of_rule(by_start), file_name=stem)
        return self._of_plugin(path, stem) or (self._by_itself(stem) if in_place else None)

    def _of_plugin(self, path: str, stem: str) -> Identity | None:
        extension = _EXTENSION.search(path)
        owner = f"php-{extension[1]}" if extension else owner_of_plugin(path, stem)
        if owner is None or (extension and not is_project(owner)):
            return None
        return replace(
            self._with(self.of_name(owner), owner, file_name=stem), is_plugin=".so" in path.rpartition("/")[2]
        )

    @staticmethod
    def _with(known: Identity, *names: str, file_name: str = "") -> Identity:
        """Return ``known`` with other names of it, and that of one of its files."""
        return Identity(known.name, known.rule, known.keys | _variants(names), _variants([file_name]))

    def _by_itself(self, stem: str) -> Identity | None:
        trimmed = _SERIES.sub("", stem).removeprefix("lib")
        if not normalised(trimmed):
            return None
        named = self.of_name(trimmed)
        keys = named.keys | _variants([stem])
        return Identity(named.name.lower(), named.rule, keys, is_known=named.rule is not None)

    def _rule_of(self, name: str, *, is_library: bool) -> ComponentRule | None:
        for form in (name, _SERIES.sub("", name)):
            rule = self._exact.get((is_library, form))
            if rule is not None:
                return rule
        return None if is_library else self._by_start(name, is_library=False)

    def _by_start(self, name: str, *, is_library: bool) -> ComponentRule | None:
        return next((r for library, start, r in self._starts if library == is_library and name.startswith(start)), None)
