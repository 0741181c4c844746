"""What a Windows Installer package says about itself: the names of its streams and its table of properties."""

from __future__ import annotations

import struct
from typing import Final

from toolkit.core.errors import FormatError

__all__ = ["DATABASE_STREAMS", "decoded_name", "properties"]

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._"
PAIRS, SINGLES, TABLE_MARK = 0x3800, 0x4800, 0x4840
"""Characters from here on stand for two, for one, and in front of the name of a table."""
POOL, DATA, PROPERTY = "!_StringPool", "!_StringData", "!Property"
DATABASE_STREAMS: Final = (POOL, DATA, PROPERTY)
"""Names of the streams that ``properties`` needs."""
LONG_REFERENCES = 0x8000_0000
CODE_PAGES: Final = {0: "cp1252", 65001: "utf-8", 932: "shift_jis", 936: "gbk", 949: "cp949", 950: "big5"}
MOST_PROPERTIES = 5_000


def decoded_name(name: str) -> str:
    """Return the name of a stream of an installer; the names of tables begin with ``!``.

    Source: Wine dlls/msi/table.c, decode_streamname, describes the coding of two characters in one.
    """
    out = ""
    for character in name:
        code = ord(character)
        if PAIRS <= code < SINGLES:
            out += ALPHABET[code - PAIRS & 63] + ALPHABET[code - PAIRS >> 6]
        elif SINGLES <= code < TABLE_MARK:
            out += ALPHABET[code - SINGLES]
        else:
            out += "!" if code == TABLE_MARK else character
    return out


def properties(pool: bytes, data: bytes, table: bytes) -> dict[str, str]:
    """Return the table ``Property`` from the pool of strings; raise ``FormatError`` when they do not fit together.

    The table holds two columns of references to strings, all of the first column first.
    """
    strings, reference_bytes = _strings(pool, data)
    count = len(table) // (2 * reference_bytes)
    if count > MOST_PROPERTIES:
        raise FormatError("the installer has too many properties")
    references = [
        int.from_bytes(table[at : at + reference_bytes], "little")
        for at in range(0, 2 * count * reference_bytes, reference_bytes)
    ]
    if any(reference >= len(strings) for reference in references):
        raise FormatError("the properties of the installer refer to strings that are not there")
    return {strings[name]: strings[value] for name, value in zip(references[:count], references[count:], strict=True)}


def _strings(pool: bytes, data: bytes) -> tuple[list[str], int]:
    """Return the strings, the first being number 1, and how many bytes a reference to one takes."""
    if len(pool) < 4:
        raise FormatError("the installer has no pool of strings")
    (head,) = struct.unpack_from("<I", pool)
    encoding = CODE_PAGES.get(head & 0xFFFF, "cp1252")
    strings = [""]
    place = 0
    rows = struct.iter_unpack("<2H", pool[4 : len(pool) & ~3])
    for size, references in rows:
        length = size
        if size == 0 and references:
            low, high = next(rows, (0, 0))
            length = high << 16 | low
        strings.append(data[place : place + length].decode(encoding, "replace"))
        place += length
    return strings, 3 if head & LONG_REFERENCES else 2
