"""Which version the files of one component agree on: the votes of all of them, counted.

A version that stands alone may also be that of a library the program was built against (``inflateInit`` is handed the
version of zlib): such versions are known from the library and left out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from firmware_checks.identity import normalised
from firmware_checks.own_versions import Ballot, Vote
from firmware_checks.version_points import (
    ALONE_SHORT,
    CHIEF_FILE,
    COMMON,
    LABELLED,
    NAMED_AS_FILE,
    NOISE,
    PLUGIN,
    SAME_SERIES,
    SHORT_BESIDE_LONG,
    VERSION_PRINTED,
    WEAK,
    mentions_key,
)
from firmware_checks.version_texts import VersionText

__all__ = ["STRONG_POINTS", "Linked", "Verdict", "decide", "without_doubtful"]

LEAST_HOLDERS, MOST_OF_FILES = 3, 0.6
"""A version that so many files and such a share of them hold is the component's, whatever they link."""
REPEATED, MOST_REPEATS = 1.0, 2
"""Added for each further text of a file with the same version, up to so many."""
MOST_NOISE = 1.0
"""What votes that hardly tell may add up to, however many files repeat them."""
MOST_WEAK = 2.4
"""What votes that tell little may add up to: never enough alone."""
ENOUGH_POINTS = 2.6
ENOUGH_UNNAMED = (4.0, 4.05, 2.9)
"""Points that a version needs when it stands behind no name and no rule tells what to expect, by how many points are
in it: below, half of the versions were something else, above, four of five were right (1,400 programs)."""
CLEAR_LEAD = 1.4
MOST_CANDIDATES = 8
LEAST_PARTS = 3
"""So many versions of so many files are those of the parts of a bundle."""
STRONG_POINTS = 5.0
_IDENTIFIER = re.compile(r"[A-Za-z]\w*(?:(?:-|::|\.)[A-Za-z]\w*)+")
"""Several words that are one name: of a signal, an icon, a setting."""
HANDED = (
    ("libz.so", "1.2."), ("libz.so", "1.3."), ("libpng12", "1.2."), ("libpng16", "1.6."), ("libgnutls.", "3."),
    ("libgcrypt.", "1.8."), ("libgcrypt.", "1.9."), ("libgcrypt.", "1.1"),
    ("libgpg-error", "1."), ("libperl.", "5."), ("libpython3", "3."), ("libruby", "3."), ("libdb-5", "5."),
)  # fmt: skip
"""Libraries whose headers have every user hand over the version it was built against, and how that starts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the files of a component agree on; without a clear lead ``version`` is None."""

    version: str | None
    candidates: tuple[str, ...]
    points: float
    votes: Sequence[tuple[str, VersionText]]
    """Paths and texts that speak for the version or a candidate."""
    is_named: bool


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
        is_of_library = not vote.is_near and any(map(self._is_named_in, vote.text.near))
        if number in self.versions or (is_of_library and "version" not in vote.text.near):
            return 0
        series = number.rpartition(".")[0]
        if "." in series and any(version.startswith(series + ".") for version in self.versions):
            return SAME_SERIES
        return 1

    def _is_named_in(self, words: str) -> bool:
        """Tell whether ``words`` name a library; ``gtk-media-play`` is an identifier and does not."""
        plain = VERSION_PRINTED.sub("", words)
        return mentions_key(_IDENTIFIER.sub(lambda m: m[0] if normalised(m[0]) in self.keys else " ", plain), self.keys)


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
    is_enough = version is None or verdict.points >= ENOUGH_UNNAMED[min(version.count("."), 2)]
    if version is None or verdict.is_named or (is_enough and version not in COMMON):
        return verdict
    return replace(verdict, version=None, candidates=(version,))


def _shared(ballots: Sequence[Ballot]) -> frozenset[str]:
    """Return versions that most of several files hold: they are not those of a library that some of them link."""
    holders: Counter[str] = Counter()
    for ballot in ballots:
        holders.update({vote.text.version for vote in ballot.votes if vote.points >= ALONE_SHORT * PLUGIN})
    telling = sum(bool(ballot.votes) for ballot in ballots)
    return frozenset(v for v, count in holders.items() if count >= max(LEAST_HOLDERS, telling * MOST_OF_FILES))
