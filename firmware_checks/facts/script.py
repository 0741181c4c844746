"""The version that a script or a version file tells of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from firmware_checks.fact_reader import Content, Fact, FactReader
from firmware_checks.version_texts import TOLD_BY_SCRIPT, VersionText

__all__ = ["READER"]

MOST_BYTES: Final = 256 << 10
"""Versions are told at the top; longer scripts carry archives."""
MOST_VERSIONS: Final = 20
_NUMBER = (
    rb"v?(?P<number>[0-9]{1,8}(?:\.[0-9]{1,8}){1,4})"
    rb"(?P<suffix>(?:[-_.~]?(?:rc|alpha|beta|pre|dev|git|patch|pl|p|a|b)[0-9]{0,4}|[a-z][0-9]?)?)"
)
_ASSIGNED = re.compile(
    rb"^[ \t]*(?:(?:my|our|set|typeset|readonly|declare|export|local|const|let|var|use constant)[ \t]+)*\$?"
    rb"(?:[a-z]\w{0,30}(?:::|\.))?_{0,2}(?P<name>[a-z]\w{0,30}?_?)?"
    rb"(?:version|ver|vers|release|VERSION|VER|VERS|RELEASE|Version|Release)(?:_?(?:string|str|STRING|STR|String))?_{0,2}"
    rb"[\"']?[ \t]*(?:=>?|:=|[ \t])[ \t]*(?:[bu]?[\"'(]|qw\()*[ \t]*" + _NUMBER + rb"(?=[\"'\s;,)]|-[0-9])",
    re.MULTILINE | re.IGNORECASE,
)
"""``VERSION="1.2.3"``, ``our $VERSION = 1.2``, ``__version__ = '1.2.3'``, ``set version 1.2``."""
_OWN_WORDS: Final = frozenset(
    [
        "",
        "prog",
        "program",
        "script",
        "package",
        "pkg",
        "app",
        "application",
        "my",
        "tool",
        "main",
        "this",
        "current",
        "base",
    ]
)
"""What may stand before ``version`` in the name of a script's own; anything else may be that of another thing."""
_BEHIND_NAME = re.compile(
    rb"^(?P<before>(?![ \t]*(?:#|//|;|--|\*|%|dnl|rem ))[^\n]{0,80}?[\"'>](?:[^\"'\n<>]{0,30}[ :])?)"
    rb"(?P<name>[a-z][\w+.-]{1,30}(?:[ /-]|,? (?:version|ver\.|v) ?| v))" + _NUMBER + rb"(?=[\"'\s\\<,;)(]|$)",
    re.MULTILINE | re.IGNORECASE,
)
"""A text in quotes that has a name and a version, outside of remarks: ``"pump-report 4.7.1"``."""
_ALONE = re.compile(
    rb"\A\s*(?:[A-Za-z][\w -]{0,30}[ =:\"]+)?" + _NUMBER + rb"\"?(?:,? (?:19|20)[0-9]{2}[-./ 0-9]{0,20})?\s*\Z"
)
_VERSION_FILE = re.compile(
    r"/(?:share|lib)/(?:.*/)?[._]?(?:version|release)_*(?:\.(?:txt|sh|pl|pm|py|tcl|rb|lua|h|scm|php|js|el))?$",
    re.IGNORECASE,
)
_SETTINGS = re.compile(
    r"/(?:share|lib)/(?:.*/)?(?:_?config|constants|globals|defs|about|__init__|__about__|main|app)\."
    r"(?:py|pl|pm|sh|tcl|rb|lua|scm|php|js|in|el)$"
)
"""Where scripts keep what all of their parts need to know."""
_WORTH_A_LOOK = re.compile(r"\.(?:py|p[lm]|sh|tcl|rb|lua|scm|php|js|in|el)$|version|release", re.IGNORECASE)
"""All names that the forms above and below have; most files of an image have none of them."""
_PLACE = re.compile(r"(?:^|/)(?:s?bin|libexec|etc/init\.d)/[^/]+$")
_SOURCE = re.compile(r"/(?:share|lib)/(?:.*/)?(?P<folder>[^/]+)/(?:.*/)?(?P=folder)\.(?:py|pl|sh|tcl|rb|lua)$")
_OF_A_LANGUAGE = re.compile(
    r"/(?:python[\d.]*|perl5?|ruby|tcl[\d.]*|php|lua|node_modules|nodejs|site-packages|dist-packages)/"
)
"""What is part of an interpreter, or a package of one, which describes itself elsewhere."""


def _wants(content: Content) -> bool:
    path = f"/{content.path}"
    if content.head[:2] == b"#!" and _PLACE.search(path) is not None:
        return True
    if _WORTH_A_LOOK.search(content.name) is None:
        return False
    return any(form.search(path) for form in (_VERSION_FILE, _SETTINGS, _SOURCE)) and not _OF_A_LANGUAGE.search(path)


def _read(content: Content) -> Iterator[Fact]:
    data = bytes(content.span.window.view[:MOST_BYTES])
    path = f"/{content.path}"
    alone = _ALONE.finditer(data) if _VERSION_FILE.search(path) else iter(())
    found = chain(alone, filter(_is_own, _ASSIGNED.finditer(data)))
    for match in islice(found, MOST_VERSIONS):
        yield _text(match, TOLD_BY_SCRIPT)
    for match in islice(_BEHIND_NAME.finditer(data), MOST_VERSIONS):
        yield _text(match, match["name"].decode("ascii", "replace"))


def _text(match: re.Match[bytes], before: str) -> VersionText:
    number = match["number"].decode()
    return VersionText(
        number=number,
        version=number + match["suffix"].decode(),
        before=before,
        after="",
        near=("", ""),
        offset=match.start("number"),
    )


def _is_own(match: re.Match[bytes]) -> bool:
    return (match["name"] or b"").decode("ascii", "replace").lower().strip("_") in _OWN_WORDS


def _example() -> tuple[str, bytes]:
    return "usr/bin/pump-report", b'#!/bin/sh\n# prints what the pump did\nMIN_VERSION=1.0.2\nVERSION="4.7.1"\n'


READER = FactReader(
    name="script",
    title="The version a script or a version file tells",
    source="Common use in shell, Perl, Python and Tcl",
    wants=_wants,
    read=_read,
    example=_example,
    states=(),
)
