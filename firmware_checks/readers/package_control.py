"""What a Debian or opkg package says about itself: its control file, packed in one of the package's members."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from firmware_checks.format import Entry
from firmware_checks.readers.entry_names import visible
from firmware_checks.readers.packed_tar import files_of, open_packed_tar
from toolkit.core.errors import FormatError, LimitExceeded
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact

__all__ = ["DEBIAN_BINARY", "package_facts"]

DEBIAN_BINARY = "debian-binary"
"""First member, which holds the version of the package format. Source: deb(5)."""
CONTROL_BYTES = 8 << 20
"""Unpacked size of the control archive that is read; its scripts and lists of files are small."""
VALUE_CHARACTERS = 200
FIELDS: Final = {"Package": "package", "Version": "version", "Architecture": "architecture"}
"""Source: deb-control(5)."""


def package_facts(files: Iterable[tuple[str, Entry]], limits: Limits) -> dict[str, Fact]:
    """Return name, version and architecture of the package in whose ``files`` a control archive stands."""
    facts: dict[str, Fact] = {}
    for name, entry in files:
        if name == DEBIAN_BINARY:
            facts["package_format"] = visible(_content(entry).decode("latin-1").strip(), most_characters=20)
        elif name.startswith("control.tar"):
            facts |= _control_facts(_content(entry), limits)
    return facts


def _content(entry: Entry) -> bytes:
    try:
        return entry.read(CONTROL_BYTES)
    except (FormatError, LimitExceeded):
        return b""


def _control_facts(archive: bytes, limits: Limits) -> dict[str, Fact]:
    small = replace(limits, entry_bytes=min(limits.entry_bytes, CONTROL_BYTES), unpacked_bytes=CONTROL_BYTES)
    try:
        opened = open_packed_tar("control.tar", Window.of(archive), small)
    except (FormatError, LimitExceeded):
        return {}
    control = next((_content(entry) for name, entry in files_of(opened) if name == "control"), b"")
    lines = (line.partition(":") for line in control.decode("utf-8", "replace").splitlines())
    return {
        FIELDS[key]: visible(value.strip(), most_characters=VALUE_CHARACTERS)
        for key, _, value in lines
        if key in FIELDS
    }
