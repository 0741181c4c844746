"""What only looks like a version: addresses, identifiers of objects, measures, days, parts of paths."""

from __future__ import annotations

import re

from firmware_checks.version_texts import VersionText

__all__ = ["is_day", "is_identifier", "is_measure", "is_odd", "is_path"]

ADDRESS_PARTS = 4
_OTHER_MEANING = re.compile(
    r"^(?:\d+(?:\.\d+){5}|1\.3\.\d+\.\d|1\.2\.\d{3}|127\.|0\.0\.0|255\.|10\.\d+\.\d+\.\d+$|192\.168|22[4-9]\.\d+\.\d+\.\d+$|23\d\.\d+\.\d+\.\d+$|224\.0|239\.|169\.254|172\.(?:1[6-9]|2\d|3[01])(?:\.|$)|8\.8\.|802\.|1\.2\.840|1\.3\.6\.|1\.3\.14|"
    r"1\.2\.410\.|1\.2\.643|1\.3\.132|1\.3\.36\.|2\.5\.(?:4|29)|2\.16\.840|0\.9\.23|1\.1\.1\.1$|1\.2\.3\.4|1\.0\.0\.127|4\.2\.2\.)"
)
"""Addresses and object identifiers."""
_NETWORK = re.compile(r"/\d{1,2}\b")
"""Behind the address of a network."""
_BUILD_NUMBER = re.compile(r"/\d+$")
_PLACEHOLDER = re.compile(r"%[-+ #'0]*$")
"""What makes of a number the width of a value that is printed: ``%'8.2f``."""
_MARKUP = re.compile(r"<[^<>]*=[\"']?$")
_PADDED = re.compile(r"(?:^|\.)0\d\d")
"""Numbers filled up with zeros are measures and identifiers."""
_UNITS = frozenset({"k", "n", "u", "m", "s", "v", "x", "f", "ms", "us", "ns", "hz", "kb", "mb", "gb", "db", "mm", "cm"})
"""Letters behind two numbers that make a measure of them: ``62.5k``."""
_CALENDAR = re.compile(r"(?:19|20)\d\d\.(?:0[1-9]|1[0-2])\.(?:0[1-9]|[12]\d|3[01])(?:\.\d{6})?")
"""A day, with the time of it or without: more often when something was made than what it is called."""


def is_identifier(number: str) -> bool:
    """Tell whether the number is an address in a network or the identifier of an object."""
    return _OTHER_MEANING.match(number) is not None or _is_address(number)


def is_day(number: str) -> bool:
    """Tell whether the number is a day, with the time of it or without."""
    return _CALENDAR.fullmatch(number) is not None


def _is_address(number: str) -> bool:
    """Tell whether four numbers are rather an address in a network."""
    parts = [int(part) for part in number.split(".")]
    return len(parts) == ADDRESS_PARTS and max(parts) < 256 and sum(part > 31 for part in parts) > 1


def is_odd(number: str) -> bool:
    """Tell whether two numbers are hardly a release: ``646.1991``."""
    first, _, second = number.partition(".")
    return second.isdigit() and len(second) > 3 and not first.startswith("20")  # years have four


def is_measure(text: VersionText) -> bool:
    """Tell whether the number is rather a measure: ``62.5k``, ``012.003``, ``1.38e-23``."""
    suffix = text.version.removeprefix(text.number)
    if suffix == "e":
        return True
    return _PADDED.search(text.number) is not None or (text.number.count(".") == 1 and suffix in _UNITS)


def is_path(text: VersionText) -> bool:
    """Tell whether the version is a part of a path, an address on the web or a file name."""
    word_before = text.before.rsplit(None, 1)[-1] if text.before and not text.before[-1].isspace() else ""
    word_after = "" if not text.after or text.after[0].isspace() else text.after.split(None, 1)[0]
    if _NETWORK.match(text.after) and text.number.count(".") == ADDRESS_PARTS - 1:
        return True
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
