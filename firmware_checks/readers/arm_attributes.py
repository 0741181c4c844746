"""What an Arm compiler writes into a program about the processor it was built for.

Source: "Addenda to, and Errata in, the ABI for the Arm Architecture", chapter 3 (build attributes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["ArmAttributes", "read_arm_attributes"]

MAX_BYTES = 4096
"""Real attribute sections have less than a hundred bytes."""
FILE_SCOPE = 1
RAW_NAME, NAME, ARCHITECTURE, PROFILE, COMPATIBILITY = 4, 5, 6, 7, 32
FIRST_TAG_BY_PARITY = 32
"""From here on odd tags hold text and even ones numbers."""
ARCHITECTURES: Final = {
    1: "v4",
    2: "v4T",
    3: "v5T",
    4: "v5TE",
    5: "v5TEJ",
    6: "v6",
    7: "v6KZ",
    8: "v6T2",
    9: "v6K",
    10: "v7",
    11: "v6-M",
    12: "v6S-M",
    13: "v7E-M",
    14: "v8-A",
    15: "v8-R",
    16: "v8-M baseline",
    17: "v8-M mainline",
    21: "v8.1-M mainline",
    22: "v9-A",
}
PROFILES: Final = {0x41: "A", 0x4D: "M", 0x52: "R"}
MICROCONTROLLER_ARCHITECTURES = frozenset({11, 12, 13, 16, 17, 21})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmAttributes:
    """The processor a program was built for."""

    cpu: str = ""
    """For example ``Cortex-M4``; empty when the compiler did not say."""
    architecture: str = ""
    """For example ``v7E-M``."""
    profile: str = ""
    """``M`` microcontroller, ``A`` application, ``R`` real time, or empty."""

    @property
    def is_microcontroller(self) -> bool:
        """Whether the program was built for a Cortex-M."""
        return self.profile == "M"


def read_arm_attributes(data: memoryview, byte_order: str) -> ArmAttributes:
    """Return what the attribute section says; what cannot be read is left empty."""
    numbers: dict[int, int] = {}
    texts: dict[int, str] = {}
    if bytes(data[:1]) == b"A":
        for vendor in _blocks(data[1:MAX_BYTES], byte_order, size_at=0):
            name, _, body = bytes(vendor).partition(b"\0")
            if name == b"aeabi":
                for scope in _blocks(memoryview(body), byte_order, size_at=1):
                    _read_scope(scope, numbers, texts)
    architecture = numbers.get(ARCHITECTURE, 0)
    microcontroller = architecture in MICROCONTROLLER_ARCHITECTURES
    return ArmAttributes(
        cpu=texts.get(NAME) or texts.get(RAW_NAME, ""),
        architecture=ARCHITECTURES.get(architecture, ""),
        profile="M" if microcontroller else PROFILES.get(numbers.get(PROFILE, 0), ""),
    )


def _blocks(data: memoryview, byte_order: str, *, size_at: int) -> Iterator[memoryview]:
    """Yield the content of each block; its 32-bit size, at ``size_at``, counts the block from its start."""
    header_bytes = size_at + 4
    while len(data) >= header_bytes:
        (size,) = struct.unpack_from(f"{byte_order}I", data, size_at)
        if size < header_bytes or (size_at and data[0] != FILE_SCOPE):
            return
        yield data[header_bytes:size]
        data = data[size:]


def _read_scope(data: memoryview, numbers: dict[int, int], texts: dict[int, str]) -> None:
    position = 0
    while position < len(data):
        tag, position = _number(data, position)
        if tag == COMPATIBILITY:
            _, position = _number(data, position)
            _, position = _text(data, position)
        elif tag in {RAW_NAME, NAME} or (tag > FIRST_TAG_BY_PARITY and tag % 2):
            texts[tag], position = _text(data, position)
        else:
            numbers[tag], position = _number(data, position)


def _number(data: memoryview, position: int) -> tuple[int, int]:
    """Return the number in 7-bit groups, lowest first, at ``position``, and the position after it."""
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << min(shift, 63)
        shift += 7
        if byte < 0x80:
            break
    return value, position


def _text(data: memoryview, position: int) -> tuple[str, int]:
    raw = bytes(data[position:]).split(b"\0", 1)[0]
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in raw)
    return shown, position + len(raw) + 1
