"""Passwords, tokens, service codes and keys that stand in configuration, scripts, programs and memory dumps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, islice

from firmware_checks.credentials.signs import SIGNS, SecretKind, Sign
from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer
from firmware_checks.patterns.pattern import Hit, Pattern
from firmware_checks.patterns.shared import Patterns, search_alone

__all__ = ["OBSERVER", "Secret", "SecretKind"]

MOST_OF_ONE_FILE = 200
"""More secrets in one file are a list of words, or tell nothing new."""
MOST_WIDE_BYTES = 64 << 20
WIDE_REACH_CHARACTERS = 256
_WINDOWS = (b"MZ", b"\xff\xfe", b"regf")
_WIDE = tuple(
    word.encode("utf-16-le")
    for word in ("assword", "etworkKey", "PWD=", "pwd=", "asswd", "psk=", "SSID", "Pin=", "PIN=", "Code=")
)
_SETTINGS = (".ini", ".cfg", ".conf", ".cnf", ".properties", ".env", ".config", ".yaml", ".yml")
LONGEST_NAME = 48
_NAME = re.compile(rb"(?<![\w.-])[A-Za-z][\w.-]*\Z")
_BEGINS = (b"", b"\n", b"\r", b"\0", b" ", b"\t", b'"', b"'", b";", b"{", b",")
_FOR_PEOPLE = re.compile(
    rb"(?i)(?:[\w.-]*[._-])?(?:labels?|errors?|err|msg|messages?|texts?|title|hint|prompt|placeholder|caption|tooltip|dialog"
    rb"|button|btn|tr|i18n)[._-]"
)
"""Names of texts that are shown to somebody."""
COMMENT_REACH_BYTES = 200
_COMMENT = re.compile(
    rb"(?:^|[\r\n\0])[ \t]*(?:@?(?i:rem)[ \t]|::|#(?!define)|;|(?://|--)(?=\s)|\.\\\")[^\r\n\0]*\Z"
    rb"|<!--(?:(?!-->)[^\0])*\Z|(?:^|[\s;{}])/\*(?:(?!\*/)[^\0])*\Z"
)
"""A line that is switched off, and a line of a manual; what they name is an example most often."""
_MANUALS = re.compile(
    r"(?:^|/)(?:share/(?:doc|man|info|locale|zoneinfo|perl/[\d.]+/pod)|i18n|locales?|lang(?:uages?)?|translations?|licenses?|tests?|testdata|testing|examples?|wordlists?)/|(?:^|/)(?:test_[^/]*|[^/]*_test)\.\w+$"
    r"|(?:^|[/!_.-])(?:(?:ar|bg|cs|da|de|el|en|es|et|fi|fr|he|hr|hu|it|ja|ko|lt|lv|nb|nl|no|pl|pt|ro|ru|sk|sl|sv|tr|uk|zh)"
    r"(?:[_-][A-Za-z]{2,4})?|strings|messages|texts)\.(?:json|xml|resx|ts|lng|js|ini|properties|txt|yml|yaml)$"
)
_TEXT_ONLY = (".po", ".mo", ".gmo", ".pod", ".html", ".htm", ".svg", ".ttf", ".png", ".jpg", ".gz", ".md", ".rst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret(Observation):
    """A secret that whoever has the file can read."""

    kind: SecretKind
    what: str
    user: str
    fingerprint: str
    """First 16 hexadecimal digits of the SHA-256 of the secret: tells equal ones, and does not tell it."""
    value: str = field(repr=False)
    """The secret; never for an output."""


@cache
def _patterns() -> Patterns:
    return tuple(Pattern.of("secrets", sign.expression, anchor=sign.anchor) for sign in SIGNS)


_SIGN_OF = {sign.expression: sign for sign in SIGNS}


def _read(content: Content) -> Iterator[Observation]:
    view = content.span.window.view
    is_setting = content.name.lower().endswith(_SETTINGS)
    found = _secrets(view, content.hits(_patterns()), is_setting=is_setting)
    if content.head.startswith(_WINDOWS) or content.head[1:8:2] == b"\0\0\0\0":
        found = chain(found, _wide_secrets(view))
    yield from islice(found, MOST_OF_ONE_FILE)


def _secrets(view: memoryview, hits: Iterable[Hit], *, is_setting: bool) -> Iterator[Secret]:
    """Yield the secrets among ``hits`` in ``view``; a word alone is a password where settings stand."""
    ends = {True: -1, False: -1}
    apart: tuple[int, Secret] | None = None
    """A secret that stands apart from what led to it, and where it ends: another sign may tell better where it is."""
    for hit in hits:
        groups, sign = dict(hit.groups), _SIGN_OF[hit.pattern.source]
        value = groups.get("value") or groups.get("single") or groups.get("bare") or ""
        is_start = sign.kind is SecretKind.FIXED_START  # it stands in one command with a key
        is_sure = "bare" not in groups or (is_setting and _is_own_line(view, hit.start))
        is_new = hit.start >= ends[is_start] and sign.is_secret(value, is_sure)
        if is_new and not _is_comment(view, hit.start):
            if apart is not None and hit.start >= apart[0]:
                yield apart[1]
            apart = None
            if sign.is_apart:
                place = hit.start + bytes(view[hit.start : hit.end]).rfind(value.encode("utf-8", "surrogateescape"))
                apart = hit.end, _secret(sign, max(hit.start, place), value, "")
                continue
            ends[is_start] = hit.end
            yield _secret(sign, _start_of_name(view, hit.start), value, groups.get("user", ""))
    if apart is not None:
        yield apart[1]


def _is_own_line(view: memoryview, position: int) -> bool:
    """Tell whether a setting begins here: not a text for people, nor the value of another setting."""
    start = _start_of_name(view, position)
    before = bytes(view[max(0, start - 1) : start])
    name = bytes(view[start : position + LONGEST_NAME])
    return before in _BEGINS and _FOR_PEOPLE.match(name) is None


def _start_of_name(view: memoryview, position: int) -> int:
    """Return where the name begins that the sign at ``position`` is part of: ``ftp_password`` and not ``password``."""
    before = bytes(view[max(0, position - LONGEST_NAME) : position + 1])
    found = _NAME.search(before)
    return position - (len(found.group()) - 1) if found is not None else position


def _wide_secrets(view: memoryview) -> Iterator[Secret]:
    """Yield the secrets that are written with two bytes a character, as Windows does."""
    text = bytes(view[:MOST_WIDE_BYTES])
    position, looked = -1, 0
    for _ in range(MOST_OF_ONE_FILE):
        places = [text.find(word, max(position + 1, looked)) for word in _WIDE]
        position = min((place for place in places if place >= 0), default=-1)
        if position < 0:
            return
        first = max(looked + ((position - looked) & 1), position - 2 * WIDE_REACH_CHARACTERS)
        looked = position + 2 * WIDE_REACH_CHARACTERS
        narrow = memoryview(text[first:looked:2])
        for secret in _secrets(narrow, search_alone(_patterns(), narrow), is_setting=False):
            yield replace(secret, offset=first + 2 * secret.offset)


def _is_comment(view: memoryview, position: int) -> bool:
    before = bytes(view[max(0, position - COMMENT_REACH_BYTES) : position])
    return _COMMENT.search(before) is not None


def _secret(sign: Sign, offset: int, value: str, user: str) -> Secret:
    whose = f" of {user}" if user else ""
    return Secret(
        offset=offset,
        excerpt=f"{sign.what}{whose}: ********, {len(value)} characters",
        kind=sign.kind,
        what=sign.what,
        user=user,
        fingerprint=hashlib.sha256(value.encode()).hexdigest()[:16],
        value=value,
    )


def _wants(content: Content) -> bool:
    return not content.name.endswith(_TEXT_ONLY) and _MANUALS.search(content.span.path) is None


_EXAMPLE = (
    b"# settings\nftp_host=10.0.0.9\nftp_user=service\nftp_password=Wx7!pump22\n"
    b"curl -u monitor:Sx81tropic https://10.0.0.9/status\nphysician_pin = 4711\n"
    b'psk="ward seven wireless"\n'
)  # fmt: skip

OBSERVER = Observer(
    name="embedded-secrets",
    title="Secrets in configuration, scripts, programs and memory",
    source="manuals of the programs that read such settings; formats of tokens as their issuers publish them",
    wants=_wants,
    read=_read,
    patterns=_patterns,
    example=lambda: ("etc/pump.conf", _EXAMPLE),
    shows=4,
)
