"""The compiled demo pump that the emulators run: loader and program, held against their digests."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.transport_url import TransportUrl
from hil.weaknesses import chosen_weaknesses
from toolkit.core.errors import InputError

__all__ = ["DIGESTS", "FOLDER", "PUMP", "BenchImage", "bench_image", "compiled_program", "weak_pumps", "with_weakness"]

PUMP: Final = "demo-pump"
FOLDER: Final = Path(__file__).parent / "firmware" / "bench" / "images"
"""Written by ``hil/firmware/build_bench_firmware.py``."""
DIGESTS: Final = "DIGESTS"
WEAKNESS_AT: Final = 0x20
"""Word 8 of the loader's vector table: the number of its weakness. See ``hil/firmware/bench/weakness.h``."""


@dataclass(frozen=True, slots=True)
class BenchImage:
    """One pump for the board MPS2 with design AN385."""

    name: str
    loader: bytes
    """To be put at address 0."""
    sha256: str
    """Of the loader."""
    program: bytes
    """For its flash, inside a signed image."""


def with_weakness(loader: bytes, number: int) -> bytes:
    """Return the loader of the pump with this weakness; 0 for the good one."""
    return loader[:WEAKNESS_AT] + struct.pack("<I", number) + loader[WEAKNESS_AT + 4 :]


def weak_pumps(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the weaknesses that a compiled pump can have."""
    return tuple(name.removeprefix(f"{PUMP}-") for name in _digests(folder)[1] if name != PUMP)


def bench_image(url: TransportUrl, folder: Path = FOLDER) -> BenchImage:
    """Return the pump that ``url`` names; ``InputError`` when there is none, or when its bytes were changed."""
    if url.place != PUMP:
        raise InputError(f"{url}: no such device; there is {PUMP}")
    weak = chosen_weaknesses(PUMP, url.options.get("weak", ""), weak_pumps(folder))
    if len(weak) > 1:
        raise InputError(f"{url}: a compiled pump has one weakness; medemu://{PUMP} can have several at once")
    name = "-".join((PUMP, *weak))
    number, digest = _digests(folder)[1][name]
    loader = with_weakness(_content(folder / "loader.bin"), number)
    if hashlib.sha256(loader).hexdigest() != digest:
        raise InputError(f"{folder / 'loader.bin'} has been changed: build or install it anew")
    return BenchImage(name, loader, digest, compiled_program(folder))


def compiled_program(folder: Path = FOLDER) -> bytes:
    """Return the program of the compiled pump, as an update for it has to hold it."""
    program = _content(folder / "program.bin")
    if hashlib.sha256(program).hexdigest() != _digests(folder)[0]:
        raise InputError(f"{folder / 'program.bin'} has been changed: build or install it anew")
    return program


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _digests(folder: Path) -> tuple[str, Mapping[str, tuple[int, str]]]:
    """Return the digest of the program; and by the name of each pump its number and the digest of its loader."""
    first, *rest = (folder / DIGESTS).read_text(encoding="ascii").splitlines()
    pumps = {name: (int(number), digest) for digest, number, name in (line.split(" ") for line in rest)}
    return first.partition(" ")[0], pumps
