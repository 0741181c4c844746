"""Unpacking one folder of a 7z archive: one step after the other, none giving more than the header says.

Source: LZMA SDK 23.01, DOC/Methods.txt (numbers of the methods) and DOC/7zFormat.txt.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Final

from firmware_checks.readers import block_codecs
from firmware_checks.readers.block_codecs import LzmaProperties
from firmware_checks.readers.seven_zip_header import Coder, Folder
from toolkit.core.errors import FormatError

__all__ = ["FILTERS", "LEAST_HISTORY_BYTES", "METHODS", "method_name", "order_of", "unpack_folder"]

METHODS: Final = {
    "00": "copy", "03": "delta", "04": "x86 (BCJ)", "05": "PowerPC", "06": "IA-64", "07": "ARM", "08": "ARM Thumb",
    "09": "SPARC", "0a": "ARM64", "0b": "RISC-V", "21": "LZMA2", "030101": "LZMA", "03030103": "x86 (BCJ)",
    "0303011b": "x86 (BCJ2)", "03030205": "PowerPC", "03030401": "IA-64", "03030501": "ARM", "03030701": "ARM Thumb",
    "03030805": "SPARC", "030401": "PPMd", "040108": "deflate", "040109": "deflate64", "040202": "bzip2",
    "04f71101": "zstd", "04f71102": "brotli", "04f71104": "lz4", "06f10701": "AES-256",
}  # fmt: skip
FILTERS: Final = {
    "x86 (BCJ)": lzma.FILTER_X86,
    "PowerPC": lzma.FILTER_POWERPC,
    "IA-64": lzma.FILTER_IA64,
    "ARM": lzma.FILTER_ARM,
    "ARM Thumb": lzma.FILTER_ARMTHUMB,
    "SPARC": lzma.FILTER_SPARC,
}
ENCRYPTED = "AES-256"
LEAST_HISTORY_BYTES = 4096
CHUNK_BYTES = 1 << 16
"""Most that a stored chunk of LZMA2 holds."""


def method_name(coder: Coder) -> str:
    """Return what a step is called; the number of one that we do not know."""
    return METHODS.get(coder.method.hex(), f"method {coder.method.hex()}")


def unpack_folder(folder: Folder, packed: memoryview) -> bytes:
    """Return what ``folder`` unpacks to, of as many bytes as it says; raise ``FormatError`` when that cannot be."""
    data: bytes | memoryview = packed
    for number in order_of(folder):
        coder, size = folder.coders[number], folder.sizes[number]
        name = method_name(coder)
        if name in FILTERS:
            data = _unfiltered(data, {"id": FILTERS[name]})
        elif name in STEPS:
            data = STEPS[name](coder.properties, data, size)
        elif name == ENCRYPTED:
            raise FormatError("is password protected")
        else:
            raise FormatError(f"is packed with {name}, which is not supported")
        if len(data) < size:
            raise FormatError(f"is damaged: {name} gives {len(data)} bytes, the header says {size}")
        data = memoryview(data)[:size]
    return bytes(data)


def order_of(folder: Folder) -> list[int]:
    """Return the steps from the packed stream to the files; each must have one input."""
    if any(coder.inputs != 1 for coder in folder.coders):
        names = " and ".join(method_name(coder) for coder in folder.coders if coder.inputs != 1)
        raise FormatError(f"is packed with {names}, which is not supported")
    order = [folder.main_output]
    while order[-1] in folder.bonds:
        following = folder.bonds[order[-1]]
        if following in order or following >= len(folder.coders):
            raise FormatError("is packed in steps that lead nowhere")
        order.append(following)
    return order[::-1]


Step = Callable[[bytes, "bytes | memoryview", int], "bytes | memoryview"]


def _copy(_properties: bytes, data: bytes | memoryview, _size: int) -> bytes | memoryview:
    return data


def _lzma(properties: bytes, data: bytes | memoryview, size: int) -> bytes:
    if len(properties) != 5:
        raise FormatError(f"has LZMA properties of {len(properties)} bytes")
    return block_codecs.lzma_raw(data, size, LzmaProperties.of(properties[0]))


def _lzma2(_properties: bytes, data: bytes | memoryview, size: int) -> bytes:
    """Unpack LZMA2; the history is as large as the result, and not as a header asks for."""
    return _raw([{"id": lzma.FILTER_LZMA2, "dict_size": max(LEAST_HISTORY_BYTES, size)}], data, size)


def _delta(properties: bytes, data: bytes | memoryview, _size: int) -> bytes:
    distance = properties[0] + 1 if properties else 1
    return _unfiltered(data, {"id": lzma.FILTER_DELTA, "dist": distance})


def _deflate(_properties: bytes, data: bytes | memoryview, size: int) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size) if size else b""
    except zlib.error as error:
        raise FormatError(f"is damaged: {error}") from error


def _bzip2(_properties: bytes, data: bytes | memoryview, size: int) -> bytes:
    try:
        return bz2.BZ2Decompressor().decompress(data, size)
    except OSError as error:
        raise FormatError(f"is damaged: {error}") from error


def _zstd(_properties: bytes, data: bytes | memoryview, size: int) -> bytes:
    return block_codecs.zstd(data, size)


STEPS: Final[dict[str, Step]] = {
    "copy": _copy,
    "delta": _delta,
    "LZMA": _lzma,
    "LZMA2": _lzma2,
    "deflate": _deflate,
    "bzip2": _bzip2,
    "zstd": _zstd,
}


def _raw(filters: list[dict[str, int]], data: bytes | memoryview, size: int) -> bytes:
    try:
        stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
        return stream.decompress(data, size)
    except (lzma.LZMAError, ValueError, OverflowError) as error:
        raise FormatError(f"is damaged: {error}") from error


def _unfiltered(data: bytes | memoryview, machine: dict[str, int]) -> bytes:
    """Undo a filter, which the standard library only does together with a compression: here with stored LZMA2 chunks.

    Source: LZMA SDK, DOC/lzma-specification.txt; XZ Utils, lzma2_decoder.c (control bytes).
    """
    chunks = bytearray()
    for start in range(0, len(data), CHUNK_BYTES):
        chunk = data[start : start + CHUNK_BYTES]
        chunks += bytes([1 if start == 0 else 2]) + (len(chunk) - 1).to_bytes(2, "big") + chunk
    chunks += b"\0"
    return _raw([machine, {"id": lzma.FILTER_LZMA2, "dict_size": LEAST_HISTORY_BYTES}], bytes(chunks), len(data) + 1)
