"""Which of the versions among a program's constants is its own.

A version counts as the program's own when it stands behind a name of it, alone, or behind the word version; never when
another name stands before it: then the program quotes it. A version that stands alone may also be that of a library the
program was built against (``inflateInit`` is handed the version of zlib): such versions are known from the library and
left out. All files of one component vote.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from firmware_checks.identity import Identity, normalised
from firmware_checks.version_places import is_known_place
from firmware_checks.version_points import (
    ALONE_SHORT,
    CHIEF_FILE,
    COMMON,
    FILE_NAME,
    IN_TABLE,
    LABELLED,
    NAMED,
    NAMED_AS_FILE,
    NOISE,
    OF_PROGRAM,
    PLUGIN,
    SAME_SERIES,
    SHORT_BESIDE_LONG,
    VERSION_PRINTED,
    WEAK,
    built_name,
    is_path,
    mentions_key,
    points_of,
)
from firmware_checks.version_texts import TOLD_BY_SCRIPT, VersionText

__all__ = [
    "Ballot",
    "Linked",
    "Verdict",
    "Vote",
    "decide",
    "names_itself",
    "settled_by_rule",
    "votes_of",
    "votes_of_file_name",
    "votes_of_release_in_name",
    "votes_of_symbol_versions",
    "with_votes_of_rule",
    "without_doubtful",
]

KNOWN_PLACE = 10.0
"""Points where releases before kept the version."""
LEAST_INTERFACES = 3
"""A library with fewer names of interfaces that has two numbers in its name may never raise them."""
CROWD = 6
"""A file with so many different versions that stand alone lists them for other reasons."""
LEAST_HOLDERS, MOST_OF_FILES = 3, 0.6
"""A version that so many files and such a share of them hold is the component's, whatever they link."""
REPEATED, MOST_REPEATS = 1.0, 2
"""Added for each further text of a file with the same version, up to so many."""
MOST_NOISE = 1.0
"""What votes that hardly tell may add up to, however many files repeat them."""
MOST_WEAK = 2.4
"""What votes that tell little may add up to: never enough alone."""
ENOUGH_POINTS = 2.6
ENOUGH_UNNAMED = (4.0, 5.0, 2.9)
"""Points that a version needs when it stands behind no name and no rule tells what to expect, by how many points are
in it: below, half of the versions were something else (``components_linux.py``, programs never seen before)."""
CLEAR_LEAD = 1.4
MOST_CANDIDATES = 8
LEAST_PARTS = 3
"""So many versions of so many files are those of the parts of a bundle."""
STRONG_POINTS = 5.0

_NUMBERS = re.compile(r"\d+(?:\.\d+)+[a-z]?")
_MAIL_STATUS = re.compile(r"[245]\.[0-7]\.\d{1,2}")
"""What mail servers answer: ``5.1.1``, user unknown. Source: RFC 3463."""
_RELEASE_IN_NAME = re.compile(r"-(\d+\.\d+\.\d+(?:\.\d+)?)\.so(?:\.|$)")
HANDED = (
    ("libz.so", "1.2."), ("libz.so", "1.3."), ("libpng12", "1.2."), ("libpng16", "1.6."), ("libgnutls.", "3."),
    ("libgcrypt.", "1.8."), ("libgcrypt.", "1.9."), ("libgcrypt.", "1.1"),
    ("libgpg-error", "1."), ("libperl.", "5."), ("libpython3", "3."), ("libruby", "3."), ("libdb-5", "5."),
)  # fmt: skip
"""Libraries whose headers have every user hand over the version it was built against, and how that starts."""


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the files of a component agree on; without a clear lead ``version`` is None."""

    version: str | None
    candidates: tuple[str, ...]
    points: float
    votes: Sequence[tuple[str, VersionText]]
    """Paths and texts that speak for the version or a candidate."""
    is_named: bool


def votes_of(texts: Sequence[VersionText], identity: Identity, file_name: str) -> list[Vote]:
    """Return what ``texts`` of the file ``file_name`` say about its own version."""
    is_chief = _is_chief(file_name, identity)
    if texts and all(text.before == TOLD_BY_SCRIPT for text in texts):
        return _votes_of_script(texts, is_chief=is_chief)
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
    if built is not None and identity.rule is not None and normalised(built) not in identity.keys:
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


@dataclass(frozen=True, slots=True)
class Linked:
    """What is known about the libraries that a file loads."""

    versions: Collection[str] = ()
    keys: Collection[str] = ()
    """Names of the libraries it asks for itself."""
    names: Collection[str] = ()
    """File names of the libraries it asks for itself."""
    is_family: bool = False
    """Whether a library has a name so near to its own that both are released together."""

    def weight(self, vote: Vote) -> float:
        """Return by how much the vote is to be multiplied: a number alone may be that of a library."""
        number = vote.text.number
        if vote.is_named:
            return 1
        if any(
            name.startswith(library) and number.startswith(handed) for name in self.names for library, handed in HANDED
        ):
            return SAME_SERIES / 2
        is_of_library = not vote.is_near and any(
            mentions_key(VERSION_PRINTED.sub("", words), self.keys) for words in vote.text.near
        )
        if number in self.versions or (is_of_library and "version" not in vote.text.near):
            return 0
        series = number.rpartition(".")[0]
        if "." in series and any(version.startswith(series + ".") for version in self.versions):
            return SAME_SERIES
        return 1


NOTHING_LINKED = Linked()


class _Count:
    """Adds up votes; what hardly tells adds up to little, however many files repeat it."""

    def __init__(self) -> None:
        self.totals: dict[str, float] = defaultdict(float)
        self.speakers: dict[str, list[tuple[str, VersionText]]] = defaultdict(list)
        self.named: set[str] = set()

    def add(self, ballot: Ballot, libraries: Linked, shared: Collection[str]) -> None:
        """Count the best vote of a file for each version, those that are not the file's best at half."""
        best: dict[str, tuple[float, Vote]] = {}
        repeats: Counter[str] = Counter()
        for vote in ballot.votes:
            version = vote.text.version
            points = vote.points * (1 if version in shared and libraries.is_family else libraries.weight(vote))
            repeats[version] += points > WEAK * CHIEF_FILE
            if points > best.get(version, (0, None))[0]:
                best[version] = points, vote
        top = max((points for points, _ in best.values()), default=0)
        for version, (points, vote) in best.items():
            added = points * (1 if points == top else 0.5)
            if points <= WEAK:
                most = MOST_NOISE if points <= NOISE * CHIEF_FILE else MOST_WEAK
                added = min(added, max(0, most - self.totals[version]))
            self.totals[version] += added + REPEATED * min(max(0, repeats[version] - 1), MOST_REPEATS)
            self.speakers[version].append((ballot.path, vote.text))
            if vote.is_named:
                self.named.add(version)

    def give(self, giver: str, taker: str) -> None:
        """Count the votes for ``giver`` for ``taker``."""
        self.totals[taker] += self.totals.pop(giver)
        self.speakers[taker].extend(self.speakers[giver])
        if giver in self.named:
            self.named.add(taker)

    def join_series(self) -> None:
        """Give the points of a series (5.3) to the one release of it that is there (5.3.6)."""
        for version in sorted(self.totals, key=len):
            with_zero = version + ".0"
            if with_zero in self.totals:  # some write the same release with one more number
                is_weaker = self.totals[with_zero] <= self.totals[version]
                self.give(*((with_zero, version) if is_weaker else (version, with_zero)))
        for version in sorted(self.totals, key=len):
            longer = [other for other in self.totals if other.startswith((version + ".", version + "-"))]
            if len(longer) == 1:
                self.give(version, longer[0])

    def weaken_short(self) -> None:
        """Count two numbers at half where a version of three stands beside them."""
        if any(version.count(".") > 1 and points >= LABELLED for version, points in self.totals.items()):
            for version in self.totals:
                if version.count(".") == 1 and version not in self.named:
                    self.totals[version] *= SHORT_BESIDE_LONG

    def verdict(self) -> Verdict | None:
        """Return what has a clear lead, or what is close together."""
        ranked = sorted(self.totals, key=lambda version: (-self.totals[version], version))
        if not ranked or self.totals[ranked[0]] < ENOUGH_POINTS:
            return None
        first, points = ranked[0], self.totals[ranked[0]]
        if len(ranked) == 1 or points >= CLEAR_LEAD * self.totals[ranked[1]]:
            return Verdict(first, (), points, self.speakers[first], first in self.named)
        close = tuple(v for v in ranked if self.totals[v] * CLEAR_LEAD > points)[:MOST_CANDIDATES]
        return Verdict(None, close, points, [place for v in close for place in self.speakers[v]], is_named=False)


def decide(ballots: Sequence[Ballot], linked: Mapping[str, Linked]) -> Verdict | None:
    """Return what ``ballots`` of one component's files agree on; None where they say nothing.

    ``linked`` tells by path about the libraries that the files load.
    """
    shared = _shared(ballots)
    parts = _parts(ballots)
    if parts is not None:
        return parts
    count = _Count()
    for ballot in ballots:
        count.add(ballot, linked.get(ballot.path, NOTHING_LINKED), shared)
    count.join_series()
    count.weaken_short()
    return count.verdict()


def _parts(ballots: Sequence[Ballot]) -> Verdict | None:
    """Return what files tell that have versions of their own each, as a bundle of programs does; None when none are."""
    tops: dict[str, list[tuple[str, VersionText]]] = defaultdict(list)
    for ballot in ballots:
        named = [vote for vote in ballot.votes if vote.is_named and vote.points >= NAMED_AS_FILE]
        if len(named) == 1 and not ballot.path.endswith(".so"):
            tops[named[0].text.version].append((ballot.path, named[0].text))
    told = sorted(tops, key=lambda version: (-len(tops[version]), version))
    if len(told) < LEAST_PARTS or len(tops[told[0]]) * 2 > sum(map(len, tops.values())):
        return None
    places = [place for version in told for place in tops[version]]
    return Verdict(None, tuple(told[:MOST_CANDIDATES]), NAMED_AS_FILE, places, is_named=False)


def without_doubtful(verdict: Verdict) -> Verdict:
    """Return ``verdict`` with the version as a candidate only, where such versions are wrong too often."""
    version = verdict.version
    if version is None or verdict.is_named or verdict.points >= ENOUGH_UNNAMED[min(version.count("."), 2)]:
        return verdict
    return replace(verdict, version=None, candidates=(version,))


def _shared(ballots: Sequence[Ballot]) -> frozenset[str]:
    """Return versions that most of several files hold: they are not those of a library that some of them link."""
    holders: Counter[str] = Counter()
    for ballot in ballots:
        holders.update({vote.text.version for vote in ballot.votes if vote.points >= ALONE_SHORT * PLUGIN})
    telling = sum(bool(ballot.votes) for ballot in ballots)
    return frozenset(v for v, count in holders.items() if count >= max(LEAST_HOLDERS, telling * MOST_OF_FILES))
