"""How much a version in a text says about the program that holds it: points for where and how it stands.

A version counts when it stands behind a name of the program, alone, or behind the word version; never when another
name stands before it: then the program quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise

from firmware_checks.identity import normalised
from firmware_checks.version_lookalikes import is_day, is_identifier, is_measure, is_odd, is_path
from firmware_checks.version_texts import VersionText

__all__ = [
    "ALONE_SHORT",
    "CHIEF_FILE",
    "COMMON",
    "FILE_NAME",
    "IN_TABLE",
    "LABELLED",
    "NAMED",
    "NAMED_AS_FILE",
    "NOISE",
    "OF_PROGRAM",
    "PLUGIN",
    "SAME_SERIES",
    "SHORT_BESIDE_LONG",
    "VERSION_PRINTED",
    "WEAK",
    "built_name",
    "mentions_key",
    "points_of",
]

BANNER = 3.5
"""Points behind the title in a program's first line."""
TITLED = 6.0
"""Points behind a title that starts with the name: ``Pump Control Daemon 4.7``."""
MOST_TITLE_WORDS = 6
BUILT = 16.0
"""Points of the folder that a file was built in."""
NAMED, NAMED_AS_FILE, OF_PROGRAM, LABELLED, ALONE_SHORT, WEAK, NOISE = 8.0, 4.0, 5.0, 3.0, 2.0, 1.2, 0.5
"""Points of a vote: behind the name, behind the name of the file alone, behind ``%s version``, behind the word version
or alone, alone with two numbers, hardly telling, a number that many programs hold."""
FILE_NAME, NEAR_NAME, NEAR_PRINTED, NEAR_HINT = 5.0, 2.5, 1.4, 0.7
"""Added when the same numbers are in the file's name, when the name stands beside, when a text
beside prints it as a version, when telling words stand beside."""
IN_TABLE, SAME_SERIES, SHORT_BESIDE_LONG, CHIEF_FILE, PLUGIN = 0.4, 0.3, 0.5, 1.5, 0.5
"""Factors in a list of numbers, when a linked library has a release of the same series, for two
numbers beside a version of three, in the file that has the
component's own name, and in what it loads, which may have versions of its own."""
DATE_DIGITS = 8
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
    r"^(?:%[-0-9.]*[sdux]|\W|\b(?:this|driver|program|library|software|package|daemon|stable|current|official)\b)*$",
    re.IGNORECASE,
)
"""What a program calls itself without a name, behind what a log puts in front: ``%s:%d Driver``."""
_DISTRIBUTION = re.compile(r"^(?:debian|ubuntu|buildroot|openwrt)[-_ ]$", re.IGNORECASE)
"""Put in front of the version by who built it."""
_SOURCE_FOLDER = re.compile(r"/(?P<name>[A-Za-z][\w.+-]*)[-_]$")
_BUILD_FOLDER = re.compile(r"/build/(?P<name>[a-z0-9][a-z0-9+.-]*)-")
_FOLDER_BEFORE = re.compile(r"/(?P<name>[A-Za-z][\w+-]*)/$")
_FOLDER_END = re.compile(r"[+~=/]")
_PRINTED_VALUE = re.compile(r"%[-+ #0-9.*]*[hlz]*[a-zA-Z]")
COMMON = frozenset(
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
_NUMBER_OR_LESS = re.compile(r"[\d.]+|[^%]{1,2}")
"""A text beside two numbers that makes them one of a list, or something in the middle of other data."""
_TELLS = re.compile(r"%s|version|copyright|--?help|usage|https?:|@\w|\(c\)|[a-z]{3}", re.IGNORECASE)
"""What stands beside two numbers that are a version, at the least."""
_COMPARISON = re.compile(
    r"^\s*(?:(?:or|and) (?:later|newer|higher|above|below|earlier|up|greater|older|onwards|before)|\+(?:$|[\s)]))"
)
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
_DATE_ALONE = re.compile(r"(?:19|20)\d\d-\d\d-\d\d")
_DATE = re.compile(r" (?:19|20)\d\d(?:-\d\d-\d\d$|\d{4}\b)")
_BANNER_END = re.compile(
    r"[\s,.]*(?:\(c\)|copyright|[\[(,]?\s*(?:\d{1,2}[/. -]\d{1,2}[/. -]\d{2,4}|(?:19|20)\d\d[-/]\d\d[-/]\d\d|"
    r"(?:\d{1,2}[ .-])?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ .-]\d{1,2}))",
    re.IGNORECASE,
)
"""What follows the version in the first line that a program prints: the date of the release, or whose it is."""
_TITLE = re.compile(r"[A-Z]?[A-Za-z0-9+-]+(?: [A-Za-z0-9+-]+){1,5} (?:version|ver\.?|release|v)? ?$", re.IGNORECASE)
_TITLE_WORDS = re.compile(r"[A-Za-z0-9+][A-Za-z0-9+./ ()-]*[-: ]*")
_USAGE = re.compile(r"\W*usage\b", re.IGNORECASE)
_GNU_BANNER = re.compile(r"(?:%s|[\w.+-]+) \((?:GNU )?[\w .+-]+\) v?$")
"""The first line that programs of GNU print: ``ls (GNU coreutils) 9.1``. Source: GNU coding standards, 4.8.1."""
_BEGUN = re.compile(r"\W*version:? ?$", re.IGNORECASE)
_INTRODUCED = re.compile(r"^[\w.+-]+(?: [\w.+-]+)? (?:version|release):? ?$", re.IGNORECASE)
"""A text that is the beginning of a line whose end is the version, as streams print it."""
_NAME_AND_VERSION = re.compile(r"(?P<name>[A-Za-z][\w~.+-]{2,}) version:? ?%s")
_ROLES = frozenset(
    ["the", "this", "program", "server", "client", "daemon", "file", "library", "software", "and", "using"]
)
_OF_INTERFACE = re.compile(r"\b(?:api|abi|protocol|schema)[ _]version\W{0,3}%", re.IGNORECASE)
"""A text that prints the version of an interface, which is not that of the program."""
_ROLE = re.compile(r"[-_ ](?:agent|client|server|daemon|library)\W*$", re.IGNORECASE)
"""What may stand between a name and its version, as programs introduce themselves: ``name-agent/1.2``."""
_UNIT = re.compile(r"^ [a-z]")
_COMPILER = re.compile(r"gcc|clang|binutils|\bld\b|ubuntu|debian \d", re.IGNORECASE)
_BESIDE_COMPILER = re.compile(r"^\W*(?:gcc|g\+\+|clang|llvm)\b.{0,12}$|^(?:ISO|Tcl|Tk)$", re.IGNORECASE)
"""A text beside a number that is the compiler's, or in the C library's table of conventions (``ISO 1.0``), or Tcl's."""
_RATE = re.compile(r"\d+\.00$|29\.97$|59\.94$|23\.98$")
"""Percentages, and pictures per second."""
_FIRST = frozenset({"1.0.0", "0.1.0", "0.0.1"})
"""Versions that parts of a program start with and often keep."""
_BODY = re.compile(r"\b(?:(?:IEEE|ISO|IEC|RFC|ITU|ANSI|ECMA)\W*|(?:TS|TR|EN) [\d.]+ (?:version )?)$", re.IGNORECASE)
"""Who makes standards: a number behind it is that of a standard."""
_PRINTED = re.compile(r"^\W*(?P<name>[A-Za-z][\w.+-]*?)[ /-](?:version:? ?|ver\.? ?|v)?%s", re.IGNORECASE)
"""A text that prints a name with what stands beside."""
_TWO_PRINTED = re.compile(r"^%s:? v?%s\W*$|^\W*%s[:,]? (?:(?:version|ver\.?) )?[vV]?%s(?: ?[\[(\n-]|$)|^--version$")
"""A text that prints a program's name and its version, or the option that does."""
_ZLIB = re.compile(r"1\.[23]\.\d{1,2}(?:\.\d)?")
_PACKING = re.compile(r"zlib|[de]flate|compress|gzip|gzopen", re.IGNORECASE)
VERSION_PRINTED = re.compile(r"(?<!xml )\bversion\W{0,3}%s.*", re.IGNORECASE | re.DOTALL)


def built_name(text: VersionText) -> str | None:
    """Return the project whose sources were in the folder that the file was built in, as its path says."""
    match = _BUILD_FOLDER.fullmatch(text.before)
    return None if match is None else match["name"]


def points_of(text: VersionText, keys: Collection[str]) -> tuple[float, bool]:
    """Return the points of a version for a component with the names ``keys``, and whether it stands behind one."""
    if built_name(text) is not None:
        return BUILT, True
    if _is_source_folder(text, keys):
        return NAMED, True
    if _is_folder_of_version(text, keys):
        return NAMED_AS_FILE, True
    if is_identifier(text.number) or is_path(text) or _COMPILER.search(text.before):
        return 0, False
    if _COMPARISON.match(text.after) or _BODY.search(text.before):
        return 0, False
    if "." not in text.number and text.before.endswith(" R"):  # some number releases R20230301
        return _points_behind(text, text.before[:-1], keys)
    whole = _points_behind(text, text.before, keys)
    line = text.before.rpartition("\n")[2]
    return whole if whole[0] > NOISE or not line.strip() else max(whole, _points_behind(text, line, keys))


def _points_behind(text: VersionText, before: str, keys: Collection[str]) -> tuple[float, bool]:
    """Return the points of a version behind ``before``."""
    filler = _FILLER.search(before)
    head = before[: filler.start()] if filler else before
    label = (filler["label"] or filler["short"] or "") if filler else ""
    if _HOLLOW.match(head) or _DISTRIBUTION.match(before) or (len(label) > 1 and _OWN_WORDS.match(head)):
        return _points_without_name(text, keys, label, has_program="%s" in head)
    words_before = _words_before_key(_ROLE.sub("", head), keys)
    if "." not in text.number and (words_before is None or len(label) < 2):  # more than a v
        is_told = words_before == "" and (text.after.startswith(":") or len(text.number) == DATE_DIGITS)
        return (LABELLED + 1, True) if is_told else (0, False)
    if words_before is not None:
        most = MOST_WORDS_BEFORE if "." in text.number else 0
        if len(_WORDS.findall(_SOURCE_FILE.sub("", words_before))) > most or _SENTENCE.search(words_before):
            return NOISE, False
        return _points_named(text, label), True
    is_prose = _SENTENCE.search(head) or _STANDARD.search(head)
    if len(label) > 1 and mentions_key(before, keys) and not is_prose:
        return NOISE if text.number in COMMON else LABELLED + 1, False
    if not is_prose and _starts_with_name(text, head, keys):
        return (LABELLED if text.number in COMMON else TITLED), text.number not in COMMON
    return (BANNER if _is_banner(text, before, keys, is_prose=bool(is_prose)) else 0), False


def _starts_with_name(text: VersionText, head: str, keys: Collection[str]) -> bool:
    """Tell whether a title that starts with a name of the component ends before the version, and a line behind it."""
    words = _WORDS.findall(head)
    is_title = 1 < len(words) <= MOST_TITLE_WORDS and _TITLE_WORDS.fullmatch(head) is not None
    is_end = not text.after.strip(" .,)") or text.after.startswith("\n") or _BANNER_END.match(text.after) is not None
    starts = ("".join(words[:count]).lower() for count in range(1, min(3, len(words)) + 1))
    return is_title and is_end and any(start in keys for start in starts)


def _points_without_name(
    text: VersionText, keys: Collection[str], label: str, *, has_program: bool
) -> tuple[float, bool]:
    if text.is_bare and _INTRODUCED.search(text.near[0]) and mentions_key(text.near[0], keys):
        return NAMED, True
    points = _points_alone(text, keys, label, has_program=has_program)
    return points, points > LABELLED and _prints_name(text.near[1], keys)


def _is_banner(text: VersionText, before: str, keys: Collection[str], *, is_prose: bool) -> bool:
    """Tell whether a title stands before the version, and a date, the holder of the rights or the usage behind it."""
    is_telling = text.number not in COMMON and "." in text.number
    is_used = not text.after and _USAGE.match(text.near[1]) is not None and mentions_key(text.near[1], keys)
    is_ended = is_used or _BANNER_END.match(text.after) is not None
    return is_telling and not is_prose and _TITLE.match(before) is not None and is_ended


def _points_named(text: VersionText, label: str) -> float:
    """Return the points behind a name: a short number that hangs on it (``lua5.3``) is its series."""
    is_short = text.number.count(".") < 2 and text.version == text.number
    if _GNU_BANNER.match(text.before) and not text.after.strip():
        return NAMED
    if (
        is_short
        and not label
        and not text.after.startswith(" $")
        and (text.before[-1:].isalnum() or text.before[-1:] in "-_")
    ):
        is_banner = text.number not in COMMON and text.before[-1:] == "-" and text.after.startswith(("-", ",", "\n"))
        if is_banner and " " not in text.before and "/" not in text.before:
            return LABELLED + 1
        return ALONE_SHORT if len(text.number.partition(".")[2]) > 2 and text.number not in COMMON else NOISE
    if is_short and text.number in COMMON:
        is_all = not label and not text.after.strip() and _STANDARD.search(text.before.strip() + " ") is None
        return LABELLED if is_all and len(text.before.split()) == 1 else WEAK
    return NAMED


def _points_alone(text: VersionText, keys: Collection[str], label: str, *, has_program: bool) -> float:
    if is_measure(text) or any(map(_BESIDE_COMPILER.match, text.near)):
        return 0
    points = _points_by_form(text, label, has_program=has_program)
    if not points or any(map(_OF_INTERFACE.search, text.near)):
        return min(points, NOISE)
    if any(_prints_name(words, keys) for words in text.near):
        return max(points, LABELLED) + NEAR_NAME
    return _points_beside(text, points, keys, has_label=bool(label))


def _points_beside(text: VersionText, points: float, keys: Collection[str], *, has_label: bool) -> float:
    """Return ``points`` with what the texts beside the version add or take away."""
    is_common = text.number in COMMON
    if (_DATE_ALONE.fullmatch(text.near[1]) and text.number.count(".") > 1) or (_is_dated(text) and not is_common):
        return points + NEAR_NAME
    is_whole = "." in text.number and (text.is_bare or (not text.before and _DATE.match(text.after) is not None))
    if (is_whole or has_label) and any(mentions_key(words, keys) for words in text.near):
        return points + (NEAR_HINT if is_common else NEAR_NAME)
    if (
        any(map(_OTHER_PRODUCT.search, text.near))
        or _is_of_zlib(text, keys)
        or _prints_version_of_another(text.near[1], keys)
    ):
        return points * SAME_SERIES
    if is_whole and _BEGUN.fullmatch(text.near[0]):
        return max(points, ALONE_SHORT) + (NEAR_HINT if is_common else NEAR_NAME)
    if is_whole and any(map(VERSION_PRINTED.search, text.near)):
        return max(points, ALONE_SHORT) + NEAR_PRINTED
    if is_whole and not is_common and any(map(_TWO_PRINTED.search, text.near)):
        return points + NEAR_PRINTED
    has_hint = not is_common and any(map(_HINT.search, (*text.near, text.after)))
    return points + NEAR_HINT if has_hint else points


def _is_of_zlib(text: VersionText, keys: Collection[str]) -> bool:
    """Tell whether the version is the one of zlib's header, which every user hands over when it starts to pack."""
    is_beside = _ZLIB.fullmatch(text.number) is not None and any(map(_PACKING.search, text.near))
    return is_beside and "zlib" not in keys


def _prints_version_of_another(words: str, keys: Collection[str]) -> bool:
    """Tell whether the text prints the version of something that is not the component: ``libfoo version %s``."""
    match = _NAME_AND_VERSION.search(words)
    if match is None or match["name"].lower() in _ROLES:
        return False
    return normalised(match["name"]) not in keys and not any(normalised(match["name"]) in key for key in keys)


def _prints_name(words: str, keys: Collection[str]) -> bool:
    """Tell whether the text prints something behind a name of the component: ``bmon %s``."""
    match = _PRINTED.match(words)
    return match is not None and normalised(match["name"]) in keys


def _points_by_form(text: VersionText, label: str, *, has_program: bool) -> float:
    """Return the points of a version that stands alone, or behind nothing but the word version."""
    if "." not in text.number:
        is_printed = any(map(VERSION_PRINTED.search, text.near)) or len(text.number) == DATE_DIGITS or len(label) > 1
        return WEAK if text.is_bare and is_printed else 0
    is_short = text.number.count(".") < 2 and text.version == text.number
    is_plain = not text.after.strip(" \n.,)\"'") or text.after.startswith((" (", "  (", ",", "\n", "-", "+", "("))
    is_plain = is_plain or _DATE.match(text.after) is not None or _is_dated(text)
    if is_day(text.number):
        return WEAK
    if (is_short and is_odd(text.number)) or (
        len(text.after) > MOST_AFTER and not label and not text.after.startswith("+")
    ):
        return 0
    if has_program and len(label) > 1:
        return OF_PROGRAM
    if not is_plain:
        return WEAK if text.after.startswith(" ") and not _UNIT.match(text.after) else NOISE if label else 0
    if is_short:
        is_one_of_many = not label and any(map(_NUMBER_OR_LESS.fullmatch, text.near))
        return NOISE if is_one_of_many else _points_of_two(text, label)
    is_doubtful = not label and (_UNICODE.match(text.number) or text.number in _FIRST)
    return LABELLED * (IN_TABLE if is_doubtful else 1)


def _is_dated(text: VersionText) -> bool:
    """Tell whether the day of the release stands behind the version: ``1.48.15  16.Apr.15``."""
    return not text.before and re.search(r"\d", text.after) is not None and _BANNER_END.match(text.after) is not None


def _points_of_two(text: VersionText, label: str) -> float:
    """Return the points of two numbers alone; common ones and versions of Unicode hardly tell."""
    if label:
        is_telling = text.number not in COMMON or (len(label) == 1 and not text.after)
        is_build = text.before in {"v", "V"} and text.number not in COMMON and text.after.startswith("-")
        return NOISE if not is_telling else LABELLED if len(label) > 1 else ALONE_SHORT if is_build else WEAK
    is_other = text.number in COMMON or _UNICODE.match(text.number) or _RATE.match(text.number)
    if is_other:
        return NOISE
    is_told = text.after != "." and (not any(text.near) or any(map(_TELLS.search, text.near)))
    return ALONE_SHORT if is_told else WEAK


def _is_source_folder(text: VersionText, keys: Collection[str]) -> bool:
    """Tell whether a path of a source file, as messages and build options hold, has the folder ``name-1.2.3`` in it."""
    match = _SOURCE_FOLDER.search(text.before)
    if text.number.count(".") == 1 and "/lib/" in text.before:
        return False  # a series of plug-ins
    return match is not None and _FOLDER_END.match(text.after) is not None and normalised(match["name"]) in keys


def _is_folder_of_version(text: VersionText, keys: Collection[str]) -> bool:
    """Tell whether the version is a folder in the one of the component, as where its plug-ins are: ``/name/1.2.3/``."""
    match = _FOLDER_BEFORE.search(text.before)
    return (
        match is not None
        and text.number.count(".") > 1
        and text.after.startswith("/")
        and normalised(match["name"]) in keys
    )


def _words_before_key(head: str, keys: Collection[str]) -> str | None:
    """Return what stands in ``head`` before a name of the component at its end; None where no name ends it."""
    words = list(_WORDS.finditer(head))[-4:]
    for start in range(max(0, len(words) - 4), len(words)):
        if "".join(word.group().lower() for word in words[start:]) in keys:
            return head[: words[start].start()]
    return None


def mentions_key(text: str, keys: Collection[str]) -> bool:
    """Tell whether a word of ``text``, or two together, are one of the names ``keys``."""
    words = [word.lower() for word in _WORDS.findall(_PRINTED_VALUE.sub(" ", _SOURCE_FILE.sub("", text)))]
    return any(word in keys for word in words) or any(a + b in keys for a, b in pairwise(words))
