"""The bench file: which devices stand on this bench, how each is reached, and how it is switched off.

TOML and not YAML, because device profiles are TOML: one syntax to learn, no further dependency, and no text that turns
into something else (``NO`` a boolean, ``12:30`` a number). One run at a time holds the bench, by a lock file beside it.
"""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hil.transport_url import TransportUrl
from signing.durable import locked
from toolkit.core.errors import InputError

__all__ = ["Bench", "Place", "one_run_at_a_time", "read_bench"]

MOST_FILE_BYTES: Final = 256 << 10
LOCAL: Final = frozenset({"medemu", "medusb", "replay", "qemu", "unicorn"})
"""Kinds of devices of which every run has its own, so that nothing need be locked."""


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device on the bench."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="Short name.")]
    profile: Annotated[str, Meta(description="Id or file of its device profile.")]
    interface: Annotated[
        str | None, Meta(description="Interface of the profile; left out: the only one to ask at.")
    ] = None
    devices: Annotated[
        tuple[str, ...], Meta(min_length=1, max_length=16, description="Addresses, tried in this order.")
    ]
    serial_number: Annotated[str | None, Meta(description="Serial number that USB must report.")] = None
    power: Annotated[str, Meta(description="none, manual, or uhubctl:HUB:PORT.")] = "none"
    probe: Annotated[str, Meta(description="none, openocd:FILE,FILE, or pyocd:TARGET.")] = "none"


class Bench(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The devices of one bench, which one run at a time uses."""

    schema_version: Annotated[str, Meta(pattern=r"^1\.0$")]
    places: Annotated[tuple[Place, ...], Meta(max_length=64)] = ()

    def place(self, name: str) -> Place:
        """Return the device called ``name``; ``InputError`` when there is none."""
        by_id = {place.id: place for place in self.places}
        if name not in by_id:
            raise InputError(f"no device on this bench is called {name}; there are {', '.join(by_id) or 'none'}")
        return by_id[name]


def read_bench(path: Path) -> Bench:
    """Return the bench in the file ``path``; ``InputError`` says what is wrong with it."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MOST_FILE_BYTES:
        raise InputError(f"{path}: longer than {MOST_FILE_BYTES >> 10} KiB, which no bench needs")
    try:
        bench = msgspec.convert(tomllib.loads(data.decode("utf-8-sig")), Bench)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error
    ids = [place.id for place in bench.places]
    for name in ids:
        if ids.count(name) > 1:
            raise InputError(f"{path}: two devices are called {name}")
    return bench


@contextmanager
def one_run_at_a_time(urls: Sequence[str], bench_file: Path | None = None) -> Iterator[None]:
    """Hold the bench while a run lasts; ``InputError`` when another program has it.

    The lock is a file beside the bench file, or in the folder for temporary files where there is none; the system frees
    it when a program is killed. Emulated devices are not shared, and need no lock.
    """
    shared = [url for url in urls if TransportUrl.parse(url).scheme.rpartition("+")[2] not in LOCAL]
    if not shared:
        yield
        return
    with locked(_lock_file(shared, bench_file)):
        yield


def _lock_file(urls: Sequence[str], bench_file: Path | None) -> Path:
    if bench_file is not None:
        return bench_file.with_name(f".{bench_file.name}.lock")
    parsed = TransportUrl.parse(urls[0])
    digest = hashlib.sha256(f"{parsed.scheme}://{parsed.place}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"medharden-bench-{digest}.lock"
