"""Finds device profiles, and loads one with everything it inherits.

A file is examined on its own, its own facts are matched with its own evidence, and only then is it laid over what it
extends. So a model never has to repeat what its class says, and an inherited fact keeps the evidence of its class.
"""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import msgspec

from device_profiles.evidence import assign, idle_paths
from device_profiles.facts import Content, leaves
from device_profiles.merging import merge, without
from device_profiles.rules import broken_rules
from device_profiles.schema import DeviceProfile
from device_profiles.validation import Problem, did_you_mean, examine, missing
from device_profiles.vocabulary import Kind
from toolkit.core.errors import InputError, ProfileError
from toolkit.core.registry import may_be_extended

__all__ = ["load", "profiles"]

ENTRY_POINTS: Final = "medharden.profiles"
"""Group in which a third party names a package whose ``.toml`` files are profiles."""
LARGEST_FILE_BYTES: Final = 256 << 10
"""The longest shipped profile has about 6 KiB."""
LONGEST_LINE_BYTES: Final = 4096
"""Reading a dotted key takes the square of its length; a key stands on one line."""
SUFFIX: Final = ".toml"
NOT_INHERITED: Final = frozenset({"schema_version", "id", "kind", "extends", "without", "title", "summary", "evidence"})
MOST_ANCESTORS: Final = 8
MOST_SUGGESTIONS: Final = 50
"""Looking for the word that was meant takes time; nobody reads more of them."""


def profiles() -> dict[str, Traversable]:
    """Return id -> file of every profile that is shipped or installed by a third party, sorted by id."""
    found: dict[str, Traversable] = {}
    for folder in _folders():
        for file in folder.iterdir():
            if not file.name.endswith(SUFFIX):
                continue
            name = file.name.removesuffix(SUFFIX)
            if name in found:
                raise ProfileError(str(file), (f"id: {name} is taken already by {found[name]}",))
            found[name] = file
    return dict(sorted(found.items()))


def load(id_or_path: str | Path, *, known: Mapping[str, Traversable] | None = None) -> DeviceProfile:
    """Return the profile with this id, or in the file at this path, with everything it inherits.

    ``known`` is what ``profiles()`` returned, to spare looking again. Raises ``ProfileError`` with every problem,
    ``InputError`` when there is no such profile or file.
    """
    shelf = _Shelf(profiles() if known is None else known)
    if isinstance(id_or_path, Path) or id_or_path.endswith(SUFFIX) or "/" in id_or_path or "\\" in id_or_path:
        path = Path(id_or_path)
        draft = _resolve(path, _Shelf(shelf.known, path.parent), None, ())
        return _finish(draft, str(path))
    found = shelf.find(id_or_path)
    if found is None:
        near = did_you_mean(id_or_path, shelf.known) or "; `medharden profile list` shows all of them"
        raise InputError(f"no device profile is called {id_or_path}{near}")
    return _finish(_resolve(*found, id_or_path, ()), str(found[0]))


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Where profiles are looked up by id: beside the file that asks, then among the known ones."""

    known: Mapping[str, Traversable]
    beside: Path | None = None

    def find(self, name: str) -> tuple[Traversable, _Shelf] | None:
        """Return the file of this id, and where it looks for what it extends; an installed one knows no neighbours."""
        neighbour = self.beside / f"{name}{SUFFIX}" if self.beside else None
        if neighbour is not None and neighbour.is_file():
            return neighbour, self
        return (self.known[name], _Shelf(self.known)) if name in self.known else None


@dataclass(slots=True)
class _Draft:
    """A profile on its way: content with all that is inherited, and which evidence covers which fact."""

    content: Content = field(default_factory=dict)
    evidence: list[Content] = field(default_factory=list)
    support: dict[str, int] = field(default_factory=dict)
    """Fact path -> index into ``evidence``."""
    problems: list[Problem] = field(default_factory=list)
    whole: bool = True
    """False when a file could not be read or found, so that nothing can be said about what is missing."""


def _folders() -> Iterator[Traversable]:
    yield importlib.resources.files("device_profiles") / "profiles"
    if not may_be_extended(ENTRY_POINTS):
        return
    from importlib.metadata import entry_points  # 30 ms that nobody without plug-ins need pay

    for entry_point in sorted(entry_points(group=ENTRY_POINTS), key=lambda e: e.name):
        try:
            yield importlib.resources.files(entry_point.module)
        except (ImportError, TypeError) as error:
            where = f"entry point {entry_point.name} = {entry_point.value} of {ENTRY_POINTS}"
            raise ProfileError(where, (f"names no package that can be imported: {error}",)) from error


def _resolve(file: Traversable, shelf: _Shelf, name: str | None, chain: tuple[str, ...]) -> _Draft:
    """Read ``file`` and all it extends; ``name`` is the id it was looked up by, ``chain`` the ids that led here."""
    content = _read(file)
    if isinstance(content, Problem):
        return _Draft(problems=[content], whole=False)
    return _compose(content, shelf, name, chain)


def _compose(content: Content, shelf: _Shelf, name: str | None, chain: tuple[str, ...]) -> _Draft:
    own, problems = examine(content)
    if name is not None and own.get("id", name) != name:
        problems.append(Problem("id", f"is {own['id']!r}, but the file is called {name}{SUFFIX}"))
    parent = _parent(own, shelf, (*chain, own.get("id", "this file")), problems)
    return _lay_over(parent, own, problems)


def _parent(own: Content, shelf: _Shelf, chain: tuple[str, ...], problems: list[Problem]) -> _Draft:
    """Return the profile that ``own`` extends, with the problems found on the way; an empty one when there is none."""
    name = own.get("extends")
    if name is None:
        return _Draft()
    if name in chain:
        problems.append(Problem("extends", f"goes round in a circle: {' -> '.join((*chain, name))}"))
        return _Draft(whole=False)
    if len(chain) > MOST_ANCESTORS:
        problems.append(Problem("extends", f"goes on for more than {MOST_ANCESTORS} profiles"))
        return _Draft(whole=False)
    found = shelf.find(name)
    if found is None:
        problems.append(Problem("extends", f"no profile is called {name!r}", name, shelf.known))
        return _Draft(whole=False)
    parent = _resolve(*found, name, chain)
    parent.problems = [Problem(f"extends {name}", str(p)) for p in parent.problems]
    if own.get("kind") == Kind.ARCHETYPE and parent.content.get("kind") == Kind.MODEL:
        problems.append(Problem("extends", f"a class of devices cannot extend {name}, which is a model"))
    return parent


def _lay_over(parent: _Draft, own: Content, problems: list[Problem]) -> _Draft:
    base = {name: value for name, value in parent.content.items() if name not in NOT_INHERITED}
    base = _take_away(base, own.get("without", []), parent, problems)
    entries = _own_evidence(own, problems)
    stated = [path for path, _ in leaves(own)]
    claimed: dict[str, int] = {}
    if not any(p.path.startswith("evidence") for p in problems):
        idle = [] if problems else idle_paths(stated, entries)  # what is wrong was left out, and may be what is meant
        claimed, gaps = assign(stated, entries)
        problems = [*problems, *gaps, *idle]
    content = merge(base, {name: value for name, value in own.items() if name not in ("without", "evidence")})
    support = parent.support | {path: len(parent.evidence) + entry for path, entry in claimed.items()}
    return _Draft(
        content=content,
        evidence=[*parent.evidence, *entries],
        support={path: support[path] for path, _ in leaves(content) if path in support},
        problems=[*problems, *parent.problems],
        whole=parent.whole,
    )


def _take_away(base: Content, paths: list[str], parent: _Draft, problems: list[Problem]) -> Content:
    for i, path in enumerate(paths):
        shorter = without(base, path)
        if shorter is not None:
            base = shorter
        elif parent.whole:
            problems.append(Problem(f"without[{i}]", f"nothing is inherited at {path}", path, parent.support))
    return base


def _own_evidence(own: Content, problems: list[Problem]) -> list[Content]:
    entries = own.get("evidence", [])
    for i, entry in enumerate(entries):
        if "profile" in entry:
            problems.append(Problem(f"evidence[{i}].profile", "is filled in on loading; leave it out"))
    return [{**entry, "profile": own["id"]} if "id" in own else entry for entry in entries]


def _finish(draft: _Draft, source: str) -> DeviceProfile:
    """Return the profile of a draft, or raise everything that is wrong with it."""
    draft.content["evidence"] = [
        {**entry, "fields": fields}
        for i, entry in enumerate(draft.evidence)
        if (fields := sorted(path for path, support in draft.support.items() if support == i))
    ]
    problems = list(draft.problems)
    if draft.whole:
        told = {problem.path for problem in problems}
        problems += [p for p in missing(draft.content) if not told.intersection(_upwards(p.path))]
        problems += broken_rules(draft.content)
    if problems:
        lines = [p.with_suggestion() for p in problems[:MOST_SUGGESTIONS]] + [
            str(p) for p in problems[MOST_SUGGESTIONS:]
        ]
        raise ProfileError(source, tuple(dict.fromkeys(lines)))
    return msgspec.convert(draft.content, DeviceProfile)


def _upwards(path: str) -> list[str]:
    """Return ``path`` and every path above it."""
    names = path.split(".")
    return [".".join(names[:length]) for length in range(len(names), 0, -1)]


def _read(file: Traversable) -> Content | Problem:
    """Return the tables of a TOML file, or why they cannot be had; raise ``InputError`` when there is no such file."""
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST_FILE_BYTES:
        return Problem("", f"is longer than {LARGEST_FILE_BYTES >> 10} KiB, which no profile needs")
    if any(len(line) > LONGEST_LINE_BYTES for line in data.splitlines()):
        return Problem("", f"has a line of more than {LONGEST_LINE_BYTES} bytes, which no profile needs")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Problem("", f"is not UTF-8 text: byte {error.start} cannot be read")
    except ValueError as error:
        return Problem("", f"is not valid TOML: {error}")
    except RecursionError:
        return Problem("", "is nested too deeply")
