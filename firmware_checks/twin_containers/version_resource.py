"""A Windows library that says in its version resource what it is. Source: Microsoft PE Format; VS_VERSIONINFO."""

from __future__ import annotations

import struct

__all__ = ["versioned_library"]

SECTION_AT, SECTION_ADDRESS = 0x200, 0x1000
VERSION_TYPE, ENGLISH = 16, 0x409
FIXED_SIGNATURE = 0xFEEF04BD
PROTECTED = 0x4140


def versioned_library(product: str, version: str) -> bytes:
    """Return a library called ``product``, with four numbers as ``version``, that is never loaded."""
    resource = _resource(_version_info(product, version))
    optional = struct.pack("<HBB", 0x10B, 14, 0) + struct.pack(
        "<9I6H4IHH4I2I", len(resource), 0, 0, 0, SECTION_ADDRESS, SECTION_ADDRESS, 0x1000_0000, 0x1000, 0x200,
        6, 0, 0, 0, 6, 0, 0, 2 * SECTION_ADDRESS, 0x200, 0, 2, PROTECTED, 0x10_0000, 0x1000, 0x10_0000, 0x1000, 0, 16,
    )  # fmt: skip
    directories = bytes(16) + struct.pack("<II", SECTION_ADDRESS, len(resource)) + bytes(8 * 13)
    coff = struct.pack("<HHIIIHH", 0x14C, 1, 0, 0, 0, len(optional) + len(directories), 0x2102)
    size = -(-len(resource) // 0x200) * 0x200
    section = struct.pack(
        "<8sIIIIIIHHI", b".rsrc", len(resource), SECTION_ADDRESS, size, SECTION_AT, 0, 0, 0, 0, 0x4000_0040
    )
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + coff + optional + directories + section
    return head.ljust(SECTION_AT, b"\0") + resource.ljust(size, b"\0")


def _resource(data: bytes) -> bytes:
    """Return the tree type, name and language with one leaf."""
    levels = b""
    for number, kind in enumerate((VERSION_TYPE, 1, ENGLISH)):
        below = 24 * (number + 1)
        levels += struct.pack("<IIHHHHII", 0, 0, 0, 0, 0, 1, kind, below | (0x8000_0000 if number < 2 else 0))
    return levels + struct.pack("<IIII", SECTION_ADDRESS + 88, len(data), 0, 0) + data


def _version_info(product: str, version: str) -> bytes:
    numbers = [int(part) for part in version.split(".")]
    halves = (numbers[0] << 16 | numbers[1], numbers[2] << 16 | numbers[3])
    fixed = struct.pack("<13I", FIXED_SIGNATURE, 0x1_0000, *halves, *halves, 0x3F, 0, 4, 2, 0, 0, 0)
    texts = {
        "FileVersion": version,
        "OriginalFilename": f"{product}.dll",
        "ProductName": product,
        "ProductVersion": version,
    }
    strings = b"".join(
        _node(name, (text + "\0").encode("utf-16-le"), b"", len(text) + 1) for name, text in texts.items()
    )
    table = _node("StringFileInfo", b"", _node("040904b0", b"", strings, 0), 0)
    return _node("VS_VERSION_INFO", fixed, table, len(fixed), is_text=0)


def _node(key: str, value: bytes, children: bytes, length: int, *, is_text: int = 1) -> bytes:
    """Return a node of the tree of versions; each part begins at a multiple of four bytes."""
    head = _padded(bytes(6) + (key + "\0").encode("utf-16-le"))
    body = _padded(head + value) + children
    return _padded(struct.pack("<HHH", len(body), length, is_text) + body[6:])


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
