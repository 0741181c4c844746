"""How components show in an image: one TOML file per component in ``firmware_checks/components``.

A rule is data. Its examples are its proof: the test suite finds each one with the right version wherever it stands, and
nothing in the counter-examples. Third parties add a package of rules under the entry-point group
``medharden.components``.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from firmware_checks.patterns import Pattern
from toolkit.core.errors import RuleError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "EVIDENCE_PER_COMPONENT",
    "Category",
    "ComponentRule",
    "Example",
    "FactSource",
    "Spelling",
    "decode_rule",
    "load_rules",
    "remember_patterns",
    "rules_digest",
]

GROUP = "medharden.components"
EVIDENCE_PER_COMPONENT = 10
"""More places than this tell a reader nothing new."""
CPE_FIELDS = 13
CPE_VERSION_FIELD = 5
_VERSION_GROUP = b"(?P<version>"


class Category(enum.StrEnum):
    """What kind of software a component is."""

    RTOS = "rtos"
    OPERATING_SYSTEM = "operating-system"
    BOOTLOADER = "bootloader"
    SDK = "sdk"
    CRYPTO = "crypto"
    NETWORK = "network"
    BLUETOOTH = "bluetooth"
    USB = "usb"
    FILESYSTEM = "filesystem"
    LIBRARY = "library"
    LANGUAGE_RUNTIME = "language-runtime"
    APPLICATION = "application"
    REMOTE_ACCESS = "remote-access"


class Spelling(enum.StrEnum):
    """How a version is written in the image, where that differs from how its makers write it."""

    UNDERSCORES = "underscores"
    """``4_40_04_04`` is 4.40.04.04."""
    DIGITS = "digits"
    """``367`` is 3.6.7."""


class FactSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact of a region that names the component: a format has read it from a structure."""

    version: str
    """Name of the fact that holds the version."""
    variant: str | None = None
    """Name of the fact that tells which of several products it is; it must be there, and fills ``{variant}``."""


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an image holds and what must be read from it; each character of ``text`` is one byte (Latin-1)."""

    text: str = ""
    file: str = ""
    """Base name of the file that holds the text, where that matters: for ``own_versions``."""
    facts: dict[str, str] = {}
    version: str | None = None
    """None: the component is named, its version is not known."""


class ComponentRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one component is named and how it shows."""

    name: str
    title: str
    category: Category
    description: str
    """One sentence: what it does for the device."""
    source: str
    """Where the texts come from: the file that prints them."""
    purl: str
    """Package URL with ``{version}``."""
    cpe: str | None = None
    """CPE 2.3 name with ``{version}``, with vendor and product as the NVD writes them; None where it has none."""
    versions: tuple[str, ...] = ()
    """Regular expressions with a group ``version``."""
    signs: tuple[str, ...] = ()
    """Regular expressions for texts that show the component without a version."""
    minimum_signs: int = 1
    """So many different signs must stand in one file."""
    facts: tuple[FactSource, ...] = ()
    aliases: tuple[str, ...] = ()
    """Other names, lower case, as texts and package databases write them."""
    sonames: tuple[str, ...] = ()
    """Shared libraries that are the component: file names up to ``.so``; one ``*`` may stand at the end."""
    files: tuple[str, ...] = ()
    """Programs and modules that are the component, by base name; one ``*`` may stand at the end."""
    own_versions: tuple[str, ...] = ()
    """Like ``versions``, but searched only in the component's own files, so they may be short."""
    file_version: bool = False
    """Whether the numbers in the library's file name are the release; most count revisions of the interface."""
    spelling: Spelling | None = None
    beside: tuple[str, ...] = ()
    """Other components that rightly show in the same examples."""
    example: tuple[Example, ...]
    not_example: tuple[str, ...]

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The patterns of versions and signs, owned by the rule's name."""
        return tuple(_pattern(self.name, expression) for expression in (*self.versions, *self.signs))

    @property
    def own_patterns(self) -> tuple[re.Pattern[bytes], ...]:
        """The compiled ``own_versions``."""
        return tuple(_own_pattern(expression) for expression in self.own_versions)

    def owns(self, file_name: str) -> bool:
        """Tell whether a program or library of this base name is the component."""
        stem, is_library, _ = file_name.partition(".so")
        wanted = self.sonames if is_library else (self.name, *self.files)
        return any(_fits(stem if is_library else file_name, name) for name in wanted)

    def spelled(self, found: str) -> str:
        """Return the version ``found`` in the image as the makers of the component write it."""
        version = found.strip().rstrip(".-_")
        if self.spelling is Spelling.UNDERSCORES:
            version = version.replace("_", ".")
        elif self.spelling is Spelling.DIGITS and "." not in version:
            version = ".".join(version)
        return re.sub(r"^[vV](?=\d+[._])", "", version)

    def purl_of(self, version: str | None, variant: str = "") -> str:
        """Return the package URL."""
        template = self.purl.replace("{variant}", quote(variant.lower(), safe=""))
        if version is None:
            return template.partition("@")[0]
        return template.replace("{version}", quote(version, safe=".-_~/"))

    def cpe_of(self, version: str | None, update: str = "*") -> str | None:
        """Return the CPE name of a released ``version``; ``update`` is, for example, ``rc1``."""
        if self.cpe is None:
            return None
        fields = self.cpe.split(":")
        fields[CPE_VERSION_FIELD] = "*" if version is None else _cpe_value(version)
        fields[CPE_VERSION_FIELD + 1] = _cpe_value(update) if update != "*" else update
        return ":".join(fields)


def _fits(file_name: str, wanted: str) -> bool:
    return file_name.startswith(wanted[:-1]) if wanted.endswith("*") else file_name == wanted


def _cpe_value(text: str) -> str:
    return re.sub(r"([^\w.-])", r"\\\1", text.lower(), flags=re.ASCII)


@cache
def _own_pattern(expression: str) -> re.Pattern[bytes]:
    return re.compile(expression.encode("latin-1"))


_patterns: dict[tuple[str, bytes], Pattern] = {}


def _pattern(owner: str, expression: str) -> Pattern:
    source = expression.encode("latin-1")
    if (owner, source) not in _patterns:
        _patterns[owner, source] = Pattern.of(owner, source, enough=EVIDENCE_PER_COMPONENT)
    return _patterns[owner, source]


def remember_patterns(patterns: Iterable[Pattern]) -> None:
    """Take ``patterns`` of rules, made earlier, as they are; making one again takes as long as decoding a rule."""
    _patterns.update({(pattern.owner, pattern.source): pattern for pattern in patterns})


def decode_rule(where: str, data: bytes) -> ComponentRule:
    """Return the rule that the file ``where`` holds; raise ``RuleError`` that names the file and the field."""
    try:
        rule = msgspec.toml.decode(data, type=ComponentRule)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RuleError(f"{where}: {error}") from error
    problems = "; ".join(_problems(rule, where))
    if problems:
        raise RuleError(f"{where}: {problems}")
    return rule


def _problems(rule: ComponentRule, where: str) -> Iterator[str]:
    """Yield what is wrong with ``rule``, each with the name of its field."""
    if where.rpartition("/")[2] != f"{rule.name}.toml":
        yield f"name: {rule.name!r} is not the name of the file"
    own_files = rule.own_versions or rule.sonames or rule.files or any(example.file for example in rule.example)
    if not (rule.versions or rule.signs or rule.facts or own_files):
        yield "versions: no versions, no signs, no facts, no files: nothing would ever show it"
    if not rule.example:
        yield "example: at least one is needed"
    if not rule.not_example and (rule.versions or rule.signs):
        yield "not_example: at least one is needed"
    if not 1 <= rule.minimum_signs <= max(1, len(rule.signs)):
        yield f"minimum_signs: {rule.minimum_signs} of {len(rule.signs)} signs"
    if "@" not in rule.purl or "{version}" not in rule.purl.partition("@")[2]:
        yield "purl: has no {version} after @"
    if rule.cpe is not None and not _is_cpe_template(rule.cpe):
        yield "cpe: is not cpe:2.3 with 13 fields and {version} in the sixth"
    yield from _pattern_problems(rule)
    yield from _own_problems(rule)


def _is_cpe_template(cpe: str) -> bool:
    fields = re.split(r"(?<!\\):", cpe)
    return len(fields) == CPE_FIELDS and fields[:2] == ["cpe", "2.3"] and fields[CPE_VERSION_FIELD] == "{version}"


def _pattern_problems(rule: ComponentRule) -> Iterator[str]:
    for field, expressions in (("versions", rule.versions), ("signs", rule.signs)):
        for index, expression in enumerate(expressions):
            try:
                pattern = _pattern(rule.name, expression)
            except (RuleError, UnicodeEncodeError) as error:
                yield f"{field}[{index}]: {error}"
                continue
            if (_VERSION_GROUP in pattern.source) != (field == "versions"):
                yield f"{field}[{index}]: versions have a group named version, signs have none"


def _own_problems(rule: ComponentRule) -> Iterator[str]:
    for index, expression in enumerate(rule.own_versions):
        try:
            pattern = _own_pattern(expression)
        except (re.error, UnicodeEncodeError) as error:
            yield f"own_versions[{index}]: {error}"
            continue
        if "version" not in pattern.groupindex:
            yield f"own_versions[{index}]: has no group named version"
    for field in ("sonames", "files", "aliases"):
        for name in getattr(rule, field):
            if not name.rstrip("*") or "*" in name[:-1] or "/" in name:
                yield f"{field}: {name!r} is no base name with at most one * at its end"


@cache
def load_rules() -> Sequence[ComponentRule]:
    """Return all rules, ours and those of installed third parties, by name."""
    return _assemble(*_rule_files())


def _assemble(ours: Mapping[str, bytes], theirs: Mapping[str, bytes]) -> Sequence[ComponentRule]:
    rules = {rule.name: rule for rule in (decode_rule(where, data) for where, data in ours.items())}
    for where, data in theirs.items():
        rule = decode_rule(where, data)
        if rule.name in rules:
            raise RuleError(f"{where}: name: there is a rule {rule.name!r} already")
        for pattern in rule.patterns:
            _ = pattern.expression  # ours are proven by the test suite; theirs must not fail in the middle of a scan
        rules[rule.name] = rule
    return tuple(rules[name] for name in sorted(rules))


def rules_digest() -> str:
    """Return the SHA-256 over names and bytes of all rule files: another digest may give another report."""
    ours, theirs = _rule_files()
    digest = hashlib.sha256()
    for where, data in sorted({**ours, **theirs}.items()):
        digest.update(f"{where}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


@cache
def _rule_files() -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """Return the bytes of our rule files and of those of third parties, by name."""
    from importlib.metadata import entry_points  # 30 ms that only a scan need pay

    ours = _toml_files("", resources.files("firmware_checks") / "components")
    return ours, _of_third_parties(entry_points(group=GROUP))


def _of_third_parties(entries: Iterable[EntryPoint]) -> Mapping[str, bytes]:
    files: dict[str, bytes] = {}
    for entry in sorted(entries, key=lambda e: e.name):
        files |= _toml_files(f"{entry.name}/", resources.files(entry.load()))
    return files


def _toml_files(prefix: str, folder: Traversable) -> dict[str, bytes]:
    files: Iterable[Traversable] = (f for f in folder.iterdir() if f.name.endswith(".toml"))
    return {prefix + file.name: file.read_bytes() for file in sorted(files, key=lambda f: f.name)}
