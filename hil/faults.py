"""Faults of a line and of a power supply, decided by a start value, so that each can be had again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from hil.transport_url import TransportUrl
from toolkit.core.errors import InputError

__all__ = ["Cut", "FaultPlan", "LineFaults", "as_heard_at"]

BITS_PER_BYTE_ON_LINE: Final = 10
"""Start bit, 8 data bits, stop bit."""
STOP_BIT: Final = 9
SHAPES: Final = ("noise", "drop", "duplicate", "reorder", "delay", "baud", "line_baud")
BREAKS: Final = ("half_open", "unplug", "replug", "torn", "cut")
NAMES: Final = ("seed", "on", *SHAPES, *BREAKS)
CUT_PLACES: Final = ("byte", "frame", "flash")
ACES: Final = ("byte", "frame", "flash")


@dataclass(frozen=True, slots=True)
class Cut:
    """When the power fails: at the ``number``-th byte sent, message sent, or write to flash, from 1."""

    place: str
    number: int
    torn_bytes: int | None = None
    """Bytes of that flash write that are still done; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """What goes wrong, and how often: chances are from 0 to 1."""

    seed: int = 0
    directions: frozenset[str] = frozenset({"out", "in"})
    noise: float = 0.0
    """Chance of a byte to have one bit turned over."""
    drop: float = 0.0
    """Chance of a byte to be lost."""
    duplicate: float = 0.0
    """Chance of a piece (what is sent or arrives at once) to come twice."""
    reorder: float = 0.0
    """Chance of a piece to come after the next one."""
    delay_s: float = 0.0
    """How much later each piece comes."""
    half_open_bytes: int | None = None
    """After so many bytes sent nothing gets through, in either direction, without any error."""
    unplug_bytes: int | None = None
    """After so many bytes sent the connection is gone, once."""
    replug_s: float = 1.0
    """Then it can be made again after so many seconds."""
    baud: int | None = None
    """The other end runs at this rate."""
    line_baud: int = 115200
    """And we at this one."""
    torn_write: int | None = None
    """Of this message sent (from 1) only the first half gets through."""
    cut: Cut | None = None

    @classmethod
    def of(cls, url: TransportUrl) -> FaultPlan:
        """Return what the options ``fault.*`` of ``url`` ask for."""
        url.only(*(f"fault.{name}" for name in NAMES))

        def number(name: str) -> int | None:
            return int(url.number(f"fault.{name}", 0)) if f"fault.{name}" in url.options else None

        return cls(
            seed=number("seed") or 0,
            directions=_directions(url),
            noise=_chance(url, "noise"),
            drop=_chance(url, "drop"),
            duplicate=_chance(url, "duplicate"),
            reorder=_chance(url, "reorder"),
            delay_s=url.number("fault.delay", 0.0),
            half_open_bytes=number("half_open"),
            unplug_bytes=number("unplug"),
            replug_s=url.number("fault.replug", 1.0),
            baud=number("baud"),
            line_baud=number("line_baud") or 115200,
            torn_write=number("torn"),
            cut=_cut(url),
        )


class LineFaults:
    """Changes what passes in one direction."""

    def __init__(self, plan: FaultPlan, direction: str) -> None:
        self._plan = plan
        self._is_on = direction in plan.directions
        self._out = direction == "out"
        self._random = random.Random(f"{plan.seed}:{direction}")  # noqa: S311  # chance to be repeated, no secret
        self._held_back = b""

    def pass_on(self, piece: bytes) -> bytes:
        """Return what gets through of ``piece``, with what was held back before."""
        if not self._is_on:
            return piece
        piece = self._spoilt(piece)
        if self._chance(self._plan.duplicate):
            piece += piece
        if self._held_back:
            piece, self._held_back = piece + self._held_back, b""
        elif self._chance(self._plan.reorder):
            piece, self._held_back = b"", piece
        return piece

    def _spoilt(self, piece: bytes) -> bytes:
        plan = self._plan
        if plan.baud is not None:
            rates = (plan.line_baud, plan.baud) if self._out else (plan.baud, plan.line_baud)
            piece = as_heard_at(piece, *rates)
        if plan.drop:
            piece = bytes(byte for byte in piece if not self._chance(plan.drop))
        if plan.noise:
            piece = bytes(
                byte ^ (1 << self._random.randrange(8)) if self._chance(plan.noise) else byte for byte in piece
            )
        return piece

    def _chance(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance


def as_heard_at(data: bytes, sent_baud: int, heard_baud: int) -> bytes:
    """Return what a receiver at ``heard_baud`` makes of ``data`` sent without pause at ``sent_baud``, 8N1.

    It looks at the middle of each of its bits after a falling edge, and drops what has no stop bit, as a UART does.
    """
    line = [1]
    for byte in data:
        line += [0, *((byte >> bit) & 1 for bit in range(8)), 1]
    line += [1] * BITS_PER_BYTE_ON_LINE
    step = sent_baud / heard_baud
    heard = bytearray()
    first = 1
    while (start := _falling_edge(line, first)) is not None:
        bits = [_level(line, start + (bit + 0.5) * step) for bit in range(BITS_PER_BYTE_ON_LINE)]
        if bits[STOP_BIT]:
            heard.append(sum(value << bit for bit, value in enumerate(bits[1:STOP_BIT])))
        first = max(start + 1, math.ceil(start + STOP_BIT * step))
    return bytes(heard)


def _falling_edge(line: list[int], first: int) -> int | None:
    """Return the next place from ``first`` on where the line goes from idle to a start bit."""
    return next((place for place in range(first, len(line)) if line[place - 1] and not line[place]), None)


def _level(line: list[int], at: float) -> int:
    return line[int(at)] if at < len(line) else 1


def _chance(url: TransportUrl, name: str) -> float:
    value = url.number(f"fault.{name}", 0.0)
    if value > 1:
        raise InputError(f"{url}: fault.{name} is a chance from 0 to 1")
    return value


def _directions(url: TransportUrl) -> frozenset[str]:
    text = url.options.get("fault.on", "both")
    if text not in ("out", "in", "both"):
        raise InputError(f"{url}: fault.on is out, in or both")
    return frozenset({"out", "in"} if text == "both" else {text})


def _cut(url: TransportUrl) -> Cut | None:
    text = url.options.get("fault.cut")
    if text is None:
        return None
    place, _, rest = text.partition(":")
    number, _, torn = rest.partition(":")
    if place not in CUT_PLACES or not number.isdecimal() or not int(number) or not (torn == "" or torn.isdecimal()):
        raise InputError(f"{url}: fault.cut is byte:N, frame:N, flash:N or flash:N:BYTES, with N from 1")
    return Cut(place, int(number), int(torn) if torn else None)
