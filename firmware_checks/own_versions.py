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
from itertools import pairwise

from firmware_checks.identity import Identity, normalised
from firmware_checks.version_texts import VersionText

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
]

NAMED, NAMED_AS_FILE, OF_PROGRAM, LABELLED, ALONE_SHORT, WEAK, NOISE = 8.0, 4.0, 5.0, 3.0, 2.0, 1.2, 0.5
"""Points of a vote: behind the name, behind the name of the file alone, behind ``%s version``, behind the word version
or alone, alone with two numbers, hardly telling, a number that many programs hold."""
FILE_NAME, NEAR_NAME, NEAR_HINT = 5.0, 2.5, 0.7
"""Added when the same numbers are in the file's name, when the name stands beside, when telling words stand beside."""
IN_TABLE, SAME_SERIES, SHORT_BESIDE_LONG, CHIEF_FILE, PLUGIN = 0.4, 0.3, 0.5, 1.5, 0.5
"""Factors in a list of numbers, when a linked library has a release of the same series, for two
numbers beside a version of three, in the file that has the
component's own name, and in what it loads, which may have versions of its own."""
DATE_DIGITS = 8
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
CLEAR_LEAD = 1.4
MOST_CANDIDATES = 8
STRONG_POINTS = 5.0

_FILLER = re.compile(
    r"(?P<label>(?:\b(?:version|release|ver|rel|vers|v)\b(?:[\s:=]*v)?|\bv)?)[\s:=\"'(,\[#.-]*$|(?<=[\s_-])(?P<short>v)$",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Za-z0-9+]+")
MOST_AFTER = 60
_SENTENCE = re.compile(
    r"(?:\b(?:in|of|with|since|to|for|from|than|using|via|by|as|before|after|until|and|or|requires?|needs?|are|was|on|at|"
    r"like|against|supports?|emulates?|not|old|older|newer|compatible|prior|under)|[<>=]+)\s*$",
    re.IGNORECASE,
)
"""What stands before a name in prose about a release, which is seldom the one at hand."""
MOST_WORDS_BEFORE = 3
_HOLLOW = re.compile(r"^(?:%[-0-9.]*s|[\s\W])*$")
_OWN_WORDS = re.compile(
    r"^(?:%[-0-9.]*[sdux]|\W|\b(?:this|driver|program|library|software|package|daemon)\b)*$", re.IGNORECASE
)
"""What a program calls itself without a name, behind what a log puts in front: ``%s:%d Driver``."""
_DISTRIBUTION = re.compile(r"^(?:debian|ubuntu|buildroot|openwrt)[-_ ]$", re.IGNORECASE)
"""Put in front of the version by who built it."""
_NUMBERS = re.compile(r"\d+(?:\.\d+)+[a-z]?")
_OTHER_MEANING = re.compile(
    r"^(?:\d+(?:\.\d+){5}|1\.3\.\d+\.\d|1\.2\.\d{3}|127\.|0\.0\.0|255\.|10\.\d+\.\d+\.\d+$|192\.168|22[4-9]\.\d+\.\d+\.\d+$|23\d\.\d+\.\d+\.\d+$|224\.0|239\.|169\.254|172\.(?:1[6-9]|2\d|3[01])(?:\.|$)|8\.8\.|802\.|1\.2\.840|1\.3\.6\.|1\.3\.14|"
    r"1\.2\.410\.|1\.2\.643|1\.3\.132|1\.3\.36\.|2\.5\.(?:4|29)|2\.16\.840|0\.9\.23|1\.1\.1\.1$|1\.2\.3\.4|1\.0\.0\.127|4\.2\.2\.)"
)
"""Addresses and object identifiers."""
_BUILD_NUMBER = re.compile(r"/\d+$")
_SOURCE_FOLDER = re.compile(r"/(?P<name>[A-Za-z][\w.+-]*)[-_]$")
_FOLDER_END = re.compile(r"[+~=/]")
_PLACEHOLDER = re.compile(r"%[-+ #'0]*$")
"""What makes of a number the width of a value that is printed: ``%'8.2f``."""
_COMMON = frozenset(
    [
        "0.0",
        "0.1",
        "0.5",
        "0.9",
        "1.0",
        "1.1",
        "1.2",
        "2.0",
        "3.0",
        "4.0",
        "5.0",
        "10.0",
        "100.0",
        "0.01",
        "0.001",
        "1.00",
        "0.00",
        "2.5",
        "3.14",
        "0.25",
        "0.75",
    ]
)
_HINT = re.compile(
    r"version|copyright|\bgnu\b|licen[cs]e|https?:|bug|%s|usage|help|gpl|\(c\)|author|written by|release|"
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d\b|"
    r"^(?:19|20)\d\d-\d\d-\d\d$",
    re.IGNORECASE,
)
_COMPARISON = re.compile(r"^\s*(?:(?:or|and) (?:later|newer|higher|above|earlier|up|greater|older)|\+(?:$|[\s)]))")
_STANDARD = re.compile(
    r"(?:licen[cs]e|protocol|http|xml|html|tls|ssl|unicode|posix|gpl|api|abi|format|schema|dtd|opengl|smtp|usb|"
    r"pdf|postscript|exif|spec(?:ification)?)\W*(?:,\s*)?$",
    re.IGNORECASE,
)
"""Words before a version that is one of a standard, a license or another product."""
_UNICODE = re.compile(r"(?:[5-9]|1[0-9])\.0(?:\.0)?$")
_OTHER_PRODUCT = re.compile(r"[A-Z][a-z]+[^%]{0,40} version:? %s|^Linux$")
"""A text beside a number that is about to print it as the version of something with a name."""
_SOURCE_FILE = re.compile(r"\S*(?:\w\.[a-z]{1,4}\b|/)\S*")
"""A path, or a name with an ending such as ``.c``."""
_DATE = re.compile(r" (?:19|20)\d\d(?:-\d\d-\d\d$|\d{4}\b)")
_BANNER_END = re.compile(
    r"[\s,.]*(?:\(c\)|copyright|[\[(,]?\s*(?:\d{1,2}[/. -]\d{1,2}[/. -]\d{2,4}|(?:19|20)\d\d[-/]\d\d[-/]\d\d|"
    r"(?:\d{1,2}[ -])?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ -]\d{1,2}))",
    re.IGNORECASE,
)
"""What follows the version in the first line that a program prints: the date of the release, or whose it is."""
_TITLE = re.compile(r"[A-Z]?[A-Za-z0-9+-]+(?: [A-Za-z0-9+-]+){1,5} (?:version|ver\.?|release|v)? ?$", re.IGNORECASE)
_OF_INTERFACE = re.compile(r"\b(?:api|abi|protocol|schema)[ _]version\W{0,3}%", re.IGNORECASE)
"""A text that prints the version of an interface, which is not that of the program."""
_ROLE = re.compile(r"[-_ ](?:agent|client|server|daemon|library)\W*$", re.IGNORECASE)
"""What may stand between a name and its version, as programs introduce themselves: ``name-agent/1.2``."""
_UNIT = re.compile(r"^ [a-z]")
_RELEASE_IN_NAME = re.compile(r"-(\d+\.\d+\.\d+(?:\.\d+)?)\.so(?:\.|$)")
_MARKUP = re.compile(r"<[^<>]*=[\"']?$")
_COMPILER = re.compile(r"gcc|clang|binutils|\bld\b|ubuntu|debian \d", re.IGNORECASE)
_BESIDE_COMPILER = re.compile(r"^\W*(?:gcc|g\+\+|clang|llvm)\b.{0,12}$|^ISO$", re.IGNORECASE)
"""A text beside a number that is the compiler's, or in the C library's table of conventions (``ISO 1.0``)."""
_PADDED = re.compile(r"(?:^|\.)0\d\d")
"""Numbers filled up with zeros are measures and identifiers."""
_RATE = re.compile(r"\d+\.00$|29\.97$|59\.94$|23\.98$")
"""Percentages, and pictures per second."""
_FIRST = frozenset({"1.0.0", "0.1.0", "0.0.1"})
"""Versions that parts of a program start with and often keep."""
_BODY = re.compile(r"\b(?:IEEE|ISO|IEC|RFC|ITU|ANSI|ECMA)\W*$", re.IGNORECASE)
"""Who makes standards: a number behind it is that of a standard."""
_UNITS = frozenset({"k", "n", "u", "m", "s", "v", "x", "f", "ms", "us", "ns", "hz", "kb", "mb", "gb", "db", "mm", "cm"})
"""Letters behind two numbers that make a measure of them: ``62.5k``."""
_PRINTED = re.compile(r"^\W*(?P<name>[A-Za-z][\w.+-]*?)[ /-](?:version:? ?|ver\.? ?|v)?%s", re.IGNORECASE)
"""A text that prints a name with what stands beside."""
_VERSION_PRINTED = re.compile(r"(?<!xml )\bversion\W{0,3}%s.*", re.IGNORECASE | re.DOTALL)


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
    in_name = set(_NUMBERS.findall(file_name)) - _COMMON
    tables = _tables(texts)
    is_crowded = len({t.number for t in texts if t.is_bare and t.number.count(".") > 1}) >= CROWD
    weight = CHIEF_FILE if _is_chief(file_name, identity) else PLUGIN if identity.is_plugin else 1
    votes = []
    for text in texts:
        points, is_named = _points(text, identity.keys)
        if points <= NOISE and not is_named and identity.file_keys:
            points_of_file, is_named = _points(text, identity.file_keys)
            points = max(points, min(points_of_file, NAMED_AS_FILE))
        if text.offset in tables or (is_crowded and not is_named and text.is_bare):
            points *= IN_TABLE
        is_whole = text.number.count(".") > 1 and text.number in in_name and not _is_path(text)
        if is_whole or (points and any(f"{text.number}.".startswith(f"{number}.") for number in in_name)):
            points, is_named = points + FILE_NAME, True
        if points:
            votes.append(Vote(text, points * weight, is_named))
    return votes


def names_itself(texts: Sequence[VersionText], keys: frozenset[str]) -> bool:
    """Tell whether a version among ``texts`` stands behind or beside one of the names ``keys``."""
    votes = votes_of(texts, Identity("", None, keys), "")
    return any(vote.is_named or any(_mentions_key(words, keys) for words in vote.text.near) for vote in votes)


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
    numbers = re.findall(r"\.so\.(\d+\.\d+\.\d+)$", file_name)
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


def _points(text: VersionText, keys: Collection[str]) -> tuple[float, bool]:
    if _is_source_folder(text, keys):
        return NAMED, True
    if _OTHER_MEANING.match(text.number) or _is_path(text) or _COMPILER.search(text.before):
        return 0, False
    if _COMPARISON.match(text.after) or _BODY.search(text.before):
        return 0, False
    whole = _points_behind(text, text.before, keys)
    line = text.before.rpartition("\n")[2]
    return whole if whole[0] > NOISE or not line.strip() else max(whole, _points_behind(text, line, keys))


def _points_behind(text: VersionText, before: str, keys: Collection[str]) -> tuple[float, bool]:
    """Return the points of a version behind ``before``."""
    filler = _FILLER.search(before)
    head = before[: filler.start()] if filler else before
    label = (filler["label"] or filler["short"] or "") if filler else ""
    if _HOLLOW.match(head) or _DISTRIBUTION.match(before) or (len(label) > 1 and _OWN_WORDS.match(head)):
        points = _points_alone(text, keys, label, has_program="%s" in head)
        return points, points > LABELLED and _prints_name(text.near[1], keys)
    words_before = _words_before_key(_ROLE.sub("", head), keys)
    if words_before == "" and "." not in text.number and text.after.startswith(":"):
        return LABELLED + 1, True
    if "." not in text.number and (words_before is None or len(label) < 2):  # more than a v
        return 0, False
    if words_before is not None:
        most = MOST_WORDS_BEFORE if "." in text.number else 0
        if len(_WORDS.findall(_SOURCE_FILE.sub("", words_before))) > most or _SENTENCE.search(words_before):
            return NOISE, False
        return _points_named(text, label), True
    is_prose = _SENTENCE.search(head) or _STANDARD.search(head)
    if len(label) > 1 and _mentions_key(before, keys) and not is_prose:
        return NOISE if text.number in _COMMON else LABELLED + 1, False
    return (LABELLED if _is_banner(text, before, is_prose=bool(is_prose)) else 0), False


def _is_banner(text: VersionText, before: str, *, is_prose: bool) -> bool:
    """Tell whether a title stands before the version and a date or the holder of the rights behind it."""
    is_telling = text.number not in _COMMON and "." in text.number
    return (
        is_telling and not is_prose and _TITLE.match(before) is not None and _BANNER_END.match(text.after) is not None
    )


def _is_odd(number: str) -> bool:
    """Tell whether two numbers are hardly a release: ``646.1991``."""
    first, _, second = number.partition(".")
    return second.isdigit() and len(second) > 3 and not first.startswith("20")  # years have four


def _points_named(text: VersionText, label: str) -> float:
    """Return the points behind a name: a short number that hangs on it (``lua5.3``) is its series."""
    is_short = text.number.count(".") < 2 and text.version == text.number
    if (
        is_short
        and not label
        and not text.after.startswith(" $")
        and (text.before[-1:].isalnum() or text.before[-1:] in "-_")
    ):
        return ALONE_SHORT if len(text.number.partition(".")[2]) > 2 and text.number not in _COMMON else NOISE
    if is_short and text.number in _COMMON:
        is_all = not label and not text.after.strip() and _STANDARD.search(text.before.strip() + " ") is None
        return LABELLED if is_all and len(text.before.split()) == 1 else WEAK
    return NAMED


def _points_alone(text: VersionText, keys: Collection[str], label: str, *, has_program: bool) -> float:
    if _is_measure(text) or any(map(_BESIDE_COMPILER.match, text.near)):
        return 0
    points = _points_by_form(text, label, has_program=has_program)
    if not points or any(map(_OF_INTERFACE.search, text.near)):
        return min(points, NOISE)
    if any(_prints_name(words, keys) for words in text.near):
        return max(points, LABELLED) + NEAR_NAME
    if any(_mentions_key(words, keys) for words in text.near):
        return points + (NEAR_HINT if text.number in _COMMON else NEAR_NAME)
    if any(map(_OTHER_PRODUCT.search, text.near)):
        return points * SAME_SERIES
    is_whole = text.is_bare or (not text.before and _DATE.match(text.after))
    if is_whole and "." in text.number and any(map(_VERSION_PRINTED.search, text.near)):
        return max(points, ALONE_SHORT) + NEAR_HINT
    has_hint = text.number not in _COMMON and any(map(_HINT.search, (*text.near, text.after)))
    return points + NEAR_HINT if has_hint else points


def _is_measure(text: VersionText) -> bool:
    """Tell whether the number is rather a measure: ``62.5k``, ``012.003``."""
    suffix = text.version.removeprefix(text.number)
    return _PADDED.search(text.number) is not None or (text.number.count(".") == 1 and suffix in _UNITS)


def _prints_name(words: str, keys: Collection[str]) -> bool:
    """Tell whether the text prints something behind a name of the component: ``bmon %s``."""
    match = _PRINTED.match(words)
    return match is not None and normalised(match["name"]) in keys


def _points_by_form(text: VersionText, label: str, *, has_program: bool) -> float:
    """Return the points of a version that stands alone, or behind nothing but the word version."""
    if "." not in text.number:
        is_printed = any(map(_VERSION_PRINTED.search, text.near)) or len(text.number) == DATE_DIGITS or len(label) > 1
        return WEAK if text.is_bare and is_printed else 0
    is_short = text.number.count(".") < 2 and text.version == text.number
    is_plain = not text.after.strip(" \n.,)\"'") or text.after.startswith((" (", "  (", ",", "\n", "-", "+", "("))
    is_plain = is_plain or _DATE.match(text.after) is not None
    if (is_short and _is_odd(text.number)) or (
        len(text.after) > MOST_AFTER and not label and not text.after.startswith("+")
    ):
        return 0
    if has_program and len(label) > 1:
        return OF_PROGRAM
    if not is_plain:
        return WEAK if text.after.startswith(" ") and not _UNIT.match(text.after) else NOISE if label else 0
    if is_short:
        return NOISE if any(words.isdecimal() for words in text.near) else _points_of_two(text, label)
    is_doubtful = not label and (_UNICODE.match(text.number) or text.number in _FIRST)
    return LABELLED * (IN_TABLE if is_doubtful else 1)


def _points_of_two(text: VersionText, label: str) -> float:
    """Return the points of two numbers alone; common ones and versions of Unicode hardly tell."""
    if label:
        is_telling = text.number not in _COMMON or (len(label) == 1 and not text.after)
        is_build = text.before in {"v", "V"} and text.number not in _COMMON and text.after.startswith("-")
        return NOISE if not is_telling else LABELLED if len(label) > 1 else ALONE_SHORT if is_build else WEAK
    is_other = text.number in _COMMON or _UNICODE.match(text.number) or _RATE.match(text.number)
    return NOISE if is_other else ALONE_SHORT


def _is_source_folder(text: VersionText, keys: Collection[str]) -> bool:
    """Tell whether a path of a source file, as messages and build options hold, has the folder ``name-1.2.3`` in it."""
    match = _SOURCE_FOLDER.search(text.before)
    return match is not None and _FOLDER_END.match(text.after) is not None and normalised(match["name"]) in keys


def _is_path(text: VersionText) -> bool:
    """Tell whether the version is a part of a path, an address on the web or a file name."""
    word_before = text.before.rsplit(None, 1)[-1] if text.before and not text.before[-1].isspace() else ""
    word_after = "" if not text.after or text.after[0].isspace() else text.after.split(None, 1)[0]
    if ("/" in word_after and not _BUILD_NUMBER.match(word_after)) or word_after.startswith(
        (".so", ".el", ".x", ".tar", ".html", "%")
    ):
        return True
    slashes = word_before.count("/")
    if _MARKUP.search(text.before):
        return True
    return (
        slashes > 1
        or word_before.startswith("/")
        or word_before.endswith((".so.", "@", "$", "<", ">=", "=<", "~"))
        or _PLACEHOLDER.search(text.before) is not None
    )


def _words_before_key(head: str, keys: Collection[str]) -> str | None:
    """Return what stands in ``head`` before a name of the component at its end; None where no name ends it."""
    words = list(_WORDS.finditer(head))[-4:]
    for start in range(max(0, len(words) - 4), len(words)):
        if "".join(word.group().lower() for word in words[start:]) in keys:
            return head[: words[start].start()]
    return None


def _mentions_key(text: str, keys: Collection[str]) -> bool:
    words = [word.lower() for word in _WORDS.findall(_SOURCE_FILE.sub("", text))]
    return any(word in keys for word in words) or any(a + b in keys for a, b in pairwise(words))


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
        is_of_library = any(_mentions_key(_VERSION_PRINTED.sub("", words), self.keys) for words in vote.text.near)
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
    count = _Count()
    for ballot in ballots:
        count.add(ballot, linked.get(ballot.path, NOTHING_LINKED), shared)
    count.join_series()
    count.weaken_short()
    return count.verdict()


def _shared(ballots: Sequence[Ballot]) -> frozenset[str]:
    """Return versions that most of several files hold: they are not those of a library that some of them link."""
    holders: Counter[str] = Counter()
    for ballot in ballots:
        holders.update({vote.text.version for vote in ballot.votes if vote.points >= ALONE_SHORT * PLUGIN})
    telling = sum(bool(ballot.votes) for ballot in ballots)
    return frozenset(v for v, count in holders.items() if count >= max(LEAST_HOLDERS, telling * MOST_OF_FILES))
