"""What one file says about its own version: a vote for each version among its constants.

A version counts as the program's own when it stands behind a name of it, alone, or behind the word version; never when
another name stands before it: then the program quotes it. How votes are counted is in ``version_election``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from firmware_checks.file_owners import is_project
from firmware_checks.identity import Identity, normalised
from firmware_checks.version_lookalikes import is_path
from firmware_checks.version_places import is_known_place
from firmware_checks.version_points import (
    ALONE_SHORT,
    CHIEF_FILE,
    COMMON,
    FILE_NAME,
    IN_TABLE,
    NAMED,
    NAMED_AS_FILE,
    OF_PROGRAM,
    PLUGIN,
    SAME_SERIES,
    built_name,
    mentions_key,
    points_of,
)
from firmware_checks.version_texts import TOLD_BY_SCRIPT, VersionText

__all__ = [
    "Ballot",
    "Vote",
    "names_itself",
    "settled_by_rule",
    "votes_of",
    "votes_of_file_name",
    "votes_of_release_in_name",
    "votes_of_soname",
    "votes_of_symbol_versions",
    "with_votes_of_rule",
]

KNOWN_PLACE = 10.0
"""Points where releases before kept the version."""
LEAST_INTERFACES = 3
"""A library with fewer names of interfaces that has two numbers in its name may never raise them."""
CROWD = 6
"""A file with so many different versions that stand alone lists them for other reasons."""

_NUMBERS = re.compile(r"\d+(?:\.\d+)+[a-z]?")
_SERIES = re.compile(r"[-.]?\d+(?:\.\d+)*$")
_RELEASE_AS_SONAME = re.compile(r"\.so\.(\d+\.\d+\.\d+)$")
_TELLS_VERSION = re.compile(r"^[._]*(?:version|release)_*(?:\.\w+)?$|\.(?:metainfo|appdata)\.xml$", re.IGNORECASE)
"""Names of files that are there to tell the version."""
_MAIL_STATUS = re.compile(r"[245]\.[0-7]\.\d{1,2}")
"""What mail servers answer: ``5.1.1``, user unknown. Source: RFC 3463."""
_RELEASE_IN_NAME = re.compile(r"-(\d+\.\d+\.\d+(?:\.\d+)?)\.so(?:\.|$)")


@dataclass(frozen=True, slots=True)
class Vote:
    """One text that may tell the version of the file's component."""

    text: VersionText
    points: float
    is_named: bool
    is_near: bool = False
    """Whether a name of the component stands in the text before or after."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """The votes of one file."""

    path: str
    votes: Sequence[Vote]


def votes_of(texts: Sequence[VersionText], identity: Identity, file_name: str) -> list[Vote]:
    """Return what ``texts`` of the file ``file_name`` say about its own version."""
    is_chief = _is_chief(file_name, identity)
    told = [text for text in texts if text.before == TOLD_BY_SCRIPT]
    if told:
        others = votes_of([text for text in texts if text.before != TOLD_BY_SCRIPT], identity, file_name)
        is_telling = _TELLS_VERSION.search(file_name) is not None or _is_chief(file_name.rpartition(".")[0], identity)
        return [*_votes_of_script(told, is_chief=is_chief or is_telling), *others]
    in_name, listed = _numbers_in(file_name), _listed(texts)
    weight = CHIEF_FILE if is_chief else PLUGIN if identity.is_plugin else 1
    votes = []
    for text in texts:
        points, is_named = _points_in_file(text, identity, listed)
        is_whole = text.number.count(".") > 1 and text.number in in_name and not is_path(text)
        if is_whole or (points and any(f"{text.number}.".startswith(f"{number}.") for number in in_name)):
            points, is_named = points + FILE_NAME, True
        if points:
            keys = identity.keys | identity.file_keys
            is_near = not is_named and any(mentions_key(words, keys) for words in text.near)
            votes.append(Vote(text, points * weight, is_named, is_near))
    return votes


def _points_in_file(text: VersionText, identity: Identity, listed: _Listed) -> tuple[float, bool]:
    """Return the points of a version, and whether it stands behind a name or where the project is known to keep it."""
    built = built_name(text)
    if built is not None and _is_other_project(built, identity):
        return 0, False  # a copy in the sources of another project
    points, is_named = points_of(text, identity.keys)
    if not is_named and not identity.file_keys <= identity.keys:
        points_of_file, is_named = points_of(text, identity.file_keys)
        points = max(points, min(points_of_file, NAMED_AS_FILE))
    if is_known_place(identity.name, text):
        return max(points, KNOWN_PLACE), True
    is_one_of_many = text.number in listed.statuses or text.offset in listed.tables
    if is_one_of_many or (listed.is_crowded and not is_named and text.is_bare):
        return points * IN_TABLE, is_named
    return points, is_named


def _is_other_project(built: str, identity: Identity) -> bool:
    """Tell whether sources called ``built`` are those of a project that the file does not belong to."""
    if normalised(built) in identity.keys or normalised(_SERIES.sub("", built)) in identity.keys:
        return False
    return identity.rule is not None or (identity.is_known and is_project(built))


@dataclass(frozen=True, slots=True)
class _Listed:
    """What in a file stands in lists, and is no version for that."""

    tables: frozenset[int]
    """Where numbers stand that are part of a list."""
    statuses: frozenset[str]
    is_crowded: bool


def _listed(texts: Sequence[VersionText]) -> _Listed:
    statuses = frozenset(text.number for text in texts if _MAIL_STATUS.fullmatch(text.number))
    alone = {text.number for text in texts if text.is_bare and text.number.count(".") > 1}
    return _Listed(_tables(texts), statuses if len(statuses) >= CROWD else frozenset(), len(alone) >= CROWD)


def _votes_of_script(texts: Sequence[VersionText], *, is_chief: bool) -> list[Vote]:
    """Return what a script tells: the chief one the component's version, others often one of their own."""
    only_one = len({text.version for text in texts}) == 1
    return [Vote(text, OF_PROGRAM if is_chief and only_one else ALONE_SHORT, is_named=False) for text in texts[:1]]


def _numbers_in(file_name: str) -> set[str]:
    """Return the versions in a file's name; two numbers before the ending of a library count its interface."""
    numbers = set(_NUMBERS.findall(file_name)) - COMMON
    stem, mark, _ = file_name.partition(".so")
    of_interface = {number for number in _NUMBERS.findall(stem) if mark and number.count(".") == 1}
    return {number for number in numbers - of_interface if number.strip("0.")}


def names_itself(texts: Sequence[VersionText], keys: frozenset[str], *, plainly: bool = False) -> bool:
    """Tell whether a version among ``texts`` stands behind one of the names ``keys``; unless ``plainly``, or beside."""
    votes = votes_of(texts, Identity("", None, keys), "")
    return any(vote.is_named or (vote.is_near and not plainly) for vote in votes)


def with_votes_of_rule(votes: Iterable[Vote], found: Mapping[str, VersionText]) -> list[Vote]:
    """Return ``votes`` and what patterns made for the component's own files have found, by version.

    The fewer versions they found the more it says; how they write one is how it is written.
    """
    numbers = {re.sub(r"[^\d.].*", "", version) for version in found}
    others = [vote for vote in votes if vote.text.version in found or vote.text.number not in numbers]
    return [*others, *(Vote(text, NAMED / len(found), len(found) == 1) for text in found.values())]


def settled_by_rule(ballots: list[Ballot], told: Collection[str]) -> list[Ballot]:
    """Return ``ballots`` without other versions where patterns for the component's own files have found just one.

    What stands behind a name keeps some weight: the pattern may have found something else.
    """
    if len(told) != 1:
        return ballots
    only = next(iter(told))

    def kept(vote: Vote) -> Iterator[Vote]:
        if vote.text.version == only or only.startswith(f"{vote.text.version}."):
            yield vote
        elif vote.is_named:
            yield replace(vote, points=vote.points * SAME_SERIES)

    return [Ballot(ballot.path, [k for vote in ballot.votes for k in kept(vote)]) for ballot in ballots]


def votes_of_release_in_name(file_name: str) -> list[Vote]:
    """Return what a library's name says whose makers put the release before the ending: ``liba52-0.7.4.so``."""
    match = _RELEASE_IN_NAME.search(file_name)
    if match is None:
        return []
    text = VersionText(number=match[1], version=match[1], before="", after="", near=("", ""), offset=0)
    return [Vote(text, NAMED_AS_FILE, True)]


def votes_of_soname(soname: str | None, file_name: str) -> list[Vote]:
    """Return what a library says that programs ask for with a whole release in its name: ``libOgreMain.so.1.12.10``.

    A number of an interface has one part or two; who asks for three wants that very release.
    """
    match = _RELEASE_AS_SONAME.search(soname or "")
    if match is None or match[1].startswith("0.") or match[1].endswith(".0.0"):
        return []  # an interface counted in three parts, from its beginning
    text = VersionText(number=match[1], version=match[1], before="", after="", near=("", ""), offset=0)
    return [Vote(text, NAMED_AS_FILE if file_name.endswith(match[1]) else ALONE_SHORT, is_named=True)]


def votes_of_file_name(file_name: str) -> list[Vote]:
    """Return what the name of a library says whose numbers are the release: ``libz.so.1.2.13``."""
    numbers = sorted(_NUMBERS.findall(file_name.removesuffix(".so")), key=len)
    numbers = numbers or re.findall(r"\.so\.(\d+)$", file_name)
    if not numbers or not numbers[-1].strip("0."):
        return []
    text = VersionText(number=numbers[-1], version=numbers[-1], before="", after="", near=("", ""), offset=0)
    return [Vote(text, NAMED_AS_FILE, True)]


def votes_of_symbol_versions(file_name: str, names: Collection[str], keys: Collection[str]) -> list[Vote]:
    """Return what a library says whose newest interface has the numbers of its file: ``TALLOC_2.4.0``.

    Makers who raise both with each release write no version elsewhere. ``names`` are those of the interfaces.
    """
    numbers = set(re.findall(r"\.so\.(\d+\.\d+(?:\.\d+)?)$", file_name))
    if len(names) < LEAST_INTERFACES:
        numbers = {number for number in numbers if number.count(".") > 1}
    for name in names:
        project, _, number = name.rpartition("_")
        if number in numbers and normalised(project) in keys:
            text = VersionText(number=number, version=number, before="", after="", near=("", ""), offset=0)
            return [Vote(text, NAMED_AS_FILE, True)]
    return []


def _is_chief(file_name: str, identity: Identity) -> bool:
    """Tell whether the file has the component's own name and is not one of its other tools."""
    stem = file_name.partition(".so")[0]
    names = {identity.name, f"lib{identity.name}"}
    return stem in names or stem.rstrip("0123456789.-") in names


def _tables(texts: Iterable[VersionText]) -> frozenset[int]:
    """Return where numbers stand that are part of a list of three or more."""
    alone = {text.number: text for text in texts if text.is_bare}

    def others(text: VersionText, but: str = "") -> list[VersionText]:
        return [alone[near] for near in text.near if near in alone and near != but]

    in_lists = (t for t in alone.values() if len(others(t)) > 1 or any(others(o, t.number) for o in others(t)))
    return frozenset(text.offset for text in in_lists)
