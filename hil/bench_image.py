"""The compiled demo pump that the emulators run: its variants, held against their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.transport_url import TransportUrl
from hil.weaknesses import chosen_weaknesses
from toolkit.core.errors import InputError

__all__ = ["PUMP", "BenchImage", "bench_image"]

PUMP: Final = "demo-pump"
FOLDER: Final = Path(__file__).parent / "firmware" / "bench" / "images"
"""Written by ``hil/firmware/build_bench_firmware.py``."""


@dataclass(frozen=True, slots=True)
class BenchImage:
    """One program for the board MPS2 with design AN385, to be put at address 0."""

    path: Path
    content: bytes
    sha256: str


def bench_image(url: TransportUrl, folder: Path = FOLDER) -> BenchImage:
    """Return the variant that ``url`` names; ``InputError`` when there is none, or when its bytes were changed."""
    if url.place != PUMP:
        raise InputError(f"{url}: no such device; there is {PUMP}")
    digests = _digests(folder)
    known = [name.removeprefix(f"{PUMP}-").removesuffix(".bin") for name in digests if name != f"{PUMP}.bin"]
    weak = chosen_weaknesses(PUMP, url.options.get("weak", ""), known)
    if len(weak) > 1:
        raise InputError(f"{url}: a compiled pump has one weakness; medemu://{PUMP} can have several at once")
    name = "-".join((PUMP, *weak)) + ".bin"
    path = folder / name
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != digests[name]:
        raise InputError(f"{path} has been changed: it has not the digest beside it; build or install it anew")
    return BenchImage(path, content, sha256)


def _digests(folder: Path) -> Mapping[str, str]:
    lines = (folder / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
