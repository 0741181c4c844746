"""Kinds of values a profile is written with, each with its bounds and the words an error message uses for it."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

__all__ = [
    "FORM",
    "UNIT",
    "Address",
    "AdvisoryId",
    "BytePattern",
    "CfrSection",
    "Cpe",
    "Date",
    "Digits",
    "FdaCode",
    "Hex16",
    "HexBytes",
    "Milliseconds",
    "Name",
    "Number",
    "Path",
    "PathPattern",
    "Port",
    "ProfileId",
    "Purl",
    "SchemaVersion",
    "Size",
    "Text",
    "Url",
    "about",
]

HIGHEST_ADDRESS: Final = (1 << 48) - 1
"""Enough for every part we know; the address spaces of x86-64 and of 64-bit Arm end here."""

UNIT: Final = "unit"
"""Key of the unit a number is in: ``address``, ``size``, ``hex16`` or empty."""
FORM: Final = "form"
"""Key of the words that say what a text must look like."""


def about(description: str) -> msgspec.Meta:
    """Return the description of a field: the help of an editor, the comment in a template."""
    return msgspec.Meta(description=description)


def _text(pattern: str, form: str) -> msgspec.Meta:
    """Return the rule for a text that must match ``pattern`` from end to end; ``form`` says so in words.

    Python's ``$`` also stands before a last line feed, and JSON Schema has no other sign for the end of a text.
    """
    return msgspec.Meta(pattern=f"^({pattern})$(?!\\n)", extra={FORM: form})


def _number(lowest: int, highest: int, unit: str = "") -> msgspec.Meta:
    """Return the rule for a whole number from ``lowest`` to ``highest``, both included."""
    return msgspec.Meta(ge=lowest, le=highest, extra={UNIT: unit})


SchemaVersion: TypeAlias = Annotated[str, _text(r"1\.0", '"1.0", the version this program reads')]
ProfileId: TypeAlias = Annotated[
    str, _text("[a-z0-9][a-z0-9-]{2,63}", "an id: 3 to 64 small letters, digits and hyphens, such as contec-cms8000")
]
Name: TypeAlias = Annotated[
    str, _text("[a-z0-9][a-z0-9-]{0,63}", "a name of small letters, digits and hyphens, such as usb-serial")
]
Path: TypeAlias = Annotated[
    str,
    _text(
        r"(\*|[a-z0-9_-]+)(\.(\*|[a-z0-9_-]+))*",
        "a path of names joined by dots, such as update.authenticity or interfaces.*.authentication",
    ),
]
Text: TypeAlias = Annotated[str, _text(r"[^\x00-\x1f\x7f]+", "one line of text that is not empty")]
PathPattern: TypeAlias = Annotated[
    str,
    _text(
        r"/[^\x00-\x1f\x7f]+",
        "an absolute path such as /var/log/**, in which * is any text without / and ** any text",
    ),
]
Url: TypeAlias = Annotated[str, _text("https?://[!-~]+", "an address that starts with https:// or http://")]
Date: TypeAlias = Annotated[
    str,
    _text(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", 'a date in quotes: "2019", "2019-07" or "2019-07-31"'),
]
HexBytes: TypeAlias = Annotated[
    str, _text("[0-9A-F]{2}( [0-9A-F]{2})*", 'bytes as pairs of hexadecimal digits, such as "F5 F5"')
]
BytePattern: TypeAlias = Annotated[
    str,
    _text(r"([0-9A-F]{2}|\.\.)( ([0-9A-F]{2}|\.\.))*", 'hexadecimal bytes with .. for any byte, such as "F2 80 .."'),
]
Digits: TypeAlias = Annotated[str, _text(r"\d{4,14}", "a code of 4 to 14 digits in quotes")]
FdaCode: TypeAlias = Annotated[str, _text("[A-Z]{3}", "three capital letters, such as FRN")]
CfrSection: TypeAlias = Annotated[str, _text(r"\d{3}\.\d{4}", "a section of title 21 such as 880.5725")]
AdvisoryId: TypeAlias = Annotated[
    str, _text("[A-Z][A-Z0-9]*(-[A-Z0-9]+)+", "an advisory number such as ICSMA-25-030-01")
]
Purl: TypeAlias = Annotated[str, _text("pkg:[!-~]+", "a package URL that starts with pkg:")]
Cpe: TypeAlias = Annotated[str, _text(r"cpe:2\.3:[aho](:[!-~]+){10}", "a CPE name that starts with cpe:2.3:")]
Address: TypeAlias = Annotated[int, _number(0, HIGHEST_ADDRESS, "address")]
Size: TypeAlias = Annotated[int, _number(1, HIGHEST_ADDRESS, "size")]
Hex16: TypeAlias = Annotated[int, _number(0, 0xFFFF, "hex16")]
Port: TypeAlias = Annotated[int, _number(1, 0xFFFF)]
Milliseconds: TypeAlias = Annotated[int, _number(1, 24 * 3600 * 1000)]
Number: TypeAlias = Annotated[int, _number(1, 1 << 31)]
