import struct

import pytest

from firmware_checks.readers.elf_file import read_elf
from toolkit.core.window import Window


def program(note: bytes = b"", os_abi: int = 0) -> bytes:
    """Return a 32-bit Arm program that needs no loader, with a segment of notes."""
    head = b"\x7fELF" + bytes([1, 1, 1, os_abi]) + bytes(8)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0x10000, 52, 0, 0x0500_0000, 52, 32, 2, 0, 0, 0)
    load = struct.pack("<8I", 1, 0, 0x10000, 0x10000, 116 + len(note), 116 + len(note), 5, 4)
    return head + load + struct.pack("<8I", 4, 116, 0x10074, 0x10074, len(note), len(note), 4, 4) + note


def note(kind: int) -> bytes:
    return struct.pack("<III", 4, 16, kind) + b"GNU\0" + struct.pack("<4I", 0, 3, 2, 0)


@pytest.mark.parametrize(
    ("data", "hosted"),
    [
        (program(), False),
        (program(note(1)), True),
        (program(note(3)), False),  # an identifier of the build: microcontroller programs have one too
        (program(os_abi=3), True),
    ],
)
def test_a_program_linked_with_all_it_needs_tells_that_it_is_for_linux(data: bytes, hosted: bool) -> None:
    assert read_elf(Window.of(data)).is_hosted is hosted
