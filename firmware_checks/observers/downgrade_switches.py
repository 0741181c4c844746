"""Scripts that tell an installer to take an older version than the one there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "DowngradeSwitch"]

MOST_BYTES: Final = 1 << 18
_GATES: Final = (b"downgrade", b"--oldpackage", b"-oldpackage")
_SWITCH = re.compile(
    rb"(?:^|[\s;&|(`])(?P<tool>opkg|apt-get|apt|dpkg|rpm|pip|adb|swupdate|rauc|pacman)\b[^\r\n#;&|]{0,160}?"
    rb"(?P<switch>--force-downgrade|--allow-downgrades?|--oldpackage|--enable-downgrade)(?![\w-])"
)
_SCRIPTS: Final = (".sh", ".py", ".bat", ".cmd", ".ps1", ".pl", "postinst", "preinst")


@dataclass(frozen=True, slots=True, kw_only=True)
class DowngradeSwitch(Observation):
    """One command."""

    tool: str
    switch: str


def _read(content: Content) -> Iterator[Observation]:
    text = bytes(content.span.window.view[:MOST_BYTES])
    if not any(gate in text for gate in _GATES):
        return
    for found in _SWITCH.finditer(text):
        line = text[text.rfind(b"\n", 0, found.start("tool")) + 1 : found.start("tool")].lstrip()
        if not line.startswith((b"#", b"rem ", b"::", b"echo ")):
            tool, switch = found["tool"].decode(), found["switch"].decode()
            yield DowngradeSwitch(offset=found.start("tool"), excerpt=f"{tool} {switch}", tool=tool, switch=switch)


def _wants(content: Content) -> bool:
    is_script = content.head.startswith(b"#!") or content.name.lower().endswith(_SCRIPTS)
    return is_script and content.span.size <= MOST_BYTES


OBSERVER = Observer(
    name="downgrade-switches",
    title="Commands that install older versions",
    source="manuals of opkg, apt-get(8), rpm(8), dpkg(1) and pacman(8)",
    wants=_wants,
    read=_read,
    example=lambda: ("update.sh", b"#!/bin/sh\n# opkg --force-downgrade\nopkg install --force-downgrade pump.ipk\n"),
    shows=1,
)
