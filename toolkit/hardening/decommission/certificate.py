"""What a look for remains gives: data that page, text and JSON are made from."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from toolkit.core.findings import Finding
from toolkit.report.model import Subject

__all__ = ["Certificate", "Device", "Place", "Remain", "Verdict"]


class Verdict(enum.StrEnum):
    """What the storage of a device may be certified for."""

    NOTHING_FOUND = "nothing-found"
    REMAINS = "remains"
    NOT_CERTIFIED = "not-certified"
    """Something could not be looked at, so nothing is said about it."""


class Place(enum.StrEnum):
    """Where something remains."""

    FILE = "file"
    RAW = "raw"
    """Anywhere in the bytes of the dump: in a deleted file, in free space, or in a file as well."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """The one device the dump is of, as its owner calls it."""

    profile: Annotated[str, Meta(description="Id of the device profile; empty when none was given.")] = ""
    title: Annotated[str, Meta(description="What the device is.")] = ""
    asset_tag: Annotated[str, Meta(description="Its number in the inventory of the hospital.")] = ""
    serial_number: Annotated[str, Meta(description="Serial number on the type plate.")] = ""


class Remain(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must not leave the house."""

    place: Place
    finding: Finding


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked for in one dump, and what was found."""

    format: str
    verdict: Verdict
    subject: Subject
    device: Device
    day: str
    tool: str
    looked_for: Annotated[tuple[str, ...], Meta(description="Titles of the checks that looked.")]
    remains: tuple[Remain, ...]
    obstacles: Annotated[tuple[str, ...], Meta(description="Why nothing can be certified, in words.")]
    blank_bytes: Annotated[int, Meta(description="Bytes in blocks of 4,096 of one value, as erased memory has.")]
