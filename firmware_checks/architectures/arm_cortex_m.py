"""ARM Cortex-M: Thumb code behind a vector table."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_checks.architecture import Architecture, Code, Recognition
from firmware_checks.structure import thumb
from firmware_checks.structure.calls import Landing, judge, measure
from firmware_checks.structure.load_base import count_votes, vote_by_text
from firmware_checks.structure.vector_table import VectorTable, find_tables, little_words
from firmware_checks.texture import Stretch, Texture
from toolkit.report.model import Confidence

__all__ = ["ARCHITECTURE"]

SCANNED_BYTES = 1 << 19
"""Bytes searched for pointers and functions: more would only repeat the answer."""
TABLE_ALIGNMENT = 0x80
"""A vector table stands at a multiple of this (VTOR bits 7 and up)."""
ROUND_CANDIDATES = 4
MOVED = 10
"""Pointers that must agree before a program is said to run elsewhere than the file puts it."""
ENDLESS_LOOP = b"\xfe\xe7"
MINIMUM_RATIO = 0.25
CHANCE = 5
"""One of so many places looks like the beginning of a handler without being one."""


@dataclass(frozen=True, slots=True)
class _Placement:
    """Address of the first byte, why, and how many pointers and handlers agree on it."""

    base: int
    why: str
    agreement: int


def _recognise(code: Code) -> Recognition | None:
    landing = measure(code, thumb.calls, thumb.STARTS)
    plain = [Stretch(start, end, Texture.PLAIN) for start, end in code.plain]
    tables = (
        t for t in find_tables(code.view, plain) if not plain or any(s.start - 4 < t.offset < s.end for s in plain)
    )
    first = next(tables, None)
    found = None if first is None else _with_table(code, first, landing)
    return found if found is not None else _without_table(code, landing)


def _with_table(code: Code, table: VectorTable, landing: Landing) -> Recognition | None:
    place = _place(code, table)
    if place is None or place.agreement + landing.landed < 2:
        return None
    interrupts = f", {table.interrupts} interrupts" if table.interrupts else ""
    vectors = f"vector table at offset {table.offset:#x}: stack {table.stack:#x}, reset {table.reset:#x}{interrupts}"
    return Recognition(
        confidence=Confidence.HIGH if place.agreement >= 2 and landing.landed >= 2 else Confidence.MEDIUM,
        strength=100 + landing.landed,
        why=(vectors, place.why, landing.sentence),
        load_address=place.base,
        entry_address=table.reset,
        stack_address=table.stack,
    )


def _place(code: Code, table: VectorTable) -> _Placement | None:
    """Return where the first byte is, or None when the handlers cannot all be inside."""
    data = bytes(code.view[:SCANNED_BYTES])
    low, high = table.load_range(code.size)
    votes = _votes(data, table, low, high)
    stored = [code.address] if code.address is not None and low <= code.address <= high else []
    candidates = {base for base, _ in votes.most_common(8)} | {*_round_addresses(table, low, high), *stored}
    if not candidates:
        return None
    hits = {base: _handler_hits(data, table, base) for base in candidates}
    points = {base: votes[base] + 2 * hits[base] + _roundness(base + table.offset) for base in candidates}
    best = max(candidates, key=lambda base: (points[base], -base))
    agreement = votes[best] + hits[best]
    if code.address is not None and code.address != best:
        moved = votes[best] >= MOVED and votes[best] >= 3 * votes[code.address]
        if not moved and not stored:
            return None
        if not moved:
            agreement = votes[code.address] + hits[code.address] + 1
            return _Placement(code.address, f"placed at {code.address:#x} by the file", agreement)
        why = f"stored at {code.address:#x}, but {votes[best]} pointers to functions say it runs at {best:#x}"
        return _Placement(best, why, agreement)
    if agreement < 3:
        why = f"the first byte is taken to be at {best:#x}, the roundest address that suits the vectors"
        return _Placement(best, why, agreement)
    second = max((votes[base] for base in candidates if base != best), default=0)
    why = f"{votes[best]} pointers to functions fit when the first byte is at {best:#x}, {second} the next one"
    return _Placement(best, why, agreement)


def _votes(data: bytes, table: VectorTable, low: int, high: int) -> Counter[int]:
    words = little_words(data)
    end = high + len(data)
    pointers = {word - 1 for word in words if word & 1 and low < word <= end}
    return count_votes(
        pointers,
        thumb.function_starts(data),
        low=low,
        high=high,
        residue=-table.offset % TABLE_ALIGNMENT,
        step=TABLE_ALIGNMENT,
    )


def _round_addresses(table: VectorTable, low: int, high: int) -> list[int]:
    """Return the few roundest addresses of byte 0 between ``low`` and ``high``, by where they put the table."""
    for shift in range(31, 6, -1):
        step = 1 << shift
        first = -(-(low + table.offset) // step) * step
        found = list(range(first, high + table.offset + 1, step))[:ROUND_CANDIDATES]
        if found:
            return [base - table.offset for base in found]
    return []


def _roundness(address: int) -> float:
    zeros = (address & -address).bit_length() - 1 if address else 20
    return min(zeros, 20) / 2


def _handler_hits(data: bytes, table: VectorTable, base: int) -> int:
    """Return how many handlers begin like handlers do when byte 0 is at ``base``: an endless loop, a push, a return."""
    hits = 0
    for handler in table.handlers:
        start = data[handler - base : handler - base + 4] if handler >= base else b""
        hits += start.startswith((ENDLESS_LOOP, b"\x70\x47", b"\x2d\xe9")) or start[1:2] == b"\xb5"
    return hits if CHANCE * hits >= len(table.handlers) else 0


def _without_table(code: Code, landing: Landing) -> Recognition | None:
    if landing.ratio < MINIMUM_RATIO or landing.landed < 6 or _mixed_with_arm(code.windows):
        return None
    vote = vote_by_text(bytes(code.view[:SCANNED_BYTES]), width=4, byte_order="little")
    base = code.address if code.address is not None else vote.base if vote else None
    notes = () if vote is None else (f"{vote.votes} pointers to texts fit when the first byte is at {vote.base:#x}",)
    return judge(landing, load_address=base, notes=notes, minimum_ratio=MINIMUM_RATIO)


def _mixed_with_arm(windows: Sequence[tuple[int, bytes]]) -> bool:
    """Tell whether much of the code is 32-bit ARM, which Cortex-M cannot run."""
    arm = sum(data[3::4].count(b"\xe5") + data[3::4].count(b"\xe2") + data[3::4].count(b"\xe1") for _, data in windows)
    return arm * 4 * 16 > sum(len(data) for _, data in windows)


def _example() -> bytes:
    """Build a program for flash at 0x08000000: table, default handler, reset handler, functions calling each other."""
    functions = 12
    code = bytearray()
    first = 0x40 + 8
    for index in range(functions):
        here = first + 12 * index
        target = first + 12 * ((index + 1) % functions)
        code += struct.pack("<H", 0xB510) + thumb_call(here + 2, target) + struct.pack("<HHH", 0x2000, 0xBF00, 0xBD10)
    reset, default = first, 0x40
    base = 0x0800_0000
    handlers = [base + reset + 1, *[base + default + 1] * 5, 0, 0, 0, 0, base + default + 1, base + default + 1, 0]
    table = struct.pack("<16I", 0x2000_5000, *handlers, base + default + 1, base + default + 1)
    pointers = struct.pack(f"<{functions}I", *[base + first + 12 * index + 1 for index in range(functions)])
    return table + ENDLESS_LOOP + b"\x00\xbf" * 3 + bytes(code) + pointers


def thumb_call(here: int, target: int) -> bytes:
    """Return the BL instruction at ``here`` that calls ``target``; encoding T1."""
    distance = target - here - 4
    sign = 1 if distance < 0 else 0
    i1, i2 = distance >> 23 & 1, distance >> 22 & 1
    first = 0xF000 | sign << 10 | distance >> 12 & 0x3FF
    second = 0xD000 | (1 - (i1 ^ sign)) << 13 | (1 - (i2 ^ sign)) << 11 | distance >> 1 & 0x7FF
    return struct.pack("<HH", first, second)


ARCHITECTURE = Architecture(
    name="arm-cortex-m",
    title="ARM Cortex-M",
    source="Arm v7-M Architecture Reference Manual (DDI 0403)",
    recognise=_recognise,
    example=_example,
)
