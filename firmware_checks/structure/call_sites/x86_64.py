"""Stubs, calls and arguments on x86-64. Sources: Intel SDM volume 2; x86-64 psABI; GNU ld, elf64-x86-64.c (stubs)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final

from firmware_checks.structure.call_sites.model import FAR_REACH_BYTES, REACH_BYTES, Machine, Origin, Stretch

__all__ = ["MACHINE"]

_JUMP_SLOT = re.compile(rb"\xff\x25([\x00-\xff]{4})")
_CALL_SLOT = re.compile(rb"\xff\x15")
CHUNK_BYTES: Final = 1 << 16
_LANDING: Final = (b"\xf3\x0f\x1e\xfa\xf2", b"\xf3\x0f\x1e\xfa", b"\xf2")
"""``endbr64`` and ``bnd``, which may stand before the jump of a stub."""
_REGISTERS: Final = (7, 6, 2, 1)
"""rdi, rsi, rdx, rcx: the first four arguments."""
STACK_POINTER: Final = 4
_KEPT: Final = (3, 5, 12, 13, 14, 15)
"""rbx, rbp, r12 to r15: what functions must leave as it is; any other register is not followed over a call."""


def _stubs(stretch: Stretch, slots: Collection[int]) -> Iterator[tuple[int, int]]:
    for found in _JUMP_SLOT.finditer(stretch.data):
        place = found.start()
        slot = stretch.address + found.end() + int.from_bytes(found[1], "little", signed=True)
        if slot not in slots:
            continue
        before = next((len(mark) for mark in _LANDING if stretch.data.endswith(mark, 0, place)), 0)
        yield stretch.address + place, slot
        if before:
            yield stretch.address + place - before, slot


def _calls(stretch: Stretch, stubs: Collection[int], slots: Collection[int]) -> Iterator[tuple[int, int]]:
    data, address = stretch.data, stretch.address
    for found in _CALL_SLOT.finditer(data):
        end = found.end() + 4
        slot = address + end + int.from_bytes(data[end - 4 : end], "little", signed=True)
        if slot in slots:
            yield found.start(), slot
    if not stubs:
        return
    first, last = min(stubs) - CHUNK_BYTES - 5, max(stubs) + 1
    for start in range(0, len(data), CHUNK_BYTES):
        here = address + start
        for found in _calls_of(first - here >> 16, last - here >> 16).finditer(data, start, start + CHUNK_BYTES):
            place = found.start()
            target = address + place + 5 + int.from_bytes(data[place + 1 : place + 5], "little", signed=True)
            if target in stubs:
                yield place, target


@lru_cache(maxsize=512)
def _calls_of(first: int, last: int) -> re.Pattern[bytes]:
    """Return what matches calls whose distance has one of these numbers in its upper half, most of what there is not.

    Looking at every call of a large program in Python would take as long as all other looks together.
    """
    highs = b"|".join(re.escape((high & 0xFFFF).to_bytes(2, "little")) for high in range(first, last + 1))
    return re.compile(rb"\xe8(?=[\x00-\xff]{2}(?:" + highs + rb"))", re.DOTALL)


def _argument(stretch: Stretch, place: int, number: int) -> int | Origin:
    return _set(stretch, place, _REGISTERS[number], REACH_BYTES, may_follow=True)


def _set(stretch: Stretch, place: int, register: int, reach: int, *, may_follow: bool) -> int | Origin:
    """Return what the last instruction before ``place`` that sets ``register`` puts there."""
    start = max(0, place - reach)
    if register not in _KEPT:
        start = max(start, *(stretch.data.rfind(call, start, place) + 1 for call in (b"\xe8", b"\xff\x15")))
    found = [*_setter(register).finditer(stretch.data, start, place)][-1:]
    if not found:
        return Origin.ELSEWHERE
    last = found[0]
    if last["relative"] is not None:
        return stretch.address + last.end() + int.from_bytes(last["relative"], "little", signed=True)
    if last["absolute"] is not None:
        return int.from_bytes(last["absolute"], "little")
    if last["copied"] is None:
        return Origin.ELSEWHERE if last["stack"] is None else Origin.BUFFER
    source = last["copied"][2] >> 3 & 7 | (8 if last["copied"][0] & 4 else 0)
    if source == STACK_POINTER:
        return Origin.BUFFER
    return _set(stretch, last.start(), source, FAR_REACH_BYTES, may_follow=False) if may_follow else Origin.ELSEWHERE


_SETTERS: dict[int, re.Pattern[bytes]] = {}


def _setter(register: int) -> re.Pattern[bytes]:
    """Return what matches instructions that set ``register``: lea, pop, mov of a number, register or memory."""
    if register not in _SETTERS:
        low, high = register & 7, register >> 3
        lea = bytes((0x48 | high << 2,)) + b"\x8d"
        rip, in_frame, far = (bytes((mod << 6 | low << 3 | 5,)) for mod in (0, 1, 2))
        on_stack, far_stack = (bytes((mod << 6 | low << 3 | 4,)) + b"\x24" for mod in (1, 2))
        bare_stack = bytes((low << 3 | 4,)) + b"\x24"
        prefix = b"\x41" if high else b""
        copies = bytes(0xC0 | source << 3 | low for source in range(8))
        wide = bytes((0x48 | high, 0x4C | high))
        memory = bytes(mod << 6 | low << 3 | base for mod in (0, 1, 2) for base in range(8))
        e = re.escape
        _SETTERS[register] = re.compile(
            b"(?:" + e(lea + rip) + rb"(?P<relative>[\x00-\xff]{4})"
            rb"|" + e(prefix + bytes((0xB8 | low,))) + rb"(?P<absolute>[\x00-\xff]{4})"
            rb"|(?P<stack>" + e(lea) + b"(?:" + e(on_stack) + b"." + b"|" + e(far_stack) + b"....|" + e(bare_stack)
            + b"|" + e(in_frame) + b".|" + e(far) + b"....))"
            rb"|(?P<copied>[" + e(wide) + rb"]\x89[" + e(copies) + b"])"
            rb"|[\x48-\x4f][\x8b\x8d][" + e(memory) + b"]|" + e(prefix + bytes((0x58 | low,))) + b")",
            re.DOTALL,
        )  # fmt: skip
    return _SETTERS[register]


MACHINE: Final = Machine(stubs=_stubs, calls=_calls, argument=_argument)
