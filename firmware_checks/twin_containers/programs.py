"""Programs with texts in them: for Linux as ELF, for microcontrollers raw or as Intel HEX."""

from __future__ import annotations

import struct

from firmware_checks.architectures.arm_cortex_m import ARCHITECTURE
from firmware_checks.observers.hardening import RELRO, STACK

__all__ = ["FLASH", "hosted_program", "intel_hex", "microcontroller_program", "protected_program"]

FLASH = 0x0800_0000
LINE_BYTES = 16
EXECUTABLE, MOVABLE, ARM = 2, 3, 40
HEADER_BYTES = SEGMENTS_AT = 52
SEGMENT = struct.Struct("<8I")
PROTECTION_CALLS = ("__stack_chk_fail", "__printf_chk")


def hosted_program(*texts: bytes, calls: tuple[str, ...] = ("puts",), debug: bool = False) -> bytes:
    """Return a Linux program for ARM as built without any protection; it is never run.

    ``texts`` are its constants, ``calls`` the functions it imports; ``debug`` leaves information for debuggers in.
    """
    return _program(texts, calls, kind=EXECUTABLE, stack_rights=7, sections=("debug_info",) if debug else ())


def protected_program(*texts: bytes, calls: tuple[str, ...] = ("puts",)) -> bytes:
    """Return the same kind of program built with PIE, RELRO, a stack canary and a stack that is no code."""
    return _program(texts, (*calls, *PROTECTION_CALLS), kind=MOVABLE, stack_rights=6, sections=())


def _program(
    texts: tuple[bytes, ...], calls: tuple[str, ...], *, kind: int, stack_rights: int, sections: tuple[str, ...]
) -> bytes:
    is_movable = kind == MOVABLE
    base = 0 if is_movable else 0x1_0000
    loader = b"/lib/ld-linux.so.3\0"
    strings = b"\0" + b"".join(call.encode() + b"\0" for call in calls) + b"libc.so.6\0"
    constants = b"\0".join((b"", *texts, b""))
    dynamic_at = SEGMENTS_AT + 5 * SEGMENT.size
    rows = [(5, 0), (10, len(strings)), (1, len(strings) - 10), *([(30, 8)] if is_movable else []), (0, 0)]
    loader_at = dynamic_at + 8 * len(rows)
    strings_at = loader_at + len(loader)
    constants_at = strings_at + len(strings)
    rows[0] = (5, base + strings_at)
    end = constants_at + len(constants)
    segments = [
        _segment(1, 0, base, end, 5),
        _segment(3, loader_at, base, len(loader), 4),
        _segment(2, dynamic_at, base, 8 * len(rows), 6),
        _segment(STACK, 0, 0, 0, stack_rights),
        _segment(RELRO if is_movable else 0, dynamic_at, base, 8 * len(rows), 4),
    ]
    names = b"\0.rodata\0.shstrtab\0" + b"".join(b"." + name.encode() + b"\0" for name in sections)
    table_at = end + len(names)
    count = 3 + len(sections)
    head = struct.pack(
        "<HHIIIIIHHHHHH", kind, ARM, 1, base, HEADER_BYTES, table_at, 0x500_0400, 52, 32, 5, 40, count, 2
    )
    table = bytes(40) + _section(1, base + constants_at, constants_at, len(constants), 2)
    table += _section(9, 0, end, len(names), 0, kind=3)
    table += b"".join(_section(names.index(b"." + name.encode()), 0, constants_at, 1, 0) for name in sections)
    dynamic = b"".join(struct.pack("<II", *row) for row in rows)
    body = b"\x7fELF\x01\x01\x01" + bytes(9) + head + b"".join(segments) + dynamic + loader + strings
    return body + constants + names + table


def _segment(kind: int, at: int, base: int, size: int, rights: int) -> bytes:
    return SEGMENT.pack(kind, at, base + at, base + at, size, size, rights, 4)


def _section(name: int, address: int, at: int, size: int, flags: int, *, kind: int = 1) -> bytes:
    return struct.pack("<10I", name, kind, flags, address, at, size, 0, 0, 1, 0)


def microcontroller_program(*texts: bytes) -> bytes:
    """Return a program for a Cortex-M that is never run, with ``texts`` behind its code."""
    code = ARCHITECTURE.example()
    return code + b"\0".join((b"", *texts, b"")).ljust(64, b"\0")


def intel_hex(data: bytes, *, address: int = FLASH) -> bytes:
    """Return ``data`` as Intel HEX from ``address`` on."""
    lines = [_line(4, 0, struct.pack(">H", address >> 16))]
    lines += [_line(0, (address + at) & 0xFFFF, data[at : at + LINE_BYTES]) for at in range(0, len(data), LINE_BYTES)]
    return b"".join([*lines, _line(1, 0, b"")])


def _line(kind: int, address: int, payload: bytes) -> bytes:
    record = bytes([len(payload), address >> 8, address & 0xFF, kind]) + payload
    return b":%s%02X\n" % (record.hex().upper().encode(), -sum(record) & 0xFF)
