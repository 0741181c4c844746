"""The description inside a SWUpdate image: settings in the manner of libconfig or JSON, read for what we report.

Source: SWUpdate documentation, "SWUpdate: syntax and tags with the default parser"; libconfig manual, 3 Configuration
Files. Conditions, references and links to other files are not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit.core.errors import FormatError

__all__ = ["Artifact", "Description", "read_description"]

MOST_DEPTH = 64
MOST_LISTED = 1000
_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<comment>#[^\n]*|//[^\n]*|/\*.*?\*/)|(?P<mark>[{}()\[\]=:;,])|(?P<word>[^\s{}()\[\]=:;,"#]+)',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that the description names, and what it should hash to; empty where it does not say."""

    filename: str
    sha256: str
    encrypted: bool


@dataclass(slots=True)
class Description:
    """What a description says."""

    version: str = ""
    text: str = ""
    """Its own words about the update."""
    hardware: list[str] = field(default_factory=list)
    """Revisions of the hardware it fits."""
    artifacts: list[Artifact] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    values: dict[str, str] = field(default_factory=dict)
    key: str = ""
    """Whose value comes next."""
    in_list: bool = False


def read_description(text: str) -> Description:
    """Return what ``text`` says; raise ``FormatError`` when it is no description."""
    found = Description()
    stack = [_Group()]
    for word, following in _tokens(text):
        if word == "{":
            if len(stack) > MOST_DEPTH:
                raise FormatError("its groups are nested too deeply")
            stack.append(_Group())
        elif word == "}":
            if len(stack) < 2:
                raise FormatError("it closes a group that was not opened")
            _take(found, stack.pop().values)
        else:
            _read(found, stack[-1], word, following)
    _take(found, stack[0].values)
    return found


def _read(found: Description, group: _Group, word: str, following: str) -> None:
    if word in ("[", "]"):
        group.in_list = word == "["
    elif word in ("=", ":", ";", ",", "(", ")"):
        return
    elif following in ("=", ":") and not group.in_list:
        group.key = _plain(word)
    else:
        _value(found, group, _plain(word))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield each token but comments, with the one that follows it; raise where none can be read."""
    waiting = ""
    place = 0
    for match in _TOKEN.finditer(text):
        if text[place : match.start()].strip():
            raise FormatError(f"character {place} makes no sense in it")
        place = match.end()
        if match.lastgroup == "comment":
            continue
        if waiting:
            yield waiting, match.group()
        waiting = match.group()
    if text[place:].strip():
        raise FormatError(f"character {place} makes no sense in it")
    if waiting:
        yield waiting, ""


def _plain(word: str) -> str:
    return word[1:-1] if word.startswith('"') else word


def _value(found: Description, group: _Group, value: str) -> None:
    if group.key == "hardware-compatibility":
        if value not in found.hardware and len(found.hardware) < MOST_LISTED:
            found.hardware.append(value)
    else:
        group.values.setdefault(group.key, value)


def _take(found: Description, values: dict[str, str]) -> None:
    """Take over what a group says that is complete; outer ones come last, and their version is that of the whole."""
    if "filename" in values:
        if len(found.artifacts) < MOST_LISTED:
            found.artifacts.append(
                Artifact(
                    filename=values["filename"],
                    sha256=values.get("sha256", "").lower(),
                    encrypted=values.get("encrypted", "false").lower() not in ("false", "0"),
                )
            )
        return
    found.version = values.get("version", found.version)
    found.text = values.get("description", found.text)
