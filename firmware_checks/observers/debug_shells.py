"""Texts of a command line for developers in the program of a microcontroller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from firmware_checks.fact_reader import Content
from firmware_checks.observer import Observation, Observer

__all__ = ["OBSERVER", "DebugShell"]

SIGNS: Final = MappingProxyType(
    {
        b"uart:~$ ": "the shell of Zephyr",
        b"FreeRTOS command server.": "the command line of FreeRTOS",
        b"Type Help to view a list of registered commands": "the command line of FreeRTOS",
        b"ChibiOS/RT Shell": "the shell of ChibiOS",
        b"NuttShell (NSH)": "the shell of NuttX",
        b"RIOT! Type 'help'": "the shell of RIOT",
        b"msh />": "the shell of RT-Thread",
        b"msh >": "the shell of RT-Thread",
        b"finsh />": "the shell of RT-Thread",
        b"Hit any key to stop autoboot": "the prompt of the boot loader U-Boot",
        b"memory dump <addr>": "a monitor that reads memory",
    }
)
"""What these shells print. Source: manuals of each project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugShell(Observation):
    """A text that such a shell prints."""

    shell: str


def _read(content: Content) -> Iterator[Observation]:
    data = bytes(content.span.window.view)
    told: set[str] = set()
    for sign, shell in SIGNS.items():
        place = data.find(sign)
        if place >= 0 and shell not in told:
            told.add(shell)
            yield DebugShell(offset=place, excerpt=sign.decode(), shell=shell)


def _wants(content: Content) -> bool:
    return content.elf is None and (content.program is not None or content.name.lower().endswith((".bin", ".img")))


OBSERVER = Observer(
    name="debug-shells",
    title="Command lines for developers in microcontroller programs",
    source="manuals of Zephyr, FreeRTOS-Plus-CLI, ChibiOS, NuttX, RIOT, RT-Thread and U-Boot",
    wants=_wants,
    read=_read,
    example=lambda: ("pump.bin", b"\0\0uart:~$ \0\0"),
    shows=1,
)
